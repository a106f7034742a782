package logs_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"thaw/internal/api/logs"
	"thaw/internal/iam"
)

// asked is an Access that keeps what it is asked, and denies it.
type asked struct {
	oneKey
	questions *[]iam.Question
}

func (a asked) Authorise(c iam.Caller, q iam.Question) error {
	*a.questions = append(*a.questions, q)
	return iam.Denied(c, q.Action, q.Resource)
}

// TestResourcesOfOperations: groups have the ARNs by which policies written for the
// service name them.
func TestResourcesOfOperations(t *testing.T) {
	var questions []iam.Question
	key := asked{oneKey{session: &iam.Session{ARN: "arn:aws:sts::000000000000:assumed-role/r/f"}}, &questions}
	s, ctx := newServer(t, func(o *logs.Options) { o.Keys, o.Access = key, key }), t.Context()
	const none = "arn:aws:logs:us-east-1:000000000000:log-group:"
	name, stream, tagged := aws.String(group), aws.String("s"), aws.String(arn)
	for _, row := range []struct {
		call                   func() error
		action, resource, also string
	}{
		{func() error { _, err := s.client.DescribeLogGroups(ctx, &sdk.DescribeLogGroupsInput{}); return err }, "logs:DescribeLogGroups", none + ":log-stream:", "*"},
		{func() error {
			_, err := s.client.CreateLogGroup(ctx, &sdk.CreateLogGroupInput{LogGroupName: name})
			return err
		}, "logs:CreateLogGroup", arn + ":log-stream:", arn},
		{func() error {
			_, err := s.client.FilterLogEvents(ctx, &sdk.FilterLogEventsInput{LogGroupName: name})
			return err
		}, "logs:FilterLogEvents", arn + ":log-stream:", arn},
		{func() error {
			_, err := s.client.FilterLogEvents(ctx, &sdk.FilterLogEventsInput{LogGroupIdentifier: aws.String(arn + ":*")})
			return err
		}, "logs:FilterLogEvents", arn + ":log-stream:", arn},
		{func() error {
			_, err := s.client.GetLogEvents(ctx, &sdk.GetLogEventsInput{LogGroupName: name, LogStreamName: stream})
			return err
		}, "logs:GetLogEvents", arn + ":log-stream:s", ""},
		{func() error {
			_, err := s.client.CreateLogStream(ctx, &sdk.CreateLogStreamInput{LogGroupName: name, LogStreamName: stream})
			return err
		}, "logs:CreateLogStream", arn + ":log-stream:s", ""},
		{func() error {
			_, err := s.client.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: tagged})
			return err
		}, "logs:ListTagsForResource", arn, ""},
	} {
		questions = nil
		refused(t, row.action, row.call(), "AccessDeniedException", "")
		if len(questions) != 1 || questions[0].Action != row.action || questions[0].Resource != row.resource || questions[0].Also != row.also {
			t.Errorf("asked %+v, want %s of %s or %q", questions, row.action, row.resource, row.also)
		}
	}
}
