package logs

import (
	"context"
	"sync"
	"time"
)

// Event is one line of a log, its line end included.
type Event struct {
	// Seq numbers the events of a group, from 1, without gaps.
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Stream  string    `json:"stream"`
	Message string    `json:"message"`
}

// Options configures a Store; zero fields mean the defaults below.
type Options struct {
	// GroupBytes bounds the text kept of one group, MaxGroups the groups.
	GroupBytes int
	MaxGroups  int
}

const (
	defaultGroupBytes = 512 << 10
	defaultMaxGroups  = 256
	// eventOverhead is charged for each event beside its text, so that a flood
	// of empty lines is bounded too.
	eventOverhead = 64
)

// Store keeps the newest events of each log group.
type Store struct {
	opts Options

	mu     sync.Mutex
	groups map[string]*group
}

type group struct {
	used time.Time // of the last append; the stalest group is given up first

	mu     sync.Mutex
	events []Event // oldest first
	bytes  int
	next   uint64        // the number of the next event
	wake   chan struct{} // closed at the next append
}

// NewStore makes an empty store.
func NewStore(opts Options) *Store {
	if opts.GroupBytes <= 0 {
		opts.GroupBytes = defaultGroupBytes
	}
	if opts.MaxGroups <= 0 {
		opts.MaxGroups = defaultMaxGroups
	}
	return &Store{opts: opts, groups: map[string]*group{}}
}

// Read returns up to limit events of a group from number since on, and the
// number to go on with. Numbers that have fallen out are passed over.
func (s *Store) Read(name string, since uint64, limit int) ([]Event, uint64) {
	s.mu.Lock()
	g := s.groups[name]
	s.mu.Unlock()
	if g == nil {
		return nil, since
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.read(since, limit)
}

// Wait is Read that waits for an event if there is none yet, until ctx ends.
func (s *Store) Wait(ctx context.Context, name string, since uint64, limit int) ([]Event, uint64) {
	g := s.group(name, time.Time{})
	for {
		g.mu.Lock()
		events, next := g.read(since, limit)
		wake := g.wake
		g.mu.Unlock()
		if len(events) > 0 {
			return events, next
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, next
		}
	}
}

// Append adds an event to a group.
func (s *Store) Append(name, stream string, now time.Time, message string) {
	g := s.group(name, now)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, Event{Seq: g.next, Time: now, Stream: stream, Message: message})
	g.next++
	g.bytes += len(message) + eventOverhead
	drop := 0
	for g.bytes > s.opts.GroupBytes && drop < len(g.events)-1 {
		g.bytes -= len(g.events[drop].Message) + eventOverhead
		g.events[drop] = Event{}
		drop++
	}
	g.events = g.events[drop:]
	close(g.wake)
	g.wake = make(chan struct{})
}

func (s *Store) group(name string, used time.Time) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[name]
	if g == nil {
		s.makeRoom()
		g = &group{next: 1, wake: make(chan struct{})}
		s.groups[name] = g
	}
	if !used.IsZero() {
		g.used = used
	}
	return g
}

// makeRoom gives up the group that was written longest ago.
func (s *Store) makeRoom() {
	if len(s.groups) < s.opts.MaxGroups {
		return
	}
	var stalest string
	for name, g := range s.groups {
		if stalest == "" || g.used.Before(s.groups[stalest].used) {
			stalest = name
		}
	}
	delete(s.groups, stalest)
}

func (g *group) read(since uint64, limit int) ([]Event, uint64) {
	if since > g.next {
		since = 0 // a number of an earlier server: all here is new to the one who follows
	}
	if len(g.events) == 0 || since >= g.next {
		return nil, g.next
	}
	first := g.events[0].Seq
	skip := 0
	if since > first {
		skip = int(since - first)
	}
	events := g.events[skip:]
	if limit > 0 && len(events) > limit {
		events = events[:limit]
	}
	if len(events) == 0 {
		return nil, g.next
	}
	return append([]Event(nil), events...), events[len(events)-1].Seq + 1
}
