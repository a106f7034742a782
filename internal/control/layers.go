package control

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
)

// LayerView is a layer version as an operation shows it.
type LayerView struct {
	Layer   *lambda.Layer
	Version *lambda.LayerVersion
	// LayerARN is the layer's, ARN the version's.
	LayerARN, ARN string
}

func (c *Control) layerView(l *lambda.Layer, v *lambda.LayerVersion) LayerView {
	return LayerView{Layer: l, Version: v, LayerARN: c.scope.LayerARN(l.Name), ARN: c.scope.LayerVersionARN(l.Name, v.Number)}
}

// PublishLayerInput is a new version of a layer, and the layer if it is the first.
type PublishLayerInput struct {
	Description, License string
	// Runtimes and Architectures are what it is said to fit; nil if nothing is said.
	Runtimes, Architectures []string
	Zip                     []byte
	// Object is where the zip is, if it is not given.
	Object lambda.S3Object
}

// PublishLayerVersion makes a new version of a layer, with the next number.
func (c *Control) PublishLayerVersion(ctx context.Context, ref lambda.LayerRef, in PublishLayerInput) (_ LayerView, err error) {
	if err := c.resolveLayer(ref); err != nil {
		return LayerView{}, err
	}
	kept, release, err := c.keep(ctx, ref.Name, source{in.Zip, in.Object}, 1, 0)
	if err != nil {
		return LayerView{}, err
	}
	defer func() { release(err) }()
	record, err := c.changeLayer(ctx, ref.Name, func(l *lambda.Layer) error {
		if err := c.checkStorage(kept.code.Size, 0); err != nil {
			return err
		}
		l.LastPublished++
		l.Versions = append(l.Versions, lambda.LayerVersion{
			Number:        l.LastPublished,
			Description:   in.Description,
			License:       in.License,
			Runtimes:      in.Runtimes,
			Architectures: in.Architectures,
			Code:          kept.code,
			Signed:        kept.signed,
			CreatedAt:     time.Now(),
		})
		return nil
	})
	if err != nil {
		return LayerView{}, err
	}
	return c.layerView(record.Layer, &record.Layer.Versions[len(record.Layer.Versions)-1]), nil
}

// changeLayer replaces a layer by what edit makes of a copy, which has a slice of
// versions of its own. A layer that is not there begins as an empty one.
func (c *Control) changeLayer(ctx context.Context, name string, edit func(*lambda.Layer) error) (catalog.LayerRecord, error) {
	for range maxTries {
		l := lambda.Layer{Name: name}
		record, ok := c.catalog.Layer(name)
		if ok {
			l = *record.Layer
			l.Versions = slices.Clone(l.Versions)
		}
		if err := edit(&l); err != nil {
			return catalog.LayerRecord{}, err
		}
		changed, err := c.catalog.PutLayer(ctx, &l, record.Revision)
		switch {
		case err == nil:
			return changed, nil
		case errors.Is(err, store.ErrTooLarge):
			return catalog.LayerRecord{}, lambda.Errorf(lambda.CodeInvalidParameterValue,
				"The layer %s has more versions than can be kept. Please delete versions that are not needed.", name)
		case !errors.Is(err, store.ErrConflict):
			return catalog.LayerRecord{}, err
		}
		if !sleep(ctx, conflictPause) {
			return catalog.LayerRecord{}, ctx.Err()
		}
	}
	return catalog.LayerRecord{}, &lambda.Error{Code: lambda.CodeTooManyRequests,
		Message: "Rate Exceeded.", Reason: "CallerRateLimitExceeded", RetryAfter: time.Second}
}

// GetLayerVersion shows the version that a reference names.
func (c *Control) GetLayerVersion(_ context.Context, ref lambda.LayerRef) (LayerView, error) {
	if err := c.resolveLayerVersion(ref); err != nil {
		return LayerView{}, err
	}
	record, ok := c.catalog.Layer(ref.Name)
	if !ok {
		return LayerView{}, noSuchLayer()
	}
	v := record.Layer.Version(ref.Version)
	if v == nil {
		return LayerView{}, noSuchLayer()
	}
	return c.layerView(record.Layer, v), nil
}

// DeleteLayerVersion deletes a version; one that is not there is no error.
// Functions that have it keep it.
func (c *Control) DeleteLayerVersion(ctx context.Context, ref lambda.LayerRef) error {
	if err := c.resolveLayerVersion(ref); err != nil {
		return err
	}
	record, ok := c.catalog.Layer(ref.Name)
	if !ok || record.Layer.Version(ref.Version) == nil {
		return nil
	}
	_, err := c.changeLayer(ctx, ref.Name, func(l *lambda.Layer) error {
		l.Versions = slices.DeleteFunc(l.Versions, func(v lambda.LayerVersion) bool { return v.Number == ref.Version })
		return nil
	})
	if err == nil {
		c.collection.due()
	}
	return err
}

