package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// SignerRecord is one signing profile as it is stored. Neither it nor what it
// points to may be changed.
type SignerRecord struct {
	Signer   *lambda.Signer
	Revision store.Revision
}

func (r SignerRecord) name() string             { return r.Signer.Name }
func (r SignerRecord) revision() store.Revision { return r.Revision }

func readSigner(_ string, value []byte, revision store.Revision) (SignerRecord, error) {
	s, err := decodeSigner(value)
	return SignerRecord{Signer: s, Revision: revision}, err
}

// Signer returns the newest known record of a signing profile.
func (c *Catalog) Signer(name string) (SignerRecord, bool) { return c.signers.get(name) }

// Signers returns all records sorted by name. The slice is shared: it is not to be
// changed.
func (c *Catalog) Signers() []SignerRecord { return c.signers.list() }

// PutSigner stores a signing profile if its revision is still expect, 0 for a new
// one; otherwise store.ErrConflict. s stays the caller's.
func (c *Catalog) PutSigner(ctx context.Context, s *lambda.Signer, expect store.Revision) (SignerRecord, error) {
	value, err := encodeSigner(s)
	if err != nil {
		return SignerRecord{}, fmt.Errorf("put signing profile %q: %w", s.Name, err)
	}
	r, err := c.signers.put(ctx, c.metadata, s.Name, value, expect)
	if err != nil {
		return SignerRecord{}, fmt.Errorf("put signing profile %q: %w", s.Name, err)
	}
	return r, nil
}

type signerFormat struct {
	Name     string                `json:"name"`
	Versions []signerVersionFormat `json:"versions"`
}

type signerVersionFormat struct {
	Version   string    `json:"version"`
	Key       []byte    `json:"key"` // base64
	AddedAt   time.Time `json:"addedAt"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
}

// signedFormat is part of the records of functions and layers.
type signedFormat struct {
	Signer    string    `json:"signer,omitempty"`
	Version   string    `json:"version,omitempty"`
	Job       string    `json:"job,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	Broken    bool      `json:"broken,omitempty"`
}

func encodeSigner(s *lambda.Signer) ([]byte, error) {
	return wrap(envelope{Signer: &signerFormat{Name: s.Name, Versions: mapped(s.Versions, func(v lambda.SignerVersion) signerVersionFormat {
		v.AddedAt, v.RevokedAt = v.AddedAt.UTC(), v.RevokedAt.UTC()
		return signerVersionFormat(v)
	})}})
}

func decodeSigner(value []byte) (*lambda.Signer, error) {
	e, err := unwrap(value)
	if err != nil {
		return nil, err
	}
	if e.Signer == nil {
		return nil, errors.New("no signing profile in the record")
	}
	return &lambda.Signer{Name: e.Signer.Name, Versions: mapped(e.Signer.Versions, func(v signerVersionFormat) lambda.SignerVersion {
		return lambda.SignerVersion(v)
	})}, nil
}
