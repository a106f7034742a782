package logstore

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Options configures a Store; zero fields but Dir and Logger mean the defaults.
type Options struct {
	Dir    string // made if there is none, mode 0700
	Logger *slog.Logger
	Now    func() time.Time

	// GroupBytes bounds the files of one group, TotalBytes those of all.
	GroupBytes, TotalBytes int64
	// SegmentBytes is the size at which a segment is sealed.
	SegmentBytes int64
	// QueueBytes bounds what waits for the writer.
	QueueBytes int
	// ScanBytes is about how much one search reads before it answers with what it
	// has, so that a rare match costs many short requests and not a long one.
	ScanBytes int64
	// LoadedGroups bounds the groups that have an open file and their index in
	// memory.
	LoadedGroups int
}

const (
	defaultGroupBytes   = 256 << 20
	defaultTotalBytes   = 4 << 30
	defaultSegmentBytes = 4 << 20
	defaultQueueBytes   = 16 << 20
	defaultLoadedGroups = 256
	defaultScanBytes    = 64 << 20

	// segmentsPerGroup is how many segments a full group has at least, so that
	// what is dropped at one time is a small part of it.
	segmentsPerGroup = 8
	// segmentAge seals a segment that grows slowly: retention drops whole ones.
	segmentAge = 24 * time.Hour
	// maxMessage bounds one event's text, in bytes, as the service does.
	maxMessage = 1 << 20
	// eventOverhead is charged for each event beside its text, so that a flood of
	// empty lines is bounded too.
	eventOverhead = 128
	// maxStreams is how many streams a group may have for another to be created in
	// it without an event. Each is kept in memory, and functions may create them.
	maxStreams = 10_000
)

// Errors that callers tell apart.
var (
	ErrNoGroup        = errors.New("no such log group")
	ErrNoStream       = errors.New("no such log stream")
	ErrGroupExists    = errors.New("the log group exists")
	ErrStreamExists   = errors.New("the log stream exists")
	ErrTooManyStreams = errors.New("the log group has too many streams")
	ErrProtected      = errors.New("the log group is protected against deletion")
	errClosed         = errors.New("the log store is closed")
)

// Event is one event of a group.
type Event struct {
	// Seq numbers the events of a group from 1 on, without gaps but for those of
	// deleted streams, in the order in which they came in.
	Seq      uint64
	Stream   string
	At       time.Time // to the millisecond
	Ingested time.Time
	Message  string

	group uint64
}

// ID names an event among all of the store: 56 digits that sort as the events do.
func (e Event) ID() string {
	return fmt.Sprintf("%017d%019d%020d", e.At.UnixMilli(), e.group, e.Seq)
}

// Store is the log of a server.
type Store struct {
	opts Options
	log  *slog.Logger
	now  func() time.Time

	queue     queue
	total     atomic.Int64 // bytes of all segments
	followers followers
	sweeping  chan struct{} // asks for a sweep
	stop      chan struct{}
	running   sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	catalogue *catalogue
	groups    map[string]*group
	nextID    uint64
	recent    *list.List // of the loaded groups, the one used last in front
}

