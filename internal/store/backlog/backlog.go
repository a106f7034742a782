// Package backlog decides which event of a queue is handed out next. It is the
// index that every queue engine keeps in memory above its own way of storing
// events; it knows IDs and due times, never bodies.
//
// A lease is nothing but a due time in the future: an event that is handed out
// stays where it is, due again when its visibility ends, and its token tells the
// latest hand-out from earlier ones. So a holder that dies needs no clean-up.
//
// Partitions with due events take turns, so that a long backlog of one key does
// not hold up another's. A partition waits in a heap by its earliest due time,
// or, once that has come, in the line of those whose turn it will be.
//
// All methods may be called at the same time; one mutex guards everything and
// is never held while waiting.
package backlog

import (
	"container/heap"
	"context"
	"fmt"
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

	mu         sync.Mutex
	items      map[string]*entry // by ID; those reserved are in no partition
	tokens     map[uint64]*entry // the latest hand-out of each
	partitions map[string]*partition
	waiting    partitionHeap
	line       []*partition
	lastToken  uint64
	changed    chan struct{} // closed and replaced when something may be due earlier
}

// New makes an empty backlog that holds at most limit events.
func New(limit int) *Backlog {
	return &Backlog{
		limit:      limit,
		items:      make(map[string]*entry),
		tokens:     make(map[uint64]*entry),
		partitions: make(map[string]*partition),
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
		delete(b.items, events[i].ID)
	}
}

// Add makes stored events available from their due time on.
func (b *Backlog) Add(items ...Item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, item := range items {
		e := &entry{Item: item}
		b.items[item.ID] = e
		b.insert(e)
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// Len is the number of events, those handed out and reserved included.
func (b *Backlog) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items)
}

// Lease hands out up to limit due items, waiting until there is one.
func (b *Backlog) Lease(ctx context.Context, limit int, visibility time.Duration) ([]Grant, error) {
	for {
		grants, next, changed := b.take(time.Now(), limit, visibility)
		if len(grants) > 0 {
			return grants, nil
		}
		if err := wait(ctx, next, changed); err != nil {
			return nil, err
		}
	}
}

// wait returns at the given time (zero: never), on a change, or with ctx.
func wait(ctx context.Context, next time.Time, changed <-chan struct{}) error {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
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

func (b *Backlog) take(now time.Time, limit int, visibility time.Duration) (grants []Grant, next time.Time, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) > 0 && !b.waiting[0].head().Due.After(now) {
		b.stepForward(heap.Pop(&b.waiting).(*partition))
	}
	for len(b.line) > 0 && len(grants) < limit {
		p := b.line[0]
		b.line = b.line[1:]
		p.place = nowhere
		if len(p.entries) > 0 && !p.head().Due.After(now) {
			grants = append(grants, b.grant(p, now.Add(visibility)))
		}
		b.settle(p, now)
	}
	if len(b.waiting) > 0 {
		next = b.waiting[0].head().Due
	}
	return grants, next, b.changed
}

func (b *Backlog) grant(p *partition, until time.Time) Grant {
	e := p.head()
	delete(b.tokens, e.token)
	b.lastToken++
	e.token = b.lastToken
	b.tokens[e.token] = e
	e.Attempts++
	g := Grant{Item: e.Item, Token: e.token}
	e.Due = until
	heap.Fix(&p.entries, 0)
	return g
}

// Remove takes an item out, if the token is its latest; otherwise ErrConflict.
// Its ID stays reserved: Add puts it back, Forget ends it.
func (b *Backlog) Remove(token uint64) (Item, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.tokens[token]
	if !ok {
		return Item{}, fmt.Errorf("event was handed out again or ended: %w", store.ErrConflict)
	}
	delete(b.tokens, token)
	p := e.partition
	if p.place == waits {
		heap.Remove(&b.waiting, p.index)
		p.place = nowhere
	}
	heap.Remove(&p.entries, e.index)
	if p.place == nowhere {
		b.settle(p, time.Time{})
	}
	return e.Item, nil
}

// insert puts an entry into its partition; the caller holds mu.
func (b *Backlog) insert(e *entry) {
	p := b.partitions[e.Partition]
	if p == nil {
		p = &partition{name: e.Partition}
		b.partitions[e.Partition] = p
	}
	e.partition = p
	heap.Push(&p.entries, e)
	switch p.place {
	case waits:
		heap.Fix(&b.waiting, p.index)
	case nowhere:
		b.settle(p, time.Time{})
	}
}

// settle finds the place of a partition that has none.
func (b *Backlog) settle(p *partition, now time.Time) {
	switch {
	case len(p.entries) == 0:
		delete(b.partitions, p.name)
	case !p.head().Due.After(now):
		b.stepForward(p)
	default:
		p.place = waits
		heap.Push(&b.waiting, p)
	}
}

func (b *Backlog) stepForward(p *partition) {
	p.place = inLine
	b.line = append(b.line, p)
}
