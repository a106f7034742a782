package catalog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// Record is one function as it is stored. Neither it nor what it points to may
// be changed.
type Record struct {
	Function *lambda.Function
	Revision store.Revision
}

// Listed is a function as lists have it: its record is decoded when somebody wants
// more than the summary, for to decode all of them is most of a start, and most
// functions are not used by most servers' lives.
type Listed struct {
	Name     string
	Revision store.Revision
	Summary
	logger *slog.Logger

	decoded atomic.Pointer[lambda.Function]
	mu      sync.Mutex
	value   []byte // of the record; nil once it is decoded
	broken  bool   // it cannot be decoded, and this was told
}

func (l *Listed) name() string             { return l.Name }
func (l *Listed) revision() store.Revision { return l.Revision }

// listed reads of a record what is wanted of all of them.
func listed(logger *slog.Logger) func(name string, value []byte, revision store.Revision) (*Listed, error) {
	return func(name string, value []byte, revision store.Revision) (*Listed, error) {
		summary, err := decodeSummary(value)
		if err != nil {
			return nil, err
		}
		return &Listed{Name: name, Revision: revision, Summary: summary, logger: logger, value: value}, nil
	}
}

// record is the decoded record, which is kept from then on. One that cannot be
// decoded is told to the operator: its seal was good, so that only a server with
// other rules can have written it.
func (l *Listed) record() (Record, bool) {
	f := l.decoded.Load()
	if f == nil {
		f = l.decode()
	}
	return Record{Function: f, Revision: l.Revision}, f != nil
}

func (l *Listed) decode() *lambda.Function {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.decoded.Load(); f != nil || l.broken {
		return f
	}
	f, err := decodeFunction(l.value)
	if err != nil {
		l.broken = true
		l.logger.Error("record not readable", slog.String("key", functionPrefix+l.Name), slog.Any("error", err))
		return nil
	}
	l.decoded.Store(f)
	l.value = nil
	return f
}

// Whole is the function for a reader who will not come back: what had to be
// decoded is not kept.
func (l *Listed) Whole() (*lambda.Function, error) { return l.peek(decodeFunction) }

// Unpublished is Whole for who does not need the published versions: they may be
// missing.
func (l *Listed) Unpublished() (*lambda.Function, error) { return l.peek(decodeUnpublished) }

func (l *Listed) peek(decode func(value []byte) (*lambda.Function, error)) (*lambda.Function, error) {
	l.mu.Lock()
	value := l.value
	l.mu.Unlock()
	if value == nil {
		return l.decoded.Load(), nil
	}
	f, err := decode(value)
	if err != nil {
		return nil, fmt.Errorf("read function %q: %w", l.Name, err)
	}
	return f, nil
}

// Function returns the newest known record of a name.
func (c *Catalog) Function(name string) (Record, bool) {
	l, ok := c.functions.get(name)
	if !ok {
		return Record{}, false
	}
	return l.record()
}

// List returns all functions sorted by name. The slice is shared: it is not to be
// changed.
func (c *Catalog) List() []*Listed { return c.functions.list() }

// Functions returns the records of all functions sorted by name. It decodes every
// one of them for good: who can do with List does better.
func (c *Catalog) Functions() []Record {
	records := []Record{}
	for _, l := range c.List() {
		if r, ok := l.record(); ok {
			records = append(records, r)
		}
	}
	return records
}

// PutFunction stores a function if its revision is still expect, 0 for a new
// one; otherwise store.ErrConflict. The returned record is what Function shows
// from now on; f stays the caller's.
func (c *Catalog) PutFunction(ctx context.Context, f *lambda.Function, expect store.Revision) (Record, error) {
	value, err := encodeFunction(f)
	if err != nil {
		return Record{}, fmt.Errorf("put function %q: %w", f.Name, err)
	}
	l, err := c.functions.put(ctx, c.metadata, f.Name, value, expect)
	if err != nil {
		return Record{}, fmt.Errorf("put function %q: %w", f.Name, err)
	}
	r, ok := l.record()
	if !ok {
		return Record{}, fmt.Errorf("put function %q: what was written cannot be read", f.Name)
	}
	return r, nil
}

// DeleteFunction removes a function if its revision is still expect.
func (c *Catalog) DeleteFunction(ctx context.Context, name string, expect store.Revision) error {
	if err := c.metadata.Delete(ctx, functionPrefix+name, expect); err != nil {
		return fmt.Errorf("delete function %q: %w", name, err)
	}
	c.functions.forget(name, expect)
	return nil
}

// Subscribe calls notify for each change of a function from now on, a name's in
// order: with the new record, or with the last one and deleted set. It is called
// with the model's lock held, so it must be quick and must not call the
// catalog's writers, List or Functions.
func (c *Catalog) Subscribe(notify func(r Record, deleted bool)) (cancel func()) {
	return c.functions.subscribe(func(l *Listed, deleted bool) {
		if r, ok := l.record(); ok {
			notify(r, deleted)
		}
	})
}

// CodeInUse is a picture of the code that records name, as lambda.Code has the
// digest: of the versions of functions, of their layers, and of the versions of
// layers.
func (c *Catalog) CodeInUse() func(sha256 string) bool {
	used := map[string]bool{}
	// Layers first: what leaves them for a function meanwhile is seen there.
	for _, r := range c.Layers() {
		for i := range r.Layer.Versions {
			used[r.Layer.Versions[i].Code.SHA256] = true
		}
	}
	for _, l := range c.List() {
		for digest := range l.digests() {
			used[digest] = true
		}
	}
	return func(sha256 string) bool { return used[sha256] }
}
