package control

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

// activation brings changes of functions to their end: Pending versions to Active
// or Failed, updates in progress to Successful or Failed.
type activation struct {
	*line
	catalog *catalog.Catalog
	code    Packages
	logger  *slog.Logger
}

func startActivation(ctx context.Context, o Options) *activation {
	a := &activation{catalog: o.Catalog, code: o.Code, logger: o.Logger}
	a.line = startLine(ctx, activators, o.Settle, a.activate)
	return a
}

// activate settles one function. A function that changes meanwhile is looked at
// again; one that is gone is done.
func (a *activation) activate(ctx context.Context, name string) {
	tries := 0
	for {
		record, ok := a.catalog.Function(name)
		if !ok || record.Function.Settled() {
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
	if v.Settled() {
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
