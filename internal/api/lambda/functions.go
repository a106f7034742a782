package lambda

import (
	"context"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

func (h *Handler) createFunction(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.CreateFunctionRequest)
	code := codeSource{in.Code.ZipFile, in.Code.ImageUri, in.Code.S3Bucket, in.Code.S3Key, in.Code.S3ObjectVersion, in.Code.S3ObjectStorageMode}
	if err := code.check("Please provide a source for function code."); err != nil {
		return nil, err
	}
	if err := checkPublishTo(in.PublishTo); err != nil {
		return nil, err
	}
	if err := checkPromises(in.TenancyConfig, in.CapacityProviderConfig); err != nil {
		return nil, err
	}
	view, err := h.control.CreateFunction(ctx, control.CreateFunctionInput{
		Name:     *in.FunctionName,
		Settings: h.createSettings(in),
		Zip:      in.Code.ZipFile,
		Object:   code.object(),

		SigningConfig: text(in.CodeSigningConfigArn),
		Architecture:  onlyOne(in.Architectures),
		PackageType:   text(in.PackageType),
		Publish:       truth(in.Publish),
		Tags:          in.Tags,
	})
	if err != nil {
		return nil, err
	}
	return h.configuration(view)
}

// checkPromises refuses what must not be taken and then not kept: isolation of
// tenants, and capacity that no operation here could have made.
func checkPromises(tenancy *model.TenancyConfig, capacity *model.CapacityProviderConfig) error {
	switch {
	case tenancy != nil:
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "Tenant isolation is not supported by this server yet. Remove TenancyConfig from your request and try again.")
	case capacity != nil:
		arn := text(capacity.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn)
		return lambda.Errorf(lambda.CodeResourceNotFound, "Capacity provider not found: %s", arn)
	default:
		return nil
	}
}

func (h *Handler) getFunction(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetFunctionRequest)
	view, err := h.get(ctx, c.op, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	configuration, err := h.configuration(view)
	if err != nil {
		return nil, err
	}
	location, err := h.codeLocation(c.base, view.Version.Code)
	if err != nil {
		return nil, err
	}
	out := &model.GetFunctionResponse{
		Configuration: configuration,
		Code:          &model.FunctionCodeLocation{RepositoryType: new("S3"), Location: &location},
	}
	if len(view.Function.Tags) > 0 {
		out.Tags = view.Function.Tags
	}
	if view.Function.Reserved != nil {
		out.Concurrency = &model.Concurrency{ReservedConcurrentExecutions: view.Function.Reserved}
	}
	return out, nil
}

func (h *Handler) getFunctionConfiguration(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetFunctionConfigurationRequest)
	view, err := h.get(ctx, c.op, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return h.configuration(view)
}

func (h *Handler) get(ctx context.Context, op *awsapi.Operation, name, qualifier *string) (control.View, error) {
	ref, err := h.ref(op, *name, text(qualifier))
	if err != nil {
		return control.View{}, err
	}
	return h.control.GetFunction(ctx, ref)
}

func (h *Handler) listFunctions(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListFunctionsRequest)
	list := control.ListInput{Marker: text(in.Marker), AllVersions: in.FunctionVersion != nil}
	if in.MaxItems != nil {
		list.Max = *in.MaxItems
	}
	views, next, err := h.control.ListFunctions(ctx, list)
	if err != nil {
		return nil, err
	}
	out := &model.ListFunctionsResponse{Functions: make([]model.FunctionConfiguration, 0, len(views))}
	for _, view := range views {
		configuration, err := h.configuration(view)
		if err != nil {
			return nil, err
		}
		out.Functions = append(out.Functions, *listed(configuration))
	}
	if next != "" {
		out.NextMarker = &next
	}
	return out, nil
}

func (h *Handler) updateFunctionCode(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.UpdateFunctionCodeRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	if in.ImageUri != nil && in.ZipFile == nil {
		return nil, lambda.Errorf(lambda.CodeInvalidParameterValue, "Please don't provide ImageUri when updating a function with packageType Zip.")
	}
	code := codeSource{in.ZipFile, in.ImageUri, in.S3Bucket, in.S3Key, in.S3ObjectVersion, in.S3ObjectStorageMode}
	if err := code.check("Please provide a source for function code."); err != nil {
		return nil, err
	}
	if err := checkPublishTo(in.PublishTo); err != nil {
		return nil, err
	}
	view, err := h.control.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{
		Zip:          in.ZipFile,
		Object:       code.object(),
		Architecture: onlyOne(in.Architectures),
		RevisionID:   text(in.RevisionId),
		Publish:      truth(in.Publish),
		DryRun:       truth(in.DryRun),
	})
	if err != nil {
		return nil, err
	}
	return h.configuration(view)
}

func (h *Handler) updateFunctionConfiguration(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.UpdateFunctionConfigurationRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	if err := checkPromises(nil, in.CapacityProviderConfig); err != nil {
		return nil, err
	}
	view, err := h.control.UpdateFunctionConfiguration(ctx, ref, h.updateSettings(in), text(in.RevisionId))
	if err != nil {
		return nil, err
	}
	return h.configuration(view)
}

func (h *Handler) deleteFunction(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteFunctionRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteFunction(ctx, ref)
}

// ref reads a function's identifier, which may carry a qualifier too. The
// pattern lets a few identifiers pass that name nothing.
func (h *Handler) ref(op *awsapi.Operation, name, qualifier string) (lambda.Ref, error) {
	ref, ok := lambda.ParseRef(name)
	if !ok {
		return ref, h.codec.Mismatch(op, "FunctionName", name)
	}
	if qualifier != "" && ref.Qualifier != "" && qualifier != ref.Qualifier {
		return ref, lambda.Errorf(lambda.CodeInvalidParameterValue,
			"The derived qualifier from the function name does not match the specified qualifier.")
	}
	if qualifier != "" {
		ref.Qualifier = qualifier
	}
	return ref, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func truth(b *bool) bool { return b != nil && *b }

// onlyOne is the element of a list that has one at most, as was validated.
func onlyOne(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
