package logs_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// next is the next event of a tail, which ends the test if there is none.
func next(t *testing.T, events <-chan types.StartLiveTailResponseStream) types.StartLiveTailResponseStream {
	t.Helper()
	select {
	case e, open := <-events:
		if !open {
			t.Fatal("the tail has ended")
		}
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("the tail is silent")
		return nil
	}
}

// lines reads updates until there are n lines.
func lines(t *testing.T, events <-chan types.StartLiveTailResponseStream, n int) (all []types.LiveTailSessionLogEvent, sampled bool) {
	t.Helper()
	for len(all) < n {
		update, is := next(t, events).(*types.StartLiveTailResponseStreamMemberSessionUpdate)
		if !is {
			t.Fatal("that is no update")
		}
		all = append(all, update.Value.SessionResults...)
		sampled = sampled || update.Value.SessionMetadata.Sampled
	}
	return all, sampled
}

func TestLiveTail(t *testing.T) {
	s := newServer(t, nil)
	s.makeStream(t, "a1", "b1")
	if _, err := s.put(t, "a1", begin(), "ERROR before the tail"); err != nil {
		t.Fatal(err)
	}
	out := ok[*sdk.StartLiveTailOutput](t)(s.client.StartLiveTail(t.Context(), &sdk.StartLiveTailInput{
		LogGroupIdentifiers: []string{arn}, LogStreamNamePrefixes: []string{"a"}, LogEventFilterPattern: aws.String("ERROR"),
	}))
	stream := out.GetStream()
	defer stream.Close()
	started, is := next(t, stream.Events()).(*types.StartLiveTailResponseStreamMemberSessionStart)
	if !is || started.Value.LogGroupIdentifiers[0] != arn || *started.Value.LogEventFilterPattern != "ERROR" || *started.Value.SessionId == "" {
		t.Errorf("started: %+v", started)
	}
	for name, message := range map[string]string{"b1": "ERROR elsewhere", "a1": "ERROR here"} {
		if _, err := s.put(t, name, begin(), message, "fine"); err != nil {
			t.Fatal(err)
		}
	}
	got, sampled := lines(t, stream.Events(), 1)
	if e := got[0]; len(got) != 1 || sampled || *e.Message != "ERROR here" || *e.LogStreamName != "a1" || *e.LogGroupIdentifier != "000000000000:"+group || *e.Timestamp == 0 {
		t.Errorf("lines %+v, sampled %v", got, sampled)
	}
}

func TestLiveTailOfAFlood(t *testing.T) {
	s := newServer(t, nil)
	s.makeStream(t, "s")
	out := ok[*sdk.StartLiveTailOutput](t)(s.client.StartLiveTail(t.Context(), &sdk.StartLiveTailInput{LogGroupIdentifiers: []string{arn}}))
	stream := out.GetStream()
	defer stream.Close()
	next(t, stream.Events())
	for range 20_000 {
		s.store.Append(group, "s", time.Now(), "line\n")
	}
	got, sampled := lines(t, stream.Events(), 500)
	if len(got) > 1000 || !sampled {
		t.Errorf("%d lines, sampled %v", len(got), sampled)
	}
}

// TestLiveTailEndsWithTheServer, and not with an error.
func TestLiveTailEndsWithTheServer(t *testing.T) {
	s := newServer(t, nil)
	s.makeStream(t, "s")
	out := ok[*sdk.StartLiveTailOutput](t)(s.client.StartLiveTail(t.Context(), &sdk.StartLiveTailInput{LogGroupIdentifiers: []string{arn}}))
	stream := out.GetStream()
	defer stream.Close()
	next(t, stream.Events())
	close(s.ended)
	for range stream.Events() {
	}
	if err := stream.Err(); err != nil {
		t.Error(err)
	}
}

func TestLiveTailRefusals(t *testing.T) {
	s := newServer(t, nil)
	s.makeStream(t, "s")
	for what, c := range map[string]struct {
		in   sdk.StartLiveTailInput
		code string
	}{
		"no such group":         {sdk.StartLiveTailInput{LogGroupIdentifiers: []string{"none"}}, "ResourceNotFoundException"},
		"a pattern":             {sdk.StartLiveTailInput{LogGroupIdentifiers: []string{arn}, LogEventFilterPattern: aws.String("[")}, "InvalidParameterException"},
		"both":                  {sdk.StartLiveTailInput{LogGroupIdentifiers: []string{arn}, LogStreamNames: []string{"s"}, LogStreamNamePrefixes: []string{"s"}}, "InvalidParameterException"},
		"streams of two groups": {sdk.StartLiveTailInput{LogGroupIdentifiers: []string{arn, "b"}, LogStreamNames: []string{"s"}}, "InvalidParameterException"},
	} {
		_, err := s.client.StartLiveTail(t.Context(), &c.in)
		refused(t, what, err, c.code, "")
	}
}
