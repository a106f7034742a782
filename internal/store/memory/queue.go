package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
)

// maxEvents bounds the events that wait in memory.
const maxEvents = 1_000_000

type queue struct {
	ctx    context.Context // ends with the store
	cancel context.CancelFunc
	index  *backlog.Backlog

	mu     sync.Mutex
	bodies map[uint64][]byte
	last   uint64
}

func newQueue() *queue {
	ctx, cancel := context.WithCancel(context.Background())
	return &queue{ctx: ctx, cancel: cancel, index: backlog.New(maxEvents), bodies: make(map[uint64][]byte)}
}

func (q *queue) close() { q.cancel() }

func (q *queue) EnqueueBatch(ctx context.Context, events []store.Event) error {
	if err := store.CheckEvents(events); err != nil {
		return err
	}
	if err := q.open(ctx); err != nil {
		return err
	}
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
	if err := q.open(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.ctx, cancel)()
	grants, err := q.index.Lease(ctx, limit, visibility)
	if err != nil {
		return nil, err
	}
	leased := make([]store.Leased, len(grants))
	for i, g := range grants {
		leased[i] = store.Leased{
			Event:    store.Event{ID: g.ID, Partition: g.Partition, Body: q.body(g.Place), Due: g.Due},
			Token:    g.Token,
			Attempts: g.Attempts,
		}
	}
	return leased, nil
}

func (q *queue) Ack(ctx context.Context, l store.Leased) error {
	if err := q.open(ctx); err != nil {
		return err
	}
	item, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	q.drop(item.Place)
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
	item, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	q.drop(item.Place)
	item.Due, item.Place = due, q.keep(body)
	q.index.Add(item)
	return nil
}

func (q *queue) open(ctx context.Context) error {
	if q.ctx.Err() != nil {
		return errClosed
	}
	return ctx.Err()
}

func (q *queue) keep(body []byte) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	q.bodies[q.last] = slices.Clone(body)
	return q.last
}

func (q *queue) body(place uint64) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.bodies[place])
}

func (q *queue) drop(place uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.bodies, place)
}
