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
	// It tells whether the partition has refused it.
	work  func(ctx context.Context, l store.Leased) (refused bool)
	hands int // events at one time
	// spare tells how many more may begin at this moment, if that is less than hands
	// allow; nil is no such limit.
	spare  func() int
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
	// spareWait is how long one waits for room that is not the queue's to give.
	spareWait = 100 * time.Millisecond
	// brokenWait is how long one waits after an error of the store.
	brokenWait = time.Second
	// heldFor is for how long a partition is held that waits for one of its own to
	// end, which releases it.
	heldFor = time.Hour
	// manyLanes is when lanes of which nothing is to be remembered are looked for.
	manyLanes = 1024
)

func newConsumer(queue store.Queue, hands int, work func(context.Context, store.Leased) bool, logger *slog.Logger) *consumer {
	return &consumer{
		queue: queue, work: work, hands: hands, random: rand.Float64, logger: logger, lease: maxLease,
		lanes: map[string]*lane{}, held: map[string]struct{}{}, ended: make(chan struct{}),
	}
}

// consume leases until ctx ends. The events get a context that does not end.
func (c *consumer) consume(ctx context.Context) {
	for ctx.Err() == nil {
		room, wait := c.room()
		if room == 0 {
			c.pause(ctx, wait)
			continue
		}
		leased, err := c.queue.Lease(ctx, min(room, c.lease), visibility)
		if err != nil {
			if ctx.Err() == nil {
				c.logger.LogAttrs(ctx, slog.LevelError, "events cannot be read", slog.Any("error", err))
				c.pause(ctx, brokenWait)
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

// room is how many may be leased now, and if none, how long to wait at most until
// one of those in hand has ended.
func (c *consumer) room() (n int, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes >= maxBytes {
		return 0, 0
	}
	n = c.hands - c.running
	if c.spare != nil {
		n = min(n, c.spare())
		wait = spareWait
	}
	return max(n, 0), wait
}

// pause waits for the end of one in hand, for a time unless that is zero, or ctx.
func (c *consumer) pause(ctx context.Context, wait time.Duration) {
	c.mu.Lock()
	ended := c.ended
	full := c.running >= c.hands || c.bytes >= maxBytes
	c.mu.Unlock()
	var late <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	} else if !full { // one has ended between the look and now
		return
	}
	select {
	case <-ended:
	case <-late:
	case <-ctx.Done():
	}
}

// begin gives an event to a goroutine, or back to the queue if its lane does not
// admit it.
func (c *consumer) begin(ctx context.Context, l store.Leased) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	way := c.lane(l.Partition)
	ok, again := way.admits(now)
	// Nobody takes so much that others find no hand free: each leaves a third of what
	// it has itself.
	fair := way.running <= 3*(c.hands-c.running-1)
	if !ok || !fair {
		c.giveBack(ctx, l, again)
		return false
	}
	way.begin()
	c.running++
	c.bytes += len(l.Body)
	ctx = context.WithoutCancel(ctx)
	c.working.Go(func() {
		prolonging := c.prolong(ctx, l)
		refused := c.work(ctx, l)
		prolonging()
		c.end(l, refused)
	})
	return true
}

// lane finds or makes one; the caller holds mu.
func (c *consumer) lane(partition string) *lane {
	way := c.lanes[partition]
	if way == nil {
		if len(c.lanes) >= manyLanes {
			now := time.Now()
			for name, l := range c.lanes {
				if l.plain(now) {
					delete(c.lanes, name)
				}
			}
		}
		way = &lane{}
		c.lanes[partition] = way
	}
	return way
}

// giveBack returns an event at once and has the queue hold its partition until a
// time, or, if that is zero, until one has ended. The caller holds mu.
func (c *consumer) giveBack(ctx context.Context, l store.Leased, until time.Time) {
	if until.IsZero() {
		until = time.Now().Add(heldFor)
		c.held[l.Partition] = struct{}{}
	}
	c.queue.Hold(l.Partition, until)
	// To the time at which it was due, so that it keeps its place.
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
func (c *consumer) end(l store.Leased, refused bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	way := c.lanes[l.Partition]
	way.end(refused, now, c.hands, c.random())
	c.running--
	c.bytes -= len(l.Body)
	for partition := range c.held {
		c.queue.Hold(partition, time.Time{})
	}
	clear(c.held)
	if now.Before(way.shut) {
		c.queue.Hold(l.Partition, way.shut)
	}
	if way.running == 0 && way.limit == 0 {
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
