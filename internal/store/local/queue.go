package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
)

// queue is a backlog in memory over the journal on the disk. Which event is due
// next is known in memory only; the due time is data in the journal, so that one
// key's retries cost the others nothing.
type queue struct {
	name    string
	journal *journal
	index   *backlog.Backlog
	ctx     context.Context // ends with the store
}

// item is an event in the index. Its place orders events that are due at the same
// time, and those before and after a purge.
func item(e store.Event, attempts int, number uint64) backlog.Item {
	return backlog.Item{ID: e.ID, Partition: e.Partition, Due: e.Due, Attempts: attempts, Place: number}
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
	c := &call{records: make([]record, len(events)), urgent: true}
	for i, e := range events {
		c.records[i] = putRecord(q.name, e, 0)
		c.urgent = c.urgent && e.Urgent
	}
	number, err := q.journal.call(c)
	if err != nil {
		q.index.Forget(events)
		return fmt.Errorf("enqueue %d events: %w", len(events), err)
	}
	items := make([]backlog.Item, len(events))
	for i, e := range events {
		items[i] = item(e, 0, number)
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
		leased, err := q.read(grants)
		if err != nil || len(leased) > 0 {
			return leased, err
		}
	}
}

// read adds the bodies. Events that were purged meanwhile are left out, and so are
// those that cannot be read any more: these are given up.
func (q *queue) read(grants []backlog.Grant) ([]store.Leased, error) {
	read := reader{queue: q}
	defer read.close()
	leased := make([]store.Leased, 0, len(grants))
	for _, g := range grants {
		body, err := read.body(g.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case errors.Is(err, errBroken):
			if err := q.giveUp(g); err != nil {
				return nil, fmt.Errorf("give up event %q: %w", g.ID, err)
			}
			continue
		case err != nil:
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

// giveUp ends an event whose record is not what was written any more.
func (q *queue) giveUp(g backlog.Grant) error {
	at, ok := q.journal.spot(q.name, g.ID)
	if !ok {
		return nil
	}
	if err := q.journal.reportUnreadable(at.segment, []record{doneRecord(q.name, g.ID)}); err != nil {
		return err
	}
	err := q.Ack(context.Background(), store.Leased{Event: store.Event{ID: g.ID}, Token: g.Token})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// reader reads bodies for one lease: events that were enqueued together lie in one
// segment.
type reader struct {
	queue   *queue
	segment *segment
	file    *os.File
	buffer  []byte
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close() // opened for reading: nothing is lost with an error
		r.file = nil
	}
}

func (r *reader) body(id string) ([]byte, error) {
	for {
		s, ok := r.queue.journal.spot(r.queue.name, id)
		if !ok {
			return nil, store.ErrNotFound
		}
		rec, err := r.record(s)
		if err == nil {
			// A copy: the buffer is used again.
			return bytes.Clone(rec.event.Body), nil
		}
		if now, ok := r.queue.journal.spot(r.queue.name, id); !ok || now == s {
			if errors.Is(err, fs.ErrNotExist) {
				err = errBroken
			}
			return nil, err
		}
		// Tidied away between the look and the reading.
	}
}

func (r *reader) record(s spot) (record, error) {
	if r.segment != s.segment {
		r.close()
		f, err := os.Open(s.segment.path)
		if err != nil {
			return record{}, err
		}
		r.segment, r.file = s.segment, f
	}
	if cap(r.buffer) < int(s.size) {
		r.buffer = make([]byte, s.size)
	}
	b := r.buffer[:s.size]
	if _, err := r.file.ReadAt(b, s.offset); err != nil || checksum(0, b) != s.sum {
		return record{}, errBroken
	}
	records, err := decodeGroup(b)
	if err != nil || len(records) != 1 {
		return record{}, errBroken
	}
	return records[0], nil
}

func (q *queue) Ack(_ context.Context, l store.Leased) error {
	item, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	if _, err := q.journal.write(doneRecord(q.name, item.ID)); err != nil {
		q.index.Return(item)
		return fmt.Errorf("ack event %q: %w", item.ID, err)
	}
	q.index.Forget([]store.Event{{ID: item.ID}})
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
	number, err := q.journal.write(r)
	if err != nil {
		q.index.Return(old)
		return fmt.Errorf("retry event %q: %w", old.ID, err)
	}
	q.index.Add(item(retry, old.Attempts, number))
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

func (q *queue) Hold(partition string, until time.Time) { q.index.Hold(partition, until) }

func (q *queue) Partitions(context.Context) (map[string]store.Count, error) {
	if q.ctx.Err() != nil {
		return nil, errClosed
	}
	return q.index.Partitions(), nil
}

func (q *queue) IDs(_ context.Context, partitions ...string) ([]string, error) {
	if q.ctx.Err() != nil {
		return nil, errClosed
	}
	return q.index.IDs(partitions...), nil
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
		q.index.Return(items...)
		return fmt.Errorf("end %d events: %w", len(items), err)
	}
	q.index.Forget(events)
	return nil
}

func (q *queue) Purge(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	number, err := q.journal.write(purgeRecord(q.name))
	if err != nil {
		return fmt.Errorf("purge queue %q: %w", q.name, err)
	}
	q.index.Clear(number)
	return nil
}
