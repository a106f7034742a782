package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// Versions publishes versions and shows them. Package control implements it.
type Versions interface {
	PublishVersion(ctx context.Context, ref lambda.Ref, in control.PublishInput) (control.View, error)
	ListVersions(ctx context.Context, ref lambda.Ref, in control.ListInput) (views []control.View, next string, err error)
}

func (h *Handler) publishVersion(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PublishVersionRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	if err := checkPublishTo(in.PublishTo); err != nil {
		return nil, err
	}
	view, err := h.control.PublishVersion(ctx, ref, control.PublishInput{
		Description: in.Description, CodeSHA256: text(in.CodeSha256), RevisionID: text(in.RevisionId),
	})
	if err != nil {
		return nil, err
	}
	return h.configuration(view)
}

// checkPublishTo refuses $LATEST.PUBLISHED, which only functions on managed
// instances have.
func checkPublishTo(to *string) error {
	if to == nil {
		return nil
	}
	return lambda.Errorf(lambda.CodeInvalidParameterValue,
		"PublishTo is for functions on managed instances, which this server does not support. Remove PublishTo from your request and try again.")
}

func (h *Handler) listVersionsByFunction(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListVersionsByFunctionRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	views, next, err := h.control.ListVersions(ctx, ref, control.ListInput{Marker: text(in.Marker), Max: number(in.MaxItems)})
	if err != nil {
		return nil, err
	}
	out := &model.ListVersionsByFunctionResponse{Versions: make([]model.FunctionConfiguration, 0, len(views)), NextMarker: present(next)}
	for _, view := range views {
		configuration, err := h.configuration(view)
		if err != nil {
			return nil, err
		}
		out.Versions = append(out.Versions, *listed(configuration))
	}
	return out, nil
}

// number is 0 for a member that is not there.
func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
