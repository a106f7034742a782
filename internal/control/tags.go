package control

import (
	"context"
	"maps"
	"strings"

	"thaw/internal/lambda"
)

// maxTags bounds the tags of a resource. What a tag may be is in the model, but for
// the prefix that is the service's own.
const (
	maxTags        = 50
	reservedPrefix = "aws:"
)

// TagResource adds tags to a resource, which an ARN names.
func (c *Control) TagResource(ctx context.Context, arn string, tags map[string]string) error {
	if len(tags) == 0 {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "An error occurred and the request cannot be processed.")
	}
	return c.changeTags(ctx, arn, func(current map[string]string) (map[string]string, error) {
		changed := make(map[string]string, len(current)+len(tags))
		maps.Copy(changed, current)
		maps.Copy(changed, tags)
		return changed, checkTags(changed)
	})
}

// UntagResource takes tags away. Keys that are not there are no error.
func (c *Control) UntagResource(ctx context.Context, arn string, keys []string) error {
	return c.changeTags(ctx, arn, func(current map[string]string) (map[string]string, error) {
		changed := maps.Clone(current)
		for _, key := range keys {
			delete(changed, key)
		}
		return changed, nil
	})
}

// ListTags shows the tags of a resource.
func (c *Control) ListTags(_ context.Context, arn string) (map[string]string, error) {
	ref, err := c.taggable(arn)
	if err != nil {
		return nil, err
	}
	f, err := c.function(ref, c.notFound(ref))
	if err != nil {
		return nil, err
	}
	return f.Tags, nil
}

// changeTags replaces the tags of a resource by what edit makes of them.
func (c *Control) changeTags(ctx context.Context, arn string, edit func(map[string]string) (map[string]string, error)) error {
	ref, err := c.taggable(arn)
	if err != nil {
		return err
	}
	_, err = c.changeConfigs(ctx, ref, c.notFound(ref), func(f *lambda.Function) (err error) {
		f.Tags, err = edit(f.Tags)
		return err
	})
	return err
}

// taggable is the function that an ARN names. Of the other resources that have
// tags this server knows none, and says so as the service does of one that is not
// there.
func (c *Control) taggable(arn string) (lambda.Ref, error) {
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) < 7 {
		return lambda.Ref{}, c.notFound(lambda.Ref{Name: arn})
	}
	switch kind := parts[5]; kind {
	case "function":
		ref, _ := lambda.ParseRef(arn)
		if ref.Qualifier != "" {
			return lambda.Ref{}, lambda.Errorf(lambda.CodeInvalidParameterValue,
				"Tags on function aliases and versions are not supported. Please specify a function ARN.")
		}
		return ref, nil
	case "event-source-mapping":
		return lambda.Ref{}, lambda.Errorf(lambda.CodeResourceNotFound, "Event source mapping not found: %s", arn)
	case "code-signing-config":
		return lambda.Ref{}, lambda.Errorf(lambda.CodeResourceNotFound, "The Lambda code signing configuration %s can not be found.", arn)
	case "capacity-provider":
		return lambda.Ref{}, lambda.Errorf(lambda.CodeResourceNotFound, "Capacity provider not found: %s", arn)
	default:
		return lambda.Ref{}, lambda.Errorf(lambda.CodeResourceNotFound, "The resource you requested does not exist.")
	}
}

// checkTags holds all tags of a resource against the rules. The second text is
// this server's.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "Number of tags exceeds resource tag limit.")
	}
	for key := range tags {
		if strings.HasPrefix(strings.ToLower(key), reservedPrefix) {
			return lambda.Errorf(lambda.CodeInvalidParameterValue, "Tag keys that begin with %s are reserved.", reservedPrefix)
		}
	}
	return nil
}
