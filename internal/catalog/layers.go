package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// LayerRecord is one layer as it is stored. Neither it nor what it points to may
// be changed.
type LayerRecord struct {
	Layer    *lambda.Layer
	Revision store.Revision
}

func (r LayerRecord) name() string             { return r.Layer.Name }
func (r LayerRecord) revision() store.Revision { return r.Revision }

func readLayer(_ string, value []byte, revision store.Revision) (LayerRecord, error) {
	l, err := decodeLayer(value)
	return LayerRecord{Layer: l, Revision: revision}, err
}

// Layer returns the newest known record of a layer's name. A layer whose
// versions are all deleted has one too.
func (c *Catalog) Layer(name string) (LayerRecord, bool) { return c.layers.get(name) }

// Layers returns all records sorted by name. The slice is shared: it is not to
// be changed.
func (c *Catalog) Layers() []LayerRecord { return c.layers.list() }

// PutLayer stores a layer if its revision is still expect, 0 for a new one;
// otherwise store.ErrConflict. The returned record is what Layer shows from now
// on; l stays the caller's.
func (c *Catalog) PutLayer(ctx context.Context, l *lambda.Layer, expect store.Revision) (LayerRecord, error) {
	value, err := encodeLayer(l)
	if err != nil {
		return LayerRecord{}, fmt.Errorf("put layer %q: %w", l.Name, err)
	}
	r, err := c.layers.put(ctx, c.metadata, l.Name, value, expect)
	if err != nil {
		return LayerRecord{}, fmt.Errorf("put layer %q: %w", l.Name, err)
	}
	return r, nil
}

type layerFormat struct {
	Name          string               `json:"name"`
	Versions      []layerVersionFormat `json:"versions,omitempty"`
	LastPublished int64                `json:"lastPublished"`
}

type layerVersionFormat struct {
	Number        int64        `json:"number"`
	Description   string       `json:"description,omitempty"`
	License       string       `json:"license,omitempty"`
	Runtimes      []string     `json:"runtimes,omitzero"`      // none and empty differ
	Architectures []string     `json:"architectures,omitzero"` // here too
	Code          codeFormat   `json:"code"`
	Signed        signedFormat `json:"signed,omitzero"`
	CreatedAt     time.Time    `json:"createdAt"`
	// Policy and PolicyRevision are empty if there is none.
	Policy         string `json:"policy,omitempty"`
	PolicyRevision string `json:"policyRevision,omitempty"`
}

func encodeLayer(l *lambda.Layer) ([]byte, error) {
	format := &layerFormat{Name: l.Name, LastPublished: l.LastPublished}
	for _, v := range l.Versions {
		one := layerVersionFormat{
			Number:        v.Number,
			Description:   v.Description,
			License:       v.License,
			Runtimes:      v.Runtimes,
			Architectures: v.Architectures,
			Code:          codeFormat(v.Code),
			Signed:        signedFormat(v.Signed),
			CreatedAt:     v.CreatedAt.UTC(),
		}
		if v.Policy != nil {
			one.Policy, one.PolicyRevision = v.Policy.Document, v.Policy.RevisionID
		}
		format.Versions = append(format.Versions, one)
	}
	return wrap(envelope{Layer: format})
}

func decodeLayer(value []byte) (*lambda.Layer, error) {
	e, err := unwrap(value)
	if err != nil {
		return nil, err
	}
	if e.Layer == nil {
		return nil, errors.New("no layer in the record")
	}
	l := &lambda.Layer{Name: e.Layer.Name, LastPublished: e.Layer.LastPublished}
	for _, v := range e.Layer.Versions {
		one := lambda.LayerVersion{
			Number:        v.Number,
			Description:   v.Description,
			License:       v.License,
			Runtimes:      v.Runtimes,
			Architectures: v.Architectures,
			Code:          lambda.Code(v.Code),
			Signed:        lambda.Signed(v.Signed),
			CreatedAt:     v.CreatedAt,
		}
		if v.Policy != "" {
			one.Policy = &lambda.Policy{Document: v.Policy, RevisionID: v.PolicyRevision}
		}
		l.Versions = append(l.Versions, one)
	}
	return l, nil
}
