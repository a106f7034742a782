package monitoring

import (
	"context"
	"time"

	model "thaw/internal/awsapi/gen/cloudwatch"
	"thaw/internal/lambda"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/metrics"
)

// namespace is the only one.
const namespace = "AWS/Lambda"

// The dimensions of the namespace.
const (
	dimFunction = "FunctionName"
	dimResource = "Resource"
	dimVersion  = "ExecutedVersion"
)

// seriesOf finds the series that a client names; ok is false if there cannot be
// one: a metric has values under the sets of dimensions that it is published with,
// and under no other.
func seriesOf(ns, name string, dimensions []model.Dimension) (s metrics.Series, ok bool) {
	if ns != namespace {
		return s, false
	}
	s.Metric = telemetry.Metric(name)
	set := map[string]*string{dimFunction: &s.Function, dimResource: &s.Resource, dimVersion: &s.ExecutedVersion}
	for _, d := range dimensions {
		field := set[*d.Name]
		if field == nil || *field != "" || *d.Value == "" {
			return s, false
		}
		*field = *d.Value
	}
	if s.Function == "" && s.Resource != "" || s.Resource == "" && s.ExecutedVersion != "" {
		return s, false
	}
	return s, true
}

// span is a range of time in periods, as the service rounds it.
type span struct {
	from, to time.Time
	period   time.Duration
	// empty: the periods are too short for values as old as these.
	empty bool
}

// Values of more than recently ago are found by whole minutes only; beyond fifteen and 63
// days by five minutes and by hours, if they are kept.
const (
	recently   = 3 * time.Hour
	byMinutes  = 15 * 24 * time.Hour
	byFive     = 63 * 24 * time.Hour
	fiveMinute = 5 * time.Minute
)

func (h *Handler) span(start, end time.Time, seconds int) span {
	s := span{from: start.UTC(), to: end.UTC(), period: time.Duration(seconds) * time.Second}
	age := h.Now().Sub(start)
	unit := time.Minute
	switch {
	case age > byFive:
		unit = time.Hour
	case age > byMinutes:
		unit = fiveMinute
	}
	s.from = s.from.Truncate(unit)
	if s.period < time.Minute {
		// The values are of minutes, so that a shorter period has those that begin in it.
		s.empty = age > recently
		s.period = time.Minute
	}
	return s
}

// read asks the store; unit is the one that the values are to have, nil for any.
func (h *Handler) read(ctx context.Context, series metrics.Series, s span, unit *string) ([]metrics.Value, error) {
	if s.empty || unit != nil && *unit != metrics.Unit(series.Metric) {
		return nil, nil
	}
	return h.Store.Read(ctx, metrics.Query{Series: series, From: s.from, To: s.to, Period: s.period})
}

// maxStatistics bounds the periods of one answer of GetMetricStatistics.
const maxStatistics = 1440

func (h *Handler) getMetricStatistics(ctx context.Context, in *model.GetMetricStatisticsInput) (*model.GetMetricStatisticsOutput, error) {
	asked := in.EndTime.Sub(*in.StartTime)/(time.Duration(*in.Period)*time.Second) + 1
	if in.EndTime.Sub(*in.StartTime)%(time.Duration(*in.Period)*time.Second) == 0 {
		asked--
	}
	if asked > maxStatistics {
		return nil, lambda.Errorf(codeCombination, "You have requested up to %d datapoints, which exceeds the limit of %d. "+
			"You may reduce the datapoints requested by increasing Period, or decreasing the time range.", asked, maxStatistics)
	}
	out := &model.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []model.Datapoint{}}
	series, ok := seriesOf(*in.Namespace, *in.MetricName, in.Dimensions)
	if !ok {
		return out, nil
	}
	values, err := h.read(ctx, series, h.span(*in.StartTime, *in.EndTime, *in.Period), in.Unit)
	if err != nil {
		return nil, err
	}
	unit := metrics.Unit(series.Metric)
	for i := range values {
		out.Datapoints = append(out.Datapoints, datapoint(in, &values[i], unit))
	}
	return out, nil
}

func datapoint(in *model.GetMetricStatisticsInput, v *metrics.Value, unit string) model.Datapoint {
	d := model.Datapoint{Timestamp: &v.Start, Unit: &unit}
	for _, name := range in.Statistics {
		value := simple[name](&v.Summary)
		*map[string]**float64{
			"SampleCount": &d.SampleCount, "Average": &d.Average, "Sum": &d.Sum, "Minimum": &d.Minimum, "Maximum": &d.Maximum,
		}[name] = &value
	}
	for _, name := range in.ExtendedStatistics {
		if d.ExtendedStatistics == nil {
			d.ExtendedStatistics = map[string]float64{}
		}
		if f, ok := parseStatistic(name); ok {
			d.ExtendedStatistics[name] = f(&v.Summary)
		}
	}
	return d
}
