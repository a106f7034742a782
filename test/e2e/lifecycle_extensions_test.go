package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/google/go-cmp/cmp"
)

// agentFiles is a layer with the external extension of testdata under each of the
// names. The files are scripts that execute one program, as layers have them whose
// extension is not a program by itself.
func agentFiles(t testing.TB, names ...string) map[string]string {
	t.Helper()
	program, err := os.ReadFile(house.program(t, "./test/e2e/testdata/extensions/agent"))
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{"lib/agent": string(program)}
	for _, name := range names {
		content["extensions/"+name] = "#!/bin/sh\nexec /opt/lib/agent \"$0\"\n"
	}
	return content
}

// agents publishes such a layer.
func (s *server) agents(t testing.TB, layer string, names ...string) (arn string) {
	t.Helper()
	return s.layer(t, layer, agentFiles(t, names...))
}

// deployLogged deploys a function whose log is deleted after the test, so that
// another run of it begins with none.
func (s *server) deployLogged(t testing.TB, name string, sp spec) {
	t.Helper()
	t.Cleanup(func() { s.forgetLog(t, name) })
	s.deploy(t, name, sp)
}

func (s *server) forgetLog(t testing.TB, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), settleLimit) // a cleanup's own is over
	defer cancel()
	group := "/aws/lambda/" + name
	if _, err := s.logs().DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &group}); err != nil {
		t.Error(err)
	}
}

