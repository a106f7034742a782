package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// SigningConfigs shows and changes code signing configurations. Package control
// implements it.
type SigningConfigs interface {
	CreateSigningConfig(ctx context.Context, s control.SigningSettings, tags map[string]string) (control.SigningConfigView, error)
	GetSigningConfig(ctx context.Context, arn string) (control.SigningConfigView, error)
	UpdateSigningConfig(ctx context.Context, arn string, s control.SigningSettings) (control.SigningConfigView, error)
	DeleteSigningConfig(ctx context.Context, arn string) error
	ListSigningConfigs(ctx context.Context, in control.PageInput) (views []control.SigningConfigView, next string, err error)
}

// FunctionSigning shows and changes which functions have them. Package control
// implements it.
type FunctionSigning interface {
	PutFunctionSigning(ctx context.Context, ref lambda.Ref, arn string) (name string, err error)
	GetFunctionSigning(ctx context.Context, ref lambda.Ref) (arn string, err error)
	DeleteFunctionSigning(ctx context.Context, ref lambda.Ref) error
	ListSignedFunctions(ctx context.Context, arn string, in control.PageInput) (arns []string, next string, err error)
}

func (h *Handler) signingOperations() map[string]operation {
	return map[string]operation{
		model.OpCreateCodeSigningConfig:          h.createCodeSigningConfig,
		model.OpGetCodeSigningConfig:             h.getCodeSigningConfig,
		model.OpUpdateCodeSigningConfig:          h.updateCodeSigningConfig,
		model.OpDeleteCodeSigningConfig:          h.deleteCodeSigningConfig,
		model.OpListCodeSigningConfigs:           h.listCodeSigningConfigs,
		model.OpListFunctionsByCodeSigningConfig: h.listFunctionsByCodeSigningConfig,
		model.OpPutFunctionCodeSigningConfig:     h.putFunctionCodeSigningConfig,
		model.OpGetFunctionCodeSigningConfig:     h.getFunctionCodeSigningConfig,
		model.OpDeleteFunctionCodeSigningConfig:  h.deleteFunctionCodeSigningConfig,
	}
}

func (h *Handler) createCodeSigningConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.CreateCodeSigningConfigRequest)
	view, err := h.control.CreateSigningConfig(ctx, signingSettings(in.Description, in.AllowedPublishers, in.CodeSigningPolicies), in.Tags)
	if err != nil {
		return nil, err
	}
	return &model.CreateCodeSigningConfigResponse{CodeSigningConfig: signingConfig(view)}, nil
}

func (h *Handler) getCodeSigningConfig(ctx context.Context, c *call) (any, error) {
	view, err := h.control.GetSigningConfig(ctx, *c.input.(*model.GetCodeSigningConfigRequest).CodeSigningConfigArn)
	if err != nil {
		return nil, err
	}
	return &model.GetCodeSigningConfigResponse{CodeSigningConfig: signingConfig(view)}, nil
}

func (h *Handler) updateCodeSigningConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.UpdateCodeSigningConfigRequest)
	view, err := h.control.UpdateSigningConfig(ctx, *in.CodeSigningConfigArn, signingSettings(in.Description, in.AllowedPublishers, in.CodeSigningPolicies))
	if err != nil {
		return nil, err
	}
	return &model.UpdateCodeSigningConfigResponse{CodeSigningConfig: signingConfig(view)}, nil
}

func (h *Handler) deleteCodeSigningConfig(ctx context.Context, c *call) (any, error) {
	return nil, h.control.DeleteSigningConfig(ctx, *c.input.(*model.DeleteCodeSigningConfigRequest).CodeSigningConfigArn)
}

func (h *Handler) listCodeSigningConfigs(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListCodeSigningConfigsRequest)
	views, next, err := h.control.ListSigningConfigs(ctx, control.PageInput{Marker: text(in.Marker), Max: number(in.MaxItems)})
	if err != nil {
		return nil, err
	}
	out := &model.ListCodeSigningConfigsResponse{CodeSigningConfigs: make([]model.CodeSigningConfig, 0, len(views)), NextMarker: present(next)}
	for _, view := range views {
		out.CodeSigningConfigs = append(out.CodeSigningConfigs, *signingConfig(view))
	}
	return out, nil
}

func (h *Handler) listFunctionsByCodeSigningConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListFunctionsByCodeSigningConfigRequest)
	arns, next, err := h.control.ListSignedFunctions(ctx, *in.CodeSigningConfigArn, control.PageInput{Marker: text(in.Marker), Max: number(in.MaxItems)})
	if err != nil {
		return nil, err
	}
	if arns == nil {
		arns = []string{}
	}
	return &model.ListFunctionsByCodeSigningConfigResponse{FunctionArns: arns, NextMarker: present(next)}, nil
}

func (h *Handler) putFunctionCodeSigningConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PutFunctionCodeSigningConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	name, err := h.control.PutFunctionSigning(ctx, ref, *in.CodeSigningConfigArn)
	if err != nil {
		return nil, err
	}
	return &model.PutFunctionCodeSigningConfigResponse{CodeSigningConfigArn: in.CodeSigningConfigArn, FunctionName: &name}, nil
}

// getFunctionCodeSigningConfig answers nothing at all for a function without one.
func (h *Handler) getFunctionCodeSigningConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetFunctionCodeSigningConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	arn, err := h.control.GetFunctionSigning(ctx, ref)
	if err != nil {
		return nil, err
	}
	if arn == "" {
		return &model.GetFunctionCodeSigningConfigResponse{}, nil
	}
	return &model.GetFunctionCodeSigningConfigResponse{CodeSigningConfigArn: &arn, FunctionName: &ref.Name}, nil
}

func (h *Handler) deleteFunctionCodeSigningConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteFunctionCodeSigningConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteFunctionSigning(ctx, ref)
}

func signingSettings(description *string, publishers *model.AllowedPublishers, policies *model.CodeSigningPolicies) control.SigningSettings {
	s := control.SigningSettings{Description: description}
	if publishers != nil {
		s.Publishers = publishers.SigningProfileVersionArns
	}
	if policies != nil {
		s.Policy = policies.UntrustedArtifactOnDeployment
	}
	return s
}

func signingConfig(view control.SigningConfigView) *model.CodeSigningConfig {
	return &model.CodeSigningConfig{
		CodeSigningConfigId:  &view.ID,
		CodeSigningConfigArn: &view.ARN,
		Description:          present(view.Description),
		AllowedPublishers:    &model.AllowedPublishers{SigningProfileVersionArns: view.Publishers},
		CodeSigningPolicies:  &model.CodeSigningPolicies{UntrustedArtifactOnDeployment: &view.Policy},
		LastModified:         new(view.LastModified.UTC().Format(lastModified)),
	}
}

// signedBy names who has signed a package, and when; nothing for one that is not
// signed by anyone known, or was changed since.
func (h *Handler) signedBy(s lambda.Signed) (profile, job *string) {
	if s.Signer == "" || s.Broken {
		return nil, nil
	}
	return new(h.scope.SignerARN(s.Signer, s.Version)), new(h.scope.SigningJobARN(s.Job))
}
