package lambda

import (
	"context"
	"time"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// URLs shows and changes the URLs of functions. Package control implements it.
type URLs interface {
	CreateURL(ctx context.Context, ref lambda.Ref, s control.URLSettings) (control.URLView, error)
	UpdateURL(ctx context.Context, ref lambda.Ref, s control.URLSettings) (control.URLView, error)
	GetURL(ctx context.Context, ref lambda.Ref) (control.URLView, error)
	ListURLs(ctx context.Context, ref lambda.Ref, in control.PageInput) (views []control.URLView, next string, err error)
	DeleteURL(ctx context.Context, ref lambda.Ref) error
}

// urlTime is the format of the times of a URL, in UTC.
const urlTime = "2006-01-02T15:04:05.000000Z"

func (h *Handler) createFunctionUrlConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.CreateFunctionUrlConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	view, err := h.control.CreateURL(ctx, ref, urlSettings(in.AuthType, in.InvokeMode, in.Cors))
	if err != nil {
		return nil, err
	}
	// Without a mode the answers to changes have none, as recorded.
	return &model.CreateFunctionUrlConfigResponse{FunctionUrl: &view.URL, FunctionArn: &view.ARN, AuthType: &view.AuthType,
		Cors: cors(view.CORS), CreationTime: utc(view.CreatedAt), InvokeMode: present(view.InvokeMode)}, nil
}

func (h *Handler) updateFunctionUrlConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.UpdateFunctionUrlConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	view, err := h.control.UpdateURL(ctx, ref, urlSettings(in.AuthType, in.InvokeMode, in.Cors))
	if err != nil {
		return nil, err
	}
	return &model.UpdateFunctionUrlConfigResponse{FunctionUrl: &view.URL, FunctionArn: &view.ARN, AuthType: &view.AuthType, Cors: cors(view.CORS),
		CreationTime: utc(view.CreatedAt), LastModifiedTime: utc(view.LastModified), InvokeMode: present(view.InvokeMode)}, nil
}

func (h *Handler) getFunctionUrlConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetFunctionUrlConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	view, err := h.control.GetURL(ctx, ref)
	if err != nil {
		return nil, err
	}
	u := urlConfig(&view)
	return &model.GetFunctionUrlConfigResponse{FunctionUrl: u.FunctionUrl, FunctionArn: u.FunctionArn, AuthType: u.AuthType, Cors: u.Cors,
		CreationTime: u.CreationTime, LastModifiedTime: u.LastModifiedTime, InvokeMode: u.InvokeMode}, nil
}

func (h *Handler) listFunctionUrlConfigs(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListFunctionUrlConfigsRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	views, next, err := h.control.ListURLs(ctx, ref, control.PageInput{Marker: text(in.Marker), Max: number(in.MaxItems)})
	if err != nil {
		return nil, err
	}
	out := &model.ListFunctionUrlConfigsResponse{NextMarker: present(next), FunctionUrlConfigs: make([]model.FunctionUrlConfig, 0, len(views))}
	for i := range views {
		out.FunctionUrlConfigs = append(out.FunctionUrlConfigs, urlConfig(&views[i]))
	}
	return out, nil
}

func (h *Handler) deleteFunctionUrlConfig(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteFunctionUrlConfigRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteURL(ctx, ref)
}

func urlSettings(authType, mode *string, in *model.Cors) control.URLSettings {
	s := control.URLSettings{AuthType: authType, InvokeMode: mode}
	if in != nil {
		s.CORS = &lambda.CORS{AllowCredentials: in.AllowCredentials, AllowHeaders: in.AllowHeaders, AllowMethods: in.AllowMethods,
			AllowOrigins: in.AllowOrigins, ExposeHeaders: in.ExposeHeaders, MaxAgeSeconds: in.MaxAge}
	}
	return s
}

func urlConfig(view *control.URLView) model.FunctionUrlConfig {
	mode := view.InvokeMode
	if mode == "" {
		mode = lambda.InvokeModeBuffered
	}
	return model.FunctionUrlConfig{FunctionUrl: &view.URL, FunctionArn: &view.ARN, AuthType: &view.AuthType, Cors: cors(view.CORS),
		CreationTime: utc(view.CreatedAt), LastModifiedTime: utc(view.LastModified), InvokeMode: &mode}
}

func cors(c *lambda.CORS) *model.Cors {
	if c == nil {
		return nil
	}
	return &model.Cors{AllowCredentials: c.AllowCredentials, AllowHeaders: c.AllowHeaders, AllowMethods: c.AllowMethods,
		AllowOrigins: c.AllowOrigins, ExposeHeaders: c.ExposeHeaders, MaxAge: c.MaxAgeSeconds}
}

func utc(at time.Time) *string { return new(at.UTC().Format(urlTime)) }
