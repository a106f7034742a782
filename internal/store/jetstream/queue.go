package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
)

// errClosed is what a store answers after Close.
var errClosed = errors.New("store is closed")

// maxEvents bounds the events that wait in one queue. Each costs about 500 bytes of
// memory.
const maxEvents = 1_000_000

// queues are the named queues over one journal on the disk.
type queues struct {
	journal *journal
	ctx     context.Context // ends with the store
	cancel  context.CancelFunc

	mu     sync.Mutex
	byName map[string]*queue
}

func openQueues(ctx context.Context, js jetstream.JetStream, logger *slog.Logger) (*queues, error) {
	journal, live, err := openJournal(ctx, js, logger)
	if err != nil {
		return nil, fmt.Errorf("open queues: %w", err)
	}
	qs := &queues{journal: journal, byName: make(map[string]*queue)}
	qs.ctx, qs.cancel = context.WithCancel(context.Background())
	for _, r := range live {
		s, _ := journal.spot(r.queue, r.id)
		qs.queue(r.queue).index.Add(item(r.event, r.attempts, s.sequence))
	}
	return qs, nil
}

func (qs *queues) close() {
	qs.cancel()
	qs.journal.close()
}

func (qs *queues) queue(name string) *queue {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.byName[name]
	if q == nil {
		q = &queue{name: name, journal: qs.journal, index: backlog.New(maxEvents), ctx: qs.ctx}
		qs.byName[name] = q
	}
	return q
}

// queue is the backlog in memory over the journal on the disk. Which event is
// due next is known in memory only; the due time is data in the journal, so that
// one key's retries occupy nothing of the engine's.
type queue struct {
	name    string
	journal *journal
	index   *backlog.Backlog
	ctx     context.Context // ends with the store
}

// item is an event in the index. Its place is only for the order of events that
// are due at the same time: tidying moves records.
func item(e store.Event, attempts int, sequence uint64) backlog.Item {
	return backlog.Item{ID: e.ID, Partition: e.Partition, Due: e.Due, Attempts: attempts, Place: sequence}
}

func (q *queue) EnqueueBatch(ctx context.Context, events []store.Event) error {
	if err := store.CheckEvents(events); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil || len(events) == 0 {
		return err
	}
	if err := q.index.Reserve(events); err != nil {
		return err
	}
	records := make([]record, len(events))
	for i, e := range events {
		records[i] = putRecord(q.name, e, 0)
	}
	sequence, err := q.journal.write(records...)
	if err != nil {
		q.index.Forget(events)
		return fmt.Errorf("enqueue %d events: %w", len(events), err)
	}
	items := make([]backlog.Item, len(events))
	for i, e := range events {
		items[i] = item(e, 0, sequence)
	}
	q.index.Add(items...)
	return nil
}

func (q *queue) Lease(ctx context.Context, limit int, visibility time.Duration) ([]store.Leased, error) {
	if q.ctx.Err() != nil {
		return nil, errClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.ctx, cancel)()
	for {
		grants, err := q.index.Lease(ctx, limit, visibility)
		if err != nil {
			return nil, err
		}
		leased, err := q.read(q.ctx, grants) // ctx bounds the wait only
		if err != nil || len(leased) > 0 {
			return leased, err
		}
	}
}

// read adds the bodies. Events that were purged meanwhile are left out.
func (q *queue) read(ctx context.Context, grants []backlog.Grant) ([]store.Leased, error) {
	read := reader{queue: q}
	leased := make([]store.Leased, 0, len(grants))
	for _, g := range grants {
		body, err := read.body(ctx, g.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			// All leases of this call run out by themselves.
			return nil, fmt.Errorf("read event %q: %w", g.ID, err)
		}
		leased = append(leased, store.Leased{
			Event:    store.Event{ID: g.ID, Partition: g.Partition, Body: body, Due: g.Due},
			Token:    g.Token,
			Attempts: g.Attempts,
		})
	}
	return leased, nil
}

// reader reads bodies for one lease: events that were enqueued together lie in
// one message.
type reader struct {
	queue    *queue
	sequence uint64
	records  []record
}

func (r *reader) body(ctx context.Context, id string) ([]byte, error) {
	for {
		s, ok := r.queue.journal.spot(r.queue.name, id)
		if !ok {
			return nil, store.ErrNotFound
		}
		if s.sequence != r.sequence {
			if err := r.load(ctx, s.sequence); err != nil {
				if moved, ok := r.queue.journal.spot(r.queue.name, id); ok && moved.sequence != s.sequence {
					continue // tidied away between the look and the reading
				}
				return nil, err
			}
		}
		// A copy, or an event in hand would keep its whole group in memory.
		return bytes.Clone(r.records[s.index].event.Body), nil
	}
}

func (r *reader) load(ctx context.Context, sequence uint64) error {
	m, err := r.queue.journal.stream.GetMsg(ctx, sequence)
	if err != nil {
		return err
	}
	records, err := decodeGroup(m.Data)
	if err != nil {
		return err
	}
	r.sequence, r.records = sequence, records
	return nil
}

func (q *queue) Ack(_ context.Context, l store.Leased) error {
	item, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	if _, err := q.journal.write(doneRecord(q.name, item.ID)); err != nil {
		q.index.Add(item)
		return fmt.Errorf("ack event %q: %w", item.ID, err)
	}
	q.index.Forget([]store.Event{l.Event})
	return nil
}

func (q *queue) RetryAt(_ context.Context, l store.Leased, body []byte, due time.Time) error {
	retry := store.Event{ID: l.ID, Partition: l.Partition, Body: body, Due: due}
	if err := store.CheckEvents([]store.Event{retry}); err != nil {
		return err
	}
	old, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	retry.ID, retry.Partition = old.ID, old.Partition
	r := putRecord(q.name, retry, old.Attempts)
	r.retry = true
	sequence, err := q.journal.write(r)
	if err != nil {
		q.index.Add(old)
		return fmt.Errorf("retry event %q: %w", old.ID, err)
	}
	q.index.Add(item(retry, old.Attempts, sequence))
	return nil
}

func (q *queue) Extend(_ context.Context, l store.Leased, until time.Time) error {
	if q.ctx.Err() != nil {
		return errClosed
	}
	return q.index.Extend(l.Token, until)
}

func (q *queue) Count(context.Context) (store.Count, error) {
	if q.ctx.Err() != nil {
		return store.Count{}, errClosed
	}
	return q.index.Count(), nil
}

func (q *queue) IDs(context.Context) ([]string, error) {
	if q.ctx.Err() != nil {
		return nil, errClosed
	}
	return q.index.IDs(), nil
}

func (q *queue) End(ctx context.Context, ids []string) error {
	for some := range slices.Chunk(ids, store.MaxBatch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := q.end(q.index.Take(some)); err != nil {
			return err
		}
	}
	return nil
}

// end writes that items which were taken out have ended.
func (q *queue) end(items []backlog.Item) error {
	if len(items) == 0 {
		return nil
	}
	records, events := make([]record, len(items)), make([]store.Event, len(items))
	for i, item := range items {
		records[i], events[i] = doneRecord(q.name, item.ID), store.Event{ID: item.ID}
	}
	if _, err := q.journal.write(records...); err != nil {
		q.index.Add(items...)
		return fmt.Errorf("end %d events: %w", len(items), err)
	}
	q.index.Forget(events)
	return nil
}

func (q *queue) Purge(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sequence, err := q.journal.write(purgeRecord(q.name))
	if err != nil {
		return fmt.Errorf("purge queue %q: %w", q.name, err)
	}
	q.index.Clear(sequence)
	return nil
}
