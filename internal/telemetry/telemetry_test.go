package telemetry_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry"
)

// TestReportMetrics: what is billed is run and init time together, in whole
// milliseconds, the run no longer than the timeout.
func TestReportMetrics(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		run, init, timeout time.Duration
		peak               int64
		billed, max        int64
	}{
		// 1233.96 and 463.51 are a record of the service.
		"recorded":       {1233960 * time.Microsecond, 463512 * time.Microsecond, 0, 123 << 20, 1698, 123},
		"warm":           {2900 * time.Microsecond, 0, 3 * time.Second, 36<<20 - 1, 3, 36},
		"whole":          {3 * ms, 0, 3 * time.Second, 1 << 20, 3, 1},
		"nothing":        {0, 0, 0, 0, 1, 1},
		"timeout":        {1003 * ms, 0, time.Second, 1, 1000, 1},
		"init and late":  {1003 * ms, 200 * ms, time.Second, 1, 1200, 1},
		"over the limit": {ms, 0, 0, 300 << 20, 1, 256},
	} {
		t.Run(name, func(t *testing.T) {
			want := telemetry.ReportMetrics{
				DurationMs: telemetry.Milliseconds(c.run), InitDurationMs: telemetry.Milliseconds(c.init),
				BilledDurationMs: c.billed, MemorySizeMB: 256, MaxMemoryUsedMB: c.max,
			}
			if diff := cmp.Diff(want, telemetry.NewReportMetrics(c.run, c.init, c.timeout, 256, c.peak)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventsAsJSON(t *testing.T) {
	at := time.Date(2022, 10, 12, 0, 0, 15, 64_900_000, time.FixedZone("", 3600))
	for want, record := range map[string]telemetry.Record{
		`{"time":"2022-10-11T23:00:15.064Z","type":"function","record":"text\n"}`:                            telemetry.Line{Text: "text\n"},
		`{"time":"2022-10-11T23:00:15.064Z","type":"extension","record":{"a":[1,2]}}`:                        telemetry.Line{Text: "{\"a\": [1, 2]}\n", Object: true, Extension: true},
		`{"time":"2022-10-11T23:00:15.064Z","type":"function","record":"{oops"}`:                             telemetry.Line{Text: "{oops", Object: true},
		`{"time":"2022-10-11T23:00:15.064Z","type":"platform.end","record":{"requestId":"id"}}`:              telemetry.End{RequestID: "id"},
		`{"time":"2022-10-11T23:00:15.064Z","type":"platform.fault","record":"RequestId: id Error: m\nT\n"}`: telemetry.Fault{RequestID: "id", Message: "m", ErrorType: "T"},
		`{"time":"2022-10-11T23:00:15.064Z","type":"platform.initReport","record":{"initializationType":"on-demand","phase":"init","status":"success","metrics":{"durationMs":463.513},"spans":[{"name":"s","start":"2022-10-11T23:00:15.064Z","durationMs":70.5}]}}`: telemetry.InitReport{
			InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit, Status: telemetry.Success,
			Metrics: telemetry.InitMetrics{DurationMs: telemetry.Milliseconds(463_512_500)},
			Spans:   []telemetry.Span{telemetry.NewSpan("s", at, 70500*time.Microsecond)},
		},
	} {
		got, err := json.Marshal(telemetry.Event{Time: at, Record: record})
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
