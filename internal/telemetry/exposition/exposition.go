// Package exposition shows metrics to Prometheus: what the store of metrics has counted
// since the server began, gauges that the server adds, and those of the Go runtime and
// of the process.
//
// Vocabulary. A family is what Prometheus calls a metric: a name, which ends in its unit or in
// _total, and samples of it that differ in their labels. The labels of a
// function's samples are function, resource and executed_version, with the values
// that CloudWatch's dimensions FunctionName, Resource and ExecutedVersion have: samples
// of one function do not overlap, so that sums over them are right.
//
// Life cycle and concurrency: a handler has no state; it may be used by many
// goroutines, and reads everything anew for each request.
package exposition

import (
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/metrics"
)

// Gauge is a family that the server adds. It is described once and has as many samples as
// there are values.
type Gauge struct {
	Name, Help string
	Labels     []string // names
	// Counter tells that the values only grow.
	Counter bool
}

// Sample is a value of a Gauge, and those of its labels.
type Sample struct {
	Gauge  *Gauge
	Labels []string
	Value  float64
}

// Options configure a handler.
type Options struct {
	Totals func(func(metrics.Total))
	// Samples calls its argument for the samples of what the server adds; nil is nothing.
	Samples func(func(Sample))
	// Requests are shown too, unless they are nil.
	Requests *Requests
	Logger   *slog.Logger
}

const (
	// maxAtOnce bounds the requests that are answered at one time; who comes then is told
	// to come again.
	maxAtOnce = 4
	timeout   = 10 * time.Second
)

// New makes a handler.
func New(o Options) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{o}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if o.Requests != nil {
		registry.MustRegister(o.Requests.durations)
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn), MaxRequestsInFlight: maxAtOnce, Timeout: timeout,
		EnableOpenMetrics: true,
	})
}

// collector makes families of totals and samples.
type collector struct{ Options }

// Describe tells nothing: which families there are is known when they are collected.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// labels are those of functions' families.
var labels = []string{"function", "resource", "executed_version"}

// Collect reads everything.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	c.Totals(func(t metrics.Total) {
		if metrics.Gauge(t.Series.Metric) {
			return // as they stand, they are told by the server
		}
		values := []string{t.Series.Function, t.Series.Resource, t.Series.ExecutedVersion}
		desc := prometheus.NewDesc(Name(t.Series.Metric), help(t.Series.Metric), labels, nil)
		if metrics.Unit(t.Series.Metric) == metrics.UnitMilliseconds {
			out <- prometheus.MustNewConstHistogram(desc, t.Count, t.Sum/1000, buckets(&t), values...)
			return
		}
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, t.Sum, values...)
	})
	if c.Samples == nil {
		return
	}
	c.Samples(func(s Sample) {
		kind := prometheus.GaugeValue
		if s.Gauge.Counter {
			kind = prometheus.CounterValue
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(s.Gauge.Name, s.Gauge.Help, s.Gauge.Labels, nil), kind, s.Value, s.Labels...)
	})
}

// buckets are cumulative, with bounds in seconds.
func buckets(t *metrics.Total) map[float64]uint64 {
	list := make(map[float64]uint64, len(metrics.TotalBounds))
	sum := uint64(0)
	for i, bound := range metrics.TotalBounds {
		sum += t.Buckets[i]
		list[math.Round(bound*1e3)/1e6] = sum
	}
	return list
}

// Name is the family of a metric: thaw_function_errors_total for Errors,
// thaw_function_duration_seconds for Duration.
func Name(m telemetry.Metric) string {
	var b strings.Builder
	b.WriteString("thaw_function_")
	for i, r := range string(m) {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	if metrics.Unit(m) == metrics.UnitMilliseconds {
		return b.String() + "_seconds"
	}
	return b.String() + "_total"
}

func help(m telemetry.Metric) string { return "The metric " + string(m) + " of functions." }
