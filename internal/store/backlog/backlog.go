// Package backlog decides which event of a queue is handed out next. It is the
// index that every queue engine keeps in memory above its own way of storing
// events; it knows IDs and due times, never bodies.
//
// A lease is nothing but a due time in the future: an event that is handed out
// stays where it is, due again when its visibility ends, and its token tells the
// latest hand-out from earlier ones. So a holder that dies needs no clean-up.
//
// Partitions with due events take turns, so that a long backlog of one key does
// not hold up another's. Each has two heaps by due time: what is ready, and what
// is later. With every look at the clock, entries whose time has come move from
// the second to the first; a clock that is set back moves none of them again. A
// partition with something ready stands in the line of those whose turn it will
// be, one with something later in a heap by the earliest of it. One that is held has
// no turn until its hold ends.
//
// All methods may be called at the same time; one mutex guards everything and
// is never held while waiting.
package backlog

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"thaw/internal/store"
)

// Item is an event as the index knows it. Place is the engine's own: where the
// body lies.
type Item struct {
	ID        string
	Partition string
	Due       time.Time
	Attempts  int
	Place     uint64
}

// Grant is an item in somebody's hands.
type Grant struct {
	Item
	Token uint64
}

// Backlog is the index of one queue.
type Backlog struct {
	limit int
	now   func() time.Time // time.Now, save in tests of clocks that jump

	mu         sync.Mutex
	items      map[string]*entry // by ID; those reserved are in no partition
	tokens     map[uint64]*entry // the latest hand-out of each
	partitions map[string]*partition
	waiting    partitionHeap
	line       []*partition
	counts     [states]int // of the entries in partitions
	ending     int         // entries that were taken out, and are to be added or forgotten
	lastToken  uint64
	cleared    uint64 // items of a place before it were ended by Clear
	holds      map[string]time.Time
	nextHold   time.Time     // the end of a hold that comes first, or before; zero: none
	changed    chan struct{} // closed and replaced when something may be due earlier
}

// New makes an empty backlog that holds at most limit events.
func New(limit int) *Backlog {
	return &Backlog{
		limit:      limit,
		now:        time.Now,
		items:      make(map[string]*entry),
		tokens:     make(map[uint64]*entry),
		partitions: make(map[string]*partition),
		holds:      make(map[string]time.Time),
		changed:    make(chan struct{}),
	}
}

// Reserve claims the IDs of events that are about to be stored, all or none:
// store.ErrConflict if one waits already, store.ErrFull over the limit. Each is
// to be followed by Add or Forget.
func (b *Backlog) Reserve(events []store.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items)+len(events) > b.limit {
		return fmt.Errorf("reserve %d events: %w", len(events), store.ErrFull)
	}
	for i := range events {
		id := events[i].ID
		if _, taken := b.items[id]; taken {
			for j := range i {
				delete(b.items, events[j].ID)
			}
			return fmt.Errorf("event %q waits already: %w", id, store.ErrConflict)
		}
		b.items[id] = &entry{}
	}
	return nil
}

// Forget gives up the IDs of events that were not stored after all.
func (b *Backlog) Forget(events []store.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range events {
		b.forget(events[i].ID)
	}
}

// forget gives up an ID; the caller holds mu.
func (b *Backlog) forget(id string) {
	if e := b.items[id]; e != nil && e.ending {
		b.ending--
	}
	delete(b.items, id)
}

// Add makes stored events available from their due time on, save those that Clear
// has overtaken.
func (b *Backlog) Add(items ...Item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, item := range items {
		b.forget(item.ID)
		if item.Place < b.cleared {
			continue
		}
		e := &entry{Item: item}
		b.items[item.ID] = e
		e.partition = b.partition(item.Partition)
		b.put(e, delayed, now)
	}
	b.wake()
}

// wake has everyone who waits look again; the caller holds mu.
func (b *Backlog) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Clear ends all items of a place before the given one, and returns them. Those
// whose ID is reserved only are ended when they are added.
func (b *Backlog) Clear(before uint64) (ended []Item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cleared = max(b.cleared, before)
	for _, e := range b.items {
		if e.state != reserved && e.Place < before {
			b.take(e)
			delete(b.tokens, e.token)
			delete(b.items, e.ID)
			ended = append(ended, e.Item)
		}
	}
	line := b.line
	b.line = nil
	for _, p := range line {
		p.inLine = false
		b.settle(p)
	}
	return ended
}

// Len is the number of events, those handed out and reserved included.
func (b *Backlog) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items)
}

// Count tells how many items there are in each state, without those reserved.
func (b *Backlog) Count() store.Count {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(b.now())
	return store.Count{Waiting: b.counts[ready], Leased: b.counts[leased] + b.ending, Delayed: b.counts[delayed]}
}

// Lease hands out up to limit due items, waiting until there is one.
func (b *Backlog) Lease(ctx context.Context, limit int, visibility time.Duration) ([]Grant, error) {
	for {
		grants, next, changed := b.grant(b.now(), limit, visibility)
		if len(grants) > 0 {
			return grants, nil
		}
		if err := wait(ctx, next, changed); err != nil {
			return nil, err
		}
	}
}

// maxSleep bounds a wait for a due time: timers do not follow a clock that is set.
const maxSleep = 10 * time.Second

