package identity

import (
	"context"

	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

// tagOperations are those on the tags of roles, users and managed policies.
func (h *Handler) tagOperations() map[string]operation {
	role := tagged{h.role, func(ctx context.Context, name string, set map[string]string, remove []string) error {
		return h.Directory.TagRole(ctx, name, set, remove)
	}, func(name string) (map[string]string, error) {
		r, err := h.Directory.Role(name)
		if err != nil {
			return nil, err
		}
		return r.Tags, nil
	}}
	user := tagged{h.user, func(_ context.Context, name string, set map[string]string, remove []string) error {
		return h.Directory.TagUser(name, set, remove)
	}, func(name string) (map[string]string, error) {
		u, err := h.Directory.User(name)
		return u.Tags, err
	}}
	managed := tagged{h.policyARN, h.Directory.TagPolicy, func(arn string) (map[string]string, error) {
		p, err := h.managed(arn)
		if err != nil {
			return nil, err
		}
		return p.Tags, nil
	}}
	operations := map[string]operation{}
	for kind, t := range map[string]tagged{"Role": role, "User": user, "Policy": managed} {
		operations["Tag"+kind], operations["Untag"+kind], operations["List"+kind+"Tags"] = t.tag, t.untag, t.list
	}
	return operations
}

// tagged is a kind of what has tags.
type tagged struct {
	// name reads what is meant, and asks whether the caller may.
	name   func(c *call) (string, error)
	change func(ctx context.Context, name string, set map[string]string, remove []string) error
	read   func(name string) (map[string]string, error)
}

func (t tagged) tag(ctx context.Context, c *call) (any, error) {
	name, err := t.name(c)
	if err != nil {
		return nil, err
	}
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	return nil, t.change(ctx, name, tags, nil)
}

func (t tagged) untag(ctx context.Context, c *call) (any, error) {
	name, err := t.name(c)
	if err != nil {
		return nil, err
	}
	return nil, t.change(ctx, name, nil, c.Members("TagKeys", ""))
}

func (t tagged) list(_ context.Context, c *call) (any, error) {
	name, err := t.name(c)
	if err != nil {
		return nil, err
	}
	tags, err := t.read(name)
	if err != nil {
		return nil, err
	}
	out := &struct {
		Tags        members[tagShape]
		IsTruncated bool
	}{Tags: tagShapes(tags)}
	return out, nil
}

// tags are those that a request gives.
func (c *call) tags() (map[string]string, error) {
	keys, values := c.Members("Tags", ".Key"), c.Members("Tags", ".Value")
	if len(keys) != len(values) || len(keys) > maxTags {
		return nil, lambda.Errorf("InvalidInput", "Tags must have a Key and a Value each, and be %d at most.", maxTags)
	}
	var tags map[string]string
	for i, key := range keys {
		if key == "" || len(key) > maxTagKey || len(values[i]) > maxTagValue {
			return nil, lambda.Errorf("InvalidInput", "A tag's key has 1 to %d bytes, its value at most %d.", maxTagKey, maxTagValue)
		}
		if _, twice := tags[key]; twice {
			return nil, lambda.Errorf("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key] = values[i]
	}
	return tags, nil
}

// maxTags bounds the tags of a request, and maxTagKey and maxTagValue a tag, in bytes.
const (
	maxTags     = 50
	maxTagKey   = 512
	maxTagValue = 1024
)

// tellTags puts what conditions may ask of tags into what is known of a request.
// Tags that are refused stay untold.
func (c *call) tellTags(resource string, context policy.Context) {
	context.SetResourceTags(c.directory.TagsOf(resource))
	if tags, err := c.tags(); err == nil {
		context.SetRequestTags(tags, c.Members("TagKeys", ""))
	}
}
