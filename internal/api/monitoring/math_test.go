package monitoring_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"

	"thaw/internal/api/monitoring"
	"thaw/internal/telemetry"
)

var none = math.NaN()

// TestExpressions: a is 1, nothing, 3, 4; b is 2, 2, 0, 8.
func TestExpressions(t *testing.T) {
	given := map[string][]float64{"a": {1, none, 3, 4}, "b": {2, 2, 0, 8}}
	for text, want := range map[string]any{
		"1 + 2 * 3":                     7.0,
		"(1 + 2) * -3":                  -9.0,
		"2 ^ 3 ^ 2":                     512.0,
		"-2 ^ 2":                        -4.0,
		"10 - 4 - 3":                    3.0,
		".5 < 1 && 1 != 2":              1.0,
		"1 > 2 OR 0":                    0.0,
		"a":                             [][]float64{{1, 3, 4}},
		"a * 100":                       [][]float64{{100, 300, 400}},
		"a / b":                         [][]float64{{0.5, 0.5}}, // at one time a is missing, at one b is 0
		"a > 2":                         [][]float64{{0, 1, 1}},
		"SUM(a)":                        8.0,
		"AVG(b)":                        3.0,
		"STDDEV([a, a]) + 1":            [][]float64{{1, 1, 1}},
		"DATAPOINT_COUNT(a)":            3.0,
		"b / MAX(b)":                    [][]float64{{0.25, 0.25, 0, 1}},
		"SUM([a, b])":                   [][]float64{{3, 2, 3, 12}},
		"SUM(METRICS())":                [][]float64{{3, 2, 3, 12}},
		"MAX(METRICS(\"a\"))":           [][]float64{{2, 2, 3, 8}},
		"[a, b] * 2":                    [][]float64{{2, 6, 8}, {4, 4, 0, 16}},
		"[a, b] - a":                    [][]float64{{0, 0, 0}, {1, -3, 4}},
		"FILL(a, 0)":                    [][]float64{{1, 0, 3, 4}},
		"FILL(a, REPEAT)":               [][]float64{{1, 1, 3, 4}},
		"FILL(a, LINEAR)":               [][]float64{{1, 2, 3, 4}},
		"FILL(a, b)":                    [][]float64{{1, 2, 3, 4}},
		"IF(b > 1, a, 0 - 1)":           [][]float64{{1, -1, 4}},
		"IF(a > 2, a)":                  [][]float64{{3, 4}},
		"DIFF(b)":                       [][]float64{{0, -2, 8}},
		"RATE(b) * 60":                  [][]float64{{0, -2, 8}},
		"RUNNING_SUM(b)":                [][]float64{{2, 4, 4, 12}},
		"PERIOD(a)":                     60.0,
		"ABS(0 - a)":                    [][]float64{{1, 3, 4}},
		"LOG10(b) * 0":                  [][]float64{{0, 0, 0}},
		"CEIL(a / 2) + FLOOR(a / 2)":    [][]float64{{1, 3, 4}},
		"100*b/MAX([a,b])":              [][]float64{{100, 100, 0, 100}},
		"":                              "no end",
		"a +":                           "no end",
		"a b":                           `"b" is unexpected`,
		"(a":                            "parenthesis is not closed",
		"[a, 1]":                        "number in it",
		"[a":                            "bracket is not closed",
		"SUM(a, b)":                     "2 arguments",
		"SEARCH('{AWS/Lambda}', 'Sum')": "SEARCH is not supported",
		"SELECT SUM(x) FROM y":          "is unexpected",
		"[a, b] + [a, b]":               "two lists",
		"1.2.3":                         "no number",
		"a ? b":                         `"?" is unexpected`,
		"METRICS('a)":                   "a string has no end",
		"DIFF(1)":                       "with a number",
		strings.Repeat("(", 100):        "nested too deep",
		strings.Repeat("-", 100) + "1":  "nested too deep",
	} {
		list, number, err := monitoring.Evaluate(text, given, math.IsNaN)
		var got any = number
		switch {
		case err != nil:
			if w, ok := want.(string); !ok || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %v", text, err, want)
			}
			continue
		case list != nil:
			got = list
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// TestMathOfMetrics: expressions over metrics and over each other.
func TestMathOfMetrics(t *testing.T) {
	s := newServer(t, nil)
	at := minute()
	s.measure(telemetry.MetricInvocations, "f", "", "$LATEST", at, 1, 1, 1, 1)
	s.measure(telemetry.MetricErrors, "f", "", "$LATEST", at, 1, 0, 0, 0)
	s.measure(telemetry.MetricInvocations, "f", "", "$LATEST", at.Add(2*time.Minute), 1, 1)
	s.measure(telemetry.MetricErrors, "f", "", "$LATEST", at.Add(2*time.Minute), 0, 1)
	expression := func(id, text string) types.MetricDataQuery {
		return types.MetricDataQuery{Id: &id, Expression: &text}
	}
	hidden := func(q types.MetricDataQuery) types.MetricDataQuery {
		q.ReturnData = aws.Bool(false)
		return q
	}
	get := func(queries ...types.MetricDataQuery) (map[string][]float64, error) {
		out, err := s.client.GetMetricData(t.Context(), &sdk.GetMetricDataInput{
			MetricDataQueries: queries, StartTime: &at, EndTime: aws.Time(at.Add(4 * time.Minute)), ScanBy: types.ScanByTimestampAscending,
		})
		if err != nil {
			return nil, err
		}
		found := map[string][]float64{}
		for _, r := range out.MetricDataResults {
			found[*r.Id+"/"+*r.Label] = r.Values
		}
		return found, nil
	}
	invocations, errs := hidden(query("i", "Invocations", "Sum")), hidden(query("e", "Errors", "Sum"))
	got, err := get(expression("filled", "FILL(rate, 0)"), expression("rate", "100 * e / i"), expression("both", "METRICS()"), invocations, errs)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]float64{"filled/filled": {25, 0, 50, 0}, "rate/rate": {25, 50}, "both/Invocations": {4, 2}, "both/Errors": {1, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for text, message := range map[string]string{
		"SUM(i)":    "Error in expression 'x': it is a number, not a time series",
		"none + 1":  "Error in expression 'x': no query has the name none",
		"x + 1":     "Error in expression 'x': x needs its own result",
		"y * 2":     "Error in expression 'y': x needs its own result",
		"i +":       "Error in expression 'x': the expression has no end",
		"ANOMALY()": "",
	} {
		_, err := get(invocations, expression("x", text), expression("y", "x + 1"))
		refused(t, text, err, "ValidationError", message)
	}
}

func FuzzExpressions(f *testing.F) {
	for _, text := range []string{"100*b/MAX([a,b])", "FILL(METRICS('a'), REPEAT)", "IF(a > 2 && b, a, -1)", "a^-.5", "SUM(RATE([a,b]))"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, _, err := monitoring.Evaluate(text, map[string][]float64{"a": {1, none, 3, 4}, "b": {2, 2, 0, 8}}, math.IsNaN)
		if err != nil {
			return
		}
		for _, values := range list {
			for _, v := range values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s: %v", text, list)
				}
			}
		}
	})
}
