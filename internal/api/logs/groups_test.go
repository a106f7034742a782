package logs_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"

	"thaw/internal/api/logs"
	"thaw/internal/iam"
	"thaw/internal/lambda"
)

func stringReader(s string) io.Reader { return strings.NewReader(s) }

func TestGroups(t *testing.T) {
	s, ctx := newServer(t, nil), t.Context()
	create := func(name string) error {
		_, err := s.client.CreateLogGroup(ctx, &sdk.CreateLogGroupInput{LogGroupName: &name, Tags: map[string]string{"a": "b"}})
		return err
	}
	for i := range 7 {
		if err := create(fmt.Sprintf("g%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "twice", create("g0"), "ResourceAlreadyExistsException", "The specified log group already exists")
	refused(t, "a bad name", create("g 0"), "InvalidParameterException", "1 validation error detected: Value 'g 0' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+")

	var names []string
	for pages := sdk.NewDescribeLogGroupsPaginator(s.client, &sdk.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("g"), Limit: aws.Int32(3)}); pages.HasMorePages(); {
		page := ok[*sdk.DescribeLogGroupsOutput](t)(pages.NextPage(ctx))
		if len(page.LogGroups) > 3 {
			t.Errorf("a page of %d", len(page.LogGroups))
		}
		for _, g := range page.LogGroups {
			names = append(names, *g.LogGroupName)
		}
	}
	if diff := cmp.Diff([]string{"g0", "g1", "g2", "g3", "g4", "g5", "g6"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	one := ok[*sdk.DescribeLogGroupsOutput](t)(s.client.DescribeLogGroups(ctx, &sdk.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("5")}))
	g := one.LogGroups[0]
	if len(one.LogGroups) != 1 || *g.Arn != "arn:aws:logs:us-east-1:000000000000:log-group:g5:*" || *g.LogGroupArn+":*" != *g.Arn ||
		g.LogGroupClass != types.LogGroupClassStandard || g.RetentionInDays != nil || time.Since(time.UnixMilli(*g.CreationTime)) > time.Hour {
		t.Errorf("group %+v", one.LogGroups)
	}
	_, err := s.client.DescribeLogGroups(ctx, &sdk.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("5"), LogGroupNamePrefix: aws.String("g")})
	refused(t, "both", err, "InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")

	if _, err := s.client.DeleteLogGroup(ctx, &sdk.DeleteLogGroupInput{LogGroupName: aws.String("g5")}); err != nil {
		t.Error(err)
	}
	_, err = s.client.DeleteLogGroup(ctx, &sdk.DeleteLogGroupInput{LogGroupName: aws.String("g5")})
	refused(t, "delete twice", err, "ResourceNotFoundException", "The specified log group does not exist.")
}

func TestRetentionProtectionAndTags(t *testing.T) {
	s, ctx := newServer(t, nil), t.Context()
	name := aws.String("g")
	if _, err := s.client.CreateLogGroup(ctx, &sdk.CreateLogGroupInput{LogGroupName: name}); err != nil {
		t.Fatal(err)
	}
	put := func(days int32) error {
		_, err := s.client.PutRetentionPolicy(ctx, &sdk.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: &days})
		return err
	}
	view := func() types.LogGroup {
		t.Helper()
		return ok[*sdk.DescribeLogGroupsOutput](t)(s.client.DescribeLogGroups(ctx, &sdk.DescribeLogGroupsInput{LogGroupNamePrefix: name})).LogGroups[0]
	}
	if err := put(14); err != nil || aws.ToInt32(view().RetentionInDays) != 14 {
		t.Errorf("%v, retention %v", err, view().RetentionInDays)
	}
	if err := put(2); code(err) != "InvalidParameterException" {
		t.Errorf("two days: %v", err)
	}
	if _, err := s.client.DeleteRetentionPolicy(ctx, &sdk.DeleteRetentionPolicyInput{LogGroupName: name}); err != nil || view().RetentionInDays != nil {
		t.Errorf("%v, retention %v", err, view().RetentionInDays)
	}
	protect := func(on bool) {
		t.Helper()
		_, err := s.client.PutLogGroupDeletionProtection(ctx, &sdk.PutLogGroupDeletionProtectionInput{LogGroupIdentifier: name, DeletionProtectionEnabled: &on})
		if err != nil {
			t.Error(err)
		}
	}
	protect(true)
	_, err := s.client.DeleteLogGroup(ctx, &sdk.DeleteLogGroupInput{LogGroupName: name})
	refused(t, "a protected group", err, "ValidationException", "")
	protect(false)

	resource := view().LogGroupArn
	if _, err := s.client.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: resource, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
		t.Error(err)
	}
	if _, err := s.client.UntagResource(ctx, &sdk.UntagResourceInput{ResourceArn: resource, TagKeys: []string{"a"}}); err != nil {
		t.Error(err)
	}
	tags := ok[*sdk.ListTagsForResourceOutput](t)(s.client.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: resource}))
	if diff := cmp.Diff(map[string]string{"b": "2"}, tags.Tags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint("k", i)] = "v"
	}
	_, err = s.client.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: resource, Tags: many})
	refused(t, "51 tags", err, "TooManyTagsException", "")
}

