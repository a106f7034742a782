// Package memory is the store engine without a disk: the twin of jetstream for
// tests and for servers that need not remember. It passes the same suite, runs
// under a virtual clock, and forgets everything when it is closed.
//
// Every port has one mutex above the state it guards.
package memory

import (
	"fmt"

	"thaw/internal/store"
	"thaw/internal/store/table"
)

// Store is a store.Store in memory.
type Store struct {
	metadata *table.Table
	queues   *queues
	blobs    *blobs
}

var _ store.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store {
	return &Store{metadata: table.New(), queues: newQueues(), blobs: newBlobs()}
}

// Metadata returns the records.
func (s *Store) Metadata() store.Metadata { return s.metadata }

// Queue returns the queue of a name.
func (s *Store) Queue(name string) store.Queue {
	if err := store.CheckKey(name); err != nil {
		return store.NoQueue(fmt.Errorf("queue: %w", err))
	}
	return s.queues.queue(name)
}

// Blobs returns the blobs.
func (s *Store) Blobs() store.Blobs { return s.blobs }

// Close ends all watches and leases.
func (s *Store) Close() error {
	s.metadata.Close()
	s.queues.cancel()
	return nil
}
