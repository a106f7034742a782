package native

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// quiet is how long no claim must have come before the pool builds: a build beside
// cold starts would double their time.
const quiet = 20 * time.Millisecond

// buildPause is how long the pool waits after it could not build.
const buildPause = time.Second

// pool keeps sandboxes paused.
type pool struct {
	driver *Driver
	size   int
	claims chan struct{} // tells of a claim; holds one
	cancel context.CancelFunc
	worker sync.WaitGroup

	mu     sync.Mutex
	ready  []*box // the oldest first
	closed bool
}

func newPool(d *Driver, size int) *pool {
	return &pool{driver: d, size: size, claims: make(chan struct{}, 1), cancel: func() {}}
}

func (p *pool) start() {
	if p.size == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.worker.Add(1)
	go func() {
		defer p.worker.Done()
		p.fill(ctx)
	}()
}

// take returns a living paused sandbox, or nil.
func (p *pool) take() *box {
	defer func() {
		select {
		case p.claims <- struct{}{}:
		default:
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.ready) > 0 {
		b := p.ready[0]
		p.ready = p.ready[1:]
		if b.channel.open() {
			return b
		}
		p.discard(b)
	}
	return nil
}

// discard destroys a sandbox that has died while it waited.
func (p *pool) discard(b *box) {
	p.worker.Add(1)
	go func() {
		defer p.worker.Done()
		if err := b.Destroy(context.Background()); err != nil {
			p.driver.logger.Error("destroy dead paused sandbox", slog.Any("error", err))
		}
	}()
}

// fill builds whenever nothing else happens.
func (p *pool) fill(ctx context.Context) {
	for {
		full := p.fillOne(ctx)
		pause := quiet
		if full {
			select {
			case <-ctx.Done():
				return
			case <-p.claims:
			}
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-p.claims:
			case <-time.After(pause):
				waiting = false
			}
		}
	}
}

// fillOne builds one disk and one sandbox, and tells whether no more is wanted.
func (p *pool) fillOne(ctx context.Context) (full bool) {
	moreDisks, err := p.driver.scratch.refill(ctx, p.size)
	if err == nil {
		err = p.add()
	}
	if ctx.Err() != nil {
		return true // what came of it is that the driver is being closed
	}
	if err != nil {
		p.driver.logger.Error("build paused sandbox", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(buildPause):
		}
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready) >= p.size && !moreDisks
}

func (p *pool) add() error {
	p.mu.Lock()
	full := len(p.ready) >= p.size
	p.mu.Unlock()
	if full {
		return nil
	}
	b, err := p.driver.build()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return b.Destroy(context.Background())
	}
	p.ready = append(p.ready, b)
	return nil
}

func (p *pool) close() error {
	p.cancel()
	p.mu.Lock()
	p.closed = true
	ready := p.ready
	p.ready = nil
	p.mu.Unlock()
	var errs []error
	for _, b := range ready {
		errs = append(errs, b.Destroy(context.Background()))
	}
	p.worker.Wait()
	return errors.Join(errs...)
}
