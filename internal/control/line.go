package control

import (
	"context"
	"sync"
	"time"
)

// line is what waits for its changes to be brought to their end, in the
// background. It holds each name at most once, and so is never longer than the
// catalog.
type line struct {
	settle time.Duration // for how long a name waits
	bring  func(ctx context.Context, name string)

	cancel context.CancelFunc
	ended  sync.WaitGroup
	wake   chan struct{}

	mu      sync.Mutex
	waiting []waiting // in the order of due, for all wait equally long
	inLine  map[string]bool
}

type waiting struct {
	name string
	due  time.Time
}

// startLine starts workers that bring to their end what is added.
func startLine(ctx context.Context, workers int, settle time.Duration, bring func(ctx context.Context, name string)) *line {
	ctx, cancel := context.WithCancel(ctx)
	l := &line{settle: settle, bring: bring, cancel: cancel, wake: make(chan struct{}, workers), inLine: make(map[string]bool)}
	for range workers {
		l.ended.Go(func() { l.run(ctx) })
	}
	return l
}

func (l *line) close() {
	l.cancel()
	l.ended.Wait()
}

// add puts a name in line, unless it stands there.
func (l *line) add(name string) {
	l.mu.Lock()
	if !l.inLine[name] {
		l.inLine[name] = true
		l.waiting = append(l.waiting, waiting{name, time.Now().Add(l.settle)})
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // as many are awake as there are
	}
}

func (l *line) next() (waiting, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return waiting{}, false
	}
	w := l.waiting[0]
	l.waiting = l.waiting[1:]
	return w, true
}

func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		w, ok := l.next()
		if !ok {
			select {
			case <-l.wake:
			case <-ctx.Done():
			}
			continue
		}
		if !sleep(ctx, time.Until(w.due)) {
			return
		}
		l.mu.Lock()
		delete(l.inLine, w.name)
		l.mu.Unlock()
		l.bring(ctx, w.name)
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
