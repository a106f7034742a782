package logs_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/logs"
)

var update = flag.Bool("update", false, "write the golden files anew")

const ms = telemetry.Milliseconds(time.Millisecond)

// records are one of each kind, and of each status that changes a line.
func records() []telemetry.Record {
	trace := telemetry.NewTracing("Root=1-6ac7d556-0123456789abcdef01234567;Parent=90cbc97f4ee64a7f;Sampled=1")
	const arn = "arn:aws:lambda:us-east-1::runtime:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	init := func(kind, phase, status, errorType string) telemetry.InitReport {
		return telemetry.InitReport{
			InitializationType: kind, Phase: phase, Status: status, ErrorType: errorType,
			Metrics: telemetry.InitMetrics{DurationMs: ms * 15079 / 100},
		}
	}
	return []telemetry.Record{
		telemetry.InitStart{
			InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, RuntimeVersion: "python:3.13.v53",
			RuntimeVersionARN: arn, FunctionName: "f", FunctionVersion: "$LATEST",
		},
		telemetry.InitStart{InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, FunctionName: "f", FunctionVersion: "7"},
		telemetry.TelemetrySubscription{Name: "my-ext", State: "Subscribed", Types: []string{"platform", "function"}},
		telemetry.LogsSubscription{Name: "my-ext", State: "Subscribed", Types: []string{"extension"}},
		telemetry.Extension{Name: "my-ext", State: "Ready", Events: []string{"INVOKE", "SHUTDOWN"}},
		telemetry.Extension{Name: "my-ext", State: "LaunchError", Events: []string{}, ErrorType: "Extension.LaunchError"},
		telemetry.InitRuntimeDone{InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, Status: telemetry.Success},
		telemetry.InitRuntimeDone{InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, Status: telemetry.Error, ErrorType: "Runtime.ExitError"},
		init(telemetry.OnDemand, telemetry.PhaseInit, telemetry.Success, ""),
		init(telemetry.ProvisionedConcurrency, telemetry.PhaseInit, telemetry.Success, ""),
		init(telemetry.OnDemand, telemetry.PhaseInit, telemetry.Timeout, "Runtime.Unknown"),
		init(telemetry.OnDemand, telemetry.PhaseInit, telemetry.Error, "Runtime.UserCodeSyntaxError"),
		init(telemetry.OnDemand, telemetry.PhaseInvoke, telemetry.Error, "Runtime.ExitError"),
		telemetry.RestoreStart{RuntimeVersion: "java:11.v21", RuntimeVersionARN: arn, FunctionName: "f", FunctionVersion: "7"},
		telemetry.RestoreRuntimeDone{Status: telemetry.Success},
		telemetry.RestoreReport{Status: telemetry.Success, Metrics: telemetry.InitMetrics{DurationMs: ms * 51125 / 100}},
		telemetry.RestoreReport{Status: telemetry.Error, ErrorType: "Runtime.ExitError", Metrics: telemetry.InitMetrics{DurationMs: ms * 123604 / 100}},
		telemetry.Start{RequestID: id, Version: "$LATEST", Tracing: trace},
		telemetry.RuntimeDone{RequestID: id, Status: telemetry.Success, Metrics: telemetry.RuntimeDoneMetrics{DurationMs: ms}},
		telemetry.RuntimeDone{RequestID: id, Status: telemetry.Timeout, Metrics: telemetry.RuntimeDoneMetrics{DurationMs: ms}},
		telemetry.Fault{RequestID: id, Message: "Task timed out after 45.05 seconds", ErrorType: telemetry.TimedOut},
		telemetry.Fault{RequestID: id, Message: "Runtime exited with error: exit status 1", ErrorType: "Runtime.ExitError"},
		telemetry.LogsDropped{Reason: "too fast", DroppedRecords: 3, DroppedBytes: 456},
		telemetry.End{RequestID: id},
		telemetry.Report{
			RequestID: id, Status: telemetry.Error, ErrorType: "Runtime.ExitError", Tracing: trace,
			Metrics: telemetry.NewReportMetrics(3*time.Millisecond, 0, 0, 128, 36<<20),
		},
		telemetry.Start{RequestID: "next", Version: "$LATEST"},
		telemetry.Report{RequestID: "next", Status: telemetry.Success, Metrics: telemetry.NewReportMetrics(3*time.Millisecond, 0, 0, 128, 36<<20)},
	}
}

