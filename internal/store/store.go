// Package store defines the three narrow ports through which everything durable
// goes: Metadata (small records, each with a revision, watched), Queue (events
// to be worked off, each due at its time) and Blobs (large immutable bytes,
// named by their digest). Engines are below it: jetstream, the durable one, and
// memory, its twin for tests. storetest is the suite that every engine passes.
//
// There is no transaction over several keys. An aggregate is one record with one
// revision, or the order of writes makes every prefix of them valid.
//
// A write that was acknowledged survives the death of the process and of the
// machine.
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// Metadata is a map of small records with compare-and-swap and watch.
//
// Keys are made of the characters A–Z, a–z, 0–9, '-', '_', '=', '/' and '.',
// in segments parted by '/'; a value is at most MaxValue bytes.
type Metadata interface {
	// Get returns the newest entry, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes if the key's revision is still expect, 0 standing for "there is
	// none"; otherwise ErrConflict. It returns the new revision.
	Put(ctx context.Context, key string, value []byte, expect Revision) (Revision, error)
	// Delete removes the key if its revision is still expect.
	Delete(ctx context.Context, key string, expect Revision) error
	// Watch delivers every entry whose key starts with prefix as it is now, then a
	// Change with Synced set, then each change in the order of revisions, until ctx
	// ends; then the channel is closed. A watcher that is slow misses no last state of
	// any key: who has seen a change after Synced has seen all that is before it.
	Watch(ctx context.Context, prefix string) (<-chan Change, error)
	// Newest is the revision of the last write or deletion of any key. Every one
	// of them takes one revision, and none is given twice.
	Newest(ctx context.Context) (Revision, error)
}

// Revision grows with each write to any key; 0 means the key does not exist.
type Revision uint64

// Entry is one record.
type Entry struct {
	Key      string
	Value    []byte
	Revision Revision
}

// Change is one step of a watch.
type Change struct {
	Entry
	Deleted bool
	// Synced marks the end of the initial state; Entry is empty then.
	Synced bool
}

// MaxValue bounds a record, in bytes.
const MaxValue = 1 << 20

// Queue holds events until they are worked off: at least once each.
//
// Times are compared by the monotonic clock where both sides have its reading, as
// what comes from time.Now and Add does: a clock that is set moves neither leases
// nor due times of this process's life. After a restart, due times are by the
// wall clock.
type Queue interface {
	// EnqueueBatch makes all events durable, or none: at most MaxBatch of them.
	// An ID that waits already is ErrConflict; a full queue is ErrFull.
	EnqueueBatch(ctx context.Context, events []Event) error
	// Lease hands out up to max events that are due, each for the length of
	// visibility: one that is neither acked nor given back by then is handed out
	// again. It waits until there is at least one, or ctx ends; what is due is handed
	// out also if ctx has ended.
	Lease(ctx context.Context, max int, visibility time.Duration) ([]Leased, error)
	// Ack ends an event. The lease may have run out; if the event was handed out
	// again meanwhile, ErrConflict. After another error, and so after those of RetryAt,
	// the lease is as it was: it may be tried again.
	Ack(ctx context.Context, l Leased) error
	// RetryAt gives an event back, due at the given time, with a new body (its
	// attempts counted, say).
	RetryAt(ctx context.Context, l Leased, body []byte, due time.Time) error
	// Extend moves the end of a lease; a time that has come gives the event back at
	// once. The token stays valid. It is kept in memory only. ErrConflict if the
	// event was handed out again or ended.
	Extend(ctx context.Context, l Leased, until time.Time) error
	// Count tells how many events there are.
	Count(ctx context.Context) (Count, error)
	// Purge ends every event that is there when it is called, in hands or not, and
	// is durable when it returns. Whoever has one in hands gets ErrConflict.
	Purge(ctx context.Context) error
	// IDs lists the events that are there, in hands or not, in no order; those of
	// certain partitions if any are named.
	IDs(ctx context.Context, partitions ...string) ([]string, error)
	// End ends events by their IDs, in hands or not, and is durable when it returns.
	// One that is not there is no error. Whoever has one in hands gets ErrConflict.
	End(ctx context.Context, ids []string) error
	// Hold keeps the events of a partition from being handed out until a time; one
	// that has come lets them go. It is kept in memory only.
	Hold(partition string, until time.Time)
	// Partitions is Count for each partition that has events.
	Partitions(ctx context.Context) (map[string]Count, error)
}

// Count is the number of a queue's events, by what may be done with them. The
// times are those of this moment: a lease that has run out counts as waiting.
type Count struct {
	Waiting int // due
	Leased  int // in hands
	Delayed int // not yet due
}

// Event is one thing to do. Partition keeps one key's backlog from holding up
// another's. The body is at most MaxEvent bytes.
type Event struct {
	ID        string // unique among the events that wait; at most 128 bytes
	Partition string
	Body      []byte
	Due       time.Time
	// Urgent events follow from the end of others, which cannot end without them. They
	// may have the room that an engine keeps for ends on a full disk. It is not kept.
	Urgent bool
}

// Leased is an event in somebody's hands.
type Leased struct {
	Event
	Token    uint64
	Attempts int // hand-outs so far, this one included; those before a crash may be missing
}

const (
	// MaxEvent bounds an event's body, in bytes: 1 MiB for the payload of an
	// asynchronous invocation, and its envelope.
	MaxEvent = 1<<20 + 64<<10
	// MaxBatch bounds the events of one EnqueueBatch, and MaxBatchBytes the sum of
	// their bodies: what an engine writes at once.
	MaxBatch      = 256
	MaxBatchBytes = MaxEvent + 512<<10
)

// Blobs keeps immutable bytes under the lower-case hex of their SHA-256.
type Blobs interface {
	// Put reads r to its end and returns the digest and size. Equal bytes are
	// kept once. The blob is whole and durable when Put returns.
	Put(ctx context.Context, r io.Reader) (digest string, size int64, err error)
	// Open returns the bytes, or ErrNotFound.
	Open(ctx context.Context, digest string) (io.ReadSeekCloser, error)
	// Delete removes a blob; one that is not there is not an error.
	Delete(ctx context.Context, digest string) error
	// List returns the digests of all blobs, sorted.
	List(ctx context.Context) ([]string, error)
}

// Store is an engine: all three ports over one state directory.
type Store interface {
	Metadata() Metadata
	// Queue is the queue of a name, which is made of what keys are made of
	// (CheckKey); with another name, every method of the queue is an error. IDs are
	// a queue's own, and so is the limit. A queue whose name was never used costs
	// nothing, and one that is empty next to nothing.
	Queue(name string) Queue
	Blobs() Blobs
	// Close flushes and stops the engine.
	Close() error
}

var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("revision conflict")
	// ErrFull is what a queue at its limit answers.
	ErrFull = errors.New("queue is full")
)
