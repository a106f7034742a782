package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
	"thaw/internal/store/table"
)

// maxEvents bounds the events that wait in one queue.
const maxEvents = 1_000_000

type queues struct {
	ctx    context.Context // ends with the store
	cancel context.CancelFunc

	mu     sync.Mutex
	byName map[string]*queue
}

func newQueues() *queues {
	ctx, cancel := context.WithCancel(context.Background())
	return &queues{ctx: ctx, cancel: cancel, byName: make(map[string]*queue)}
}

func (qs *queues) queue(name string) *queue {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.byName[name]
	if q == nil {
		q = &queue{ctx: qs.ctx, index: backlog.New(maxEvents), bodies: make(map[uint64][]byte)}
		qs.byName[name] = q
	}
	return q
}

type queue struct {
	ctx   context.Context // ends with the store
	index *backlog.Backlog

	// mu is also held from where an event leaves the index until it is back, so that
	// a purge meets each either before or after.
	mu     sync.Mutex
	bodies map[uint64][]byte
	last   uint64
}

func (q *queue) EnqueueBatch(ctx context.Context, events []store.Event) error {
	if err := store.CheckEvents(events); err != nil {
		return err
	}
	if err := q.open(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.index.Reserve(events); err != nil {
		return err
	}
	items := make([]backlog.Item, len(events))
	for i := range events {
		e := &events[i]
		items[i] = backlog.Item{ID: e.ID, Partition: e.Partition, Due: e.Due, Place: q.keep(e.Body)}
	}
	q.index.Add(items...)
	return nil
}

func (q *queue) Lease(ctx context.Context, limit int, visibility time.Duration) ([]store.Leased, error) {
	if q.ctx.Err() != nil {
		return nil, table.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.ctx, cancel)()
	for {
		grants, err := q.index.Lease(ctx, limit, visibility)
		if err != nil {
			return nil, err
		}
		if leased := q.read(grants); len(leased) > 0 {
			return leased, nil
		}
	}
}

// read adds the bodies. Events that were purged meanwhile are left out.
func (q *queue) read(grants []backlog.Grant) []store.Leased {
	q.mu.Lock()
	defer q.mu.Unlock()
	leased := make([]store.Leased, 0, len(grants))
	for _, g := range grants {
		body, ok := q.bodies[g.Place]
		if !ok {
			continue
		}
		leased = append(leased, store.Leased{
			Event:    store.Event{ID: g.ID, Partition: g.Partition, Body: slices.Clone(body), Due: g.Due},
			Token:    g.Token,
			Attempts: g.Attempts,
		})
	}
	return leased
}

func (q *queue) Ack(ctx context.Context, l store.Leased) error {
	if err := q.open(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	item, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	delete(q.bodies, item.Place)
	q.index.Forget([]store.Event{l.Event})
	return nil
}

func (q *queue) RetryAt(ctx context.Context, l store.Leased, body []byte, due time.Time) error {
	retry := store.Event{ID: l.ID, Partition: l.Partition, Body: body, Due: due}
	if err := store.CheckEvents([]store.Event{retry}); err != nil {
		return err
	}
	if err := q.open(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	item, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	delete(q.bodies, item.Place)
	item.Due, item.Place = due, q.keep(body)
	q.index.Add(item)
	return nil
}

func (q *queue) Extend(ctx context.Context, l store.Leased, until time.Time) error {
	if err := q.open(ctx); err != nil {
		return err
	}
	return q.index.Extend(l.Token, until)
}

func (q *queue) Count(ctx context.Context) (store.Count, error) {
	if err := q.open(ctx); err != nil {
		return store.Count{}, err
	}
	return q.index.Count(), nil
}

func (q *queue) Purge(ctx context.Context) error {
	if err := q.open(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, item := range q.index.Clear(q.last + 1) {
		delete(q.bodies, item.Place)
	}
	return nil
}

func (q *queue) Hold(partition string, until time.Time) { q.index.Hold(partition, until) }

func (q *queue) Partitions(ctx context.Context) (map[string]store.Count, error) {
	if err := q.open(ctx); err != nil {
		return nil, err
	}
	return q.index.Partitions(), nil
}

func (q *queue) IDs(ctx context.Context, partitions ...string) ([]string, error) {
	if err := q.open(ctx); err != nil {
		return nil, err
	}
	return q.index.IDs(partitions...), nil
}

func (q *queue) End(ctx context.Context, ids []string) error {
	if err := q.open(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, item := range q.index.Take(ids) {
		delete(q.bodies, item.Place)
		q.index.Forget([]store.Event{{ID: item.ID}})
	}
	return nil
}

func (q *queue) open(ctx context.Context) error {
	if q.ctx.Err() != nil {
		return table.ErrClosed
	}
	return ctx.Err()
}

// keep stores a body; the caller holds mu.
func (q *queue) keep(body []byte) uint64 {
	q.last++
	q.bodies[q.last] = slices.Clone(body)
	return q.last
}
