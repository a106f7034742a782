package logs_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/logs"
)

const (
	group  = "/aws/lambda/f"
	stream = "2026/01/02/[$LATEST]0123456789abcdef0123456789abcdef"
	id     = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
)

// sink keeps what a stream has written.
type sink struct {
	mu     sync.Mutex
	times  []time.Time
	events []string
}

func (s *sink) Append(_, _ string, at time.Time, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, at)
	s.events = append(s.events, message)
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.events, "")
}

func (s *sink) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// open makes a stream and what it writes to.
func open(change ...func(*logs.StreamOptions)) (*sink, *logs.Stream) {
	kept := &sink{}
	opts := logs.StreamOptions{Sink: kept, Group: group, Name: stream}
	for _, c := range change {
		c(&opts)
	}
	return kept, logs.Open(opts)
}

// recorded is the shape of a real log; the durations are this test's.
const recorded = "START RequestId: " + id + " Version: $LATEST\n" +
	"END RequestId: " + id + "\n" +
	"REPORT RequestId: " + id + "\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"

func report() telemetry.Report {
	return telemetry.Report{
		RequestID: id, Status: telemetry.Success,
		Metrics: telemetry.NewReportMetrics(3010*time.Microsecond, 110100*time.Microsecond, 3*time.Second, 128, 36<<20),
	}
}

func TestInvocation(t *testing.T) {
	kept, s := open()
	s.BeginTail()
	s.Emit(telemetry.Start{RequestID: id, Version: "$LATEST"})
	s.Emit(telemetry.End{RequestID: id})
	s.Emit(report())
	if diff := cmp.Diff(recorded, string(s.Tail())); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(recorded, kept.text()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if tail := s.Tail(); tail != nil {
		t.Errorf("a tail that nobody asked for: %q", tail)
	}
}

func TestTailIsTheLast4096Bytes(t *testing.T) {
	_, s := open()
	for _, events := range []int{10, 100, 1000} {
		var all strings.Builder
		s.BeginTail()
		for i := range events {
			fmt.Fprintf(&all, "START RequestId: %s Version: %d\n", strings.Repeat("x", i%90), i)
			s.Emit(telemetry.Start{RequestID: strings.Repeat("x", i%90), Version: fmt.Sprint(i)})
		}
		want := all.String()
		want = want[max(0, len(want)-4096):]
		if diff := cmp.Diff(want, string(s.Tail())); diff != "" {
			t.Errorf("%d events (-want +got):\n%s", events, diff)
		}
	}
}

func TestReportColumns(t *testing.T) {
	const head = "REPORT RequestId: " + id + "\tDuration: 2.90 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"
	metrics := telemetry.NewReportMetrics(2900*time.Microsecond, 0, 0, 128, 36<<20-1)
	restored := metrics
	restored.RestoreDurationMs, restored.BilledRestoreDurationMs = telemetry.Milliseconds(204270*time.Microsecond), 129
	trace := telemetry.NewTracing("Root=1-6ac7d556-0123456789abcdef01234567;Parent=90cbc97f4ee64a7f;Sampled=1")
	const xray = "XRAY TraceId: 1-6ac7d556-0123456789abcdef01234567\tSegmentId: 90cbc97f4ee64a7f\tSampled: true\t\n"
	for name, c := range map[string]struct {
		in        telemetry.Report
		want, old string // old is empty if it is the same
	}{
		"warm":     {telemetry.Report{Metrics: metrics, Status: telemetry.Success}, head + "\n", ""},
		"timeout":  {telemetry.Report{Metrics: metrics, Status: telemetry.Timeout, ErrorType: telemetry.TimedOut}, head + "Status: timeout\n", head + "\n"},
		"error":    {telemetry.Report{Metrics: metrics, Status: telemetry.Error, ErrorType: "Runtime.OutOfMemory"}, head + "Status: error\tError Type: Runtime.OutOfMemory\n", head + "\n"},
		"restored": {telemetry.Report{Metrics: restored, Status: telemetry.Success}, head + "Restore Duration: 204.27 ms\tBilled Restore Duration: 129 ms\t\n", ""},
		"traced":   {telemetry.Report{Metrics: metrics, Status: telemetry.Success, Tracing: trace}, head + "\n" + xray, ""},
		"not sampled": {
			telemetry.Report{Metrics: metrics, Status: telemetry.Success, Tracing: telemetry.NewTracing("Root=1-a-b;Parent=c;Sampled=0")}, head + "\n", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.RequestID = id
			kept, s := open()
			s.Emit(c.in)
			if diff := cmp.Diff(c.want, kept.text()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c.old == "" {
				c.old = c.want
			}
			kept, s = open(func(o *logs.StreamOptions) { o.OldStyle = true })
			s.Emit(c.in)
			if diff := cmp.Diff(c.old, kept.text()); diff != "" {
				t.Errorf("old style (-want +got):\n%s", diff)
			}
		})
	}
}
