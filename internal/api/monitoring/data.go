package monitoring

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
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

func (h *Handler) getMetricData(ctx context.Context, in *model.GetMetricDataInput) (*model.GetMetricDataOutput, error) {
	from, err := readPlace(in.NextToken, len(in.MetricDataQueries))
	if err != nil {
		return nil, err
	}
	p := &page{limit: maxDatapoints, descending: in.ScanBy == nil || *in.ScanBy == scanDescending}
	p.out.MetricDataResults, p.out.Messages = []model.MetricDataResult{}, []model.MessageData{}
	if in.MaxDatapoints != nil {
		p.limit = *in.MaxDatapoints
	}
	q := &queries{h: h, ctx: ctx, in: in, byID: map[string]*model.MetricDataQuery{}, done: map[string]value{}, going: map[string]bool{}}
	for i := range in.MetricDataQueries {
		q.byID[*in.MetricDataQueries[i].Id] = &in.MetricDataQueries[i]
	}
	for i := from.query; i < len(in.MetricDataQueries); i++ {
		one := &in.MetricDataQueries[i]
		if one.ReturnData != nil && !*one.ReturnData {
			continue
		}
		if p.limit == 0 {
			// Whether it has values is told by the page that has room for them.
			p.goesOn(place{query: i})
			p.show(&series{id: *one.Id, label: q.label(one)}, nil, statusPartial)
			continue
		}
		results, err := q.results(one)
		if err != nil {
			return nil, err
		}
		for n := range results {
			if at := (place{query: i, result: n}); !at.before(from) {
				p.add(&results[n], at, from)
			}
		}
	}
	return &p.out, nil
}

// queries are those of one request, and what those have come to that were needed.
type queries struct {
	h     *Handler
	ctx   context.Context
	in    *model.GetMetricDataInput
	byID  map[string]*model.MetricDataQuery
	done  map[string]value
	going map[string]bool // expressions that are being carried out
	work  int
}

// results are those of a query whose data is wanted.
func (q *queries) results(one *model.MetricDataQuery) ([]series, error) {
	v, err := q.value(*one.Id)
	if err != nil {
		return nil, err
	}
	if v.isNumber() {
		return nil, broken(*one.Id, errors.New("it is a number, not a time series"))
	}
	list := slices.Clone(v.list)
	for i := range list {
		list[i].id = *one.Id
		if !v.many || one.Label != nil {
			list[i].label = q.label(one)
		}
	}
	return list, nil
}

// label is the client's, or the name of the metric or of the expression.
func (q *queries) label(one *model.MetricDataQuery) string {
	switch {
	case one.Label != nil:
		return *one.Label
	case one.MetricStat != nil:
		return *one.MetricStat.Metric.MetricName
	}
	return *one.Id
}

// broken tells what is wrong with an expression.
func broken(id string, err error) error {
	return lambda.Errorf(lambda.CodeValidation, "Error in expression '%s': %v", id, err)
}

// value carries out one query, once. Errors of expressions are told with the name of
// the one in which they are.
func (q *queries) value(id string) (v value, err error) {
	if v, ok := q.done[id]; ok {
		return v, nil
	}
	one := q.byID[id]
	if one.Expression == nil {
		v, err = q.metric(one)
	} else {
		v, err = q.expression(one)
	}
	if err == nil {
		q.done[id] = v
	}
	return v, err
}

func (q *queries) expression(one *model.MetricDataQuery) (value, error) {
	q.going[*one.Id] = true
	defer delete(q.going, *one.Id)
	if len(q.going) > maxDepth {
		return value{}, broken(*one.Id, errTooDeep)
	}
	var inner error // told already
	e := &evaluation{work: &q.work}
	e.all = func(part string) ([]series, error) {
		list, err := q.metrics(part)
		inner = err
		return list, err
	}
	e.lookup = func(id string) (value, error) {
		switch {
		case q.byID[id] == nil:
			return value{}, fmt.Errorf("no query has the name %s", id)
		case q.going[id]:
			return value{}, fmt.Errorf("%s needs its own result", id)
		}
		v, err := q.value(id)
		if err != nil {
			inner = err
		}
		return v, err
	}
	v, err := e.evaluate(*one.Expression)
	if inner != nil {
		return value{}, inner
	}
	if err != nil {
		return value{}, broken(*one.Id, err)
	}
	return v, nil
}

