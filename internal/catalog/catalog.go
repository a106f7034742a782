// Package catalog holds the typed records of everything that is desired, and
// the read model that the rest of the server looks at. It is the one place that
// encodes and decodes metadata.
//
// Vocabulary: a record is an aggregate (a function with its versions, a layer
// with its) with the revision under which it is stored. The read model is the
// newest known record of each name, in memory: of functions, which may be many and
// have many versions, as it is stored until it is first used. What is asked of all
// of them at once is in their summaries (Listed).
//
// Life cycle: Open follows the store's watch and returns when all that was
// stored is in the read model; Close ends the watch and waits for its goroutines.
//
// Concurrency: reads take no lock, but the first one of a function. What is read is shared and never changes:
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
	queuePrefix    = "queue/"
)

// Options configures Open.
type Options struct {
	Logger *slog.Logger
}

// Catalog is the read model and its writers.
type Catalog struct {
	metadata  store.Metadata
	cancel    context.CancelFunc
	functions *readModel[*Listed]
	layers    *readModel[LayerRecord]
	mappings  *readModel[MappingRecord]
	signing   *readModel[SigningRecord]
	signers   *readModel[SignerRecord]
	roles     *readModel[RoleRecord]
	policies  *readModel[PolicyRecord]
	queues    *readModel[QueueRecord]
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
		functions: newReadModel(functionPrefix, listed(o.Logger), o.Logger),
		layers:    newReadModel(layerPrefix, readLayer, o.Logger),
		mappings:  newReadModel(mappingPrefix, readMapping, o.Logger),
		signing:   newReadModel(signingPrefix, readSigning, o.Logger),
		signers:   newReadModel(signerPrefix, readSigner, o.Logger),
		roles:     newReadModel(rolePrefix, readRole, o.Logger),
		policies:  newReadModel(policyPrefix, readPolicy, o.Logger),
		queues:    newReadModel(queuePrefix, readQueue, o.Logger),
	}
	for _, open := range []func(ctx, following context.Context, metadata store.Metadata) error{
		c.functions.open, c.layers.open, c.mappings.open, c.signing.open, c.signers.open, c.roles.open, c.policies.open, c.queues.open,
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
	c.queues.followed.Wait()
	c.signers.followed.Wait()
	return nil
}
