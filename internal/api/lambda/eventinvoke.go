package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// EventInvoke shows and changes what becomes of asynchronous events. Package
// control implements it.
type EventInvoke interface {
	PutEventInvoke(ctx context.Context, ref lambda.Ref, s control.EventInvokeSettings) (control.EventInvokeView, error)
	UpdateEventInvoke(ctx context.Context, ref lambda.Ref, s control.EventInvokeSettings) (control.EventInvokeView, error)
	GetEventInvoke(ctx context.Context, ref lambda.Ref) (control.EventInvokeView, error)
	ListEventInvoke(ctx context.Context, ref lambda.Ref, in control.PageInput) (views []control.EventInvokeView, next string, err error)
	DeleteEventInvoke(ctx context.Context, ref lambda.Ref) error
}

func (h *Handler) putFunctionEventInvokeConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PutFunctionEventInvokeConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	settings := eventInvokeSettings(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig)
	return eventInvoke(h.control.PutEventInvoke(ctx, ref, settings))
}

func (h *Handler) updateFunctionEventInvokeConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.UpdateFunctionEventInvokeConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	settings := eventInvokeSettings(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig)
	return eventInvoke(h.control.UpdateEventInvoke(ctx, ref, settings))
}

func (h *Handler) getFunctionEventInvokeConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetFunctionEventInvokeConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return eventInvoke(h.control.GetEventInvoke(ctx, ref))
}

func (h *Handler) listFunctionEventInvokeConfigs(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListFunctionEventInvokeConfigsRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	views, next, err := h.control.ListEventInvoke(ctx, ref, control.PageInput{Marker: text(in.Marker), Max: number(in.MaxItems)})
	if err != nil {
		return nil, err
	}
	out := &model.ListFunctionEventInvokeConfigsResponse{NextMarker: present(next),
		FunctionEventInvokeConfigs: make([]model.FunctionEventInvokeConfig, 0, len(views))}
	for i := range views {
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, *eventInvokeConfig(&views[i]))
	}
	return out, nil
}

func (h *Handler) deleteFunctionEventInvokeConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteFunctionEventInvokeConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteEventInvoke(ctx, ref)
}

func eventInvokeSettings(retries, age *int, to *model.DestinationConfig) control.EventInvokeSettings {
	s := control.EventInvokeSettings{MaximumRetries: retries, MaximumAgeSeconds: age}
	if to == nil {
		return s
	}
	s.Destinations = &control.Destinations{}
	if to.OnSuccess != nil {
		s.Destinations.OnSuccess = new(text(to.OnSuccess.Destination))
	}
	if to.OnFailure != nil {
		s.Destinations.OnFailure = new(text(to.OnFailure.Destination))
	}
	return s
}

// eventInvoke shows what an operation on a configuration came to.
func eventInvoke(view control.EventInvokeView, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return eventInvokeConfig(&view), nil
}

func eventInvokeConfig(view *control.EventInvokeView) *model.FunctionEventInvokeConfig {
	return &model.FunctionEventInvokeConfig{
		LastModified:             &view.LastModified,
		FunctionArn:              &view.ARN,
		MaximumRetryAttempts:     view.MaximumRetries,
		MaximumEventAgeInSeconds: view.MaximumAgeSeconds,
		DestinationConfig: &model.DestinationConfig{
			OnSuccess: &model.OnSuccess{Destination: present(view.OnSuccess)},
			OnFailure: &model.OnFailure{Destination: present(view.OnFailure)},
		},
	}
}