func TestStreams(t *testing.T) {
	s, ctx := newServer(t, nil), t.Context()
	start := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i, name := range []string{"b", "a", "d", "c"} {
		s.store.Append(group, name, start.Add(time.Duration(i)*time.Second), "x")
	}
	list := func(in sdk.DescribeLogStreamsInput) (names []string) {
		t.Helper()
		in.LogGroupName, in.Limit = aws.String(group), aws.Int32(3)
		for pages := sdk.NewDescribeLogStreamsPaginator(s.client, &in); pages.HasMorePages(); {
			for _, one := range ok[*sdk.DescribeLogStreamsOutput](t)(pages.NextPage(ctx)).LogStreams {
				names = append(names, *one.LogStreamName)
			}
		}
		return names
	}
	for _, c := range []struct {
		in   sdk.DescribeLogStreamsInput
		want []string
	}{
		{sdk.DescribeLogStreamsInput{}, []string{"a", "b", "c", "d"}},
		{sdk.DescribeLogStreamsInput{Descending: aws.Bool(true)}, []string{"d", "c", "b", "a"}},
		{sdk.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime}, []string{"b", "a", "d", "c"}},
		{sdk.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime, Descending: aws.Bool(true)}, []string{"c", "d", "a", "b"}},
		{sdk.DescribeLogStreamsInput{LogStreamNamePrefix: aws.String("c")}, []string{"c"}},
	} {
		if diff := cmp.Diff(c.want, list(c.in)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.in, diff)
		}
	}
	one := ok[*sdk.DescribeLogStreamsOutput](t)(s.client.DescribeLogStreams(ctx, &sdk.DescribeLogStreamsInput{LogGroupIdentifier: aws.String(arn), LogStreamNamePrefix: aws.String("a")})).LogStreams[0]
	if at := start.Add(time.Second).UnixMilli(); *one.FirstEventTimestamp != at || *one.LastEventTimestamp != at || *one.Arn != arn+":log-stream:a" {
		t.Errorf("stream %+v", one)
	}
	_, err := s.client.DescribeLogStreams(ctx, &sdk.DescribeLogStreamsInput{LogGroupName: aws.String(group), OrderBy: types.OrderByLastEventTime, LogStreamNamePrefix: aws.String("a")})
	refused(t, "a prefix in the order of time", err, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
	_, err = s.client.DescribeLogStreams(ctx, &sdk.DescribeLogStreamsInput{})
	refused(t, "no group", err, "InvalidParameterException", "")

	create := &sdk.CreateLogStreamInput{LogGroupName: aws.String(group), LogStreamName: aws.String("a")}
	_, err = s.client.CreateLogStream(ctx, create)
	refused(t, "twice", err, "ResourceAlreadyExistsException", "The specified log stream already exists")
	remove := &sdk.DeleteLogStreamInput{LogGroupName: create.LogGroupName, LogStreamName: create.LogStreamName}
	if _, err := s.client.DeleteLogStream(ctx, remove); err != nil {
		t.Error(err)
	}
	_, err = s.client.DeleteLogStream(ctx, remove)
	refused(t, "delete twice", err, "ResourceNotFoundException", "The specified log stream does not exist.")
}

