// Package catalog holds the typed records of everything that is desired, and
// the read model that the rest of the server looks at. It is the one place that
// encodes and decodes metadata.
//
// Vocabulary: a record is an aggregate (a function with its versions) with the
// revision under which it is stored. The read model is the newest known record
// of each name, in memory.
//
// Life cycle: Open follows the store's watch and returns when all that was
// stored is in the read model; Close ends the watch and waits for its goroutine.
//
// Concurrency: reads take no lock. What is read is shared and never changes:
// whoever wants to change a record copies it. One mutex orders the changes of
// the read model, which come from the watch and from this catalog's own writes;
// a change that is older than what the model holds is dropped, so that a writer
// sees its own write from the moment the call returns.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// functionPrefix begins the keys of functions; the name follows as it is, for
// all its characters are legal in a key.
const functionPrefix = "function/"

// Record is one function as it is stored. Neither it nor what it points to may
// be changed.
type Record struct {
	Function *lambda.Function
	Revision store.Revision
}

// Options configures Open.
type Options struct {
	Logger *slog.Logger
}

// Catalog is the read model and its writers.
type Catalog struct {
	metadata store.Metadata
	logger   *slog.Logger
	cancel   context.CancelFunc
	followed sync.WaitGroup

	functions sync.Map // name → Record; written under mu only
	sorted    atomic.Pointer[[]Record]

	mu          sync.Mutex
	deleted     map[string]store.Revision // own deletions that the watch has yet to show
	subscribers map[int]func(r Record, deleted bool)
	lastID      int
}

// Open reads all records. ctx bounds the reading, not the catalog's life.
func Open(ctx context.Context, metadata store.Metadata, o Options) (*Catalog, error) {
	if o.Logger == nil {
		return nil, errors.New("open catalog: Logger is required")
	}
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	changes, err := metadata.Watch(following, functionPrefix)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	c := &Catalog{
		metadata:    metadata,
		logger:      o.Logger,
		cancel:      cancel,
		deleted:     make(map[string]store.Revision),
		subscribers: make(map[int]func(Record, bool)),
	}
	if err := c.load(ctx, changes); err != nil {
		cancel()
		for range changes {
		}
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	c.followed.Go(func() { c.follow(following, changes) })
	return c, nil
}

// Close ends the watch. Reads go on answering from what is known.
func (c *Catalog) Close() error {
	c.cancel()
	c.followed.Wait()
	return nil
}

// load takes the initial state. A record that cannot be read stops it: a server
// that went on without would hand its name out again.
func (c *Catalog) load(ctx context.Context, changes <-chan store.Change) error {
	for {
		select {
		case change, ok := <-changes:
			if !ok {
				return errors.New("the watch ended before all records were read")
			}
			if change.Synced {
				return nil
			}
			if err := c.take(change); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *Catalog) follow(ctx context.Context, changes <-chan store.Change) {
	for change := range changes {
		if change.Synced {
			continue
		}
		if err := c.take(change); err != nil {
			c.logger.Error("record not readable", slog.String("key", change.Key), slog.Any("error", err))
		}
	}
	if ctx.Err() == nil {
		c.logger.Error("watch of the records ended; changes from elsewhere go unseen")
	}
}

func (c *Catalog) take(change store.Change) error {
	name := strings.TrimPrefix(change.Key, functionPrefix)
	if change.Deleted {
		c.remove(name, change.Revision)
		return nil
	}
	f, err := decodeFunction(change.Value)
	if err != nil {
		return fmt.Errorf("decode record %q: %w", change.Key, err)
	}
	c.apply(name, Record{Function: f, Revision: change.Revision})
	return nil
}

// Function returns the newest known record of a name.
func (c *Catalog) Function(name string) (Record, bool) {
	r, ok := c.functions.Load(name)
	if !ok {
		return Record{}, false
	}
	return r.(Record), true
}

// Functions returns all records sorted by name. The slice is shared: it is not
// to be changed.
func (c *Catalog) Functions() []Record {
	if list := c.sorted.Load(); list != nil {
		return *list
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []Record{}
	c.functions.Range(func(_, r any) bool {
		list = append(list, r.(Record))
		return true
	})
	slices.SortFunc(list, func(a, b Record) int { return strings.Compare(a.Function.Name, b.Function.Name) })
	list = slices.Clip(list)
	c.sorted.Store(&list)
	return list
}

// PutFunction stores a function if its revision is still expect, 0 for a new
// one; otherwise store.ErrConflict. The returned record is what Function shows
// from now on; f stays the caller's.
func (c *Catalog) PutFunction(ctx context.Context, f *lambda.Function, expect store.Revision) (Record, error) {
	value, err := encodeFunction(f)
	if err != nil {
		return Record{}, fmt.Errorf("put function %q: %w", f.Name, err)
	}
	revision, err := c.metadata.Put(ctx, functionPrefix+f.Name, value, expect)
	if err != nil {
		return Record{}, fmt.Errorf("put function %q: %w", f.Name, err)
	}
	// Decoded again, so that the model never shares memory with the caller, and
	// is after a restart what it was before.
	stored, err := decodeFunction(value)
	if err != nil {
		return Record{}, fmt.Errorf("put function %q: %w", f.Name, err)
	}
	r := Record{Function: stored, Revision: revision}
	c.apply(f.Name, r)
	return r, nil
}

// DeleteFunction removes a function if its revision is still expect.
func (c *Catalog) DeleteFunction(ctx context.Context, name string, expect store.Revision) error {
	if err := c.metadata.Delete(ctx, functionPrefix+name, expect); err != nil {
		return fmt.Errorf("delete function %q: %w", name, err)
	}
	c.forget(name, expect)
	return nil
}

// Subscribe calls notify for each change from now on, a name's in order: with
// the new record, or with the last one and deleted set. It is called with the
// model's lock held, so it must be quick and must not call the catalog's
// writers or Functions.
func (c *Catalog) Subscribe(notify func(r Record, deleted bool)) (cancel func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	id := c.lastID
	c.subscribers[id] = notify
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.subscribers, id)
	}
}

// apply shows a record unless a newer one or a deletion is known.
func (c *Catalog) apply(name string, r Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.Function(name); ok && known.Revision >= r.Revision {
		return
	}
	if r.Revision <= c.deleted[name] {
		return
	}
	delete(c.deleted, name)
	c.functions.Store(name, r)
	c.changed(r, false)
}

// remove takes a deletion from the watch. One that is older than an own deletion
// says nothing about it: what lies between the two has yet to come.
func (c *Catalog) remove(name string, revision store.Revision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if revision > c.deleted[name] {
		delete(c.deleted, name)
	}
	if known, ok := c.Function(name); ok && known.Revision < revision {
		c.functions.Delete(name)
		c.changed(known, true)
	}
}

// forget takes an own deletion of what had the given revision. The watch may be
// behind and still show that; it will show the deletion in the end. If it has
// done so already, the name is gone or has been written anew.
func (c *Catalog) forget(name string, revision store.Revision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.Function(name); ok && known.Revision <= revision {
		c.deleted[name] = revision
		c.functions.Delete(name)
		c.changed(known, true)
	}
}

// changed tells the subscribers; the caller holds mu.
func (c *Catalog) changed(r Record, deleted bool) {
	c.sorted.Store(nil)
	for _, notify := range c.subscribers {
		notify(r, deleted)
	}
}
