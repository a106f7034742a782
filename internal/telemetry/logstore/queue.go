package logstore

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"thaw/internal/telemetry"
)

// queue is what waits for the writer. One group may fill half of it, so that a
// function that prints without end does not cost its neighbours their lines.
type queue struct {
	mu      sync.Mutex
	max     int
	pending batch
	closed  bool
	wake    chan struct{}
}

// batch is what the writer takes at one time.
type batch struct {
	order    []string // of the groups
	events   map[string][]incoming
	bytes    map[string]int
	total    int
	lost     map[string]*loss
	barriers []chan struct{}
}

// loss is what a group's queue had no room for.
type loss struct {
	stream        string // of the first one
	events, bytes int64
}

func (q *queue) open(max int) {
	q.max, q.wake, q.pending = max, make(chan struct{}, 1), newBatch()
}

func newBatch() batch {
	return batch{events: map[string][]incoming{}, bytes: map[string]int{}, lost: map[string]*loss{}}
}

// put adds an event, or counts it as lost.
func (q *queue) put(e incoming) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	p, size := &q.pending, len(e.message)+eventOverhead
	if p.total+size > q.max || p.bytes[e.group]+size > q.max/2 {
		p.lose(e.group, loss{stream: e.stream, events: 1, bytes: int64(len(e.message))})
	} else {
		if _, known := p.events[e.group]; !known {
			p.order = append(p.order, e.group)
		}
		p.events[e.group] = append(p.events[e.group], e)
		p.bytes[e.group] += size
		p.total += size
	}
	q.signal()
}

// maxLosers bounds the groups whose losses are counted one by one: a group's
// first loss comes when the queue is full, so that there are few.
const maxLosers = 10_000

func (b *batch) lose(group string, more loss) {
	l := b.lost[group]
	if l == nil {
		if len(b.lost) >= maxLosers {
			return
		}
		l = &loss{stream: more.stream}
		b.lost[group] = l
	}
	l.events += more.events
	l.bytes += more.bytes
}

// lose counts what could not be written. It is told with the next events: to try
// at once would be in vain.
func (q *queue) lose(group string, more loss) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending.lose(group, more)
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// barrier returns a channel that is closed when all before it is written.
func (q *queue) barrier() <-chan struct{} {
	done := make(chan struct{})
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		close(done)
		return done
	}
	q.pending.barriers = append(q.pending.barriers, done)
	q.signal()
	return done
}

// close refuses what comes from now on; it returns false if it had done so.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := !q.closed
	q.closed = true
	q.signal()
	return first
}

func (q *queue) take() (b batch, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b = q.pending
	q.pending = newBatch()
	return b, q.closed
}

// write takes the queue to the files until it is closed.
func (s *Store) write() {
	var complained time.Time
	for range s.queue.wake {
		b, closed := s.queue.take()
		if err := s.writeBatch(&b); err != nil && s.now().Sub(complained) > time.Minute {
			s.log.Error("what functions log is lost: it cannot be written", "error", err)
			complained = s.now()
		}
		for _, done := range b.barriers {
			close(done)
		}
		if closed {
			return
		}
	}
}

func (s *Store) writeBatch(b *batch) error {
	for name := range b.lost {
		if b.events[name] == nil {
			b.order = append(b.order, name)
		}
	}
	made := s.ensure(b.order)
	errs := []error{made}
	for _, name := range b.order {
		err := s.writeGroup(name, b.events[name], b.lost[name])
		if errors.Is(err, ErrNoGroup) {
			if made != nil {
				s.lose(name, b.events[name], b.lost[name])
			}
			continue // or it is deleted since
		}
		errs = append(errs, err)
	}
	if s.total.Load() > s.opts.TotalBytes {
		s.askSweep()
	}
	return errors.Join(errs...)
}

// message tells of a loss in the log itself, in the form of the platform's events.
func (l *loss) message(now time.Time) string {
	text, err := json.Marshal(telemetry.Event{Time: now, Record: telemetry.LogsDropped{
		Reason: "Log storage has fallen behind, or the disk is full.", DroppedRecords: l.events, DroppedBytes: l.bytes,
	}})
	if err != nil {
		return "events of this log were dropped\n" // cannot be: numbers and a text
	}
	return string(text) + "\n"
}

// writeGroup writes events of one group, and what was lost of it before.
func (s *Store) writeGroup(name string, events []incoming, before *loss) error {
	all := events
	if before != nil {
		all = append(all, incoming{group: name, stream: before.stream, at: s.now().UnixMilli(), message: before.message(s.now())})
	}
	g, err := s.acquire(name)
	if err != nil {
		return err
	}
	defer s.release(g)
	g.mu.Lock()
	defer g.mu.Unlock()
	numbered, written, err := g.append(all, s.now().UnixMilli())
	if err != nil && !errors.Is(err, ErrNoGroup) {
		s.lose(name, events[min(written, len(events)):], before)
	}
	s.followers.publish(name, numbered)
	return err
}

// lose counts events that are not written, and again what was lost before them.
func (s *Store) lose(name string, events []incoming, before *loss) {
	var l loss
	if before != nil {
		l = *before
	}
	for _, e := range events {
		l.stream = e.stream
		l.events++
		l.bytes += int64(len(e.message))
	}
	s.queue.lose(name, l)
}
