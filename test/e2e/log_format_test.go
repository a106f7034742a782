package e2e_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// talkers are functions that log a line of each kind by their runtime's own means.
func talkers(t testing.TB) map[string]spec {
	return map[string]spec{
		"python": {runtime: python(t), handler: "handler.handler", zip: source(t, "python/talk"), timeout: 10},
		"node":   {runtime: node(t), handler: "index.handler", zip: source(t, "node/talk"), timeout: 10},
	}
}

// talk deploys a function with a logging configuration, invokes it once, and
// returns the events of its log.
func (s *server) talk(t *testing.T, name string, sp spec, config *types.LoggingConfig) []string {
	t.Helper()
	s.deploy(t, name, sp)
	_, err := s.client.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &name, LoggingConfig: config,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.waitUpdated(t, name)
	s.invoke(t, name, map[string]any{})
	group := "/aws/lambda/" + name
	t.Cleanup(func() { // it outlives its function
		if _, err := s.logs().DeleteLogGroup(context.Background(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &group}); err != nil {
			t.Error(err)
		}
	})
	out, err := s.logs().FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group})
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for _, e := range out.Events {
		events = append(events, *e.Message)
	}
	return events
}

// find returns the only event that has a text.
func find(t *testing.T, events []string, text string) string {
	t.Helper()
	var found []string
	for _, e := range events {
		if strings.Contains(e, text) {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Errorf("%d events have %q, want 1: %q", len(found), text, events)
		return ""
	}
	return found[0]
}

// TestTextLog: a record of several lines is one event, between the platform's own.
func TestTextLog(t *testing.T) {
	s := shared(t)
	for language, sp := range talkers(t) {
		t.Run(language, func(t *testing.T) {
			events := s.talk(t, "text-"+language, sp, &types.LoggingConfig{LogFormat: types.LogFormatText})
			if record := find(t, events, "of no use"); !strings.Contains(record, "it went\nwrong") {
				t.Errorf("the record is %q", record)
			}
			find(t, events, "all is well")
			if !slices.Contains(events, "plain\n") {
				t.Errorf("the bare line is not in %q", events)
			}
			if n := len(events); n < 3 || !strings.HasPrefix(events[n-2], "END ") || !strings.HasPrefix(events[n-1], "REPORT ") {
				t.Errorf("the log ends with %q", events)
			}
		})
	}
}

// TestJSONLog: the platform's events and the function's records are objects, and
// each side is filtered by its own level.
func TestJSONLog(t *testing.T) {
	s := shared(t)
	for language, sp := range talkers(t) {
		t.Run(language, func(t *testing.T) {
			events := s.talk(t, "json-"+language, sp, &types.LoggingConfig{
				LogFormat: types.LogFormatJson, ApplicationLogLevel: types.ApplicationLogLevelWarn, SystemLogLevel: types.SystemLogLevelInfo,
			})
			for _, e := range events {
				if !json.Valid([]byte(e)) || !strings.HasSuffix(e, "\n") {
					t.Errorf("an event that is no JSON: %q", e)
				}
				if strings.Contains(e, "all is well") {
					t.Errorf("a record below the function's level: %q", e)
				}
			}
			var record struct{ Level, RequestID string }
			if err := json.Unmarshal([]byte(find(t, events, "of no use")), &record); err != nil || record.Level != "ERROR" || record.RequestID == "" {
				t.Errorf("the record has %+v: %v", record, err)
			}
			find(t, events, `"type":"platform.start"`)
			find(t, events, `"type":"platform.report"`)
			if strings.Contains(strings.Join(events, ""), "platform.runtimeDone") {
				t.Errorf("an event below the system's level: %q", events)
			}
		})
	}
}
