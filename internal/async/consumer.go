package async

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"thaw/internal/store"
)

// consumer works off one queue. Its goroutine leases when there are hands free,
// and every event is worked on by a goroutine of its own.
type consumer struct {
	queue store.Queue
	// work does one event to the end of its lease: it is acked, given back, or left.
	// After busy the consumer gives it back.
	work   func(ctx context.Context, l store.Leased) reply
	hands  int // events at one time
	random func() float64
	logger *slog.Logger

	working sync.WaitGroup // events in hand

	lease int // events of the next lease; the consuming goroutine's own

	mu      sync.Mutex
	running int
	bytes   int // of the bodies in hand
	lanes   map[string]*lane
	held    map[string]struct{} // partitions that wait for somebody to end
	ended   chan struct{}       // closed, and made anew, when one has ended
}

const (
	// visibility is for how long an event is leased; it is prolonged while the event
	// is in hand.
	visibility = time.Minute
	// maxLease bounds the events of one lease.
	maxLease = 32
	// maxBytes bounds the bodies in hand, save for those of one lease.
	maxBytes = 64 << 20
	// brokenWait is how long one waits after an error of the store.
	brokenWait = time.Second
	// heldFor is for how long a partition is held that waits for one of its own to
	// end, which releases it.
	heldFor = time.Hour
	// manyLanes is when lanes of which nothing is to be remembered are looked for.
	manyLanes = 1024
)

func newConsumer(queue store.Queue, hands int, work func(context.Context, store.Leased) reply, logger *slog.Logger) *consumer {
	return &consumer{
		queue: queue, work: work, hands: hands, random: rand.Float64, logger: logger, lease: maxLease,
		lanes: map[string]*lane{}, held: map[string]struct{}{}, ended: make(chan struct{}),
	}
}

// consume leases until ctx ends. The events get a context that does not end.
func (c *consumer) consume(ctx context.Context) {
	for ctx.Err() == nil {
		room, ended := c.room()
		if room == 0 {
			select {
			case <-ended:
			case <-ctx.Done():
			}
			continue
		}
		leased, err := c.queue.Lease(ctx, min(room, c.lease), visibility)
		if err != nil {
			if ctx.Err() == nil {
				c.logger.LogAttrs(ctx, slog.LevelError, "events cannot be read", slog.Any("error", err))
				sleep(ctx, brokenWait)
			}
			continue
		}
		// Where a lane is narrow, what is leased beyond it was read for nothing.
		c.lease = min(2*c.lease, maxLease)
		for _, l := range leased {
			if !c.begin(ctx, l) {
				c.lease = 1
			}
		}
	}
}

// room is how many may be leased now, and what is closed when one of those in
// hand has ended.
func (c *consumer) room() (n int, ended <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes >= maxBytes {
		return 0, c.ended
	}
	return c.hands - c.running, c.ended
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// begin gives an event to a goroutine, or back to the queue if its lane does not
// admit it.
func (c *consumer) begin(ctx context.Context, l store.Leased) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	way := c.lane(l.Partition, now)
	// Nobody takes so much that others find no hand free: each leaves a third of what
	// it has itself.
	fair := way.running <= 3*(c.hands-c.running-1)
	if !c.admit(l.Partition, way, now, fair) {
		c.giveBack(ctx, l)
		return false
	}
	way.begin()
	c.running++
	c.bytes += len(l.Body)
	ctx = context.WithoutCancel(ctx)
	c.working.Go(func() {
		prolonging := c.prolong(ctx, l)
		answer := c.work(ctx, l)
		prolonging()
		c.end(ctx, l, answer)
	})
	return true
}

// lane finds or makes one; the caller holds mu.
func (c *consumer) lane(partition string, now time.Time) *lane {
	way := c.lanes[partition]
	if way == nil {
		if len(c.lanes) >= manyLanes {
			for name, l := range c.lanes {
				if l.plain(now) {
					delete(c.lanes, name)
				}
			}
		}
		way = newLane(now)
		c.lanes[partition] = way
	}
	return way
}

// admit tells whether one more of a partition may begin; if not, the queue passes
// the partition over until that may be so. The caller holds mu.
func (c *consumer) admit(partition string, way *lane, now time.Time, fair bool) bool {
	until, shut := now.Add(heldFor), false
	if fair {
		var ok bool
		if ok, until, shut = way.admits(now); ok {
			return true
		}
	}
	if !shut { // then the end of one in hand changes it
		c.held[partition] = struct{}{}
	}
	c.queue.Hold(partition, until)
	return false
}

// giveBack returns an event as it was: to the time at which it was due, so that it
// keeps its place.
func (c *consumer) giveBack(ctx context.Context, l store.Leased) {
	if err := c.queue.Extend(ctx, l, l.Due); err != nil && !errors.Is(err, store.ErrConflict) {
		c.logger.LogAttrs(ctx, slog.LevelWarn, "event not given back: its lease will run out", slog.String("event", l.ID), slog.Any("error", err))
	}
}

// prolong keeps an event leased until the function that it returns is called.
func (c *consumer) prolong(ctx context.Context, l store.Leased) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	again := func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		// ErrConflict is told to who ends the event.
		_ = c.queue.Extend(ctx, l, time.Now().Add(visibility))
		timer.Reset(visibility / 2)
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(visibility/2, again)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// end frees the hand, and those who wait for one.
func (c *consumer) end(ctx context.Context, l store.Leased, answer reply) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	way := c.lanes[l.Partition]
	way.end(answer, now, c.random())
	c.running--
	c.bytes -= len(l.Body)
	for partition := range c.held {
		c.queue.Hold(partition, time.Time{})
	}
	clear(c.held)
	if now.Before(way.shut) {
		c.queue.Hold(l.Partition, way.shut)
	}
	if answer == busy {
		c.giveBack(ctx, l)
	}
	if way.plain(now) {
		delete(c.lanes, l.Partition)
	}
	close(c.ended)
	c.ended = make(chan struct{})
}

// wait waits until nothing is in hand, or ctx ends.
func (c *consumer) wait(ctx context.Context) error {
	for {
		c.mu.Lock()
		running, ended := c.running, c.ended
		c.mu.Unlock()
		if running == 0 {
			return nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
