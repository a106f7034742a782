package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"thaw/internal/api/monitoring"
	"thaw/internal/lambda"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/metrics"
)

// newFakeMetrics answers CloudWatch's API about two functions: of hello twelve
// invocations of 20 ms have run and two have failed after 90 s; nightly was refused.
func newFakeMetrics(t *testing.T) *monitoring.Handler {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	measure := func(metric telemetry.Metric, function string, value float64) {
		store.Measure(telemetry.Measure{Metric: metric, Function: function, Value: value, At: time.Now()})
	}
	for i := range 14 {
		failed, took := 0.0, 20.0
		if i >= 12 {
			failed, took = 1, 90_000
		}
		measure(telemetry.MetricInvocations, "hello", 1)
		measure(telemetry.MetricErrors, "hello", failed)
		measure(telemetry.MetricDuration, "hello", took)
	}
	measure(telemetry.MetricConcurrentExecutions, "hello", 3)
	measure(telemetry.MetricThrottles, "nightly", 1)
	return monitoring.New(monitoring.Options{Store: store, Scope: lambda.DefaultScope, Logger: logger})
}

func TestShownDurations(t *testing.T) {
	for ms, want := range map[float64]string{0.04: "0 ms", 1.25: "1.3 ms", 99.94: "99.9 ms", 123.4: "123 ms", 9999: "9999 ms", 90_049: "90 s", 899_960: "900 s"} {
		if got := shownMS(&ms); got != want {
			t.Errorf("%v: %s, want %s", ms, got, want)
		}
	}
	if got := shownMS(nil); got != "-" {
		t.Errorf("nothing is shown as %q", got)
	}
}

// TestMetricColumns: every column has a place in the table and a query.
func TestMetricColumns(t *testing.T) {
	var m shownMetrics
	for i, c := range columns {
		c.set(&m, float64(i+1))
	}
	var out strings.Builder
	if err := printMetrics(&out, []shownMetrics{m}, false); err != nil {
		t.Fatal(err)
	}
	row := strings.Join(strings.Fields(strings.Split(out.String(), "\n")[1]), " ")
	if row != "1 2 3 4 ms 5 ms 6 ms 7" {
		t.Errorf("row %q", row)
	}
}
