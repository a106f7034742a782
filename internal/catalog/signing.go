package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// SigningRecord is one code signing configuration as it is stored. Neither it nor
// what it points to may be changed.
type SigningRecord struct {
	Config   *lambda.SigningConfig
	Revision store.Revision
}

func (r SigningRecord) name() string             { return r.Config.ID }
func (r SigningRecord) revision() store.Revision { return r.Revision }

func readSigning(_ string, value []byte, revision store.Revision) (SigningRecord, error) {
	c, err := decodeSigning(value)
	return SigningRecord{Config: c, Revision: revision}, err
}

// SigningConfig returns the newest known record of a code signing configuration.
func (c *Catalog) SigningConfig(id string) (SigningRecord, bool) { return c.signing.get(id) }

// SigningConfigs returns all records sorted by ID. The slice is shared: it is not
// to be changed.
func (c *Catalog) SigningConfigs() []SigningRecord { return c.signing.list() }

// PutSigningConfig stores a configuration if its revision is still expect, 0 for a
// new one; otherwise store.ErrConflict. The returned record is what SigningConfig
// shows from now on; config stays the caller's.
func (c *Catalog) PutSigningConfig(ctx context.Context, config *lambda.SigningConfig, expect store.Revision) (SigningRecord, error) {
	value, err := encodeSigning(config)
	if err != nil {
		return SigningRecord{}, fmt.Errorf("put code signing configuration %q: %w", config.ID, err)
	}
	r, err := c.signing.put(ctx, c.metadata, config.ID, value, expect)
	if err != nil {
		return SigningRecord{}, fmt.Errorf("put code signing configuration %q: %w", config.ID, err)
	}
	return r, nil
}

// DeleteSigningConfig removes a configuration if its revision is still expect.
func (c *Catalog) DeleteSigningConfig(ctx context.Context, id string, expect store.Revision) error {
	if err := c.metadata.Delete(ctx, signingPrefix+id, expect); err != nil {
		return fmt.Errorf("delete code signing configuration %q: %w", id, err)
	}
	c.signing.forget(id, expect)
	return nil
}

type signingFormat struct {
	ID           string            `json:"id"`
	Description  string            `json:"description,omitempty"`
	Publishers   []string          `json:"publishers"`
	Policy       string            `json:"policy"`
	Tags         map[string]string `json:"tags,omitempty"`
	LastModified time.Time         `json:"modified"`
}

func encodeSigning(c *lambda.SigningConfig) ([]byte, error) {
	format := signingFormat(*c)
	format.LastModified = c.LastModified.UTC()
	return wrap(envelope{Signing: &format})
}

func decodeSigning(value []byte) (*lambda.SigningConfig, error) {
	e, err := unwrap(value)
	if err != nil {
		return nil, err
	}
	if e.Signing == nil {
		return nil, errors.New("no code signing configuration in the record")
	}
	c := lambda.SigningConfig(*e.Signing)
	return &c, nil
}
