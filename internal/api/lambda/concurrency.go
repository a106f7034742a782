package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// Concurrency shows and changes what functions claim of the account's
// concurrency. Package control implements it.
type Concurrency interface {
	PutFunctionConcurrency(ctx context.Context, ref lambda.Ref, reserved int) error
	GetFunctionConcurrency(ctx context.Context, ref lambda.Ref) (*int, error)
	DeleteFunctionConcurrency(ctx context.Context, ref lambda.Ref) error
	Account(ctx context.Context) (control.Account, error)
}

// Provisioned shows and changes provisioned concurrency. Package control
// implements it.
type Provisioned interface {
	PutProvisionedConcurrency(ctx context.Context, ref lambda.Ref, requested int) (control.ProvisionedView, error)
	GetProvisionedConcurrency(ctx context.Context, ref lambda.Ref) (control.ProvisionedView, error)
	ListProvisionedConcurrency(ctx context.Context, ref lambda.Ref, in control.PageInput) (views []control.ProvisionedView, next string, err error)
	DeleteProvisionedConcurrency(ctx context.Context, ref lambda.Ref) error
}

func (h *Handler) putFunctionConcurrency(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PutFunctionConcurrencyRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	if err := h.control.PutFunctionConcurrency(ctx, ref, *in.ReservedConcurrentExecutions); err != nil {
		return nil, err
	}
	return &model.Concurrency{ReservedConcurrentExecutions: in.ReservedConcurrentExecutions}, nil
}

func (h *Handler) getFunctionConcurrency(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetFunctionConcurrencyRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	reserved, err := h.control.GetFunctionConcurrency(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &model.GetFunctionConcurrencyResponse{ReservedConcurrentExecutions: reserved}, nil
}

func (h *Handler) deleteFunctionConcurrency(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteFunctionConcurrencyRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteFunctionConcurrency(ctx, ref)
}

func (h *Handler) putProvisionedConcurrencyConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PutProvisionedConcurrencyConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, *in.Qualifier)
	if err != nil {
		return nil, err
	}
	view, err := h.control.PutProvisionedConcurrency(ctx, ref, *in.ProvisionedConcurrentExecutions)
	if err != nil {
		return nil, err
	}
	p := provisioned(&view)
	return &model.PutProvisionedConcurrencyConfigResponse{
		RequestedProvisionedConcurrentExecutions: p.RequestedProvisionedConcurrentExecutions,
		AvailableProvisionedConcurrentExecutions: p.AvailableProvisionedConcurrentExecutions,
		AllocatedProvisionedConcurrentExecutions: p.AllocatedProvisionedConcurrentExecutions,
		Status:                                   p.Status, StatusReason: p.StatusReason, LastModified: p.LastModified,
	}, nil
}

func (h *Handler) getProvisionedConcurrencyConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetProvisionedConcurrencyConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, *in.Qualifier)
	if err != nil {
		return nil, err
	}
	view, err := h.control.GetProvisionedConcurrency(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := provisioned(&view)
	return &out, nil
}

func (h *Handler) listProvisionedConcurrencyConfigs(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListProvisionedConcurrencyConfigsRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	views, next, err := h.control.ListProvisionedConcurrency(ctx, ref, control.PageInput{Marker: text(in.Marker), Max: number(in.MaxItems)})
	if err != nil {
		return nil, err
	}
	out := &model.ListProvisionedConcurrencyConfigsResponse{NextMarker: present(next),
		ProvisionedConcurrencyConfigs: make([]model.ProvisionedConcurrencyConfigListItem, 0, len(views))}
	for i := range views {
		p := provisioned(&views[i])
		out.ProvisionedConcurrencyConfigs = append(out.ProvisionedConcurrencyConfigs, model.ProvisionedConcurrencyConfigListItem{
			FunctionArn: &views[i].ARN, RequestedProvisionedConcurrentExecutions: p.RequestedProvisionedConcurrentExecutions,
			AvailableProvisionedConcurrentExecutions: p.AvailableProvisionedConcurrentExecutions,
			AllocatedProvisionedConcurrentExecutions: p.AllocatedProvisionedConcurrentExecutions,
			Status:                                   p.Status, StatusReason: p.StatusReason, LastModified: p.LastModified,
		})
	}
	return out, nil
}

func (h *Handler) deleteProvisionedConcurrencyConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteProvisionedConcurrencyConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, *in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteProvisionedConcurrency(ctx, ref)
}

func provisioned(view *control.ProvisionedView) model.GetProvisionedConcurrencyConfigResponse {
	return model.GetProvisionedConcurrencyConfigResponse{
		RequestedProvisionedConcurrentExecutions: &view.Requested,
		AvailableProvisionedConcurrentExecutions: &view.Available,
		AllocatedProvisionedConcurrentExecutions: &view.Allocated,
		Status:                                   &view.Status,
		StatusReason:                             present(view.Reason),
		LastModified:                             new(view.LastModified.UTC().Format(lastModified)),
	}
}

func (h *Handler) getAccountSettings(ctx context.Context, _ *call) (any, error) {
	account, err := h.control.Account(ctx)
	if err != nil {
		return nil, err
	}
	return &model.GetAccountSettingsResponse{
		AccountLimit: &model.AccountLimit{
			TotalCodeSize: &account.CodeStorage, CodeSizeUnzipped: new(int64(lambda.MaxUnzipped)), CodeSizeZipped: new(int64(lambda.MaxZip)),
			ConcurrentExecutions: &account.Concurrency, UnreservedConcurrentExecutions: &account.Unreserved,
		},
		AccountUsage: &model.AccountUsage{TotalCodeSize: &account.CodeSize, FunctionCount: new(int64(account.Functions))},
	}, nil
}
