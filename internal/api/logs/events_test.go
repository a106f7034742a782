package logs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"
)

// begin is a time that the API takes events of.
func begin() time.Time { return time.Now().Add(-time.Hour).Truncate(time.Second) }

func (s *server) put(t *testing.T, stream string, at time.Time, messages ...string) (*sdk.PutLogEventsOutput, error) {
	t.Helper()
	in := &sdk.PutLogEventsInput{LogGroupName: aws.String(group), LogStreamName: &stream}
	for i, m := range messages {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: aws.Int64(at.Add(time.Duration(i) * time.Millisecond).UnixMilli()), Message: &m})
	}
	return s.client.PutLogEvents(t.Context(), in)
}

func (s *server) makeStream(t *testing.T, streams ...string) {
	t.Helper()
	if _, err := s.client.CreateLogGroup(t.Context(), &sdk.CreateLogGroupInput{LogGroupName: aws.String(group)}); err != nil {
		t.Fatal(err)
	}
	for _, name := range streams {
		if _, err := s.client.CreateLogStream(t.Context(), &sdk.CreateLogStreamInput{LogGroupName: aws.String(group), LogStreamName: &name}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPutLogEvents(t *testing.T) {
	s := newServer(t, nil)
	_, err := s.put(t, "s", time.Now(), "x")
	refused(t, "no group", err, "ResourceNotFoundException", "The specified log group does not exist.")
	s.makeStream(t, "s")
	_, err = s.put(t, "none", time.Now(), "x")
	refused(t, "no stream", err, "ResourceNotFoundException", "The specified log stream does not exist.")

	day := 24 * time.Hour
	for name, c := range map[string]struct {
		at   []time.Duration // from now
		want types.RejectedLogEventsInfo
		kept int
	}{
		"all taken": {[]time.Duration{-time.Hour, 0, time.Hour}, types.RejectedLogEventsInfo{}, 3},
		"too old":   {[]time.Duration{-14*day - 2*time.Hour, -14*day - time.Hour, -14*day + time.Hour}, types.RejectedLogEventsInfo{TooOldLogEventEndIndex: aws.Int32(2)}, 1},
		"too new":   {[]time.Duration{0, 3 * time.Hour, 4 * time.Hour}, types.RejectedLogEventsInfo{TooNewLogEventStartIndex: aws.Int32(1)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			in := &sdk.PutLogEventsInput{LogGroupName: aws.String(group), LogStreamName: aws.String("s")}
			now := time.Now()
			for _, d := range c.at {
				in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: aws.Int64(now.Add(d).UnixMilli()), Message: aws.String(name)})
			}
			out, err := s.client.PutLogEvents(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			var got types.RejectedLogEventsInfo
			if out.RejectedLogEventsInfo != nil {
				got = *out.RejectedLogEventsInfo
			}
			if diff := cmp.Diff([]*int32{c.want.TooNewLogEventStartIndex, c.want.TooOldLogEventEndIndex}, []*int32{got.TooNewLogEventStartIndex, got.TooOldLogEventEndIndex}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			events, _ := s.filter(t, &sdk.FilterLogEventsInput{FilterPattern: aws.String(`"` + name + `"`)})
			if len(events) != c.kept {
				t.Errorf("%d events are kept, want %d", len(events), c.kept)
			}
		})
	}
	in := &sdk.PutLogEventsInput{LogGroupName: aws.String(group), LogStreamName: aws.String("s"), LogEvents: []types.InputLogEvent{
		{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String("x")}, {Timestamp: aws.Int64(time.Now().Add(-time.Second).UnixMilli()), Message: aws.String("y")},
	}}
	_, err = s.client.PutLogEvents(t.Context(), in)
	refused(t, "out of order", err, "InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
	*in.LogEvents[0].Timestamp -= 25 * time.Hour.Milliseconds()
	_, err = s.client.PutLogEvents(t.Context(), in)
	refused(t, "more than a day", err, "InvalidParameterException", "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	_, err = s.put(t, "s", begin(), strings.Repeat("x", 600<<10), strings.Repeat("y", 600<<10))
	refused(t, "too large", err, "InvalidParameterException", "Upload too large: 1228852 bytes exceeds limit of 1048576")
}

// TestGetLogEvents walks through a stream both ways; at its ends the token that
// leads beyond stays the same, until there is more.
func TestGetLogEvents(t *testing.T) {
	s := newServer(t, nil)
	s.makeStream(t, "s", "other")
	at := begin()
	if _, err := s.put(t, "s", at, "1", "2", "3", "4", "5"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.put(t, "other", at, "x", "y"); err != nil {
		t.Fatal(err)
	}
	get := func(in sdk.GetLogEventsInput) (string, *sdk.GetLogEventsOutput) {
		t.Helper()
		in.LogGroupName, in.LogStreamName = aws.String(group), aws.String("s")
		if in.Limit == nil {
			in.Limit = aws.Int32(2)
		}
		out := ok[*sdk.GetLogEventsOutput](t)(s.client.GetLogEvents(t.Context(), &in))
		var text strings.Builder
		for _, e := range out.Events {
			text.WriteString(*e.Message)
		}
		return text.String(), out
	}
	last, out := get(sdk.GetLogEventsInput{})
	before, outBefore := get(sdk.GetLogEventsInput{NextToken: out.NextBackwardToken})
	first, outFirst := get(sdk.GetLogEventsInput{NextToken: outBefore.NextBackwardToken})
	none, outNone := get(sdk.GetLogEventsInput{NextToken: outFirst.NextBackwardToken})
	if got := []string{last, before, first, none}; !cmp.Equal(got, []string{"45", "23", "1", ""}) {
		t.Errorf("backward: %q", got)
	}
	if *outNone.NextBackwardToken != *outFirst.NextBackwardToken {
		t.Errorf("at the head the token is %s and then %s", *outFirst.NextBackwardToken, *outNone.NextBackwardToken)
	}
	if again, _ := get(sdk.GetLogEventsInput{NextToken: outNone.NextForwardToken}); again != "12" {
		t.Errorf("forward from the head: %q", again)
	}
	token := aws.String("")
	var walk []string
	head, page := get(sdk.GetLogEventsInput{StartFromHead: aws.Bool(true)})
	for walk = append(walk, head); *token != *page.NextForwardToken; walk = append(walk, head) {
		token = page.NextForwardToken
		head, page = get(sdk.GetLogEventsInput{NextToken: token, StartFromHead: aws.Bool(true)})
	}
	if !cmp.Equal(walk, []string{"12", "34", "5", ""}) {
		t.Errorf("forward: %q", walk)
	}
	if _, err := s.put(t, "s", at.Add(time.Second), "6"); err != nil {
		t.Fatal(err)
	}
	if more, _ := get(sdk.GetLogEventsInput{NextToken: token}); more != "6" {
		t.Errorf("behind the end: %q", more)
	}
	between, _ := get(sdk.GetLogEventsInput{
		StartTime: aws.Int64(at.Add(time.Millisecond).UnixMilli()), EndTime: aws.Int64(at.Add(3 * time.Millisecond).UnixMilli()), Limit: aws.Int32(10),
	})
	if between != "23" {
		t.Errorf("from a time to another, that one excluded: %q", between)
	}
	for what, in := range map[string]*sdk.GetLogEventsInput{
		"a token":                    {LogGroupName: aws.String(group), LogStreamName: aws.String("s"), NextToken: aws.String("f/123/s")},
		"a group, named twice":       {LogGroupName: aws.String(group), LogGroupIdentifier: aws.String(arn), LogStreamName: aws.String("s")},
		"a number of events":         {LogGroupName: aws.String(group), LogStreamName: aws.String("s"), Limit: aws.Int32(10_001)},
		"a token of other direction": {LogGroupName: aws.String(group), LogStreamName: aws.String("s"), NextToken: aws.String("x" + strings.TrimPrefix(*token, "f"))},
	} {
		_, err := s.client.GetLogEvents(t.Context(), in)
		refused(t, what, err, "InvalidParameterException", "")
	}
	_, err := s.client.GetLogEvents(t.Context(), &sdk.GetLogEventsInput{LogGroupName: aws.String(group), LogStreamName: aws.String("none")})
	refused(t, "no stream", err, "ResourceNotFoundException", "The specified log stream does not exist.")
}

// filter reads all pages and returns the messages, and how many pages.
func (s *server) filter(t *testing.T, in *sdk.FilterLogEventsInput) (messages []string, pages int) {
	t.Helper()
	in.LogGroupName = aws.String(group)
	ids := map[string]bool{}
	for p := sdk.NewFilterLogEventsPaginator(s.client, in); p.HasMorePages(); pages++ {
		page := ok[*sdk.FilterLogEventsOutput](t)(p.NextPage(t.Context()))
		for _, e := range page.Events {
			if messages = append(messages, *e.Message); ids[*e.EventId] {
				t.Errorf("event %s twice", *e.EventId)
			}
			ids[*e.EventId] = true
		}
	}
	return messages, pages
}

func TestFilterLogEvents(t *testing.T) {
	s := newServer(t, nil)
	s.makeStream(t, "a1", "a2", "b1")
	at := begin()
	for i, name := range []string{"a1", "a2", "b1"} {
		if _, err := s.put(t, name, at.Add(time.Duration(i)*time.Second), name+" INFO", name+" ERROR", `{"level":"WARN","n":`+fmt.Sprint(i)+`}`); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		in   sdk.FilterLogEventsInput
		want []string
	}{
		"terms":       {sdk.FilterLogEventsInput{FilterPattern: aws.String("ERROR")}, []string{"a1 ERROR", "a2 ERROR", "b1 ERROR"}},
		"JSON":        {sdk.FilterLogEventsInput{FilterPattern: aws.String(`{ $.level = WARN && $.n > 0 }`)}, []string{`{"level":"WARN","n":1}`, `{"level":"WARN","n":2}`}},
		"streams":     {sdk.FilterLogEventsInput{FilterPattern: aws.String("ERROR"), LogStreamNames: []string{"a2", "b1"}}, []string{"a2 ERROR", "b1 ERROR"}},
		"a prefix":    {sdk.FilterLogEventsInput{FilterPattern: aws.String("ERROR"), LogStreamNamePrefix: aws.String("a")}, []string{"a1 ERROR", "a2 ERROR"}},
		"times":       {sdk.FilterLogEventsInput{StartTime: aws.Int64(at.Add(time.Millisecond).UnixMilli()), EndTime: aws.Int64(at.Add(time.Second).UnixMilli())}, []string{"a1 ERROR", `{"level":"WARN","n":0}`, "a2 INFO"}},
		"the newest":  {sdk.FilterLogEventsInput{FilterPattern: aws.String("ERROR"), StartFromHead: aws.Bool(false)}, []string{"b1 ERROR", "a2 ERROR", "a1 ERROR"}},
		"no such one": {sdk.FilterLogEventsInput{FilterPattern: aws.String("FATAL")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Limit = aws.Int32(1)
			got, pages := s.filter(t, &c.in)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if pages < len(c.want) {
				t.Errorf("%d pages of one event have %d", pages, len(got))
			}
		})
	}
	for what, in := range map[string]*sdk.FilterLogEventsInput{
		"a pattern":  {LogGroupName: aws.String(group), FilterPattern: aws.String("{ $.a")},
		"a token":    {LogGroupName: aws.String(group), NextToken: aws.String("!")},
		"both":       {LogGroupName: aws.String(group), LogStreamNames: []string{"a1"}, LogStreamNamePrefix: aws.String("a")},
		"no group":   {},
		"no streams": {LogGroupName: aws.String(group), LogStreamNames: []string{}, Limit: aws.Int32(0)},
	} {
		_, err := s.client.FilterLogEvents(t.Context(), in)
		refused(t, what, err, "InvalidParameterException", "")
	}
	_, err := s.client.FilterLogEvents(t.Context(), &sdk.FilterLogEventsInput{LogGroupName: aws.String(group), LogStreamNames: []string{"none"}})
	refused(t, "no stream", err, "ResourceNotFoundException", "The specified log stream does not exist.")
}
