package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
)

// Tags shows and changes the tags of resources. Package control implements it.
type Tags interface {
	TagResource(ctx context.Context, arn string, tags map[string]string) error
	UntagResource(ctx context.Context, arn string, keys []string) error
	ListTags(ctx context.Context, arn string) (map[string]string, error)
}

func (h *Handler) tagResource(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.TagResourceRequest)
	return nil, h.control.TagResource(ctx, *in.Resource, in.Tags)
}

func (h *Handler) untagResource(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.UntagResourceRequest)
	return nil, h.control.UntagResource(ctx, *in.Resource, in.TagKeys)
}

func (h *Handler) listTags(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListTagsRequest)
	tags, err := h.control.ListTags(ctx, *in.Resource)
	if err != nil {
		return nil, err
	}
	if tags == nil {
		tags = map[string]string{} // shown all the same
	}
	return &model.ListTagsResponse{Tags: tags}, nil
}
