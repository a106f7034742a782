// Package table is records in memory, with revisions, compare-and-swap and watches:
// what the store engines have above their own way of keeping them, if they do.
//
// One mutex guards everything. A watch has one goroutine, which Close and the end of
// its context both stop; Close waits for it.
package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"thaw/internal/store"
)

// ErrClosed is what a table answers after Close.
var ErrClosed = errors.New("store is closed")

// Table is a store.Metadata.
type Table struct {
	ctx    context.Context // ends with the store
	cancel context.CancelFunc
	pumps  sync.WaitGroup

	mu       sync.Mutex
	entries  map[string]store.Entry
	revision store.Revision // of the last write to any key
	watchers map[*watcher]struct{}
}

// New makes an empty table.
func New() *Table {
	ctx, cancel := context.WithCancel(context.Background())
	return &Table{
		ctx:      ctx,
		cancel:   cancel,
		entries:  make(map[string]store.Entry),
		watchers: make(map[*watcher]struct{}),
	}
}

// Close ends all watches.
func (t *Table) Close() {
	t.cancel()
	t.pumps.Wait()
}

// Get returns the newest entry.
func (t *Table) Get(_ context.Context, key string) (store.Entry, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Entry{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.entries[key]
	if !ok {
		return store.Entry{}, fmt.Errorf("get %q: %w", key, store.ErrNotFound)
	}
	e.Value = slices.Clone(e.Value)
	return e, nil
}

// Newest is the revision of the last write or deletion.
func (t *Table) Newest(context.Context) (store.Revision, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.revision, nil
}

// Put writes if the revision is still expect.
func (t *Table) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	if err := errors.Join(store.CheckKey(key), store.CheckValue(value)); err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.admit(ctx, key, expect); err != nil {
		return 0, fmt.Errorf("put %q: %w", key, err)
	}
	e := store.Entry{Key: key, Value: slices.Clone(value), Revision: t.revision + 1}
	t.apply(store.Change{Entry: e})
	return e.Revision, nil
}

// Delete removes if the revision is still expect.
func (t *Table) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if expect == 0 {
		return fmt.Errorf("delete %q: %w", key, store.ErrConflict)
	}
	if err := t.admit(ctx, key, expect); err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	t.apply(store.Change{Entry: store.Entry{Key: key, Revision: t.revision + 1}, Deleted: true})
	return nil
}

// Admit tells whether a write that expects a revision may be made: for an engine
// that makes one at a time durable, before it has it applied.
func (t *Table) Admit(key string, expect store.Revision) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.admit(context.Background(), key, expect)
}

// Apply makes changes that were admitted: their revisions grow. The values are the
// table's from then on.
func (t *Table) Apply(changes ...store.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range changes {
		t.apply(c)
	}
}

// Skip has the next change take a revision after the given one.
func (t *Table) Skip(newest store.Revision) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revision = max(t.revision, newest)
}

// apply makes a change and hands it to the watchers; the caller holds mu.
func (t *Table) apply(c store.Change) {
	t.revision = max(t.revision, c.Revision)
	if c.Deleted {
		delete(t.entries, c.Key)
	} else {
		t.entries[c.Key] = c.Entry
	}
	t.publish(c)
}

// admit checks a write; the caller holds mu.
func (t *Table) admit(ctx context.Context, key string, expect store.Revision) error {
	if t.ctx.Err() != nil {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.entries[key].Revision != expect {
		return store.ErrConflict
	}
	return nil
}

// publish hands a change to the watchers; the caller holds mu.
func (t *Table) publish(c store.Change) {
	for w := range t.watchers {
		if strings.HasPrefix(c.Key, w.prefix) {
			w.add(c, false)
		}
	}
}

// Watch delivers the present state and then each change.
func (t *Table) Watch(ctx context.Context, prefix string) (<-chan store.Change, error) {
	if err := store.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return nil, ErrClosed
	}
	w := &watcher{
		prefix:  prefix,
		out:     make(chan store.Change),
		wake:    make(chan struct{}, 1),
		pending: make(map[string]state),
	}
	var keys []string
	for key := range t.entries {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		w.add(store.Change{Entry: t.entries[key]}, true)
	}
	w.add(store.Change{Synced: true}, true)
	t.watchers[w] = struct{}{}
	t.pumps.Go(func() {
		w.pump(ctx, t.ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.watchers, w)
	})
	return w.out, nil
}

// watcher keeps what one reader has yet to see: the newest state of each key, so that
// it holds at most one change a key however slow the reader is. After the initial
// state, changes come in the order of their revisions: who has seen one has seen, of
// every key, all up to it.
type watcher struct {
	prefix string
	out    chan store.Change
	wake   chan struct{}

	mu      sync.Mutex
	order   []slot // the oldest change first; those that are not pending any more are passed over
	pending map[string]state
	last    uint64 // slot
}

// slot is a place in the order. The key "" is Synced.
type slot struct {
	key    string
	number uint64
}

type state struct {
	change  store.Change
	number  uint64
	initial bool // comes before Synced, and stays there
}

func (w *watcher) add(c store.Change, initial bool) {
	w.mu.Lock()
	if old, ok := w.pending[c.Key]; ok && old.initial {
		w.pending[c.Key] = state{c, old.number, true}
	} else {
		w.last++
		w.pending[c.Key] = state{c, w.last, initial}
		w.order = append(w.order, slot{c.Key, w.last})
		if len(w.order) > 2*len(w.pending)+64 {
			w.order = slices.DeleteFunc(w.order, func(s slot) bool { return w.pending[s.key].number != s.number })
		}
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) next() (store.Change, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.order) > 0 {
		s := w.order[0]
		w.order = w.order[1:]
		if p, ok := w.pending[s.key]; ok && p.number == s.number {
			delete(w.pending, s.key)
			return p.change, true
		}
	}
	return store.Change{}, false
}

func (w *watcher) pump(ctx, closed context.Context) {
	defer close(w.out)
	for {
		c, ok := w.next()
		if !ok {
			select {
			case <-w.wake:
				continue
			case <-ctx.Done():
				return
			case <-closed.Done():
				return
			}
		}
		c.Value = slices.Clone(c.Value)
		select {
		case w.out <- c:
		case <-ctx.Done():
			return
		case <-closed.Done():
			return
		}
	}
}
