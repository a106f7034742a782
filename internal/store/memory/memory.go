// Package memory is the store engine without a disk: the twin of jetstream for
// tests and for servers that need not remember. It passes the same suite, runs
// under a virtual clock, and forgets everything when it is closed.
//
// Every port has one mutex above the state it guards. A watch has one goroutine,
// which Close and the end of its context both stop; Close waits for it.
package memory

import (
	"fmt"

	"thaw/internal/store"
)

// Store is a store.Store in memory.
type Store struct {
	metadata *metadata
	queues   *queues
	blobs    *blobs
}

var _ store.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store {
	return &Store{metadata: newMetadata(), queues: newQueues(), blobs: newBlobs()}
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
	s.metadata.close()
	s.queues.cancel()
	return nil
}
