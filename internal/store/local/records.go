package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/table"
)

// recordsQueue is the queue of the records: a put has the key for its ID and the
// revision for its due time, a done is a deletion. No queue for events has this name.
//
// A deletion comes with a put of the empty key, which is no record's: its revision is
// that of the newest deletion, so that no revision is given twice.
const recordsQueue = ""

// records are a table in memory over the journal. The journal's goroutine alone
// changes it.
type records struct {
	*table.Table
	journal *journal
}

func newRecords(j *journal, live map[string]liveEvent) *records {
	r := &records{table.New(), j}
	for key, e := range live {
		revision := store.Revision(e.event.Due.UnixNano())
		if key == "" {
			r.Skip(revision)
			continue
		}
		r.Apply(store.Change{Entry: store.Entry{Key: key, Value: e.event.Body, Revision: revision}})
	}
	return r
}

func recordPut(key string, value []byte, revision store.Revision) record {
	return putRecord(recordsQueue, store.Event{ID: key, Body: value, Due: time.Unix(0, int64(revision))}, 0)
}

// stamp gives a call's records their revision.
func stamp(rs []record, revision store.Revision) {
	for i := range rs {
		rs[i].event.Due = time.Unix(0, int64(revision))
	}
}

func (r *records) newest() store.Revision {
	newest, _ := r.Newest(context.Background()) // without an error
	return newest
}

func (r *records) admit(key string, expect store.Revision) error { return r.Admit(key, expect) }

// record is a record's put as it would be written now.
func (r *records) record(key string) record {
	if key == "" {
		return recordPut("", nil, r.newest())
	}
	e, err := r.Get(context.Background(), key)
	if err != nil {
		return doneRecord(recordsQueue, key)
	}
	return recordPut(key, e.Value, e.Revision)
}

// Put writes if the revision is still expect.
func (r *records) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	if err := errors.Join(store.CheckKey(key), store.CheckValue(value), ctx.Err()); err != nil {
		return 0, err
	}
	value = slices.Clone(value)
	c := &call{records: []record{recordPut(key, value, 0)}, expect: expect,
		change: &store.Change{Entry: store.Entry{Key: key, Value: value}}}
	if _, err := r.journal.call(c); err != nil {
		return 0, fmt.Errorf("put %q: %w", key, err)
	}
	return c.change.Revision, nil
}

// Delete removes if the revision is still expect.
func (r *records) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return err
	}
	if expect == 0 {
		return fmt.Errorf("delete %q: %w", key, store.ErrConflict)
	}
	c := &call{records: []record{doneRecord(recordsQueue, key), recordPut("", nil, 0)}, expect: expect, urgent: true,
		change: &store.Change{Entry: store.Entry{Key: key}, Deleted: true}}
	if _, err := r.journal.call(c); err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	return nil
}

// restore writes records with the revisions that they had elsewhere, ends others, and
// has the next change take a revision after newest.
func (r *records) restore(entries []store.Entry, deleted []string, newest store.Revision) error {
	for some := range slices.Chunk(deleted, groupRecords) {
		var batch []record
		var changes []store.Change
		for _, key := range some {
			batch = append(batch, doneRecord(recordsQueue, key))
			changes = append(changes, store.Change{Entry: store.Entry{Key: key, Revision: newest}, Deleted: true})
		}
		if _, err := r.journal.write(batch...); err != nil {
			return err
		}
		r.Apply(changes...)
	}
	for some := range slices.Chunk(entries, 64) {
		size := 0
		var batch []record
		var changes []store.Change
		flush := func() error {
			if len(batch) == 0 {
				return nil
			}
			_, err := r.journal.write(batch...)
			if err == nil {
				r.Apply(changes...)
			}
			size, batch, changes = 0, nil, nil
			return err
		}
		for _, e := range some {
			p := recordPut(e.Key, slices.Clone(e.Value), e.Revision)
			if size+p.size > groupBytes {
				if err := flush(); err != nil {
					return err
				}
			}
			size += p.size
			batch = append(batch, p)
			changes = append(changes, store.Change{Entry: store.Entry{Key: e.Key, Value: p.event.Body, Revision: e.Revision}})
		}
		if err := flush(); err != nil {
			return err
		}
	}
	if _, err := r.journal.write(recordPut("", nil, newest)); err != nil {
		return err
	}
	r.Skip(newest)
	return nil
}