// TestFormats compares whole logs of one of each record with files, in which a
// line break inside an event is shown as it is and events are parted by "-- ".
func TestFormats(t *testing.T) {
	at := time.Date(2024, 1, 29, 16, 41, 15, 998_000_000, time.UTC)
	for name, change := range map[string]func(*logs.StreamOptions){
		"text":       func(o *logs.StreamOptions) {},
		"text_old":   func(o *logs.StreamOptions) { o.OldStyle = true },
		"json_info":  func(o *logs.StreamOptions) { o.Format = logs.FormatJSON },
		"json_debug": func(o *logs.StreamOptions) { o.Format, o.SystemLevel = logs.FormatJSON, "DEBUG" },
		"json_warn":  func(o *logs.StreamOptions) { o.Format, o.SystemLevel = logs.FormatJSON, "WARN" },
	} {
		t.Run(name, func(t *testing.T) {
			var seen int
			kept, s := open(change, func(o *logs.StreamOptions) {
				o.Now = func() time.Time { return at }
				o.Observe = func(telemetry.Event) { seen++ }
			})
			for _, r := range records() {
				s.Emit(r)
			}
			if seen != len(records()) {
				t.Errorf("%d of %d events are observed: no format hides any", seen, len(records()))
			}
			got := strings.Join(kept.events, "-- ")
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestApplicationLevels: a log in JSON shows the lines of its level and above;
// who observes the stream sees all, with what level they were taken for.
func TestApplicationLevels(t *testing.T) {
	at := time.Date(2024, 11, 2, 16, 51, 31, 0, time.UTC)
	const stamp = `"timestamp":"2024-11-02T16:51:30.5Z"`
	for _, c := range []struct {
		line, level string
		object      bool
		shown       map[string]bool // by ApplicationLevel
	}{
		{"plain text", "", false, map[string]bool{"": true, "DEBUG": true, "INFO": true, "WARN": false}},
		{`{"level":"debug",` + stamp + `}`, "DEBUG", true, map[string]bool{"DEBUG": true, "INFO": false, "TRACE": true}},
		{`{"level":"DEBUG"}`, "", true, map[string]bool{"INFO": true, "WARN": false}}, // no time: INFO
		{`{"level":"DEBUG","timestamp":"yesterday"}`, "", true, map[string]bool{"INFO": true}},
		{`{"level":"ERROR","time":"2024-11-02T16:51:30.5+00:00"}`, "ERROR", true, map[string]bool{"ERROR": true, "FATAL": false}},
		{`{"level":"WARNING",` + stamp + `}`, "WARNING", true, map[string]bool{"WARN": true, "ERROR": false}},
		{`{"level":"CRITICAL",` + stamp + `}`, "CRITICAL", true, map[string]bool{"FATAL": true}},
		{`{"level":"loud",` + stamp + `}`, "LOUD", true, map[string]bool{"INFO": true, "WARN": false}},
		{`{"level":7,` + stamp + `}`, "", true, map[string]bool{"INFO": true, "WARN": false}},
		{`  {"level":"FATAL",` + stamp + `}  `, "FATAL", true, map[string]bool{"FATAL": true}},
		{`["level"]`, "", false, map[string]bool{"INFO": true, "WARN": false}},
		{`{"level":"FATAL"`, "", false, map[string]bool{"INFO": true, "WARN": false}},
	} {
		for lowest, shown := range c.shown {
			var seen []telemetry.Event
			kept, s := open(func(o *logs.StreamOptions) {
				o.Format, o.ApplicationLevel = logs.FormatJSON, lowest
				o.Now = func() time.Time { return at }
				o.Observe = func(e telemetry.Event) { seen = append(seen, e) }
			})
			c1, w := capture(t, s)
			w.output.Write([]byte(c.line + "\n"))
			c1.Flush()
			if got := kept.text() == c.line+"\n"; got != shown {
				t.Errorf("level %q, line %s: shown %v, want %v", lowest, c.line, got, shown)
			}
			want := telemetry.Line{Text: c.line + "\n", Level: c.level, Object: c.object}
			if len(seen) != 1 || seen[0].Record != want {
				t.Errorf("line %s: observed %+v, want %+v", c.line, seen, want)
			}
			w.output.Close()
			w.frames.Close()
			c1.Close()
		}
	}
}

func TestTextLogsAreNotFiltered(t *testing.T) {
	kept, s := open(func(o *logs.StreamOptions) { o.SystemLevel, o.ApplicationLevel = "WARN", "FATAL" })
	c, w := capture(t, s)
	defer c.Close()
	defer w.output.Close()
	defer w.frames.Close()
	s.Emit(telemetry.Start{RequestID: id, Version: "7"})
	w.output.Write([]byte(`{"level":"DEBUG","timestamp":"2024-11-02T16:51:30Z"}` + "\n"))
	w.frames.Write(frame(0xa55a000b, "quiet"))
	c.Flush()
	if kept.len() != 3 {
		t.Errorf("the log is %q", kept.text())
	}
}

// TestStreamName: in a group that functions may share, a stream tells whose it is;
// so does the service's documentation of custom log groups.
func TestStreamName(t *testing.T) {
	at := time.Date(2026, 1, 2, 23, 0, 0, 0, time.FixedZone("", -2*60*60))
	for group, want := range map[string]string{
		"/aws/lambda/f": "2026/01/03/[7]8476a536e9f411e897392dfe598c3fcd",
		"/aws/lambda/g": "2026/01/03/f[7]8476a536e9f411e897392dfe598c3fcd",
		"shared":        "2026/01/03/f[7]8476a536e9f411e897392dfe598c3fcd",
	} {
		if got := logs.StreamName(at, group, "f", "7", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"); got != want {
			t.Errorf("in %s: %s, want %s", group, got, want)
		}
	}
}
