package lambda

import (
	"context"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// Layers shows and changes layers. Package control implements it.
type Layers interface {
	PublishLayerVersion(ctx context.Context, ref lambda.LayerRef, in control.PublishLayerInput) (control.LayerView, error)
	GetLayerVersion(ctx context.Context, ref lambda.LayerRef) (control.LayerView, error)
	ListLayers(ctx context.Context, in control.ListLayersInput) (views []control.LayerView, next string, err error)
	ListLayerVersions(ctx context.Context, ref lambda.LayerRef, in control.ListLayersInput) (views []control.LayerView, next string, err error)
	DeleteLayerVersion(ctx context.Context, ref lambda.LayerRef) error
}

func (h *Handler) publishLayerVersion(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PublishLayerVersionRequest)
	content := codeSource{in.Content.ZipFile, nil, in.Content.S3Bucket, in.Content.S3Key, in.Content.S3ObjectVersion, in.Content.S3ObjectStorageMode}
	if err := content.check("Please provide a source for layer content."); err != nil {
		return nil, err
	}
	ref, err := h.layerRef(c.op, in.LayerName, nil)
	if err != nil {
		return nil, err
	}
	view, err := h.control.PublishLayerVersion(ctx, ref, control.PublishLayerInput{
		Description:   text(in.Description),
		License:       text(in.LicenseInfo),
		Runtimes:      in.CompatibleRuntimes,
		Architectures: in.CompatibleArchitectures,
		Zip:           in.Content.ZipFile,
		Object:        content.object(),
	})
	if err != nil {
		return nil, err
	}
	out, err := h.layerVersion(c, view)
	if err != nil {
		return nil, err
	}
	published := model.PublishLayerVersionResponse(*out) // the two shapes have the same members
	return &published, nil
}

func (h *Handler) getLayerVersion(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetLayerVersionRequest)
	ref, err := h.layerRef(c.op, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	view, err := h.control.GetLayerVersion(ctx, ref)
	if err != nil {
		return nil, err
	}
	return h.layerVersion(c, view)
}

func (h *Handler) getLayerVersionByArn(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetLayerVersionByArnRequest)
	ref, ok := lambda.ParseLayerRef(*in.Arn)
	if !ok { // one of the service's own, or a number beyond all
		return nil, lambda.Errorf(lambda.CodeResourceNotFound, "The resource you requested does not exist.")
	}
	view, err := h.control.GetLayerVersion(ctx, ref)
	if err != nil {
		return nil, err
	}
	return h.layerVersion(c, view)
}

// layerVersion shows a version with a link to its content.
func (h *Handler) layerVersion(c *call, view control.LayerView) (*model.GetLayerVersionResponse, error) {
	location, err := h.codeLocation(c.base, view.Version.Code)
	if err != nil {
		return nil, err
	}
	v := view.Version
	content := &model.LayerVersionContentOutput{Location: &location, CodeSha256: &v.Code.SHA256, CodeSize: &v.Code.Size}
	content.SigningProfileVersionArn, content.SigningJobArn = h.signedBy(v.Signed)
	return &model.GetLayerVersionResponse{
		Content:                 content,
		LayerArn:                &view.LayerARN,
		LayerVersionArn:         &view.ARN,
		Description:             &v.Description,
		CreatedDate:             new(v.CreatedAt.UTC().Format(lastModified)),
		Version:                 &v.Number,
		CompatibleArchitectures: v.Architectures,
		CompatibleRuntimes:      v.Runtimes,
		LicenseInfo:             present(v.License),
	}, nil
}

func (h *Handler) listLayers(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListLayersRequest)
	views, next, err := h.control.ListLayers(ctx, layerPage(in.Marker, in.MaxItems, in.CompatibleRuntime, in.CompatibleArchitecture))
	if err != nil {
		return nil, err
	}
	out := &model.ListLayersResponse{Layers: make([]model.LayersListItem, 0, len(views)), NextMarker: present(next)}
	for _, view := range views {
		item := listedLayerVersion(view)
		out.Layers = append(out.Layers, model.LayersListItem{
			LayerName: &view.Layer.Name, LayerArn: &view.LayerARN, LatestMatchingVersion: &item})
	}
	return out, nil
}

func (h *Handler) listLayerVersions(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListLayerVersionsRequest)
	ref, err := h.layerRef(c.op, in.LayerName, nil)
	if err != nil {
		return nil, err
	}
	views, next, err := h.control.ListLayerVersions(ctx, ref, layerPage(in.Marker, in.MaxItems, in.CompatibleRuntime, in.CompatibleArchitecture))
	if err != nil {
		return nil, err
	}
	out := &model.ListLayerVersionsResponse{LayerVersions: make([]model.LayerVersionsListItem, 0, len(views)), NextMarker: present(next)}
	for _, view := range views {
		out.LayerVersions = append(out.LayerVersions, listedLayerVersion(view))
	}
	return out, nil
}

func layerPage(marker *string, max *int, runtime, architecture *string) control.ListLayersInput {
	in := control.ListLayersInput{Marker: text(marker), Runtime: text(runtime), Architecture: text(architecture)}
	if max != nil {
		in.Max = *max
	}
	return in
}

func listedLayerVersion(view control.LayerView) model.LayerVersionsListItem {
	v := view.Version
	return model.LayerVersionsListItem{
		LayerVersionArn:         &view.ARN,
		Version:                 &v.Number,
		Description:             &v.Description,
		CreatedDate:             new(v.CreatedAt.UTC().Format(lastModified)),
		CompatibleArchitectures: v.Architectures,
		CompatibleRuntimes:      v.Runtimes,
		LicenseInfo:             present(v.License),
	}
}

func (h *Handler) deleteLayerVersion(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteLayerVersionRequest)
	ref, err := h.layerRef(c.op, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteLayerVersion(ctx, ref)
}

// layerRef reads a layer's name or ARN, and the number beside it.
func (h *Handler) layerRef(op *awsapi.Operation, name *string, version *int64) (lambda.LayerRef, error) {
	ref, ok := lambda.ParseLayerRef(*name)
	if !ok {
		return ref, h.codec.Mismatch(op, "LayerName", *name)
	}
	if version != nil {
		ref.Version = *version
	}
	return ref, nil
}
