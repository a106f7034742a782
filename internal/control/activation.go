package control

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
)

const (
	// activators is how many functions are activated at the same time: it is
	// mostly looking whether the code is there.
	activators = 2
	// activationTries bounds how often a flip is tried while the store refuses it.
	activationTries = 5
	// activationPause lies between two of them.
	activationPause = time.Second
	// conflictPause lets somebody else's change become visible.
	conflictPause = 5 * time.Millisecond
)

// activation brings changes to their end: Pending versions to Active or Failed,
// updates in progress to Successful or Failed. Its line holds each function at
// most once, and so is never longer than the catalog.
type activation struct {
	catalog *catalog.Catalog
	code    Packages
	logger  *slog.Logger
	settle  time.Duration

	cancel context.CancelFunc
	ended  sync.WaitGroup
	wake   chan struct{}

	mu     sync.Mutex
	line   []waiting // in the order of due, for all wait equally long
	inLine map[string]bool
}

type waiting struct {
	name string
	due  time.Time
}

func startActivation(ctx context.Context, o Options) *activation {
	ctx, cancel := context.WithCancel(ctx)
	a := &activation{
		catalog: o.Catalog,
		code:    o.Code,
		logger:  o.Logger,
		settle:  o.Settle,
		cancel:  cancel,
		wake:    make(chan struct{}, activators),
		inLine:  make(map[string]bool),
	}
	for range activators {
		a.ended.Go(func() { a.run(ctx) })
	}
	return a
}

func (a *activation) close() {
	a.cancel()
	a.ended.Wait()
}

// add puts a function in line, unless it stands there.
func (a *activation) add(name string) {
	a.mu.Lock()
	if !a.inLine[name] {
		a.inLine[name] = true
		a.line = append(a.line, waiting{name, time.Now().Add(a.settle)})
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default: // as many are awake as there are
	}
}

func (a *activation) next() (waiting, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.line) == 0 {
		return waiting{}, false
	}
	w := a.line[0]
	a.line = a.line[1:]
	return w, true
}

func (a *activation) run(ctx context.Context) {
	for ctx.Err() == nil {
		w, ok := a.next()
		if !ok {
			select {
			case <-a.wake:
			case <-ctx.Done():
			}
			continue
		}
		if !sleep(ctx, time.Until(w.due)) {
			return
		}
		a.mu.Lock()
		delete(a.inLine, w.name)
		a.mu.Unlock()
		a.activate(ctx, w.name)
	}
}

// sleep reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// activate settles one function. A function that changes meanwhile is looked at
// again; one that is gone is done.
func (a *activation) activate(ctx context.Context, name string) {
	tries := 0
	for {
		record, ok := a.catalog.Function(name)
		if !ok || !unfinished(record.Function) {
			return
		}
		settled := a.settled(ctx, record.Function)
		if ctx.Err() != nil {
			return
		}
		_, err := a.catalog.PutFunction(ctx, settled, record.Revision)
		pause := conflictPause
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrConflict) {
			pause = activationPause
			tries++
		}
		if tries == activationTries {
			a.logger.Error("function not activated; it will be at the next start",
				slog.String("function", name), slog.Any("error", err))
			return
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// settled is the function with all its changes brought to their end.
func (a *activation) settled(ctx context.Context, f *lambda.Function) *lambda.Function {
	changed := *f
	changed.Versions = slices.Clone(f.Versions)
	a.settleVersion(ctx, f.Name, &changed.Latest)
	for i := range changed.Versions {
		a.settleVersion(ctx, f.Name, &changed.Versions[i])
	}
	return &changed
}

func (a *activation) settleVersion(ctx context.Context, name string, v *lambda.Version) {
	if settledVersion(v) {
		return
	}
	err := a.ready(ctx, v)
	if err != nil && ctx.Err() == nil {
		a.logger.Error("code not ready to be mounted", slog.String("function", name),
			slog.String("version", v.Number), slog.Any("error", err))
	}
	v.Status = outcome(v.Status, err == nil)
	touch(v)
}

// ready makes sure that all that a version mounts is there.
func (a *activation) ready(ctx context.Context, v *lambda.Version) error {
	needed := []lambda.Code{v.Code}
	for _, l := range v.Layers {
		needed = append(needed, l.Code)
	}
	for _, code := range needed {
		if _, err := a.code.Acquire(ctx, code); err != nil {
			return err
		}
		a.code.Release(code)
	}
	return nil
}

// What a version shows whose code could not be made ready.
const (
	failedReason = "The function's code could not be prepared."
	failedCode   = "InternalError"
)

// outcome is the status that follows an unfinished one.
func outcome(s lambda.Status, ready bool) lambda.Status {
	switch {
	case ready:
		return activated()
	case s.State == lambda.StatePending:
		return lambda.Status{State: lambda.StateFailed, StateReason: failedReason, StateReasonCode: failedCode}
	}
	s.Update, s.UpdateReason, s.UpdateReasonCode = lambda.UpdateFailed, failedReason, failedCode
	return s
}

func settledVersion(v *lambda.Version) bool {
	return v.Status.State != lambda.StatePending && v.Status.Update != lambda.UpdateInProgress
}

// unfinished tells whether a function has a change to be activated.
func unfinished(f *lambda.Function) bool {
	return !settledVersion(&f.Latest) ||
		slices.ContainsFunc(f.Versions, func(v lambda.Version) bool { return !settledVersion(&v) })
}
