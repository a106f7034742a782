// Package events is the durable engine of queues: an append-only journal on the
// disk, and above it the named queues with their backlogs in memory.
//
// Vocabulary. A record is one step of one event: put, done, or the purge of a
// queue. What concurrent callers bring while a sync is under way is written as one
// group, which is durable as a whole or not at all. Groups are numbered without
// gaps and lie in segments, files that only grow. The mark is a small file beside
// the segments that says which groups have been acknowledged; so what is missing
// is noticed, also at the very end. Damage is what a reader could not have back.
//
//	DIR/events/N.log       segments, named by their first group
//	DIR/events.mark        the mark
//	DIR/damaged/           files that were damaged, as they were found, and
//	                       report.jsonl, what was lost with them
//
// docs/file-formats.md has the bytes, docs/durability.md the orders of writes that
// make it true.
//
// Life cycle: Open reads all segments, sets damaged ones aside, and has every live
// event in its queue's backlog. Close ends leases and waits for the one goroutine
// that writes. All methods may be called at the same time.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
)

// errClosed is what a queue answers after Close.
var errClosed = errors.New("store is closed")

// maxEvents bounds the events that wait in one queue. Each costs about 500 bytes of
// memory.
const maxEvents = 1_000_000

// Options configures Open.
type Options struct {
	// Dir is the store's directory, which exists and is locked by this process.
	Dir string
	// Logger gets what was lost, and trouble with the disk.
	Logger *slog.Logger
	// Now is time.Now if it is nil. It is only for the names of what is set aside.
	Now func() time.Time
	// GroupRecords bounds how many records of concurrent callers share a sync of the
	// disk; 0 is the default. With 1 each has its own, for comparison.
	GroupRecords int
}

// Events are the named queues over one journal.
type Events struct {
	journal *journal
	ctx     context.Context // ends with the store
	cancel  context.CancelFunc

	mu     sync.Mutex
	byName map[string]*queue
}

// Open reads the journal, or begins one.
func Open(o Options) (*Events, error) {
	if o.Dir == "" || o.Logger == nil {
		return nil, errors.New("open events: Dir and Logger are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.GroupRecords == 0 {
		o.GroupRecords = groupRecords
	}
	journal, live, err := openJournal(o)
	if err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	es := &Events{journal: journal, byName: make(map[string]*queue)}
	es.ctx, es.cancel = context.WithCancel(context.Background())
	for name, records := range live {
		items := make([]backlog.Item, 0, len(records))
		for _, r := range records {
			items = append(items, backlog.Item{ID: r.event.ID, Partition: r.event.Partition, Due: r.event.Due, Attempts: r.attempts, Place: r.sequence})
		}
		es.queue(name).index.Add(items...)
	}
	return es, nil
}

// Close ends all leases; what was acknowledged is on the disk already.
func (es *Events) Close() error {
	es.cancel()
	return es.journal.close()
}

// Queue returns the queue of a name.
func (es *Events) Queue(name string) store.Queue {
	if err := store.CheckKey(name); err != nil {
		return store.NoQueue(fmt.Errorf("queue: %w", err))
	}
	return es.queue(name)
}

func (es *Events) queue(name string) *queue {
	es.mu.Lock()
	defer es.mu.Unlock()
	q := es.byName[name]
	if q == nil {
		q = &queue{name: name, journal: es.journal, index: backlog.New(maxEvents), ctx: es.ctx}
		es.byName[name] = q
	}
	return q
}
