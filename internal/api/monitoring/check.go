package monitoring

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	model "thaw/internal/awsapi/gen/cloudwatch"
	"thaw/internal/lambda"
)

// Codes of the service's errors.
const (
	codeCombination = "InvalidParameterCombinationException"
	codeNextToken   = "InvalidNextToken"
	codeMissing     = "MissingRequiredParameterException"
)

// faults gathers what is wrong with an input: the service tells all of it, line by
// line.
type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

func (f faults) err(code string) error {
	if len(f) == 0 {
		return nil
	}
	return lambda.Errorf(code, "%s", strings.Join(f, "\n"))
}

// required adds a fault if a member is missing.
func (f *faults) required(there bool, path string) {
	if !there {
		f.add("The parameter %s is required.", path)
	}
}

// oneOf adds a fault for a value that an enumeration lacks.
func (f *faults) oneOf(value, path string, set []string) {
	if !slices.Contains(set, value) {
		f.add("The parameter %s must be a value in the set [ %s ].", path, strings.Join(set, ", "))
	}
}

// check finds what the service tells in words that are not those of the model.
func check(input any) error {
	switch in := input.(type) {
	case *model.GetMetricStatisticsInput:
		return checkStatistics(in)
	case *model.GetMetricDataInput:
		return checkData(in)
	}
	return nil
}

// statistics are those of the model, in the order in which the service tells them.
var statistics = []string{"Minimum", "Maximum", "Average", "SampleCount", "Sum"}

func checkStatistics(in *model.GetMetricStatisticsInput) error {
	var f faults
	f.required(in.Namespace != nil, "Namespace")
	f.required(in.MetricName != nil, "MetricName")
	f.required(in.StartTime != nil, "StartTime")
	f.required(in.EndTime != nil, "EndTime")
	f.required(in.Period != nil, "Period")
	if len(f) == 0 && len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0 {
		f.add("At least one of the parameters Statistics and ExtendedStatistics must be specified.")
	}
	if err := f.err(codeMissing); err != nil {
		return err
	}
	for i, name := range in.Statistics {
		f.oneOf(name, fmt.Sprintf("Statistics.member.%d", i+1), statistics)
	}
	for i, name := range in.ExtendedStatistics {
		if _, ok := parseStatistic(name); !ok || slices.Contains(statistics, name) {
			f.add("The value %s for parameter ExtendedStatistics.member.%d is not supported.", name, i+1)
		}
	}
	f.times(*in.StartTime, *in.EndTime)
	f.period(*in.Period, "Period")
	return f.err(lambda.CodeInvalidParameterValue)
}

func (f *faults) times(start, end time.Time) {
	switch {
	case start.Equal(end):
		f.add("The parameter StartTime must not equal parameter EndTime.")
	case start.After(end):
		f.add("The parameter StartTime must be less than the parameter EndTime.")
	}
}

// shortPeriods are the periods below a minute, in seconds.
var shortPeriods = []int{1, 5, 10, 20, 30}

// maxPeriod is a day, in seconds.
const maxPeriod = 86400

func (f *faults) period(seconds int, path string) {
	switch {
	case seconds < 1:
		f.add("The parameter %s must be greater than or equal to 1.", path)
	case seconds > maxPeriod:
		f.add("The parameter %s must be less than or equal to %d.", path, maxPeriod)
	case seconds%60 != 0 && !slices.Contains(shortPeriods, seconds):
		f.add("The parameter %s must be 1, 5, 10, 20, 30 or a multiple of 60.", path)
	}
}

const (
	maxQueries    = 500
	maxDatapoints = 100_800
)

var idPattern = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

func checkData(in *model.GetMetricDataInput) error {
	var f faults
	f.required(in.MetricDataQueries != nil, "MetricDataQueries")
	f.required(in.StartTime != nil, "StartTime")
	f.required(in.EndTime != nil, "EndTime")
	if err := f.err(lambda.CodeValidation); err != nil {
		return err
	}
	if n := len(in.MetricDataQueries); n > maxQueries {
		f.add("The collection MetricDataQueries must not have a size greater than %d.", maxQueries)
		return f.err(lambda.CodeValidation)
	}
	f.times(*in.StartTime, *in.EndTime)
	if n := in.MaxDatapoints; n != nil && (*n < 1 || *n > maxDatapoints) {
		f.add("The parameter MaxDatapoints must be between 1 and %d.", maxDatapoints)
	}
	if in.ScanBy != nil {
		f.oneOf(*in.ScanBy, "ScanBy", []string{scanDescending, scanAscending})
	}
	seen := map[string]bool{}
	for i := range in.MetricDataQueries {
		f.query(&in.MetricDataQueries[i], fmt.Sprintf("MetricDataQueries.member.%d", i+1), seen)
	}
	return f.err(lambda.CodeValidation)
}

func (f *faults) query(q *model.MetricDataQuery, path string, seen map[string]bool) {
	switch {
	case q.Id == nil:
		f.required(false, path+".Id")
	case !idPattern.MatchString(*q.Id):
		f.add("The value %s for parameter %s.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.", *q.Id, path)
	case seen[*q.Id]:
		f.add("The value %s for parameter %s.Id is used more than once.", *q.Id, path)
	default:
		seen[*q.Id] = true
	}
	switch {
	case (q.MetricStat == nil) == (q.Expression == nil):
		f.add("The parameter %s must have either MetricStat or Expression.", path)
	case q.MetricStat != nil:
		f.metricStat(q.MetricStat, path+".MetricStat")
	case q.Period != nil:
		f.period(*q.Period, path+".Period")
	}
}

func (f *faults) metricStat(m *model.MetricStat, path string) {
	f.required(m.Metric != nil, path+".Metric")
	f.required(m.Period != nil, path+".Period")
	f.required(m.Stat != nil, path+".Stat")
	if m.Metric != nil {
		f.required(m.Metric.Namespace != nil, path+".Metric.Namespace")
		f.required(m.Metric.MetricName != nil, path+".Metric.MetricName")
	}
	if m.Period != nil {
		f.period(*m.Period, path+".Period")
	}
	if m.Stat != nil {
		if _, ok := parseStatistic(*m.Stat); !ok {
			f.add("The value for parameter %s.Stat is not a valid statistic.", path)
		}
	}
}
