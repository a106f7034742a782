package logs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	model "thaw/internal/awsapi/gen/logs"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/logstore"
)

const (
	standardClass = "STANDARD"
	// describeLimit is how many groups or streams an answer has, unless asked for
	// fewer.
	describeLimit = 50
	maxTags       = 50
)

// deref is what a pointer points to, or the zero value.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (h *Handler) createGroup(in *model.CreateLogGroupRequest) error {
	return h.Store.CreateGroup(logstore.Group{
		Name: *in.LogGroupName, Class: deref(in.LogGroupClass), Tags: in.Tags, Protected: deref(in.DeletionProtectionEnabled),
	})
}

func (h *Handler) deleteGroup(in *model.DeleteLogGroupRequest) error {
	return h.Store.DeleteGroup(*in.LogGroupName)
}

func (h *Handler) describeGroups(_ context.Context, in *model.DescribeLogGroupsRequest) (*model.DescribeLogGroupsResponse, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	after, err := readNameToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	var identifiers []string
	for _, one := range in.LogGroupIdentifiers {
		identifiers = append(identifiers, groupOf(one))
	}
	groups := h.Store.Groups(func(name string) bool {
		return strings.HasPrefix(name, deref(in.LogGroupNamePrefix)) && strings.Contains(name, deref(in.LogGroupNamePattern)) &&
			(identifiers == nil || slices.Contains(identifiers, name)) && (in.NextToken == nil || name > after)
	})
	if in.LogGroupClass != nil {
		groups = slices.DeleteFunc(groups, func(g logstore.Group) bool { return classOf(g) != *in.LogGroupClass })
	}
	out := &model.DescribeLogGroupsResponse{LogGroups: []model.LogGroup{}}
	for i, g := range groups {
		if i == pageSize(in.Limit) {
			out.NextToken = nameToken(groups[i-1].Name)
			break
		}
		out.LogGroups = append(out.LogGroups, h.groupView(g))
	}
	return out, nil
}

func pageSize(limit *int) int {
	if limit != nil {
		return *limit
	}
	return describeLimit
}

func classOf(g logstore.Group) string {
	if g.Class == "" {
		return standardClass
	}
	return g.Class
}

func (h *Handler) groupView(g logstore.Group) model.LogGroup {
	arn, created := h.groupARN(g.Name), g.Created.UnixMilli()
	class, filters, all := classOf(g), 0, arn+":*"
	v := model.LogGroup{
		LogGroupName: &g.Name, CreationTime: &created, MetricFilterCount: &filters, Arn: &all, LogGroupArn: &arn,
		StoredBytes: &g.Bytes, LogGroupClass: &class, DeletionProtectionEnabled: &g.Protected,
	}
	if g.Retention > 0 {
		v.RetentionInDays = &g.Retention
	}
	return v
}

// retentions are the numbers of days that the service takes.
var retentions = [...]int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (h *Handler) putRetention(in *model.PutRetentionPolicyRequest) error {
	days := *in.RetentionInDays
	if !slices.Contains(retentions[:], days) {
		set := strings.ReplaceAll(strings.Trim(fmt.Sprint(retentions), "[]"), " ", ", ")
		return invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [%s]", days, set)
	}
	return h.Store.UpdateGroup(*in.LogGroupName, func(g *logstore.Group) { g.Retention = days })
}

func (h *Handler) deleteRetention(in *model.DeleteRetentionPolicyRequest) error {
	return h.Store.UpdateGroup(*in.LogGroupName, func(g *logstore.Group) { g.Retention = 0 })
}

func (h *Handler) putProtection(in *model.PutLogGroupDeletionProtectionRequest) error {
	return h.Store.UpdateGroup(groupOf(*in.LogGroupIdentifier), func(g *logstore.Group) { g.Protected = *in.DeletionProtectionEnabled })
}

func (h *Handler) listTags(_ context.Context, in *model.ListTagsForResourceRequest) (*model.ListTagsForResourceResponse, error) {
	g, err := h.Store.Group(groupOf(*in.ResourceArn))
	if err != nil {
		return nil, err
	}
	if g.Tags == nil {
		g.Tags = map[string]string{}
	}
	return &model.ListTagsForResourceResponse{Tags: g.Tags}, nil
}

func (h *Handler) tag(in *model.TagResourceRequest) error {
	tooMany := false
	err := h.Store.UpdateGroup(groupOf(*in.ResourceArn), func(g *logstore.Group) {
		tags := maps.Clone(in.Tags)
		for key, value := range g.Tags {
			if _, replaced := tags[key]; !replaced {
				tags[key] = value
			}
		}
		if tooMany = len(tags) > maxTags; !tooMany {
			g.Tags = tags
		}
	})
	if err == nil && tooMany {
		return lambda.Errorf("TooManyTagsException", "A log group can have %d tags.", maxTags)
	}
	return err
}

func (h *Handler) untag(in *model.UntagResourceRequest) error {
	return h.Store.UpdateGroup(groupOf(*in.ResourceArn), func(g *logstore.Group) {
		for _, key := range in.TagKeys {
			delete(g.Tags, key)
		}
	})
}