// Open opens the log in a directory, which no other Store may have open.
func Open(opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	c, states, err := openCatalogue(opts.Dir, opts.Logger)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	s := &Store{
		opts: opts, log: opts.Logger, now: opts.Now, catalogue: c, groups: make(map[string]*group, len(states)),
		recent: list.New(), sweeping: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	s.queue.open(opts.QueueBytes)
	for _, state := range states {
		s.groups[state.Name] = s.newGroup(state)
		s.nextID = max(s.nextID, state.ID+1)
	}
	if err := s.skipUnknown(states); err != nil {
		return nil, errors.Join(fmt.Errorf("open the log: %w", err), c.close())
	}
	s.running.Go(s.write)
	s.running.Go(s.sweepNowAndThen)
	s.askSweep()
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, bound := range []struct {
		value *int64
		plain int64
	}{{&o.GroupBytes, defaultGroupBytes}, {&o.TotalBytes, defaultTotalBytes}, {&o.SegmentBytes, defaultSegmentBytes}, {&o.ScanBytes, defaultScanBytes}} {
		if *bound.value <= 0 {
			*bound.value = bound.plain
		}
	}
	o.SegmentBytes = min(o.SegmentBytes, max(o.GroupBytes/segmentsPerGroup, 1))
	if o.QueueBytes <= 0 {
		o.QueueBytes = defaultQueueBytes
	}
	if o.LoadedGroups <= 0 {
		o.LoadedGroups = defaultLoadedGroups
	}
	return o
}

func (s *Store) newGroup(state groupState) *group {
	return &group{id: state.ID, dir: groupDir(s.opts.Dir, state.ID), store: s, state: state}
}

// skipUnknown keeps new groups off directories that no group owns: the list of
// groups was lost or cut off, and what is in them may still be wanted.
func (s *Store) skipUnknown(states map[uint64]groupState) error {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		id, err := strconv.ParseUint(entry.Name(), 16, 64)
		if err != nil || !entry.IsDir() {
			continue
		}
		if _, known := states[id]; !known {
			s.log.Warn("a directory of the log belongs to no group; it is left alone", "directory", groupDir(s.opts.Dir, id))
			s.nextID = max(s.nextID, id+1)
		}
	}
	return nil
}

// Close writes what is queued and ends the store.
func (s *Store) Close() error {
	if !s.queue.close() {
		return nil
	}
	close(s.stop)
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, g := range s.groups {
		g.mu.Lock()
		if g.file != nil {
			errs = append(errs, g.file.Sync())
		}
		g.unload()
		g.mu.Unlock()
	}
	return errors.Join(append(errs, s.catalogue.close())...)
}

// Append queues one event; the group and the stream are made if there are none.
// It never waits. Message is cut at 1 MiB.
func (s *Store) Append(group, stream string, at time.Time, message string) {
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	s.queue.put(incoming{group: group, stream: stream, at: at.UnixMilli(), message: message})
}

// Put writes events to a stream that exists, and returns when they are in its
// file.
func (s *Store) Put(group, stream string, events []Event) error {
	g, err := s.acquire(group)
	if err != nil {
		return err
	}
	defer s.release(g)
	batch := make([]incoming, len(events))
	for i, e := range events {
		batch[i] = incoming{group: group, stream: stream, at: e.At.UnixMilli(), message: e.Message}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.load(); err != nil {
		return err
	}
	if g.streams[stream] == nil {
		return ErrNoStream
	}
	numbered, _, err := g.append(batch, s.now().UnixMilli())
	s.followers.publish(group, numbered)
	return err
}

// acquire finds a group and keeps it loaded until release.
func (s *Store) acquire(name string) (*group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[name]
	switch {
	case s.closed:
		return nil, errClosed
	case g == nil:
		return nil, ErrNoGroup
	}
	s.pin(g)
	return g, nil
}

// pin marks a group as in use; the caller holds s.mu.
func (s *Store) pin(g *group) {
	g.pins++
	if g.element == nil {
		g.element = s.recent.PushFront(g)
	} else {
		s.recent.MoveToFront(g.element)
	}
}

// release ends a use. The groups used longest ago are unloaded.
func (s *Store) release(g *group) {
	s.mu.Lock()
	g.pins--
	var idle []*group
	for e := s.recent.Back(); e != nil && s.recent.Len() > s.opts.LoadedGroups; {
		candidate, before := e.Value.(*group), e.Prev()
		if candidate.pins == 0 {
			s.recent.Remove(e)
			candidate.element = nil
			candidate.pins++ // until it is unloaded, so that it is not lost sight of
			idle = append(idle, candidate)
		}
		e = before
	}
	s.mu.Unlock()
	for _, g := range idle {
		g.mu.Lock()
		g.unload()
		g.mu.Unlock()
		s.mu.Lock()
		g.pins--
		s.mu.Unlock()
	}
}

// Settle waits until all that was appended before is to be found by searches.
func (s *Store) Settle(ctx context.Context) error {
	done := s.queue.barrier()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
