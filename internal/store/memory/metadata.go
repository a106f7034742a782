package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"thaw/internal/store"
)

// errClosed is what a store answers after Close.
var errClosed = errors.New("store is closed")

type metadata struct {
	ctx    context.Context // ends with the store
	cancel context.CancelFunc
	pumps  sync.WaitGroup

	mu       sync.Mutex
	entries  map[string]store.Entry
	revision store.Revision // of the last write to any key
	watchers map[*watcher]struct{}
}

func newMetadata() *metadata {
	ctx, cancel := context.WithCancel(context.Background())
	return &metadata{
		ctx:      ctx,
		cancel:   cancel,
		entries:  make(map[string]store.Entry),
		watchers: make(map[*watcher]struct{}),
	}
}

func (m *metadata) close() {
	m.cancel()
	m.pumps.Wait()
}

func (m *metadata) Get(_ context.Context, key string) (store.Entry, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Entry{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok {
		return store.Entry{}, fmt.Errorf("get %q: %w", key, store.ErrNotFound)
	}
	e.Value = slices.Clone(e.Value)
	return e, nil
}

func (m *metadata) Newest(context.Context) (store.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revision, nil
}

func (m *metadata) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	if err := errors.Join(store.CheckKey(key), store.CheckValue(value)); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.admit(ctx, key, expect); err != nil {
		return 0, fmt.Errorf("put %q: %w", key, err)
	}
	m.revision++
	e := store.Entry{Key: key, Value: slices.Clone(value), Revision: m.revision}
	m.entries[key] = e
	m.publish(store.Change{Entry: e})
	return e.Revision, nil
}

func (m *metadata) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if expect == 0 {
		return fmt.Errorf("delete %q: %w", key, store.ErrConflict)
	}
	if err := m.admit(ctx, key, expect); err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	m.revision++
	delete(m.entries, key)
	m.publish(store.Change{Entry: store.Entry{Key: key, Revision: m.revision}, Deleted: true})
	return nil
}

// admit checks a write; the caller holds mu.
func (m *metadata) admit(ctx context.Context, key string, expect store.Revision) error {
	if m.ctx.Err() != nil {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.entries[key].Revision != expect {
		return store.ErrConflict
	}
	return nil
}

// publish hands a change to the watchers; the caller holds mu.
func (m *metadata) publish(c store.Change) {
	for w := range m.watchers {
		if strings.HasPrefix(c.Key, w.prefix) {
			w.add(c)
		}
	}
}

func (m *metadata) Watch(ctx context.Context, prefix string) (<-chan store.Change, error) {
	if err := store.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return nil, errClosed
	}
	w := &watcher{
		prefix:  prefix,
		out:     make(chan store.Change),
		wake:    make(chan struct{}, 1),
		pending: make(map[string]store.Change),
	}
	for key, e := range m.entries {
		if strings.HasPrefix(key, prefix) {
			w.add(store.Change{Entry: e})
		}
	}
	slices.Sort(w.order)
	w.order = append(w.order, "")
	w.pending[""] = store.Change{Synced: true}
	m.watchers[w] = struct{}{}
	m.pumps.Go(func() {
		w.pump(ctx, m.ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, w)
	})
	return w.out, nil
}

// watcher keeps what one reader has yet to see: the newest state of each key,
// so that it holds at most one change a key however slow the reader is.
type watcher struct {
	prefix string
	out    chan store.Change
	wake   chan struct{}

	mu      sync.Mutex
	order   []string // keys of pending, the oldest change first; "" is Synced
	pending map[string]store.Change
}

func (w *watcher) add(c store.Change) {
	w.mu.Lock()
	if _, ok := w.pending[c.Key]; !ok {
		w.order = append(w.order, c.Key)
	}
	w.pending[c.Key] = c
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) next() (store.Change, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return store.Change{}, false
	}
	key := w.order[0]
	w.order = w.order[1:]
	c := w.pending[key]
	delete(w.pending, key)
	return c, true
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
