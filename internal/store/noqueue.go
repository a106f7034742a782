package store

import (
	"context"
	"time"
)

// NoQueue is a queue of which every method is the given error: for an engine that
// is asked for a queue that cannot be.
func NoQueue(err error) Queue { return noQueue{err} }

type noQueue struct{ err error }

func (q noQueue) EnqueueBatch(context.Context, []Event) error { return q.err }
func (q noQueue) Lease(context.Context, int, time.Duration) ([]Leased, error) {
	return nil, q.err
}
func (q noQueue) Ack(context.Context, Leased) error                        { return q.err }
func (q noQueue) RetryAt(context.Context, Leased, []byte, time.Time) error { return q.err }
func (q noQueue) Extend(context.Context, Leased, time.Time) error          { return q.err }
func (q noQueue) Count(context.Context) (Count, error)                     { return Count{}, q.err }
func (q noQueue) Purge(context.Context) error                              { return q.err }
func (q noQueue) IDs(context.Context, ...string) ([]string, error)         { return nil, q.err }
func (q noQueue) End(context.Context, []string) error                      { return q.err }
func (q noQueue) Hold(string, time.Time)                                   {}
func (q noQueue) Partitions(context.Context) (map[string]Count, error)     { return nil, q.err }
