package metrics

import (
	"strings"

	"thaw/internal/telemetry"
)

// Units, as CloudWatch names them.
const (
	UnitCount        = "Count"
	UnitMilliseconds = "Milliseconds"
	UnitNone         = "None"
)

// gauges are the metrics whose parts do not add up.
var gauges = map[telemetry.Metric]bool{
	telemetry.MetricConcurrentExecutions:      true,
	telemetry.MetricUnreservedExecutions:      true,
	telemetry.MetricProvisionedExecutions:     true,
	telemetry.MetricProvisionedUtilization:    true,
	telemetry.MetricClaimedAccountConcurrency: true,
}

// units are those of metrics that are no counts.
var units = map[telemetry.Metric]string{
	telemetry.MetricDuration:               UnitMilliseconds,
	telemetry.MetricPostRuntimeDuration:    UnitMilliseconds,
	telemetry.MetricAsyncEventAge:          UnitMilliseconds,
	telemetry.MetricProvisionedUtilization: UnitNone,
}

// Gauge tells whether a metric is a gauge.
func Gauge(m telemetry.Metric) bool { return gauges[m] }

// Unit is the unit of a metric's values.
func Unit(m telemetry.Metric) string {
	if u, ok := units[m]; ok {
		return u
	}
	return UnitCount
}

// Series is a metric with its dimensions. An empty field is a dimension that it does
// not have; one that is set has those before it set too.
type Series struct {
	Metric          telemetry.Metric
	Function        string
	Resource        string // the function's name, or "name:qualifier"
	ExecutedVersion string
}

// seriesOf is the narrowest series that a measure belongs to.
func seriesOf(m *telemetry.Measure) Series {
	s := Series{Metric: m.Metric, Function: m.Function}
	switch {
	case m.Function == "":
	case m.Qualifier != "":
		s.Resource = m.Function + ":" + m.Qualifier
	case !gauges[m.Metric]:
		s.Resource = m.Function
	}
	if isAlias(m.Qualifier) && !gauges[m.Metric] {
		s.ExecutedVersion = m.ExecutedVersion
	}
	return s
}

// isAlias tells a name from a version's number and from $LATEST.
func isAlias(qualifier string) bool {
	return qualifier != "" && qualifier[0] != '$' && (qualifier[0] < '0' || qualifier[0] > '9' || !digits(qualifier))
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// separator ends each part of a key. It is in no name.
const separator = "\x00"

// key is the series as files have it: their order puts the parts of a whole together.
func (s Series) key() string {
	return string(s.Metric) + separator + s.Function + separator + s.Resource + separator + s.ExecutedVersion + separator
}

// kept tells whether a series has points of its own; those of others are merged of
// their parts.
func (s Series) kept() bool {
	return gauges[s.Metric] || s.Function == "" || s.ExecutedVersion != ""
}

// prefix is what the keys of the kept series that make up s begin with. A series
// that is kept itself has its whole key.
func (s Series) prefix() string {
	switch {
	case s.kept():
		return s.key()
	case s.Resource != "":
		return string(s.Metric) + separator + s.Function + separator + s.Resource + separator
	default:
		return string(s.Metric) + separator + s.Function + separator
	}
}

// parseKey reads a key; ok is false for what is none.
func parseKey(key string) (s Series, ok bool) {
	parts := strings.Split(key, separator)
	if len(parts) != 5 || parts[0] == "" || parts[4] != "" {
		return Series{}, false
	}
	return Series{telemetry.Metric(parts[0]), parts[1], parts[2], parts[3]}, true
}