// wait returns at the given time (zero: never) or before, on a change, or with ctx.
func wait(ctx context.Context, next time.Time, changed <-chan struct{}) error {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(min(time.Until(next), maxSleep))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (b *Backlog) grant(now time.Time, limit int, visibility time.Duration) (grants []Grant, next time.Time, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.releaseDue(now)
	var handed []*entry
	for len(b.line) > 0 && len(grants) < limit {
		p := b.line[0]
		b.line = b.line[1:]
		p.inLine = false
		if len(p.ready) == 0 || b.isHeld(p) { // ended, taken back or held since
			b.settle(p)
			continue
		}
		e := p.ready[0]
		b.take(e)
		delete(b.tokens, e.token)
		b.lastToken++
		e.token = b.lastToken
		b.tokens[e.token] = e
		e.Attempts++
		grants = append(grants, Grant{Item: e.Item, Token: e.token})
		e.Due = now.Add(visibility)
		handed = append(handed, e)
		b.settle(p)
	}
	for _, e := range handed { // not before, or one that is visible at once would come twice
		b.put(e, leased, now)
	}
	if len(b.waiting) > 0 {
		next = b.waiting[0].later[0].Due
	}
	if !b.nextHold.IsZero() && (next.IsZero() || b.nextHold.Before(next)) {
		next = b.nextHold
	}
	return grants, next, b.changed
}

// Extend moves the end of the lease, if the token is the item's latest; otherwise
// ErrConflict.
func (b *Backlog) Extend(token uint64, until time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, err := b.held(token)
	if err != nil {
		return err
	}
	b.take(e)
	e.Due = until
	b.put(e, leased, b.now())
	b.wake()
	return nil
}

// Remove takes an item out, if the token is its latest; otherwise ErrConflict.
// Its ID stays reserved: Return puts it back, Add puts another in its place, Forget
// ends it.
func (b *Backlog) Remove(token uint64) (Item, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, err := b.held(token)
	if err != nil {
		return Item{}, err
	}
	b.end(e)
	return e.Item, nil
}

// Return puts items back that Remove or Take has taken out, as they were: their tokens
// count again, save for those that Clear has overtaken.
func (b *Backlog) Return(items ...Item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, item := range items {
		e := b.items[item.ID]
		if item.Place < b.cleared {
			b.forget(item.ID)
			continue
		}
		b.ending--
		e.ending = false
		if e.token != 0 {
			b.tokens[e.token] = e
		}
		b.put(e, e.was, now)
	}
	b.wake()
}

// IDs lists the items, without those reserved; those of certain partitions if any
// are named.
func (b *Backlog) IDs(partitions ...string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := []string{}
	for id, e := range b.items {
		if e.state != reserved && (len(partitions) == 0 || slices.Contains(partitions, e.Partition)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Take is Remove by IDs, whoever has the items in hands. Those that are not there,
// or are reserved, are left out.
func (b *Backlog) Take(ids []string) (taken []Item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		e := b.items[id]
		if e == nil || e.state == reserved {
			continue
		}
		b.end(e)
		taken = append(taken, e.Item)
	}
	return taken
}

// end takes an entry out and has it counted as in hands, until it is known what has
// become of it: while that is being written, it is neither there nor gone.
func (b *Backlog) end(e *entry) {
	delete(b.tokens, e.token)
	e.was = e.state
	b.take(e)
	e.ending = true
	b.ending++
}

func (b *Backlog) held(token uint64) (*entry, error) {
	e, ok := b.tokens[token]
	if !ok {
		return nil, fmt.Errorf("event was handed out again or ended: %w", store.ErrConflict)
	}
	return e, nil
}

// advance makes ready what has become due; the caller holds mu, as it does for
// all that follow.
func (b *Backlog) advance(now time.Time) {
	for len(b.waiting) > 0 && !b.waiting[0].later[0].Due.After(now) {
		e := b.waiting[0].later[0]
		b.take(e)
		b.put(e, ready, now)
	}
}

// put has an entry in its partition: in the given state, or ready if it is due.
func (b *Backlog) put(e *entry, s state, now time.Time) {
	p := e.partition
	if !e.Due.After(now) {
		s = ready
	}
	e.state = s
	b.counts[s]++
	if s == leased {
		p.leased++
	}
	b.partitions[p.name] = p // take may have left it for empty
	if s == ready {
		heap.Push(&p.ready, e)
		b.settle(p)
		return
	}
	heap.Push(&p.later, e)
	if p.index == absent {
		heap.Push(&b.waiting, p)
	} else {
		heap.Fix(&b.waiting, p.index)
	}
}

// take takes an entry out of its partition.
func (b *Backlog) take(e *entry) {
	p := e.partition
	b.counts[e.state]--
	if e.state == leased {
		p.leased--
	}
	if e.state == ready {
		heap.Remove(&p.ready, int(e.index))
	} else {
		// While it is empty, a partition would not compare.
		if len(p.later) == 1 {
			heap.Remove(&b.waiting, p.index)
		}
		heap.Remove(&p.later, int(e.index))
		if p.index != absent {
			heap.Fix(&b.waiting, p.index)
		}
	}
	e.state = reserved
	if len(p.ready)+len(p.later) == 0 && !p.inLine {
		delete(b.partitions, p.name)
	}
}

// partition finds the partition of a key, or makes it.
func (b *Backlog) partition(name string) *partition {
	p := b.partitions[name]
	if p == nil {
		p = &partition{name: name, index: absent}
		b.partitions[name] = p
	}
	return p
}

// settle has a partition in the line if something of it is ready and it is not
// held, and forgets one that is empty.
func (b *Backlog) settle(p *partition) {
	switch {
	case len(p.ready) > 0 && !p.inLine && !b.isHeld(p):
		p.inLine = true
		b.line = append(b.line, p)
	case len(p.ready)+len(p.later) == 0 && !p.inLine:
		delete(b.partitions, p.name)
	}
}
