package catalog

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// record is what a read model holds: Record and its kin.
type record interface {
	name() string
	revision() store.Revision
}

// readModel is the newest known record of each name of one kind.
type readModel[R record] struct {
	// prefix begins the keys of this kind; the name follows as it is, for all its
	// characters are legal in a key.
	prefix string
	decode func(name string, value []byte, revision store.Revision) (R, error)
	logger *slog.Logger

	followed sync.WaitGroup
	byName   sync.Map // name → R; written under mu only
	sorted   atomic.Pointer[[]R]

	mu sync.Mutex
	// deleted are deletions that something older may yet come after: own ones until
	// the watch shows them, and all while own writes of the name are under way.
	deleted     map[string]deletion
	writing     map[string]int // own writes that are under way
	subscribers map[int]func(r R, deleted bool)
	lastID      int
}

// deletion is of what had the revision or an older one.
type deletion struct {
	revision store.Revision
	shown    bool // by the watch
}

func newReadModel[R record](prefix string, decode func(string, []byte, store.Revision) (R, error), logger *slog.Logger) *readModel[R] {
	return &readModel[R]{
		prefix:      prefix,
		decode:      decode,
		logger:      logger,
		deleted:     make(map[string]deletion),
		writing:     make(map[string]int),
		subscribers: make(map[int]func(R, bool)),
	}
}

// open reads all records, within ctx, and follows their changes until following
// ends.
func (m *readModel[R]) open(ctx, following context.Context, metadata store.Metadata) error {
	changes, err := metadata.Watch(following, m.prefix)
	if err != nil {
		return err
	}
	if err := m.load(ctx, changes); err != nil {
		m.followed.Go(func() { // until following ends, which the caller sees to
			for range changes {
			}
		})
		return err
	}
	m.followed.Go(func() { m.follow(following, changes) })
	return nil
}

const (
	// decoders is how many records of the initial state are decoded at a time, at
	// most: with many functions that have many versions it is most of a start.
	decoders = 8
	// loadedAhead is how many of them wait for each decoder.
	loadedAhead = 32
)

// load takes the initial state, what has one name in order. A record that cannot
// be read stops it: a server that went on without would hand its name out again.
func (m *readModel[R]) load(ctx context.Context, changes <-chan store.Change) error {
	loading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers sync.WaitGroup
	lines := make([]chan store.Change, min(runtime.GOMAXPROCS(0), decoders))
	for i := range lines {
		line := make(chan store.Change, loadedAhead)
		lines[i] = line
		workers.Go(func() {
			for change := range line {
				if loading.Err() != nil {
					continue
				}
				if err := m.take(change); err != nil {
					stop(err)
				}
			}
		})
	}
	err := distribute(loading, changes, lines)
	for _, line := range lines {
		close(line)
	}
	workers.Wait()
	if cause := context.Cause(loading); cause != nil {
		return cause
	}
	return err
}