// ListLayersInput asks for one page of layers or of a layer's versions. Runtime
// and Architecture leave only versions that are said to fit them.
type ListLayersInput struct {
	Marker                string // of the page before; empty for the first
	Max                   int    // at most 50 are given; 0 means that
	Runtime, Architecture string
}

func (in *ListLayersInput) matches(v *lambda.LayerVersion) bool {
	return (in.Runtime == "" || slices.Contains(v.Runtimes, in.Runtime)) &&
		(in.Architecture == "" || slices.Contains(v.Architectures, in.Architecture))
}

func (in *ListLayersInput) limit() int {
	if in.Max > 0 {
		return min(pageSize, in.Max)
	}
	return pageSize
}

// ListLayers shows layers sorted by name, each with its newest version that
// matches; those without one are left out. next is empty on the last page.
func (c *Control) ListLayers(_ context.Context, in ListLayersInput) (views []LayerView, next string, err error) {
	after, err := decodeMarker(in.Marker)
	if err != nil {
		return nil, "", err
	}
	list := c.catalog.Layers()
	start, found := slices.BinarySearchFunc(list, after.name, func(r catalog.LayerRecord, name string) int {
		return strings.Compare(r.Layer.Name, name)
	})
	if found {
		start++
	}
	for _, record := range list[start:] {
		v := newestMatching(record.Layer, &in)
		if v == nil {
			continue
		}
		if len(views) == in.limit() {
			return views, marker{name: views[len(views)-1].Layer.Name}.encode(), nil
		}
		views = append(views, c.layerView(record.Layer, v))
	}
	return views, "", nil
}

func newestMatching(l *lambda.Layer, in *ListLayersInput) *lambda.LayerVersion {
	for i := len(l.Versions) - 1; i >= 0; i-- {
		if in.matches(&l.Versions[i]) {
			return &l.Versions[i]
		}
	}
	return nil
}

// ListLayerVersions shows the versions of a layer, the newest first. A layer that
// is not there has none.
func (c *Control) ListLayerVersions(_ context.Context, ref lambda.LayerRef, in ListLayersInput) (views []LayerView, next string, err error) {
	if err := c.resolveLayer(ref); err != nil {
		return nil, "", err
	}
	after, err := decodeMarker(in.Marker)
	if err != nil {
		return nil, "", err
	}
	record, ok := c.catalog.Layer(ref.Name)
	if !ok {
		return nil, "", nil
	}
	for _, v := range slices.Backward(record.Layer.Versions) {
		number := strconv.FormatInt(v.Number, 10)
		if after.version != "" && !numberAfter(after.version, number) || !in.matches(&v) {
			continue
		}
		if len(views) == in.limit() {
			last := views[len(views)-1].Version.Number
			return views, marker{ref.Name, strconv.FormatInt(last, 10)}.encode(), nil
		}
		views = append(views, c.layerView(record.Layer, &v))
	}
	return views, "", nil
}

// resolveLayer checks that a reference is to a layer of this account and region.
func (c *Control) resolveLayer(ref lambda.LayerRef) error {
	if ref.Account != "" && ref.Account != c.scope.Account {
		return c.layerDenied(ref)
	}
	if ref.Region != "" && ref.Region != c.scope.Region {
		return noSuchLayer()
	}
	return nil
}

func (c *Control) resolveLayerVersion(ref lambda.LayerRef) error {
	if ref.Version < 1 {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "Layer Version Cannot be less than 1")
	}
	return c.resolveLayer(ref)
}

func noSuchLayer() error {
	return lambda.Errorf(lambda.CodeResourceNotFound, "The resource you requested does not exist.")
}

// layerDenied is the answer for another account's layer, which is none of ours.
func (c *Control) layerDenied(ref lambda.LayerRef) error {
	other := lambda.Scope{Partition: c.scope.Partition, Region: first(ref.Region, c.scope.Region), Account: ref.Account}
	return lambda.Errorf(lambda.CodeAccessDenied,
		"User: arn:%s:iam::%s:root is not authorized to perform: lambda:GetLayerVersion on resource: %s "+
			"because no resource-based policy allows the lambda:GetLayerVersion action",
		c.scope.Partition, c.scope.Account, other.LayerVersionARN(ref.Name, ref.Version))
}
