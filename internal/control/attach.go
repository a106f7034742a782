package control

import (
	"context"
	"fmt"
	"slices"

	"thaw/internal/lambda"
)

// attachment resolves the layers that a change of a function names, and holds
// their content until the change is written: the layer version may be deleted
// meanwhile, and nobody else might name it.
type attachment struct {
	control *Control
	held    []lambda.Code
}

func (c *Control) attachment() *attachment { return &attachment{control: c} }

// resolve is the content of layer versions by their ARNs.
func (a *attachment) resolve(ctx context.Context, arns []string) ([]lambda.AttachedLayer, error) {
	c := a.control
	refs, err := c.checkLayers(arns)
	if err != nil {
		return nil, err
	}
	var layers []lambda.AttachedLayer
	for i, ref := range refs {
		v := c.layerVersion(ref)
		if v == nil {
			return nil, noSuchLayerVersion(arns[i])
		}
		err := a.hold(ctx, v.Code)
		if c.layerVersion(ref) == nil { // it was deleted before it was held
			return nil, noSuchLayerVersion(arns[i])
		}
		if err != nil {
			return nil, fmt.Errorf("hold layer %q: %w", arns[i], err)
		}
		layers = append(layers, lambda.AttachedLayer{ARN: arns[i], Code: v.Code, Signed: v.Signed})
	}
	return layers, nil
}

func (a *attachment) hold(ctx context.Context, code lambda.Code) error {
	if slices.Contains(a.held, code) {
		return nil
	}
	if _, err := a.control.code.Acquire(ctx, code); err != nil {
		return err
	}
	a.held = append(a.held, code)
	return nil
}

// release is called with the outcome of the change. If that is not known, the
// content stays until the next start, as code does.
func (a *attachment) release(outcome error) {
	if unknown(outcome) {
		return
	}
	for _, code := range a.held {
		a.control.code.Release(code)
	}
	if len(a.held) > 0 {
		a.control.collection.due()
	}
}

// checkLayers holds a list of layer version ARNs to the rules that need no layer
// to be there.
func (c *Control) checkLayers(arns []string) ([]lambda.LayerRef, error) {
	if len(arns) > lambda.MaxLayers {
		return nil, lambda.Errorf(lambda.CodeInvalidParameterValue, "Cannot reference more than %d layers.", lambda.MaxLayers)
	}
	refs := make([]lambda.LayerRef, 0, len(arns))
	byName := make(map[string]string, len(arns))
	for _, arn := range arns {
		ref, ok := lambda.ParseLayerRef(arn)
		if !ok {
			return nil, noSuchLayerVersion(arn)
		}
		if ref.Account != c.scope.Account {
			return nil, c.layerDenied(ref)
		}
		if ref.Region != c.scope.Region {
			return nil, lambda.Errorf(lambda.CodeInvalidParameterValue,
				"Layers are not in the same region as the function. Layers are expected to be in region %s.", c.scope.Region)
		}
		if other, ok := byName[ref.Name]; ok {
			return nil, lambda.Errorf(lambda.CodeInvalidParameterValue,
				"Two different versions of the same layer are not allowed to be referenced in the same function. "+
					"%s and %s are versions of the same layer.", other, arn)
		}
		byName[ref.Name] = arn
		refs = append(refs, ref)
	}
	return refs, nil
}

// layerVersion is what a reference names; nil if it is not there.
func (c *Control) layerVersion(ref lambda.LayerRef) *lambda.LayerVersion {
	record, ok := c.catalog.Layer(ref.Name)
	if !ok {
		return nil
	}
	return record.Layer.Version(ref.Version)
}

func noSuchLayerVersion(arn string) error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue, "Layer version %s does not exist.", arn)
}

// checkUnzipped refuses code that is too large together with its layers. Each of
// them alone was measured when it came.
func checkUnzipped(v *lambda.Version) error {
	total := v.Code.Unzipped
	for _, l := range v.Layers {
		total += l.Code.Unzipped
	}
	if len(v.Layers) > 0 && total > lambda.MaxUnzipped {
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.",
			lambda.MaxUnzipped, total)
	}
	return nil
}
