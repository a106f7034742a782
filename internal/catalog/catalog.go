// Package catalog holds the typed records of everything that is desired, and
// the read model that the rest of the server looks at. It is the one place that
// encodes and decodes metadata.
//
// Vocabulary: a record is an aggregate (a function with its versions, a layer
// with its) with the revision under which it is stored. The read model is the
// newest known record of each name, in memory.
//
// Life cycle: Open follows the store's watch and returns when all that was
// stored is in the read model; Close ends the watch and waits for its goroutines.
//
// Concurrency: reads take no lock. What is read is shared and never changes:
// whoever wants to change a record copies it. One mutex for each kind of record
// orders the changes of the read model, which come from the watch and from this
// catalog's own writes; a change that is older than what the model holds is
// dropped, so that a writer sees its own write from the moment the call returns.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// What the keys of each kind of record begin with.
const (
	functionPrefix = "function/"
	layerPrefix    = "layer/"
	mappingPrefix  = "mapping/"
	signingPrefix  = "signing/"
	signerPrefix   = "signer/"
	rolePrefix     = "role/"
	policyPrefix   = "policy/"
)

// Record is one function as it is stored. Neither it nor what it points to may
// be changed.
type Record struct {
	Function *lambda.Function
	Revision store.Revision
}

func (r Record) name() string             { return r.Function.Name }
func (r Record) revision() store.Revision { return r.Revision }

// Options configures Open.
type Options struct {
	Logger *slog.Logger
}

// Catalog is the read model and its writers.
type Catalog struct {
	metadata  store.Metadata
	cancel    context.CancelFunc
	functions *readModel[Record]
	layers    *readModel[LayerRecord]
	mappings  *readModel[MappingRecord]
	signing   *readModel[SigningRecord]
	signers   *readModel[SignerRecord]
	roles     *readModel[RoleRecord]
	policies  *readModel[PolicyRecord]
}

// Open reads all records. ctx bounds the reading, not the catalog's life.
func Open(ctx context.Context, metadata store.Metadata, o Options) (*Catalog, error) {
	if o.Logger == nil {
		return nil, errors.New("open catalog: Logger is required")
	}
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &Catalog{
		metadata:  metadata,
		cancel:    cancel,
		functions: newReadModel(functionPrefix, readFunction, o.Logger),
		layers:    newReadModel(layerPrefix, readLayer, o.Logger),
		mappings:  newReadModel(mappingPrefix, readMapping, o.Logger),
		signing:   newReadModel(signingPrefix, readSigning, o.Logger),
		signers:   newReadModel(signerPrefix, readSigner, o.Logger),
		roles:     newReadModel(rolePrefix, readRole, o.Logger),
		policies:  newReadModel(policyPrefix, readPolicy, o.Logger),
	}
	for _, open := range []func(ctx, following context.Context, metadata store.Metadata) error{
		c.functions.open, c.layers.open, c.mappings.open, c.signing.open, c.signers.open, c.roles.open, c.policies.open,
	} {
		if err := open(ctx, following, metadata); err != nil {
			return nil, errors.Join(fmt.Errorf("open catalog: %w", err), c.Close())
		}
	}
	return c, nil
}

// Close ends the watch. Reads go on answering from what is known.
func (c *Catalog) Close() error {
	c.cancel()
	c.functions.followed.Wait()
	c.layers.followed.Wait()
	c.mappings.followed.Wait()
	c.signing.followed.Wait()
	c.roles.followed.Wait()
	c.policies.followed.Wait()
	c.signers.followed.Wait()
	return nil
}

func readFunction(value []byte, revision store.Revision) (Record, error) {
	f, err := decodeFunction(value)
	return Record{Function: f, Revision: revision}, err
}

// Function returns the newest known record of a name.
func (c *Catalog) Function(name string) (Record, bool) { return c.functions.get(name) }

// Functions returns all records sorted by name. The slice is shared: it is not
// to be changed.
func (c *Catalog) Functions() []Record { return c.functions.list() }

// PutFunction stores a function if its revision is still expect, 0 for a new
// one; otherwise store.ErrConflict. The returned record is what Function shows
// from now on; f stays the caller's.
func (c *Catalog) PutFunction(ctx context.Context, f *lambda.Function, expect store.Revision) (Record, error) {
	value, err := encodeFunction(f)
	if err != nil {
		return Record{}, fmt.Errorf("put function %q: %w", f.Name, err)
	}
	r, err := c.functions.put(ctx, c.metadata, f.Name, value, expect)
	if err != nil {
		return Record{}, fmt.Errorf("put function %q: %w", f.Name, err)
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
// catalog's writers or Functions.
func (c *Catalog) Subscribe(notify func(r Record, deleted bool)) (cancel func()) {
	return c.functions.subscribe(notify)
}

// CodeInUse is a picture of the code that records name, as lambda.Code has the
// digest: of the versions of functions, of their layers, and of the versions of
// layers.
func (c *Catalog) CodeInUse() func(sha256 string) bool {
	used := map[string]bool{}
	version := func(v *lambda.Version) {
		used[v.Code.SHA256] = true
		for _, l := range v.Layers {
			used[l.Code.SHA256] = true
		}
	}
	// Layers first: what leaves them for a function meanwhile is seen there.
	for _, r := range c.Layers() {
		for i := range r.Layer.Versions {
			used[r.Layer.Versions[i].Code.SHA256] = true
		}
	}
	for _, r := range c.Functions() {
		version(&r.Function.Latest)
		for i := range r.Function.Versions {
			version(&r.Function.Versions[i])
		}
	}
	return func(sha256 string) bool { return used[sha256] }
}