// distribute puts the initial state into lines, each name always into the same.
func distribute(ctx context.Context, changes <-chan store.Change, lines []chan store.Change) error {
	seed := maphash.MakeSeed()
	for {
		select {
		case change, ok := <-changes:
			if !ok {
				return errors.New("the watch ended before all records were read")
			}
			if change.Synced {
				return nil
			}
			select {
			case lines[maphash.String(seed, change.Key)%uint64(len(lines))] <- change:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *readModel[R]) follow(ctx context.Context, changes <-chan store.Change) {
	for change := range changes {
		if change.Synced {
			continue
		}
		if err := m.take(change); err != nil {
			m.logger.Error("record not readable", slog.String("key", change.Key), slog.Any("error", err))
		}
	}
	if ctx.Err() == nil {
		m.logger.Error("watch of the records ended; changes from elsewhere go unseen", slog.String("kind", m.prefix))
	}
}

func (m *readModel[R]) take(change store.Change) error {
	name := strings.TrimPrefix(change.Key, m.prefix)
	if change.Deleted {
		m.remove(name, change.Revision)
		return nil
	}
	if known, ok := m.get(name); ok && known.revision() >= change.Revision {
		return nil // an own write, mostly
	}
	r, err := m.decode(name, change.Value, change.Revision)
	if err != nil {
		return fmt.Errorf("decode record %q: %w", change.Key, err)
	}
	m.apply(name, r)
	return nil
}

// get returns the newest known record of a name.
func (m *readModel[R]) get(name string) (R, bool) {
	r, ok := m.byName.Load(name)
	if !ok {
		var none R
		return none, false
	}
	return r.(R), true
}

// list returns all records sorted by name, shared.
func (m *readModel[R]) list() []R {
	if list := m.sorted.Load(); list != nil {
		return *list
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	list := []R{}
	m.byName.Range(func(_, r any) bool {
		list = append(list, r.(R))
		return true
	})
	slices.SortFunc(list, func(a, b R) int { return strings.Compare(a.name(), b.name()) })
	list = slices.Clip(list)
	m.sorted.Store(&list)
	return list
}

// put writes a record if its revision is still expect, and shows it.
func (m *readModel[R]) put(ctx context.Context, metadata store.Metadata, name string, value []byte, expect store.Revision) (R, error) {
	var none R
	// The watch may be ahead and show the write, and even its deletion by another,
	// before the writer comes to know of it.
	m.write(name, 1)
	defer m.write(name, -1)
	revision, err := metadata.Put(ctx, m.prefix+name, value, expect)
	if errors.Is(err, store.ErrFull) {
		return none, fmt.Errorf("%w (%w)", lambda.Errorf(lambda.CodeService, "The server's disk is full: nothing was changed."), err)
	}
	if err != nil {
		return none, err
	}
	// Decoded again, so that the model never shares memory with the caller, and
	// is after a restart what it was before.
	r, err := m.decode(name, value, revision)
	if err != nil {
		return none, err
	}
	m.apply(name, r)
	return r, nil
}

// write counts own writes of a name. With the last one end the deletions that
// were kept for them.
func (m *readModel[R]) write(name string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing[name] += n
	if m.writing[name] > 0 {
		return
	}
	delete(m.writing, name)
	if m.deleted[name].shown {
		delete(m.deleted, name)
	}
}

func (m *readModel[R]) subscribe(notify func(r R, deleted bool)) (cancel func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastID++
	id := m.lastID
	m.subscribers[id] = notify
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subscribers, id)
	}
}

// apply shows a record unless a newer one or a deletion is known.
func (m *readModel[R]) apply(name string, r R) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.get(name); ok && known.revision() >= r.revision() {
		return
	}
	if r.revision() <= m.deleted[name].revision {
		return
	}
	delete(m.deleted, name)
	m.sorted.Store(nil) // first: who has read the new one by name must not get an old list
	m.byName.Store(name, r)
	m.tell(r, false)
}

// remove takes a deletion from the watch. One that is older than an own deletion
// says nothing about it: what lies between the two has yet to come.
func (m *readModel[R]) remove(name string, revision store.Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if revision > m.deleted[name].revision {
		delete(m.deleted, name)
		if m.writing[name] > 0 {
			m.deleted[name] = deletion{revision: revision, shown: true}
		}
	}
	if known, ok := m.get(name); ok && known.revision() < revision {
		m.drop(name, known)
	}
}

// forget takes an own deletion of what had the given revision. The watch may be
// behind and still show that; it will show the deletion in the end. If it has
// done so already, the name is gone or has been written anew.
func (m *readModel[R]) forget(name string, revision store.Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.get(name); ok && known.revision() <= revision {
		m.deleted[name] = deletion{revision: revision}
		m.drop(name, known)
	}
}

// drop takes a record away; the caller holds mu.
func (m *readModel[R]) drop(name string, known R) {
	m.sorted.Store(nil)
	m.byName.Delete(name)
	m.tell(known, true)
}

// tell is for the subscribers; the caller holds mu.
func (m *readModel[R]) tell(r R, deleted bool) {
	for _, notify := range m.subscribers {
		notify(r, deleted)
	}
}
