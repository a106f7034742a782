package relay

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"thaw/internal/telemetry"
)

// subscription is one extension's buffer and the goroutine that empties it. A
// batch that is complete waits to be taken, or is being tried; behind it the next
// one is collected. So what is kept of one subscription is at most twice its
// buffer.
type subscription struct {
	name   string
	api    string
	logger *slog.Logger
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	emit   func(telemetry.Record)
	wake   chan struct{} // holds one signal
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	settings settings
	queue    batch
	first    time.Time // when the queue's first event came
	ready    batch     // complete; tried first
	trying   bool      // ready is on its way
	retryAt  time.Time // not before, after a failure
	backoff  time.Duration
	lost     tally // dropped, and not told yet
	paused   bool
	flushing chan struct{} // closed when a flush is over; nil if there is none
	wire     wire
}

// batch is events with their sizes added up.
type batch struct {
	events []telemetry.Event
	bytes  int
}

// tally counts what was dropped.
type tally struct{ records, bytes int64 }

func (t *tally) add(records, bytes int) {
	t.records += int64(records)
	t.bytes += int64(bytes)
}

// platformSize stands for the size of a platform event, in bytes.
const platformSize = 256

// sizeOf is what an event counts in a buffer: the text of a line, without what
// its delivery adds.
func sizeOf(e telemetry.Event) int {
	if line, ok := e.Record.(telemetry.Line); ok {
		return len(line.Text)
	}
	return platformSize
}

func newSubscription(name, api string, set settings, opts Options) *subscription {
	ctx, cancel := context.WithCancel(context.Background())
	return &subscription{
		name: name, api: api, settings: set, dial: opts.Dial, emit: opts.Emit,
		logger: opts.Logger.With("extension", name),
		wake:   make(chan struct{}, 1),
		ctx:    ctx, cancel: cancel,
	}
}

// configure replaces the settings; what is buffered goes to the new destination.
func (s *subscription) configure(set settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = set
	s.signal()
}

// add buffers an event, if it is subscribed to. When there is no room, a batch
// that has failed before makes room; otherwise the event is dropped.
func (s *subscription) add(e telemetry.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.settings.wants(e, s.api) {
		return
	}
	size := sizeOf(e)
	if len(s.queue.events) >= s.settings.maxItems || s.queue.bytes+size > s.settings.maxBytes {
		if s.trying {
			s.lost.add(1, size)
			return
		}
		s.lost.add(len(s.ready.events), s.ready.bytes)
		s.ready, s.queue = s.queue, batch{}
	}
	if len(s.queue.events) == 0 {
		s.first = time.Now()
	}
	s.queue.events = append(s.queue.events, e)
	s.queue.bytes += size
	if len(s.queue.events) == 1 || s.full() {
		s.signal()
	}
}

func (s *subscription) full() bool {
	return len(s.queue.events) >= s.settings.maxItems || s.queue.bytes >= s.settings.maxBytes
}

func (s *subscription) lose(t tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost.records += t.records
	s.lost.bytes += t.bytes
}

// signal makes the loop look again.
func (s *subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscription) pause(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
	s.wire.limit(!paused)
	if paused {
		s.endFlush()
	}
	s.signal()
}

// flush asks for all that is buffered to be delivered now. The channel is closed
// when it is, or when it has failed.
func (s *subscription) flush() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flushing == nil {
		s.flushing = make(chan struct{})
	}
	flushing := s.flushing
	if s.paused || s.ctx.Err() != nil {
		s.endFlush()
	}
	s.signal()
	return flushing
}

func (s *subscription) endFlush() {
	if s.flushing != nil {
		close(s.flushing)
		s.flushing = nil
	}
}

// close makes the loop return; a delivery that is under way is cut off.
func (s *subscription) close() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wire.abort()
	s.endFlush()
}

// run delivers until the subscription is closed.
func (s *subscription) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s.ctx.Err() == nil {
		payload, wait := s.next()
		if payload != nil {
			s.settle(payload, s.send(payload))
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-s.ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wire.abort()
}

// forever is longer than any wait that a signal does not end.
const forever = time.Hour

// payload is what one attempt sends.
type payload struct {
	settings settings
	events   []telemetry.Event
}

// next is what is to be sent now, or how long to wait.
func (s *subscription) next() (*payload, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.paused:
		return nil, forever
	case len(s.ready.events) == 0 && len(s.queue.events) == 0:
		s.endFlush()
		return nil, forever
	case s.flushing == nil && now.Before(s.retryAt):
		return nil, s.retryAt.Sub(now)
	}
	if len(s.ready.events) == 0 {
		due := s.first.Add(s.settings.timeout)
		if s.flushing == nil && !s.full() && now.Before(due) {
			return nil, due.Sub(now)
		}
		s.ready, s.queue = s.queue, batch{}
	}
	s.trying = true
	return &payload{settings: s.settings, events: s.ready.events}, 0
}

// tell tells what was dropped. It is told when the subscriber takes events again,
// or not at all: one that takes nothing would be told of what it has not taken.
func (s *subscription) tell(lost tally) {
	if lost.records > 0 && s.emit != nil {
		s.emit(telemetry.LogsDropped{
			Reason:         "Extension " + s.name + " has not taken its events fast enough.",
			DroppedRecords: lost.records, DroppedBytes: lost.bytes,
		})
	}
}

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// settle takes note of how an attempt has ended.
func (s *subscription) settle(p *payload, err error) {
	if err == nil {
		s.tell(s.taken())
		return
	}
	if s.ctx.Err() == nil {
		s.logger.Debug("telemetry not delivered", "error", err, "events", len(p.events))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trying = false
	s.backoff = min(max(2*s.backoff, firstBackoff), maxBackoff)
	s.retryAt = time.Now().Add(s.backoff)
	s.endFlush()
}

// taken begins anew after a batch was taken. It returns what was lost before it.
func (s *subscription) taken() tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trying = false
	s.ready = batch{}
	s.backoff, s.retryAt = 0, time.Time{}
	lost := s.lost
	s.lost = tally{}
	return lost
}
