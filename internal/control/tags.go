package control

import (
	"context"
	"errors"
	"maps"
	"strings"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// maxTags bounds the tags of a resource. What a tag may be is in the model, but for
// the prefix that is the service's own.
const (
	maxTags        = 50
	reservedPrefix = "aws:"
)

// TagResource adds tags to a resource, which an ARN names.
func (c *Control) TagResource(ctx context.Context, arn string, tags map[string]string) error {
	t, err := c.tagged(arn)
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "An error occurred and the request cannot be processed.")
	}
	return t.change(ctx, func(current map[string]string) (map[string]string, error) {
		changed := make(map[string]string, len(current)+len(tags))
		maps.Copy(changed, current)
		maps.Copy(changed, tags)
		return changed, checkTags(changed)
	})
}

// UntagResource takes tags away. Keys that are not there are no error.
func (c *Control) UntagResource(ctx context.Context, arn string, keys []string) error {
	t, err := c.tagged(arn)
	if err != nil {
		return err
	}
	return t.change(ctx, func(current map[string]string) (map[string]string, error) {
		changed := maps.Clone(current)
		for _, key := range keys {
			delete(changed, key)
		}
		return changed, nil
	})
}

// ListTags shows the tags of a resource.
func (c *Control) ListTags(_ context.Context, arn string) (map[string]string, error) {
	t, err := c.tagged(arn)
	if err != nil {
		return nil, err
	}
	return t.read()
}

// tagged is something with tags.
type tagged struct {
	read   func() (map[string]string, error)
	change func(ctx context.Context, edit tagEdit) error
}

// tagEdit makes new tags of the current ones, which stay as they are.
type tagEdit func(current map[string]string) (map[string]string, error)

// tagged is what an ARN names. The pattern of ARNs has been checked. Of the kinds
// that this server knows none of, it says so as the service does of one that is not
// there.
func (c *Control) tagged(arn string) (tagged, error) {
	missing := lambda.Errorf(lambda.CodeResourceNotFound, "The resource you requested does not exist.")
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) < 7 {
		return tagged{}, missing
	}
	switch kind, name := parts[5], parts[6]; kind {
	case "function":
		return c.taggedFunction(arn)
	case "event-source-mapping":
		missing = lambda.Errorf(lambda.CodeResourceNotFound, "Event source mapping not found: %s", arn)
		if parts[3] != c.scope.Region || parts[4] != c.scope.Account {
			return tagged{}, missing
		}
		return c.taggedMapping(strings.ToLower(name), missing), nil
	case "code-signing-config":
		return c.taggedSigning(arn), nil
	case "capacity-provider":
		return tagged{}, lambda.Errorf(lambda.CodeResourceNotFound, "Capacity provider not found: %s", arn)
	default:
		return tagged{}, missing
	}
}

func (c *Control) taggedFunction(arn string) (tagged, error) {
	ref, _ := lambda.ParseRef(arn)
	if ref.Qualifier != "" {
		return tagged{}, lambda.Errorf(lambda.CodeInvalidParameterValue,
			"Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	missing := c.notFound(ref)
	return tagged{
		read: func() (map[string]string, error) {
			f, err := c.function(ref, missing)
			if err != nil {
				return nil, err
			}
			return f.Tags, nil
		},
		change: func(ctx context.Context, edit tagEdit) error {
			_, err := c.changeConfigs(ctx, ref, missing, func(f *lambda.Function) (err error) {
				f.Tags, err = edit(f.Tags)
				return err
			})
			return err
		},
	}, nil
}

func (c *Control) taggedMapping(uuid string, missing error) tagged {
	return tagged{
		read: func() (map[string]string, error) {
			record, ok := c.catalog.Mapping(uuid)
			if !ok {
				return nil, missing
			}
			return record.Mapping.Tags, nil
		},
		change: func(ctx context.Context, edit tagEdit) error {
			for range maxTries {
				record, ok := c.catalog.Mapping(uuid)
				if !ok {
					return missing
				}
				m := *record.Mapping
				var err error
				if m.Tags, err = edit(m.Tags); err != nil {
					return err
				}
				_, err = c.catalog.PutMapping(ctx, &m, record.Revision)
				if !errors.Is(err, store.ErrConflict) {
					return err
				}
				if !sleep(ctx, conflictPause) {
					return ctx.Err()
				}
			}
			return lambda.Errorf(lambda.CodeResourceConflict, "The operation cannot be performed at this time. Other changes are under way.")
		},
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
