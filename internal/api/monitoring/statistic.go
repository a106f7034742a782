package monitoring

import (
	"math"
	"regexp"
	"strconv"

	"thaw/internal/telemetry/metrics"
)

// statistic makes one number of the values of a period.
type statistic func(*metrics.Summary) float64

// simple are the statistics of the model.
var simple = map[string]statistic{
	"SampleCount": func(s *metrics.Summary) float64 { return float64(s.Count) },
	"Average":     (*metrics.Summary).Average,
	"Sum":         func(s *metrics.Summary) float64 { return s.Sum },
	"Minimum":     func(s *metrics.Summary) float64 { return s.Min },
	"Maximum":     func(s *metrics.Summary) float64 { return s.Max },
}

// The other statistics, as the service's documentation defines them: p99 is a
// percentile; tm99, wm99, tc99 and ts99 are trimmed mean, winsorized mean, trimmed
// count and trimmed sum up to a percentile; TM(10%:90%) is between two, TM(0.1:0.5) between
// two values; PR(0:300) is the percentage of values between two.
var (
	upTo    = regexp.MustCompile(`^(p|tm|wm|tc|ts)(100|\d{1,2}(?:\.\d{1,10})?)$`)
	between = regexp.MustCompile(`^(TM|WM|TC|TS|PR)\((?:(\d+(?:\.\d{1,10})?)(%?))?:(?:(\d+(?:\.\d{1,10})?)(%?))?\)$`)
)

// parseStatistic reads a statistic's name; ok is false for what is none.
func parseStatistic(name string) (f statistic, ok bool) {
	if f, ok := simple[name]; ok {
		return f, true
	}
	if name == "IQM" {
		return trimmed("TM", 25, 75, false), true
	}
	if m := upTo.FindStringSubmatch(name); m != nil {
		p := number(m[2])
		if m[1] == "p" {
			return func(s *metrics.Summary) float64 { return s.Percentile(p) }, true
		}
		return trimmed(map[string]string{"tm": "TM", "wm": "WM", "tc": "TC", "ts": "TS"}[m[1]], 0, p, false), true
	}
	if m := between.FindStringSubmatch(name); m != nil {
		return parseBetween(m)
	}
	return nil, false
}

// parseBetween reads the bounds: both are percentages or both are values, one may
// be missing.
func parseBetween(m []string) (f statistic, ok bool) {
	low, high := m[2], m[4]
	percent := m[3] == "%" || m[5] == "%"
	if low == "" && high == "" || low != "" && high != "" && m[3] != m[5] || percent && m[1] == "PR" {
		return nil, false
	}
	from, to := 0.0, 100.0
	if !percent {
		from, to = math.Inf(-1), math.Inf(1)
	}
	if low != "" {
		from = number(low)
	}
	if high != "" {
		to = number(high)
	}
	if percent && to > 100 || from > to {
		return nil, false
	}
	return trimmed(m[1], from, to, !percent), true
}

// number reads what a pattern has let through.
func number(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// trimmed makes a statistic of the values between two bounds.
func trimmed(kind string, low, high float64, values bool) statistic {
	return func(s *metrics.Summary) float64 {
		if s.Count == 0 {
			return 0
		}
		t := s.Trim(low, high, values)
		switch kind {
		case "TC":
			return t.Count
		case "TS":
			return t.Sum
		case "PR":
			return 100 * t.Count / float64(s.Count)
		case "WM":
			sum := t.Sum
			if t.Below > 0 {
				sum += t.Below * t.Low
			}
			if t.Above > 0 {
				sum += t.Above * t.High
			}
			return sum / float64(s.Count)
		}
		if t.Count == 0 {
			return 0
		}
		return t.Sum / t.Count
	}
}
