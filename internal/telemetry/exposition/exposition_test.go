package exposition_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/exposition"
	"thaw/internal/telemetry/metrics"
)

func scrape(t *testing.T, o exposition.Options) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	exposition.New(o).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func labelsOf(m *dto.Metric) map[string]string {
	found := map[string]string{}
	for _, l := range m.Label {
		found[l.GetName()] = l.GetValue()
	}
	return found
}

func TestFamilies(t *testing.T) {
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, v := range []float64{0.5, 3, 1500, 900_001} {
		store.Measure(telemetry.Measure{Metric: telemetry.MetricDuration, Function: "f", Qualifier: "live", ExecutedVersion: "3", Value: v, At: time.Now()})
	}
	for range 2 {
		store.Measure(telemetry.Measure{Metric: telemetry.MetricErrors, Function: "f", Value: 1, At: time.Now()})
	}
	store.Measure(telemetry.Measure{Metric: telemetry.MetricConcurrentExecutions, Function: "f", Value: 1, At: time.Now()})
	gauge := &exposition.Gauge{Name: "thaw_x", Help: "x \"y\"", Labels: []string{"function"}}
	found := scrape(t, exposition.Options{Totals: store.Totals, Logger: slog.New(slog.DiscardHandler), Samples: func(f func(exposition.Sample)) {
		f(exposition.Sample{Gauge: gauge, Labels: []string{"f"}, Value: 2})
		f(exposition.Sample{Gauge: gauge, Labels: []string{"g"}, Value: 3})
	}})
	if n := len(found["thaw_x"].GetMetric()); n != 2 {
		t.Errorf("%d samples of the gauge", n)
	}
	errors := found["thaw_function_errors_total"].GetMetric()
	if len(errors) != 1 || errors[0].Counter.GetValue() != 2 {
		t.Errorf("errors: %v", errors)
	}
	if diff := cmp.Diff(map[string]string{"function": "f", "resource": "f", "executed_version": ""}, labelsOf(errors[0])); diff != "" {
		t.Errorf("labels of errors (-want +got):\n%s", diff)
	}
	durations := found["thaw_function_duration_seconds"].GetMetric()
	if len(durations) != 1 {
		t.Fatalf("durations: %v", durations)
	}
	h := durations[0].Histogram
	if h.GetSampleCount() != 4 || h.GetSampleSum() != 901.5045 {
		t.Errorf("histogram of %d, sum %v", h.GetSampleCount(), h.GetSampleSum())
	}
	got := map[float64]uint64{}
	for _, b := range h.Bucket {
		got[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	for bound, want := range map[float64]uint64{0.001: 1, 0.0025: 1, 0.005: 2, 1: 2, 2.5: 3, 900: 3} {
		if got[bound] != want {
			t.Errorf("%d are up to %v s, want %d", got[bound], bound, want)
		}
	}
	if diff := cmp.Diff(map[string]string{"function": "f", "resource": "f:live", "executed_version": "3"}, labelsOf(durations[0])); diff != "" {
		t.Errorf("labels of durations (-want +got):\n%s", diff)
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if found[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if found["thaw_function_concurrent_executions_total"] != nil {
		t.Error("a gauge is shown as a counter")
	}
}

func TestOpenMetrics(t *testing.T) {
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
	w := httptest.NewRecorder()
	exposition.New(exposition.Options{Totals: func(func(metrics.Total)) {}, Logger: slog.New(slog.DiscardHandler)}).ServeHTTP(w, r)
	if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(w.Body.String(), "# EOF\n") {
		t.Errorf("%s: %.200s", kind, w.Body)
	}
}

func TestNames(t *testing.T) {
	for metric, want := range map[telemetry.Metric]string{
		telemetry.MetricInvocations:            "thaw_function_invocations_total",
		telemetry.MetricProvisionedSpillover:   "thaw_function_provisioned_concurrency_spillover_invocations_total",
		telemetry.MetricAsyncEventAge:          "thaw_function_async_event_age_seconds",
		telemetry.MetricPostRuntimeDuration:    "thaw_function_post_runtime_extensions_duration_seconds",
		telemetry.MetricDeadLetterErrors:       "thaw_function_dead_letter_errors_total",
		telemetry.MetricOversizedRecordCount:   "thaw_function_oversized_record_count_total",
		telemetry.MetricAsyncEventsDropped:     "thaw_function_async_events_dropped_total",
		telemetry.MetricProvisionedInvocations: "thaw_function_provisioned_concurrency_invocations_total",
	} {
		if got := exposition.Name(metric); got != want {
			t.Errorf("%s: %s, want %s", metric, got, want)
		}
	}
}