// TestWhoMayCall: signatures, sessions, and what is not built.
func TestWhoMayCall(t *testing.T) {
	s, ctx := newServer(t, nil), t.Context()
	_, err := newClient(s.url, "wrong").DescribeLogGroups(ctx, &sdk.DescribeLogGroupsInput{})
	refused(t, "a wrong secret", err, "InvalidSignatureException", "")
	for target, want := range map[string]string{
		"Logs_20140328.DescribeLogGroups": `"__type":"MissingAuthenticationTokenException"`,
		"Logs_20140328.Nothing":           `"__type":"UnknownOperationException"`,
	} {
		response := post(t, s.url, target, "{}")
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s", target, response.StatusCode, body)
		}
	}
	_, err = s.client.DescribeQueries(ctx, &sdk.DescribeQueriesInput{})
	refused(t, "not built", err, "NotImplementedException", "This server does not support the operation DescribeQueries yet.")
	_, err = s.client.PutLogEvents(ctx, &sdk.PutLogEventsInput{LogGroupName: aws.String(group), LogStreamName: aws.String("s"), LogEvents: []types.InputLogEvent{
		{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String(strings.Repeat("x", 9<<20))},
	}})
	refused(t, "too large", err, "RequestEntityTooLargeException", "")
}

func TestSessionsReachWhatTheyMay(t *testing.T) {
	key := oneKey{session: &iam.Session{ARN: "arn:aws:sts::000000000000:assumed-role/r/f"}}
	s, ctx := newServer(t, func(o *logs.Options) { o.Keys, o.Access = key, key }), t.Context()
	s.store.Append(group, "s", time.Now(), "mine")
	s.store.Append("other", "s", time.Now(), "theirs")
	get := func(name string) error {
		_, err := s.client.GetLogEvents(ctx, &sdk.GetLogEventsInput{LogGroupName: &name, LogStreamName: aws.String("s")})
		return err
	}
	if err := get(group); err != nil {
		t.Error(err)
	}
	refused(t, "another's group", get("other"), "AccessDeniedException", "")
	_, err := s.client.DescribeLogGroups(ctx, &sdk.DescribeLogGroupsInput{})
	refused(t, "all groups", err, "AccessDeniedException", "")
	tail := func(groups ...string) error {
		out, err := s.client.StartLiveTail(ctx, &sdk.StartLiveTailInput{LogGroupIdentifiers: groups})
		if err == nil {
			out.GetStream().Close()
		}
		return err
	}
	if err := tail(arn); err != nil {
		t.Error(err)
	}
	refused(t, "a group among others", tail(arn, "other"), "AccessDeniedException", "")
}

func TestUnsignedRequests(t *testing.T) {
	s := newServer(t, func(o *logs.Options) {
		o.Keys = nil
		o.Trust = func(r *http.Request) error {
			if r.Header.Get("Origin") != "" {
				return lambda.Errorf(lambda.CodeAccessDenied, "no pages")
			}
			return nil
		}
	})
	if response := post(t, s.url, "Logs_20140328.DescribeLogGroups", "{}"); response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
	r, _ := http.NewRequest(http.MethodPost, s.url, strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "Logs_20140328.DescribeLogGroups")
	r.Header.Set("Origin", "http://page.example")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("a web page: status %d", response.StatusCode)
	}
}
