package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// result is one figure of one scenario on both sides. Where there is no limit
// program, Limit is a bound, or 0 for none.
type result struct {
	Scenario string  `json:"scenario"`
	Metric   string  `json:"metric"`
	Thaw     float64 `json:"thaw"`
	Limit    float64 `json:"limit"`
	Ratio    float64 `json:"ratio"` // thaw over limit
}

// sample is what one side has shown in one scenario.
type sample struct {
	latencies []time.Duration
	elapsed   time.Duration
	cpu       time.Duration
}

// metrics are the figures of a sample, by name.
func (s *sample) metrics() map[string]float64 {
	slices.Sort(s.latencies)
	n := len(s.latencies)
	return map[string]float64{
		"p50_us":            micros(percentile(s.latencies, 50)),
		"p95_us":            micros(percentile(s.latencies, 95)),
		"p99_us":            micros(percentile(s.latencies, 99)),
		"max_us":            micros(s.latencies[n-1]),
		"rps":               float64(n) / s.elapsed.Seconds(),
		"cpu_us_per_invoke": micros(s.cpu) / float64(n),
	}
}

// percentile is the smallest value that p percent of the sorted ones do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

var invokeMetrics = []string{"p50_us", "p99_us", "rps", "cpu_us_per_invoke"}

// compare makes the results of one scenario.
func compare(scenario string, metrics []string, thaw, limit *sample) []result {
	var all []result
	a, b := thaw.metrics(), limit.metrics()
	for _, metric := range metrics {
		r := result{Scenario: scenario, Metric: metric, Thaw: round(a[metric], 1), Limit: round(b[metric], 1)}
		if b[metric] != 0 {
			r.Ratio = round(a[metric]/b[metric], 3)
		}
		all = append(all, r)
	}
	return all
}

func round(f float64, digits int) float64 {
	scale := 1.0
	for range digits {
		scale *= 10
	}
	return float64(int64(f*scale+0.5)) / scale
}

// writeTable prints a line per scenario and metric.
func writeTable(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "scenario\tmetric\tthaw\tlimit\tratio\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.1f\t%.3f\t\n", r.Scenario, r.Metric, r.Thaw, r.Limit, r.Ratio)
	}
	return t.Flush()
}

// writeJSON writes the results to a file, whole or not at all.
func writeJSON(path string, results []result) error {
	b, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
