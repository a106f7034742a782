package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// Management shows and changes when a runtime is updated, and what becomes of
// loops. Package control implements it.
type Management interface {
	PutRecursion(ctx context.Context, ref lambda.Ref, loop string) error
	GetRecursion(ctx context.Context, ref lambda.Ref) (string, error)
	PutRuntimeManagement(ctx context.Context, ref lambda.Ref, updateOn, versionARN string) (control.RuntimeManagementView, error)
	GetRuntimeManagement(ctx context.Context, ref lambda.Ref) (control.RuntimeManagementView, error)
}

// Scaling shows and changes the bounds of a version's environments. Package
// control implements it.
type Scaling interface {
	PutScaling(ctx context.Context, ref lambda.Ref, low, high *int) (state string, err error)
	GetScaling(ctx context.Context, ref lambda.Ref) (control.ScalingView, error)
}

func (h *Handler) putFunctionRecursionConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PutFunctionRecursionConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	if err := h.control.PutRecursion(ctx, ref, *in.RecursiveLoop); err != nil {
		return nil, err
	}
	return &model.PutFunctionRecursionConfigResponse{RecursiveLoop: in.RecursiveLoop}, nil
}

func (h *Handler) getFunctionRecursionConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetFunctionRecursionConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	loop, err := h.control.GetRecursion(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &model.GetFunctionRecursionConfigResponse{RecursiveLoop: &loop}, nil
}

func (h *Handler) putRuntimeManagementConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PutRuntimeManagementConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	view, err := h.control.PutRuntimeManagement(ctx, ref, *in.UpdateRuntimeOn, text(in.RuntimeVersionArn))
	if err != nil {
		return nil, err
	}
	return &model.PutRuntimeManagementConfigResponse{FunctionArn: &view.ARN, UpdateRuntimeOn: &view.UpdateOn,
		RuntimeVersionArn: present(view.VersionARN)}, nil
}

func (h *Handler) getRuntimeManagementConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetRuntimeManagementConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	view, err := h.control.GetRuntimeManagement(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &model.GetRuntimeManagementConfigResponse{FunctionArn: &view.ARN, UpdateRuntimeOn: &view.UpdateOn,
		RuntimeVersionArn: present(view.VersionARN)}, nil
}

func (h *Handler) putFunctionScalingConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PutFunctionScalingConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, *in.Qualifier)
	if err != nil {
		return nil, err
	}
	var bounds model.FunctionScalingConfig
	if in.FunctionScalingConfig != nil {
		bounds = *in.FunctionScalingConfig
	}
	state, err := h.control.PutScaling(ctx, ref, bounds.MinExecutionEnvironments, bounds.MaxExecutionEnvironments)
	if err != nil {
		return nil, err
	}
	return &model.PutFunctionScalingConfigResponse{FunctionState: &state}, nil
}

func (h *Handler) getFunctionScalingConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetFunctionScalingConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, *in.Qualifier)
	if err != nil {
		return nil, err
	}
	view, err := h.control.GetScaling(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := &model.GetFunctionScalingConfigResponse{FunctionArn: &view.ARN}
	if wanted := view.Requested; wanted != nil {
		out.RequestedFunctionScalingConfig = &model.FunctionScalingConfig{MinExecutionEnvironments: wanted.Min, MaxExecutionEnvironments: wanted.Max}
	}
	return out, nil
}
