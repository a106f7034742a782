// Package local is the durable store engine of a single machine: one append-only
// journal for records and events, and blobs as files.
//
// Vocabulary. An entry is one step of one record or event: put, done, or the purge
// of a queue. Records are kept as a queue without a name that nobody can lease from.
// What concurrent callers bring while a sync is under way is written as one group,
// which is durable as a whole or not at all. Groups are numbered without gaps and
// lie in segments, files that only grow. The mark is a small file beside the
// segments that says which groups have been acknowledged; so what is missing is
// noticed, also at the very end.
//
//	DIR/journal/N.log      segments, named by their first group
//	DIR/journal.mark       the mark
//	DIR/blobs              see package blobs
//	DIR/damaged            see package damage
//	DIR/lock               locked while a process has the directory open
//
// docs/file-formats.md has the bytes, docs/durability.md the orders of writes that
// make it true.
//
// Life cycle: Open reads all segments, keeps damaged ones aside, and has every
// record in memory and every event in its queue's backlog. Close ends watches and
// leases and waits for the one goroutine that writes.
//
// What was acknowledged survives kill -9 and loss of power: the disk is synced
// before each answer. One process owns the directory. All methods may be called at
// the same time.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
	"thaw/internal/store/blobs"
)

// errClosed is what a store answers after Close.
var errClosed = errors.New("store is closed")

// maxEvents bounds the events that wait in one queue. Each costs about 250 bytes of
// memory.
const maxEvents = 1_000_000

// Options configures Open.
type Options struct {
	// Dir is the state directory; it is made if it is missing.
	Dir string
	// Logger gets what was lost, and trouble with the disk.
	Logger *slog.Logger
	// GroupRecords bounds how many entries of concurrent callers share a sync of the
	// disk; 0 means a default.
	GroupRecords int
	// Slack is how many bytes of the journal may be dead beyond those that live, before
	// what lives at its front is written anew; 0 means a default.
	Slack int64
	// Now is time.Now if it is nil. It is only for the names of what is set aside.
	Now func() time.Time
}

// Store is a store.Store over one directory.
type Store struct {
	lock    *os.File
	now     func() time.Time
	logger  *slog.Logger
	journal *journal
	records *records
	blobs   *blobs.Directory
	ctx     context.Context // ends with the store
	cancel  context.CancelFunc

	mu     sync.Mutex
	byName map[string]*queue
}

var _ store.Store = (*Store)(nil)

// Open reads what is there, or begins a store; one of an earlier release is taken
// over. A directory that another process has open is an error.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	if o.Dir == "" || o.Logger == nil {
		return nil, errors.New("open store: Dir and Logger are required")
	}
	if o.GroupRecords == 0 {
		o.GroupRecords = groupRecords
	}
	if o.Slack == 0 {
		o.Slack = defaultSlack
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{now: o.Now, logger: o.Logger, byName: make(map[string]*queue)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open store %q: %w", o.Dir, err), s.Close())
		}
	}()
	if err := makeDirectory(o.Dir); err != nil {
		return nil, err
	}
	if s.lock, err = lockFile(o.Dir, os.O_CREATE); err != nil {
		return nil, err
	}
	if s.blobs, err = blobs.Open(filepath.Join(o.Dir, "blobs")); err != nil {
		return nil, err
	}
	if err := s.load(o); err != nil {
		return nil, err
	}
	if err := s.takeOver(ctx, o); err != nil {
		return nil, err
	}
	return s, nil
}

// load reads the journal into the records and the backlogs.
func (s *Store) load(o Options) error {
	journal, live, err := openJournal(o)
	if err != nil {
		return err
	}
	s.journal = journal
	s.records = newRecords(journal, live[recordsQueue])
	for name, events := range live {
		if name == recordsQueue {
			continue
		}
		items := make([]backlog.Item, 0, len(events))
		for _, e := range events {
			items = append(items, item(e.event, e.attempts, e.sequence))
		}
		s.queue(name).index.Add(items...)
	}
	journal.begin(s.records)
	s.blobs.Damaged = s.keepBlob
	return nil
}

// makeDirectory makes a directory that is durable with its name.
func makeDirectory(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDirectory(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(parent)
}

// Metadata returns the records.
func (s *Store) Metadata() store.Metadata { return s.records }

// Blobs returns the blobs.
func (s *Store) Blobs() store.Blobs { return s.blobs }

// Queue returns the queue of a name.
func (s *Store) Queue(name string) store.Queue {
	if err := store.CheckKey(name); err != nil {
		return store.NoQueue(fmt.Errorf("queue: %w", err))
	}
	return s.queue(name)
}

func (s *Store) queue(name string) *queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byName[name]
	if q == nil {
		q = &queue{name: name, journal: s.journal, index: backlog.New(maxEvents), ctx: s.ctx}
		s.byName[name] = q
	}
	return q
}

// Close ends all watches and leases; what was acknowledged is on the disk already.
// It is safe on a store that was opened in part.
func (s *Store) Close() error {
	s.cancel()
	var err error
	if s.journal != nil {
		err = s.journal.close()
	}
	if s.records != nil {
		s.records.Close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}

// lockFile keeps a second process out: two over one set of files would destroy it.
// The lock ends with the process, however it dies.
func lockFile(dir string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("in use by another process: %w", err), f.Close())
	}
	return f, nil
}

// Lock keeps every process from opening a directory until it is released, which
// may be because there is nothing in it to be opened. The error is EWOULDBLOCK
// while one has it open.
func Lock(dir string) (release func() error, err error) {
	f, err := lockFile(dir, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock store %q: %w", dir, err)
	}
	return f.Close, nil
}
