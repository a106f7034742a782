package e2e_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
)

// logJSON makes a function log in JSON, from these levels on.
func (s *server) logJSON(t *testing.T, name string, system types.SystemLogLevel, application types.ApplicationLogLevel) {
	t.Helper()
	_, err := s.client.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &name, LoggingConfig: &types.LoggingConfig{
			LogFormat: types.LogFormatJson, SystemLogLevel: system, ApplicationLogLevel: application,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.waitUpdated(t, name)
}

// platformEvents names the events of the platform in a log, with their status
// where they have one, and fails the test for a line that is no JSON.
func platformEvents(t *testing.T, log string) (events []string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var e struct {
			Type   string
			Record struct{ Status, ErrorType string }
		}
		if !json.Valid([]byte(line)) {
			t.Errorf("a line that is no JSON: %q", line)
			continue
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Type != "" {
			name := strings.TrimPrefix(e.Type, "platform.")
			events = append(events, strings.TrimSpace(name+" "+e.Record.Status+" "+e.Record.ErrorType))
		}
	}
	return events
}

// TestJSONLogOfFailures: what an invocation came to is in the events of the
// platform, each shown from its level on.
func TestJSONLogOfFailures(t *testing.T) {
	s := shared(t)
	bad := map[string]spec{
		"python": {runtime: python(t), handler: "handler.handler", zip: source(t, "python/bad"), timeout: 3},
		"node":   {runtime: node(t), handler: "index.handler", zip: source(t, "node/bad"), timeout: 3},
	}
	events := []map[string]any{
		{"do": "state"}, {"do": "nothing of the kind"}, {"do": "exit", "code": 1}, {"do": "loop"},
	}
	cold := []string{"initStart", "initRuntimeDone success", "initReport success"}
	for language, sp := range bad {
		for _, tc := range []struct {
			level types.SystemLogLevel
			want  []string
		}{
			{types.SystemLogLevelDebug, slices.Concat(cold,
				[]string{"start", "runtimeDone success", "report success"},
				[]string{"start", "runtimeDone success", "report success"},
				[]string{"start", "runtimeDone error Runtime.ExitError", "report error Runtime.ExitError"},
				cold, []string{"start", "runtimeDone timeout", "report timeout"})},
			{types.SystemLogLevelInfo, []string{"initStart",
				"start", "report success", "start", "report success",
				"start", "runtimeDone error Runtime.ExitError", "report error Runtime.ExitError",
				"initStart", "start", "runtimeDone timeout", "report timeout"}},
			{types.SystemLogLevelWarn, []string{
				"runtimeDone error Runtime.ExitError", "report error Runtime.ExitError", "runtimeDone timeout", "report timeout"}},
		} {
			t.Run(language+" "+string(tc.level), func(t *testing.T) {
				name := "levels-" + language + "-" + strings.ToLower(string(tc.level))
				s.deployLogged(t, name, sp)
				s.logJSON(t, name, tc.level, types.ApplicationLogLevelFatal)
				for _, e := range events {
					s.invoke(t, name, e)
				}
				log, err := s.log(t, name)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tc.want, platformEvents(t, onlyEvents(log))); diff != "" {
					t.Errorf("events (-want +got):\n%s\n%s", diff, log)
				}
			})
		}
	}
}

// onlyEvents leaves the platform's events of a log: what code prints past its
// runtime's logger is no JSON.
func onlyEvents(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, `{"time":`) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestJSONLogOfInit: an init that fails warns in JSON, too.
func TestJSONLogOfInit(t *testing.T) {
	s := shared(t)
	for language, sp := range map[string]spec{
		"python": {runtime: python(t), handler: "handler.absent", zip: source(t, "python/echo"), timeout: 10},
		"node":   {runtime: node(t), handler: "index.absent", zip: source(t, "node/echo"), timeout: 10},
	} {
		name := "no-init-" + language
		s.deployLogged(t, name, sp)
		s.logJSON(t, name, types.SystemLogLevelWarn, types.ApplicationLogLevelFatal)
		if e := s.invoke(t, name, map[string]any{}).failed(t); e.ErrorType != "Runtime.HandlerNotFound" {
			t.Errorf("%s: failed with %+v", language, e)
		}
		log, err := s.log(t, name)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"initRuntimeDone error Runtime.HandlerNotFound", "initReport error Runtime.HandlerNotFound",
			"initRuntimeDone error Runtime.HandlerNotFound", "initReport error Runtime.HandlerNotFound",
			"runtimeDone error Runtime.HandlerNotFound", "report error Runtime.HandlerNotFound",
		}
		if diff := cmp.Diff(want, platformEvents(t, onlyEvents(log))); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s\n%s", language, diff, log)
		}
	}
}

// TestTelemetryIsNotFiltered: a subscriber gets the records that the levels keep
// out of the log, and those in JSON as objects.
func TestTelemetryIsNotFiltered(t *testing.T) {
	s := shared(t)
	layer := s.agents(t, "unfiltered", "agent")
	for language, sp := range talkers(t) {
		name := "unfiltered-" + language
		sp.layers = []string{layer}
		t.Cleanup(func() { s.forgetLog(t, name) })
		s.deployKeeping(t, name, sp)
		s.logJSON(t, name, types.SystemLogLevelWarn, types.ApplicationLogLevelError)
		s.invoke(t, name, map[string]any{})
		s.remove(t, name)
		s.eventuallyLogged(t, name, `agent: event .*SHUTDOWN`)
		log, err := s.log(t, name)
		if err != nil {
			t.Fatal(err)
		}
		told := strings.Join(said(log, "agent", "telemetry"), "\n")
		if language == "python" && !strings.Contains(told, "all is well") { // Node's client hides it itself
			t.Errorf("no record below the function's level in what the extension was told:\n%s", told)
		}
		for _, expression := range []string{
			`"type":"function","record":\{.*of no use`, `"type":"function","record":"plain\\n"`,
			`"type":"platform.runtimeDone","record":\{.*"status":"success"`,
		} {
			if !regexp.MustCompile(expression).MatchString(told) {
				t.Errorf("%s: no %s in what the extension was told:\n%s", language, expression, told)
			}
		}
		if regexp.MustCompile(`(?m)^\{.*all is well`).MatchString(log) {
			t.Errorf("%s: a record below the function's level is in the log:\n%s", language, log)
		}
	}
}

// TestOldLogStyle: REPORT has no status, and what went wrong comes after it.
func TestOldLogStyle(t *testing.T) {
	s := start(t, "--old-log-style")
	s.deploy(t, "old", spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/bad"), timeout: 2})
	const report = `REPORT RequestId: [0-9a-f-]{36}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t(Init Duration: [\d.]+ ms\t)?\n`
	a := s.invoke(t, "old", map[string]any{"do": "exit", "code": 1})
	if e := a.failed(t); e.ErrorType != "Runtime.ExitError" {
		t.Errorf("failed with %+v", e)
	}
	a.match(t, `END RequestId: `+a.RequestID+`\n`+report+`RequestId: `+a.RequestID+` Error: Runtime exited with error: exit status 1\nRuntime.ExitError\n$`)
	a = s.invoke(t, "old", map[string]any{"do": "loop"})
	if e := a.failed(t); e.ErrorType != "Sandbox.Timedout" {
		t.Errorf("failed with %+v", e)
	}
	a.match(t, `END RequestId: `+a.RequestID+`\n`+report+`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z `+a.RequestID+` Task timed out after 2.00 seconds\n\n$`)
}