// metrics is METRICS: the metrics of the request, all or those whose name has a part.
func (q *queries) metrics(part string) (list []series, err error) {
	for i := range q.in.MetricDataQueries {
		one := &q.in.MetricDataQueries[i]
		if one.MetricStat == nil || !strings.Contains(*one.Id, part) {
			continue
		}
		v, err := q.value(*one.Id)
		if err != nil {
			return nil, err
		}
		list = append(list, v.list...)
	}
	return list, nil
}

func (q *queries) metric(one *model.MetricDataQuery) (value, error) {
	m := one.MetricStat
	out := series{id: *one.Id, label: q.label(one), span: q.h.span(*q.in.StartTime, *q.in.EndTime, *m.Period)}
	name, ok := seriesOf(*m.Metric.Namespace, *m.Metric.MetricName, m.Metric.Dimensions)
	if !ok {
		return seriesValue(out), nil
	}
	values, err := q.h.read(q.ctx, name, out.span, m.Unit)
	if err != nil {
		return value{}, err
	}
	if q.work += len(values); q.work > maxWork {
		return value{}, lambda.Errorf(lambda.CodeValidation, "%s", tooLarge)
	}
	stat, _ := parseStatistic(*m.Stat)
	out.samples = make([]sample, len(values))
	for i := range values {
		out.samples[i] = sample{values[i].Start, stat(&values[i].Summary)}
	}
	return seriesValue(out), nil
}

// place is where a page begins: at a result of a query, behind a time. A time, unlike a
// number, stays the same when there are new values.
type place struct {
	query, result int
	behind        int64 // seconds since 1970; 0: at its beginning
}

// before tells whether a result comes before the one at which a page begins.
func (p place) before(from place) bool { return p.query == from.query && p.result < from.result }

func (p place) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%d", p.query, p.result, p.behind))
}

// readPlace reads a token for a request of so many queries.
func readPlace(token *string, queries int) (p place, err error) {
	if token == nil {
		return place{}, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*token)
	parts := strings.Split(string(text), ".")
	if err == nil && len(parts) == 3 {
		var errs [3]error
		p.query, errs[0] = strconv.Atoi(parts[0])
		p.result, errs[1] = strconv.Atoi(parts[1])
		p.behind, errs[2] = strconv.ParseInt(parts[2], 10, 64)
		err = errors.Join(errs[:]...)
	}
	if err != nil || len(parts) != 3 || p.query < 0 || p.query >= queries || p.result < 0 || p.behind < 0 {
		return place{}, lambda.Errorf(codeNextToken, "The value for parameter NextToken is not valid.")
	}
	return p, nil
}

// page is an answer being filled. Results that its limit keeps from being whole are
// partial; the next page goes on with them.
type page struct {
	out        model.GetMetricDataOutput
	limit      int // values that it has room for
	descending bool
}

// goesOn says where the next page begins, if nobody has said so.
func (p *page) goesOn(at place) {
	if p.out.NextToken == nil {
		token := at.String()
		p.out.NextToken = &token
	}
}

// add shows the result at a place, which is that of the page's beginning or behind it.
func (p *page) add(r *series, at, from place) {
	samples := slices.Clone(r.samples)
	if p.descending {
		slices.Reverse(samples)
	}
	if at.query == from.query && at.result == from.result && from.behind > 0 {
		samples = slices.DeleteFunc(samples, func(s sample) bool {
			return p.descending && s.at.Unix() >= from.behind || !p.descending && s.at.Unix() <= from.behind
		})
	}
	status := statusComplete
	if len(samples) > p.limit {
		status, samples = statusPartial, samples[:p.limit]
		if p.limit > 0 {
			at.behind = samples[p.limit-1].at.Unix()
		}
		p.goesOn(at)
	}
	p.limit -= len(samples)
	p.show(r, samples, status)
}

func (p *page) show(r *series, samples []sample, status string) {
	m := model.MetricDataResult{Id: &r.id, Label: &r.label, StatusCode: &status, Timestamps: []time.Time{}, Values: []float64{}}
	for _, s := range samples {
		m.Timestamps = append(m.Timestamps, s.at)
		m.Values = append(m.Values, s.value)
	}
	p.out.MetricDataResults = append(p.out.MetricDataResults, m)
}
