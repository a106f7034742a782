package monitoring

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	model "thaw/internal/awsapi/gen/cloudwatch"
	"thaw/internal/lambda"
)

const (
	scanAscending  = "TimestampAscending"
	scanDescending = "TimestampDescending"

	statusComplete = "Complete"
	statusPartial  = "PartialData"
)

// sample is one value of a result.
type sample struct {
	at    time.Time
	value float64
}

// result is what one query has, in order of time.
type result struct {
	id, label string
	samples   []sample
}

func (h *Handler) getMetricData(ctx context.Context, in *model.GetMetricDataInput) (*model.GetMetricDataOutput, error) {
	from, err := readPlace(in.NextToken, len(in.MetricDataQueries))
	if err != nil {
		return nil, err
	}
	results, err := h.results(ctx, in)
	if err != nil {
		return nil, err
	}
	limit := maxDatapoints
	if in.MaxDatapoints != nil {
		limit = *in.MaxDatapoints
	}
	return page(results, from, limit, in.ScanBy == nil || *in.ScanBy == scanDescending), nil
}

// results carries out the queries, and returns those whose data is wanted.
func (h *Handler) results(ctx context.Context, in *model.GetMetricDataInput) ([]result, error) {
	var list []result
	for i := range in.MetricDataQueries {
		q := &in.MetricDataQueries[i]
		if q.Expression != nil {
			return nil, lambda.Errorf(lambda.CodeValidation, "The parameter MetricDataQueries.member.%d.Expression is not supported by this server: it has no metric math and no Metrics Insights.", i+1)
		}
		if q.ReturnData != nil && !*q.ReturnData {
			continue
		}
		samples, err := h.samples(ctx, in, q.MetricStat)
		if err != nil {
			return nil, err
		}
		r := result{id: *q.Id, label: *q.MetricStat.Metric.MetricName, samples: samples}
		if q.Label != nil {
			r.label = *q.Label
		}
		list = append(list, r)
	}
	return list, nil
}

func (h *Handler) samples(ctx context.Context, in *model.GetMetricDataInput, m *model.MetricStat) ([]sample, error) {
	series, ok := seriesOf(*m.Metric.Namespace, *m.Metric.MetricName, m.Metric.Dimensions)
	if !ok {
		return nil, nil
	}
	values, err := h.read(ctx, series, h.span(*in.StartTime, *in.EndTime, *m.Period), m.Unit)
	if err != nil {
		return nil, err
	}
	stat, _ := parseStatistic(*m.Stat)
	list := make([]sample, len(values))
	for i := range values {
		list[i] = sample{values[i].Start, stat(&values[i].Summary)}
	}
	return list, nil
}

// place is where a page begins: at a result, behind a time. A time, unlike a number,
// stays the same when there are new values.
type place struct {
	result int
	behind int64 // seconds since 1970; 0: at its beginning
}

func (p place) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(p.result) + "." + strconv.FormatInt(p.behind, 10)))
}

// readPlace reads a token for a request of so many queries.
func readPlace(token *string, queries int) (place, error) {
	if token == nil {
		return place{}, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*token)
	result, behind, _ := strings.Cut(string(text), ".")
	var p place
	if err == nil {
		p.result, err = strconv.Atoi(result)
	}
	if err == nil {
		p.behind, err = strconv.ParseInt(behind, 10, 64)
	}
	if err != nil || p.result < 0 || p.result >= queries || p.behind < 0 {
		return place{}, lambda.Errorf(codeNextToken, "The value for parameter NextToken is not valid.")
	}
	return p, nil
}

// page shows up to limit values from a place on. Results that the limit keeps from
// being whole, or from having any, are partial; the next page goes on with them.
func page(results []result, from place, limit int, descending bool) *model.GetMetricDataOutput {
	out := &model.GetMetricDataOutput{MetricDataResults: []model.MetricDataResult{}, Messages: []model.MessageData{}}
	var next *place
	for i := from.result; i < len(results); i++ {
		r := &results[i]
		samples := slices.Clone(r.samples)
		if descending {
			slices.Reverse(samples)
		}
		if i == from.result && from.behind > 0 {
			samples = slices.DeleteFunc(samples, func(s sample) bool {
				return descending && s.at.Unix() >= from.behind || !descending && s.at.Unix() <= from.behind
			})
		}
		status := statusComplete
		if len(samples) > limit {
			status = statusPartial
			samples = samples[:limit]
			if next == nil {
				next = &place{result: i}
				if limit > 0 {
					next.behind = samples[limit-1].at.Unix()
				}
			}
		}
		limit -= len(samples)
		out.MetricDataResults = append(out.MetricDataResults, shown(r, samples, status))
	}
	if next != nil {
		token := next.String()
		out.NextToken = &token
	}
	return out
}

func shown(r *result, samples []sample, status string) model.MetricDataResult {
	m := model.MetricDataResult{Id: &r.id, Label: &r.label, StatusCode: &status, Timestamps: []time.Time{}, Values: []float64{}}
	for _, s := range samples {
		m.Timestamps = append(m.Timestamps, s.at)
		m.Values = append(m.Values, s.value)
	}
	return m
}
