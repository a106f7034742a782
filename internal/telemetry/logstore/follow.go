package logstore

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Filter chooses what a Follower is given.
type Filter struct {
	Groups []string
	// Streams and Prefixes choose streams by name; none of both means all.
	Streams, Prefixes []string
}

func (f *Filter) stream(name string) bool {
	return len(f.Streams)+len(f.Prefixes) == 0 || slices.Contains(f.Streams, name) ||
		slices.ContainsFunc(f.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Followed is an event and its group.
type Followed struct {
	Group string
	Event
}

const (
	// followedEvents and followedBytes bound what waits for one follower.
	followedEvents = 10_000
	followedBytes  = 4 << 20
)

// Follower is given events as they are written.
type Follower struct {
	filter Filter
	ready  chan struct{}
	leave  func()

	mu      sync.Mutex
	waiting []Followed
	bytes   int
	dropped int
}

// Follow begins to follow. Close it when it is done.
func (s *Store) Follow(f Filter) *Follower {
	follower := &Follower{filter: f, ready: make(chan struct{}, 1)}
	follower.leave = func() { s.followers.remove(follower) }
	s.followers.add(follower)
	return follower
}

// Ready receives when there is something to Take.
func (f *Follower) Ready() <-chan struct{} { return f.ready }

// Take returns what has come, and how many events were dropped because nobody
// took them.
func (f *Follower) Take() (events []Followed, dropped int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	events, dropped = f.waiting, f.dropped
	f.waiting, f.bytes, f.dropped = nil, 0, 0
	return events, dropped
}

// Close ends the following.
func (f *Follower) Close() { f.leave() }

func (f *Follower) offer(group string, events []Event) {
	if !slices.Contains(f.filter.Groups, group) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	news := false
	for _, e := range events {
		if !f.filter.stream(e.Stream) {
			continue
		}
		news = true
		if len(f.waiting) >= followedEvents || f.bytes+len(e.Message) > followedBytes {
			f.dropped++
			continue
		}
		f.bytes += len(e.Message)
		f.waiting = append(f.waiting, Followed{Group: group, Event: e})
	}
	if news {
		select {
		case f.ready <- struct{}{}:
		default:
		}
	}
}

// followers is everybody who follows.
type followers struct {
	count atomic.Int32 // spares the writer the lock when nobody does

	mu  sync.Mutex
	all []*Follower
}

func (f *followers) add(one *Follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, one)
	f.count.Store(int32(len(f.all)))
}

func (f *followers) remove(one *Follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = slices.DeleteFunc(f.all, func(x *Follower) bool { return x == one })
	f.count.Store(int32(len(f.all)))
}

func (f *followers) publish(group string, events []Event) {
	if f.count.Load() == 0 || len(events) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.all {
		one.offer(group, events)
	}
}