// eventuallyLogged waits until a function's log says what the expression says.
// Some of it is written when no invocation waits for it any more.
func (s *server) eventuallyLogged(t testing.TB, name, expression string) {
	t.Helper()
	want := regexp.MustCompile(expression)
	err := eventually(settleLimit, func() error {
		log, err := s.log(t, name)
		if err != nil || !want.MatchString(log) {
			return fmt.Errorf("the log of %s does not match %s: %v\n%s", name, expression, err, log)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// said lists, in order, what an agent has printed with a word before it.
func said(log, agent, word string) (found []string) {
	for line := range strings.Lines(log) {
		if text, ok := strings.CutPrefix(line, agent+": "+word+" "); ok {
			found = append(found, strings.TrimSpace(text))
		}
	}
	return found
}

// TestExternalExtension: an extension that a layer brings is told of itself, of
// each invocation, of the end, and of all that happens meanwhile.
func TestExternalExtension(t *testing.T) {
	s := shared(t)
	t.Cleanup(func() { s.forgetLog(t, "watched") })
	sp := goEcho(t)
	sp.env = map[string]string{"GREETING": "hello"}
	program := agentFiles(t)["lib/agent"]
	sp.layers = []string{s.layer(t, "watched", map[string]string{"extensions/agent": program})}
	s.deployKeeping(t, "watched", sp)
	var ids []string
	for _, word := range []string{"first words", "second words"} {
		a := s.invoke(t, "watched", map[string]any{"value": 1, "print": word})
		if _, err := a.echo(1); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.RequestID)
	}
	s.remove(t, "watched")
	s.eventuallyLogged(t, "watched", `agent: event .*SHUTDOWN`)
	s.eventuallyLogged(t, "watched", `agent: telemetry .*`+ids[1]+`.*platform.report|agent: telemetry .*platform.report.*`+ids[1])
	log, err := s.log(t, "watched")
	if err != nil {
		t.Fatal(err)
	}
	checkVariables(t, said(log, "agent", "sees"))
	want := []string{`{"functionName":"watched","functionVersion":"$LATEST","handler":"bootstrap","accountId":"000000000000"}`}
	if diff := cmp.Diff(want, said(log, "agent", "registered")); diff != "" {
		t.Errorf("registered (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"OK"}, unquoted(said(log, "agent", "subscribed"))); diff != "" {
		t.Errorf("subscribed (-want +got):\n%s", diff)
	}
	checkAgentEvents(t, said(log, "agent", "event"), ids)
	checkAgentTelemetry(t, said(log, "agent", "telemetry"), ids)
}

// checkVariables holds the variables of an extension to those that are not the
// runtime's alone.
func checkVariables(t *testing.T, lines []string) {
	t.Helper()
	if len(lines) != 1 {
		t.Fatalf("the extension was started %d times", len(lines))
	}
	names := strings.Fields(lines[0])
	for _, name := range []string{
		"GREETING", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
		"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PATH", "LANG", "TZ",
	} {
		if !slices.Contains(names, name) {
			t.Errorf("an extension does not see %s", name)
		}
	}
	for _, name := range names {
		switch name {
		case "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING",
			"AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT":
			t.Errorf("an extension sees %s", name)
		}
		if strings.HasPrefix(name, "_") {
			t.Errorf("an extension sees %s", name)
		}
	}
}

func unquoted(texts []string) (plain []string) {
	for _, text := range texts {
		plain = append(plain, strings.Trim(text, `"`))
	}
	return plain
}

// checkAgentEvents holds the events of an extension to one INVOKE for each
// invocation and a SHUTDOWN.
func checkAgentEvents(t *testing.T, events, ids []string) {
	t.Helper()
	type event struct {
		EventType, RequestID, InvokedFunctionARN, ShutdownReason string
		DeadlineMS                                               int64
		Tracing                                                  *struct{ Type, Value string }
	}
	var got []event
	for _, text := range events {
		var e event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("event %q: %v", text, err)
		}
		if e.DeadlineMS < 1_700_000_000_000 {
			t.Errorf("the deadline is %d", e.DeadlineMS)
		}
		if e.EventType == "INVOKE" && (e.Tracing == nil || e.Tracing.Type != "X-Amzn-Trace-Id" || !strings.HasPrefix(e.Tracing.Value, "Root=1-")) {
			t.Errorf("tracing is %+v", e.Tracing)
		}
		e.DeadlineMS, e.Tracing = 0, nil
		got = append(got, e)
	}
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:watched"
	want := []event{
		{EventType: "INVOKE", RequestID: ids[0], InvokedFunctionARN: arn},
		{EventType: "INVOKE", RequestID: ids[1], InvokedFunctionARN: arn},
		{EventType: "SHUTDOWN", ShutdownReason: "spindown"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// checkAgentTelemetry holds what a subscriber was sent to the life of its
// environment: each record once and in order.
func checkAgentTelemetry(t *testing.T, records, ids []string) {
	t.Helper()
	var got []string
	for _, text := range records {
		var e struct {
			Time, Type string
			Record     json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("record %q: %v", text, err)
		}
		name := e.Type
		for i, id := range ids {
			if strings.Contains(string(e.Record), id) {
				name += fmt.Sprint(" ", i+1)
			}
		}
		if e.Type == "function" {
			name += " " + string(e.Record)
		}
		got = append(got, name)
	}
	// The runtime may be ready before the extension has subscribed, or after.
	if len(got) > 2 && got[2] == "platform.initRuntimeDone" {
		got[1], got[2] = got[2], got[1]
	}
	want := []string{
		"platform.initStart", "platform.initRuntimeDone", "platform.telemetrySubscription", "platform.extension", "platform.initReport",
		"platform.start 1", `function "first words\n"`, "platform.runtimeDone 1", "platform.report 1",
		"platform.start 2", `function "second words\n"`, "platform.runtimeDone 2", "platform.report 2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("telemetry (-want +got):\n%s\n%s", diff, strings.Join(records, "\n"))
	}
}

// TestLogsExtension: an extension that is a script for the runtime's own
// interpreter gets what it asks the older Logs API for, by TCP.
func TestLogsExtension(t *testing.T) {
	s := shared(t)
	script, err := os.ReadFile("testdata/extensions/collector.py")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.forgetLog(t, "collected") })
	sp := pythonEcho(t, python(t))
	sp.layers = []string{s.layer(t, "collected", map[string]string{"extensions/collector": string(script)})}
	s.deployKeeping(t, "collected", sp)
	a := s.invoke(t, "collected", map[string]any{"value": 1, "print": "a word"})
	if _, err := a.echo(1); err != nil {
		t.Fatal(err)
	}
	s.remove(t, "collected")
	s.eventuallyLogged(t, "collected", `collector: event .*SHUTDOWN`)
	log, err := s.log(t, "collected")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, text := range said(log, "collector", "record") {
		var e struct {
			Type   string
			Record json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("record %q: %v", text, err)
		}
		if e.Type == "function" {
			e.Type += " " + string(e.Record)
		}
		got = append(got, e.Type)
	}
	want := []string{
		"platform.logsSubscription", "platform.extension", "platform.start", `function "a word\n"`,
		"platform.runtimeDone", "platform.end", "platform.report",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s\n%s", diff, log)
	}
}

// companionAnswer is what the function with an internal extension answers.
type companionAnswer struct {
	Heard []struct {
		EventType, RequestID, InvokedFunctionARN string
	}
	Refused []struct {
		Name, ErrorType, ErrorMessage string
		Status                        int
	}
	Shutdown, Late struct{ ErrorType, ErrorMessage string }
	RequestID      string
}

func companions(t testing.TB, count int) spec {
	return spec{
		runtime: node(t), handler: "index.handler", zip: source(t, "node/companion"), timeout: 10,
		env: map[string]string{"EXTENSIONS": fmt.Sprint(count)},
	}
}

// TestInternalExtension: the runtime's own process registers an extension while
// it is initialised. It is told of each invocation, and of the end by SIGTERM.
func TestInternalExtension(t *testing.T) {
	s := shared(t)
	t.Cleanup(func() { s.forgetLog(t, "companion") })
	s.deployKeeping(t, "companion", companions(t, 1))
	var got companionAnswer
	for i := range 3 {
		a := s.invoke(t, "companion", map[string]any{})
		a.decode(t, &got)
		if n := len(got.Heard); n < i || n > i+1 { // the handler may be quicker than the extension
			t.Errorf("in invocation %d the extension had %d events", i+1, n)
		}
		for _, e := range got.Heard {
			if e.EventType != "INVOKE" || e.RequestID == "" || !strings.HasSuffix(e.InvokedFunctionARN, ":companion") {
				t.Errorf("event %+v", e)
			}
		}
	}
	if len(got.Refused) > 0 {
		t.Errorf("refused: %+v", got.Refused)
	}
	if got.Shutdown.ErrorType != "Extension.InvalidEventType" || got.Late.ErrorType != "Extension.RegistrationClosed" {
		t.Errorf("an internal extension with SHUTDOWN: %+v; after the init: %+v", got.Shutdown, got.Late)
	}
	s.remove(t, "companion")
	s.eventuallyLogged(t, "companion", `terminated after 3 events\n`)
}

// TestTenExtensions: so many may be in one environment, external and internal
// ones together.
func TestTenExtensions(t *testing.T) {
	s := shared(t)
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("agent-%d", i))
	}
	t.Run("external", func(t *testing.T) {
		sp := goEcho(t)
		sp.layers, sp.memory, sp.timeout = []string{s.agents(t, "ten", names...)}, 512, 10
		t.Cleanup(func() { s.forgetLog(t, "ten") })
		s.deployKeeping(t, "ten", sp)
		for range 2 {
			if _, err := s.invoke(t, "ten", map[string]any{"value": 1}).echo(1); err != nil {
				t.Fatal(err)
			}
		}
		s.remove(t, "ten")
		for _, name := range names {
			s.eventuallyLogged(t, "ten", `(?s)`+name+`: event .*INVOKE.*`+name+`: event .*INVOKE.*`+name+`: event .*SHUTDOWN`)
		}
	})
	t.Run("internal", func(t *testing.T) {
		s.deployLogged(t, "ten-internal", companions(t, 11))
		checkRefused(t, s, "ten-internal", "companion-11")
	})
	t.Run("both", func(t *testing.T) {
		sp := companions(t, 4)
		sp.layers, sp.memory = []string{s.agents(t, "seven", names[:7]...)}, 512
		s.deployLogged(t, "ten-both", sp)
		checkRefused(t, s, "ten-both", "companion-4")
	})
	t.Run("eleven", func(t *testing.T) {
		sp := goEcho(t)
		sp.layers = []string{s.agents(t, "eleven", append(slices.Clone(names), "agent-last")...)}
		s.deployLogged(t, "eleven", sp)
		a := s.invoke(t, "eleven", map[string]any{"value": 1})
		want := functionError{ErrorType: "Extension.LaunchError", ErrorMessage: "RequestId: " + a.RequestID + " Error: Extension limit (10) reached"}
		if diff := cmp.Diff(want, a.failed(t)); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		s.wantLogged(t, "eleven", `INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: Extension.LaunchError\n`)
		s.wantLogged(t, "eleven", `REPORT .*\tStatus: error\tError Type: Extension.LaunchError\n`)
	})
}

// checkRefused looks for the one extension that was too many; the function does
// not suffer.
func checkRefused(t *testing.T, s *server, function, name string) {
	t.Helper()
	var got companionAnswer
	s.invoke(t, function, map[string]any{}).decode(t, &got)
	if len(got.Refused) != 1 {
		t.Fatalf("refused: %+v", got.Refused)
	}
	r := got.Refused[0]
	if r.Name != name || r.Status != 403 || r.ErrorType != "Extension.TooManyExtensions" || r.ErrorMessage != "Extension limit (10) reached" {
		t.Errorf("refused: %+v", r)
	}
}
