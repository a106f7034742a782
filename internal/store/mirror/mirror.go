// Package mirror keeps a copy of all records beside their engine, and refuses a
// store that is older or emptier than what this node has seen of it: one whose
// files were lost, set back or exchanged.
//
// Vocabulary: the mirror is one file with every record as the engine has it, so
// that what is sealed stays sealed; its revision is the highest one that it has
// seen. A store is behind when it cannot have come out of the mirror's state by
// further changes (check.go has the rules).
//
// Life cycle: Open reads the file, compares, brings it up to the store, and then
// follows the store's watch until Close. The file is written behind the store and
// is not synced after each change: after a crash it may know less than the store
// does, and never more.
//
// The mirror is one goroutine's; Close waits for it.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/store"
)

// FileName is the mirror's name in a data directory.
const FileName = "records.mirror"

// ErrBehind is what a store answers that is older or emptier than the mirror.
var ErrBehind = errors.New("the store is behind the copy of its records")

// Options configures Open.
type Options struct {
	Path     string
	Metadata store.Metadata // of the engine, not of a decorator
	// Accept takes a store that is behind: the old mirror is set aside and a new
	// one begun.
	Accept bool
	// Before, if there is one, is shown the records of a store that is not behind,
	// before any of them is copied. It may change them, to seal them, say.
	Before func(ctx context.Context, records []store.Entry) error
	// Engine, if there is one, is asked for damage, and has records put back that were
	// lost with it.
	Engine Engine
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// Engine is a store engine that knows when its files were damaged.
type Engine interface {
	// Damaged tells whether damage was found since the records were last settled.
	Damaged() (bool, error)
	// Restore puts records with the revisions that they have, deletes others, and has
	// the next change take a revision after newest.
	Restore(put []store.Entry, deleted []string, newest store.Revision) error
	// Settle is told when the records agree with the mirror, and what was restored.
	Settle(restored []string) error
}

// Mirror follows a store.
type Mirror struct {
	logger *slog.Logger
	cancel context.CancelFunc
	done   sync.WaitGroup
	// written is a revision.
	written atomic.Uint64

	// What follows is the goroutine's.
	file      *file
	late      []store.Change // that could not be written yet, the oldest first
	lateBytes int            // of their values
	failed    bool           // the last change could not be written, and it was told
	ended     bool           // no more is written
}

// The changes that wait for a disk that is full are bounded in number and bytes.
const (
	maxLate      = 10_000
	maxLateBytes = 64 << 20
)

// Open compares and begins to follow. ctx bounds the comparison.
func Open(ctx context.Context, o Options) (*Mirror, error) {
	if o.Path == "" || o.Metadata == nil || o.Logger == nil {
		return nil, errors.New("open mirror: Path, Metadata and Logger are required")
	}
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m := &Mirror{logger: o.Logger, cancel: cancel}
	changes, err := m.open(ctx, following, o)
	if err != nil {
		cancel()
		if changes != nil {
			for range changes {
			}
		}
		return nil, fmt.Errorf("open mirror: %w", errors.Join(err, m.file.close()))
	}
	m.done.Go(func() { m.follow(following, changes) })
	return m, nil
}

func (m *Mirror) open(ctx, following context.Context, o Options) (<-chan store.Change, error) {
	// Asked first: whatever happened up to here is in the initial state.
	newest, err := o.Metadata.Newest(ctx)
	if err != nil {
		return nil, err
	}
	changes, err := o.Metadata.Watch(following, "")
	if err != nil {
		return nil, err
	}
	// The file is read while the store's records come: each is half of the time.
	var reading sync.WaitGroup
	var unread error
	reading.Go(func() { m.file, unread = openFile(o.Path) })
	now, err := initial(ctx, changes, newest)
	reading.Wait()
	if err := errors.Join(err, unread); err != nil {
		return changes, err
	}
	if m.file.alien {
		// It is a copy only: that it is damaged keeps nobody from the records.
		if err := m.setAside(o, errAlien); err != nil {
			return changes, err
		}
	}
	if m.file.torn {
		m.logger.Warn("the end of the copy of the records is broken and was cut off", slog.String("path", o.Path))
	}
	if err := m.settle(o, now); err != nil {
		return changes, err
	}
	if o.Before != nil {
		if err := before(ctx, o, now, changes); err != nil {
			return changes, err
		}
	}
	err = m.file.catchUp(now)
	m.written.Store(uint64(m.file.state.newest))
	return changes, err
}

// settle compares. A store that is behind because its files were damaged gets back
// what the mirror has; any other one is the operator's matter.
func (m *Mirror) settle(o Options, now *snapshot) error {
	behind := compare(&m.file.state, now)
	if behind != nil && o.Accept {
		return m.setAside(o, behind)
	}
	if o.Engine == nil {
		return behind
	}
	damaged, err := o.Engine.Damaged()
	if err != nil || !damaged {
		return errors.Join(behind, err)
	}
	var restored []string
	if behind != nil {
		put, deleted, err := m.file.lost(now)
		if err != nil {
			return errors.Join(behind, err)
		}
		if err := o.Engine.Restore(put, deleted, m.file.state.newest); err != nil {
			return errors.Join(behind, err)
		}
		for _, e := range put {
			now.apply(store.Change{Entry: e})
			restored = append(restored, e.Key)
		}
		for _, key := range deleted {
			now.apply(store.Change{Entry: store.Entry{Key: key, Revision: m.file.state.newest}, Deleted: true})
			restored = append(restored, key)
		}
		now.newest = max(now.newest, m.file.state.newest)
		if err := compare(&m.file.state, now); err != nil {
			return fmt.Errorf("after its records were restored: %w", err)
		}
	}
	return o.Engine.Settle(restored)
}

// setAside keeps the old mirror under another name.
func (m *Mirror) setAside(o Options, reason error) error {
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	aside := o.Path + "." + now().UTC().Format("20060102T150405Z")
	if err := errors.Join(m.file.close(), os.Rename(o.Path, aside)); err != nil {
		return err
	}
	m.logger.Warn("the copy of the earlier records was set aside", slog.String("path", aside), slog.Any("reason", reason))
	var err error
	m.file, err = openFile(o.Path)
	return err
}

// initial reads the state with which a watch begins.
func initial(ctx context.Context, changes <-chan store.Change, newest store.Revision) (*snapshot, error) {
	s := &snapshot{newest: newest, entries: make(map[string]store.Entry)}
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				return nil, errors.New("the watch ended before all records were read")
			}
			if c.Synced {
				return s, nil
			}
			s.apply(c)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// before lets the records be changed and brings the snapshot up to that.
func before(ctx context.Context, o Options, now *snapshot, changes <-chan store.Change) error {
	if err := o.Before(ctx, slices.Collect(maps.Values(now.entries))); err != nil {
		return err
	}
	newest, err := o.Metadata.Newest(ctx)
	if err != nil {
		return err
	}
	for now.newest < newest {
		select {
		case c, ok := <-changes:
			if !ok {
				return errors.New("the watch ended")
			}
			now.apply(c)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (m *Mirror) follow(ctx context.Context, changes <-chan store.Change) {
	for c := range changes {
		if !c.Synced {
			m.take(c)
		}
	}
	if ctx.Err() == nil {
		m.logger.Error("watch of the records ended; their copy is not kept up")
	}
}

// take brings the file up to a change, after those before it that could not be
// written: with one left out and later ones written, the copy would be of no state
// that the store ever had, and the store be refused at the next start. A copy that
// merely ends early is brought up then.
func (m *Mirror) take(c store.Change) {
	if m.ended {
		return
	}
	m.late = append(m.late, c)
	m.lateBytes += len(c.Value)
	var err error
	for len(m.late) > 0 && err == nil {
		if err = m.file.apply(m.late[0]); err == nil {
			m.lateBytes -= len(m.late[0].Value)
			m.late = m.late[1:]
		}
	}
	if err == nil {
		err = m.file.compact()
	}
	if err != nil && !m.failed {
		m.logger.Error("the copy of the records is not kept up", slog.Any("error", err))
	}
	m.failed = err != nil
	m.written.Store(uint64(m.file.state.newest))
	if m.ended = m.lateBytes > maxLateBytes || len(m.late) > maxLate; m.ended {
		m.late = nil
		m.logger.Error("too many changes wait for the copy of the records: it ends here, until the next start")
	}
}

// Newest is the revision up to which the file is written.
func (m *Mirror) Newest() store.Revision { return store.Revision(m.written.Load()) }

// Close ends the watch and leaves the file synced.
func (m *Mirror) Close() error {
	m.cancel()
	m.done.Wait()
	return m.file.close()
}

// remove deletes a file that may not be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
