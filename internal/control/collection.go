package control

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"thaw/internal/catalog"
)

const (
	// collectPause lies between a change and the collection that follows it, so
	// that many changes are followed by one.
	collectPause = time.Second
	// collectAgain is when another collection follows one that has left packages
	// which environments still used, or that met an error.
	collectAgain = 30 * time.Second
)

// collection removes the code that no version of a function or layer names any
// more, in the background. What it does not get to, the sweep of the next start removes.
type collection struct {
	catalog *catalog.Catalog
	code    Packages
	logger  *slog.Logger

	cancel context.CancelFunc
	ended  sync.WaitGroup
	wake   chan struct{}
}

func startCollection(ctx context.Context, o Options) *collection {
	ctx, cancel := context.WithCancel(ctx)
	c := &collection{catalog: o.Catalog, code: o.Code, logger: o.Logger, cancel: cancel, wake: make(chan struct{}, 1)}
	c.ended.Go(func() { c.run(ctx) })
	return c
}

func (c *collection) close() {
	c.cancel()
	c.ended.Wait()
}

// due tells that some code may have become unused.
func (c *collection) due() {
	select {
	case c.wake <- struct{}{}:
	default: // one collection is due already
	}
}

func (c *collection) run(ctx context.Context) {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		if !sleep(ctx, collectPause) {
			return
		}
		for c.left(ctx) {
			if !c.wait(ctx, collectAgain) {
				return
			}
		}
	}
}

// wait lasts until the time is over, or until a while after the next change. It
// reports false if ctx ended first.
func (c *collection) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-c.wake:
		return sleep(ctx, collectPause)
	case <-ctx.Done():
		return false
	}
}

// left collects once, and tells whether there is more to come.
func (c *collection) left(ctx context.Context) bool {
	held, err := c.code.Collect(ctx, c.catalog.CodeInUse)
	if err != nil && ctx.Err() == nil {
		c.logger.Error("unused code not removed; it will be tried again", slog.Any("error", err))
	}
	return held > 0 || err != nil
}
