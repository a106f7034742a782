package sqs

import (
	"context"
	"encoding/base64"

	model "thaw/internal/awsapi/gen/sqs"
	"thaw/internal/lambda"
	"thaw/internal/queue"
)

// maxPage is how many queues an answer lists.
const maxPage = 1000

func (h *Handler) createQueue(ctx context.Context, c *call, in *model.CreateQueueRequest) (*model.CreateQueueResult, error) {
	if err := h.Queues.Create(ctx, *in.QueueName, in.Attributes, in.Tags); err != nil {
		return nil, err
	}
	return &model.CreateQueueResult{QueueUrl: new(h.urlOf(c, *in.QueueName))}, nil
}

func (h *Handler) getQueueURL(_ context.Context, c *call, in *model.GetQueueUrlRequest) (*model.GetQueueUrlResult, error) {
	owner := in.QueueOwnerAWSAccountId
	if owner != nil && *owner != h.Scope.Account || !isName(*in.QueueName) || !h.Queues.Has(*in.QueueName) {
		return nil, errNoQueue()
	}
	return &model.GetQueueUrlResult{QueueUrl: new(h.urlOf(c, *in.QueueName))}, nil
}

func (h *Handler) listQueues(_ context.Context, c *call, in *model.ListQueuesRequest) (*model.ListQueuesResult, error) {
	after, err := readToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	urls, next, err := h.page(c, h.Queues.Names(deref(in.QueueNamePrefix), after), in.MaxResults)
	return &model.ListQueuesResult{QueueUrls: urls, NextToken: next}, err
}

func (h *Handler) listSources(_ context.Context, c *call, in *model.ListDeadLetterSourceQueuesRequest) (*model.ListDeadLetterSourceQueuesResult, error) {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	after, err := readToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	names, err := h.Queues.Sources(name, after)
	if err != nil {
		return nil, err
	}
	urls, next, err := h.page(c, names, in.MaxResults)
	if urls == nil {
		urls = []string{}
	}
	return &model.ListDeadLetterSourceQueuesResult{QueueUrls: urls, NextToken: next}, err
}

// page is the first of the queues. Who wants more has to say how many at a time.
func (h *Handler) page(c *call, names []string, most *int) (urls []string, next *string, err error) {
	limit := maxPage
	if most != nil {
		if limit = *most; limit < 1 || limit > maxPage {
			return nil, nil, lambda.Errorf(queue.CodeInvalidValue, "Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and %d, if provided.", limit, maxPage)
		}
	}
	for i, name := range names {
		if i == limit {
			if most != nil {
				next = new(base64.StdEncoding.EncodeToString([]byte(names[i-1])))
			}
			break
		}
		urls = append(urls, h.urlOf(c, name))
	}
	return urls, next, nil
}

// readToken is the name after which a page begins.
func readToken(token *string) (string, error) {
	name, err := base64.StdEncoding.DecodeString(deref(token))
	if err != nil {
		return "", lambda.Errorf(queue.CodeInvalidValue, "Invalid or expired next token.")
	}
	return string(name), nil
}

func (h *Handler) deleteQueue(ctx context.Context, in *model.DeleteQueueRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.Delete(ctx, name)
}

func (h *Handler) purgeQueue(ctx context.Context, in *model.PurgeQueueRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.Purge(ctx, name)
}

func (h *Handler) getAttributes(ctx context.Context, _ *call, in *model.GetQueueAttributesRequest) (*model.GetQueueAttributesResult, error) {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	attributes, err := h.Queues.Attributes(ctx, name, in.AttributeNames)
	return &model.GetQueueAttributesResult{Attributes: orNone(attributes)}, err
}

// orNone leaves an empty map out of an answer.
func orNone(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

func (h *Handler) setAttributes(ctx context.Context, in *model.SetQueueAttributesRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.SetAttributes(ctx, name, in.Attributes)
}

func (h *Handler) tag(ctx context.Context, in *model.TagQueueRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.Tag(ctx, name, in.Tags)
}

func (h *Handler) untag(ctx context.Context, in *model.UntagQueueRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.Untag(ctx, name, in.TagKeys)
}

func (h *Handler) listTags(_ context.Context, _ *call, in *model.ListQueueTagsRequest) (*model.ListQueueTagsResult, error) {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	tags, err := h.Queues.Tags(name)
	return &model.ListQueueTagsResult{Tags: orNone(tags)}, err
}

func (h *Handler) addPermission(ctx context.Context, in *model.AddPermissionRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.AddPermission(ctx, name, *in.Label, in.AWSAccountIds, in.Actions)
}

func (h *Handler) removePermission(ctx context.Context, in *model.RemovePermissionRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.RemovePermission(ctx, name, *in.Label)
}
