package monitoring_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"

	"thaw/internal/api/monitoring"
	model "thaw/internal/awsapi/gen/cloudwatch"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/telemetry"
)

// dims are dimensions by name and value, in turn.
func dims(pairs ...string) (list []types.Dimension) {
	for p := range slices.Chunk(pairs, 2) {
		list = append(list, types.Dimension{Name: aws.String(p[0]), Value: aws.String(p[1])})
	}
	return list
}

// minute is one that is over, in the present hour or the one before.
func minute() time.Time { return time.Now().UTC().Truncate(time.Minute).Add(-10 * time.Minute) }

func statistics(name string, at time.Time, d ...types.Dimension) *sdk.GetMetricStatisticsInput {
	return &sdk.GetMetricStatisticsInput{
		Namespace: aws.String("AWS/Lambda"), MetricName: &name, Dimensions: d, Period: aws.Int32(60),
		StartTime: aws.Time(at), EndTime: aws.Time(at.Add(5 * time.Minute)), Statistics: []types.Statistic{"Sum", "SampleCount"},
	}
}

// TestGetMetricStatistics: which values there are under which dimensions, and their
// statistics.
func TestGetMetricStatistics(t *testing.T) {
	s := newServer(t, nil)
	at := minute()
	s.measure(telemetry.MetricErrors, "f", "", "$LATEST", at.Add(5*time.Second), 1, 0)
	s.measure(telemetry.MetricErrors, "f", "live", "3", at.Add(30*time.Second), 1)
	s.measure(telemetry.MetricErrors, "f", "live", "4", at.Add(61*time.Second), 1, 1)
	s.measure(telemetry.MetricErrors, "g", "2", "2", at, 1)
	for name, c := range map[string]struct {
		of   []types.Dimension
		want []string // sum/count of each minute
	}{
		"all":                   {nil, []string{"3/4", "2/2"}},
		"a function":            {dims("FunctionName", "f"), []string{"2/3", "2/2"}},
		"unqualified":           {dims("FunctionName", "f", "Resource", "f"), []string{"1/2"}},
		"an alias":              {dims("Resource", "f:live", "FunctionName", "f"), []string{"1/1", "2/2"}},
		"a version of an alias": {dims("FunctionName", "f", "Resource", "f:live", "ExecutedVersion", "4"), []string{"2/2"}},
		"a version":             {dims("FunctionName", "g", "Resource", "g:2"), []string{"1/1"}},
		"not of an alias":       {dims("FunctionName", "g", "Resource", "g:2", "ExecutedVersion", "2"), nil},
		"without its function":  {dims("Resource", "f:live"), nil},
		"another dimension":     {dims("FunctionName", "f", "Stage", "x"), nil},
		"one twice":             {dims("FunctionName", "f", "FunctionName", "f"), nil},
		"nobody":                {dims("FunctionName", "none"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := ok[*sdk.GetMetricStatisticsOutput](t)(s.client.GetMetricStatistics(t.Context(), statistics("Errors", at, c.of...)))
			var got []string
			for i, p := range out.Datapoints {
				got = append(got, fmt.Sprintf("%g/%g", *p.Sum, *p.SampleCount))
				if p.Unit != types.StandardUnitCount || p.Average != nil {
					t.Errorf("unit %s, average %v", p.Unit, p.Average)
				}
				if want := at.Add(time.Duration(i) * time.Minute); len(c.want) == 2 && !p.Timestamp.Equal(want) {
					t.Errorf("at %v, want %v", p.Timestamp, want)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || *out.Label != "Errors" {
				t.Errorf("label %s (-want +got):\n%s", *out.Label, diff)
			}
		})
	}
	other := statistics("Errors", at)
	other.Namespace = aws.String("AWS/EC2")
	if out := ok[*sdk.GetMetricStatisticsOutput](t)(s.client.GetMetricStatistics(t.Context(), other)); len(out.Datapoints) != 0 {
		t.Error("another namespace has values")
	}
}

// TestStatistics: each statistic by its definition, periods from the start on, units.
func TestStatistics(t *testing.T) {
	s := newServer(t, nil)
	at := minute().Add(-2 * time.Minute)
	for i := 1; i <= 100; i++ {
		s.measure(telemetry.MetricDuration, "f", "", "$LATEST", at.Add(time.Duration(i)*time.Second), float64(i))
	}
	in := statistics("Duration", at.Add(-time.Minute).Add(30*time.Second), dims("FunctionName", "f")...)
	in.Period = aws.Int32(300) // three minutes of them have values; it begins with the minute of the start
	in.Statistics = []types.Statistic{"Sum", "SampleCount", "Average", "Minimum", "Maximum"}
	in.ExtendedStatistics = []string{"p50", "p90", "tm90", "wm90", "tc90", "ts90", "TM(10%:90%)", "PR(:50)"}
	out := ok[*sdk.GetMetricStatisticsOutput](t)(s.client.GetMetricStatistics(t.Context(), in))
	if len(out.Datapoints) != 1 {
		t.Fatalf("%d periods", len(out.Datapoints))
	}
	p := out.Datapoints[0]
	if !p.Timestamp.Equal(at.Add(-time.Minute)) || p.Unit != types.StandardUnitMilliseconds {
		t.Errorf("at %v, want %v; unit %s", p.Timestamp, at.Add(-time.Minute), p.Unit)
	}
	if diff := cmp.Diff([]float64{5050, 100, 50.5, 1, 100}, []float64{*p.Sum, *p.SampleCount, *p.Average, *p.Minimum, *p.Maximum}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string]float64{"p50": 50, "p90": 90, "tm90": 45.5, "wm90": 49.95, "tc90": 90, "ts90": 4095, "TM(10%:90%)": 50.5, "PR(:50)": 50} {
		if got, there := p.ExtendedStatistics[name]; !there || math.Abs(got-want) > want*0.02 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	in.Unit = types.StandardUnitSeconds
	if out := ok[*sdk.GetMetricStatisticsOutput](t)(s.client.GetMetricStatistics(t.Context(), in)); len(out.Datapoints) != 0 {
		t.Error("there are values of another unit")
	}
}

// TestGetMetricStatisticsRefuses: the codes are those that awsQuery has for the model's
// errors, because that is what clients show.
func TestGetMetricStatisticsRefuses(t *testing.T) {
	s := newServer(t, nil)
	const (
		value, combination, missing = "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter"
	)
	for name, c := range map[string]struct {
		change        func(*sdk.GetMetricStatisticsInput)
		code, message string
	}{
		"equal times": {func(in *sdk.GetMetricStatisticsInput) { in.EndTime = in.StartTime }, value, "The parameter StartTime must not equal parameter EndTime."},
		"the end before the start": {
			func(in *sdk.GetMetricStatisticsInput) { in.EndTime = aws.Time(in.StartTime.Add(-time.Hour)) }, value,
			"The parameter StartTime must be less than the parameter EndTime.",
		},
		"too many": {
			func(in *sdk.GetMetricStatisticsInput) { in.StartTime = aws.Time(in.EndTime.Add(-1441 * time.Minute)) }, combination,
			"You have requested up to 1441 datapoints, which exceeds the limit of 1440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
		},
		"a statistic": {
			func(in *sdk.GetMetricStatisticsInput) { in.Statistics = []types.Statistic{"Median"} }, value,
			"The parameter Statistics.member.1 must be a value in the set [ Minimum, Maximum, Average, SampleCount, Sum ].",
		},
		"no statistic":          {func(in *sdk.GetMetricStatisticsInput) { in.Statistics = nil }, missing, ""},
		"an extended statistic": {func(in *sdk.GetMetricStatisticsInput) { in.ExtendedStatistics = []string{"p101"} }, value, ""},
		"a period":              {func(in *sdk.GetMetricStatisticsInput) { in.Period = aws.Int32(90) }, value, ""},
		"an empty name":         {func(in *sdk.GetMetricStatisticsInput) { in.MetricName = aws.String("") }, "ValidationError", "1 validation error detected: Value '' at 'metricName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
	} {
		in := statistics("Errors", minute())
		c.change(in)
		_, err := s.client.GetMetricStatistics(t.Context(), in)
		refused(t, name, err, c.code, c.message)
	}
	in := statistics("Errors", minute())
	in.StartTime = aws.Time(in.EndTime.Add(-1440 * time.Minute))
	ok[*sdk.GetMetricStatisticsOutput](t)(s.client.GetMetricStatistics(t.Context(), in))
}

func query(id, metric, stat string, d ...types.Dimension) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("AWS/Lambda"), MetricName: &metric, Dimensions: d}, Period: aws.Int32(60), Stat: &stat,
	}}
}

// TestGetMetricData reads several series page by page, in either order.
func TestGetMetricData(t *testing.T) {
	s := newServer(t, nil)
	at := minute()
	var a, b []float64
	for i := range 7 {
		s.measure(telemetry.MetricInvocations, "f", "", "$LATEST", at.Add(time.Duration(i)*time.Minute), float64(i))
		s.measure(telemetry.MetricDuration, "f", "", "$LATEST", at.Add(time.Duration(i)*time.Minute), float64(10*i))
		a, b = append(a, float64(i)), append(b, float64(10*i))
	}
	hidden := query("hidden", "Invocations", "Sum")
	hidden.ReturnData = aws.Bool(false)
	labelled := query("b", "Duration", "Maximum", dims("FunctionName", "f")...)
	labelled.Label = aws.String("the longest")
	for _, order := range []types.ScanBy{types.ScanByTimestampAscending, types.ScanByTimestampDescending, ""} {
		in := &sdk.GetMetricDataInput{
			StartTime: aws.Time(at), EndTime: aws.Time(at.Add(7 * time.Minute)), ScanBy: order, MaxDatapoints: aws.Int32(3),
			MetricDataQueries: []types.MetricDataQuery{hidden, query("a", "Invocations", "Sum"), query("none", "Throttles", "Sum"), labelled},
		}
		wantA, wantB := slices.Clone(a), slices.Clone(b)
		if order != types.ScanByTimestampAscending {
			slices.Reverse(wantA)
			slices.Reverse(wantB)
		}
		values, status, pages := map[string][]float64{}, map[string]types.StatusCode{}, 0
		for p := sdk.NewGetMetricDataPaginator(s.client, in); p.HasMorePages(); pages++ {
			out := ok[*sdk.GetMetricDataOutput](t)(p.NextPage(t.Context()))
			n := 0
			for _, r := range out.MetricDataResults {
				n += len(r.Values)
				values[*r.Id] = append(values[*r.Id], r.Values...)
				if len(r.Timestamps) != len(r.Values) {
					t.Errorf("%d times of %d values", len(r.Timestamps), len(r.Values))
				}
				if whole := len(values[*r.Id]) == map[string]int{"a": 7, "b": 7}[*r.Id]; whole != (r.StatusCode == types.StatusCodeComplete) && *r.Id != "none" {
					t.Errorf("%s after %v: %s", *r.Id, values[*r.Id], r.StatusCode)
				}
				status[*r.Id] = r.StatusCode
				if want := map[string]string{"a": "Invocations", "none": "Throttles", "b": "the longest"}[*r.Id]; *r.Label != want {
					t.Errorf("label %q, want %q", *r.Label, want)
				}
			}
			if n > 3 {
				t.Errorf("a page has %d values", n)
			}
		}
		if status["none"] != types.StatusCodeComplete {
			t.Errorf("what has no values is %s at last", status["none"])
		}
		delete(values, "none") // seen, and empty
		if diff := cmp.Diff(map[string][]float64{"a": wantA, "b": wantB}, values); diff != "" || pages != 5 {
			t.Errorf("%s in %d pages (-want +got):\n%s", order, pages, diff)
		}
	}
}

func TestGetMetricDataRefuses(t *testing.T) {
	s := newServer(t, nil)
	at := minute()
	expression := types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("SEARCH('x', 'Sum', 60)")}
	both := query("a", "Errors", "Sum")
	both.Expression = aws.String("a")
	short := query("a", "Errors", "Sum")
	short.MetricStat.Period = aws.Int32(61)
	many := make([]types.MetricDataQuery, 501)
	for i := range many {
		many[i] = query(fmt.Sprint("q", i), "Errors", "Sum")
	}
	for name, c := range map[string]struct {
		in            *sdk.GetMetricDataInput
		code, message string
	}{
		"names": {
			&sdk.GetMetricDataInput{MetricDataQueries: []types.MetricDataQuery{query("5xx_sum", "Errors", "Sum"), query("A", "Errors", "Sum")}}, "ValidationError",
			"The value 5xx_sum for parameter MetricDataQueries.member.1.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.\n" +
				"The value A for parameter MetricDataQueries.member.2.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
		},
		"a statistic": {
			&sdk.GetMetricDataInput{MetricDataQueries: []types.MetricDataQuery{query("a", "Errors", "Sum"), query("b", "Errors", "Total")}}, "ValidationError",
			"The value for parameter MetricDataQueries.member.2.MetricStat.Stat is not a valid statistic.",
		},
		"equal times": {
			&sdk.GetMetricDataInput{EndTime: &at, MetricDataQueries: []types.MetricDataQuery{query("a", "Errors", "Sum")}}, "ValidationError",
			"The parameter StartTime must not equal parameter EndTime.",
		},
		"one name twice":  {&sdk.GetMetricDataInput{MetricDataQueries: []types.MetricDataQuery{query("a", "Errors", "Sum"), query("a", "Errors", "Sum")}}, "ValidationError", ""},
		"both":            {&sdk.GetMetricDataInput{MetricDataQueries: []types.MetricDataQuery{both}}, "ValidationError", ""},
		"neither":         {&sdk.GetMetricDataInput{MetricDataQueries: []types.MetricDataQuery{{Id: aws.String("a")}}}, "ValidationError", ""},
		"a period":        {&sdk.GetMetricDataInput{MetricDataQueries: []types.MetricDataQuery{short}}, "ValidationError", ""},
		"a search":        {&sdk.GetMetricDataInput{MetricDataQueries: []types.MetricDataQuery{expression}}, "ValidationError", ""},
		"a token":         {&sdk.GetMetricDataInput{NextToken: aws.String("x"), MetricDataQueries: []types.MetricDataQuery{query("a", "Errors", "Sum")}}, "InvalidNextToken", ""},
		"a page too long": {&sdk.GetMetricDataInput{MaxDatapoints: aws.Int32(100_801), MetricDataQueries: []types.MetricDataQuery{query("a", "Errors", "Sum")}}, "ValidationError", ""},
		"too many":        {&sdk.GetMetricDataInput{MetricDataQueries: many}, "ValidationError", "The collection MetricDataQueries must not have a size greater than 500."},
	} {
		c.in.StartTime = &at
		if c.in.EndTime == nil {
			c.in.EndTime = aws.Time(at.Add(time.Hour))
		}
		_, err := s.client.GetMetricData(t.Context(), c.in)
		refused(t, name, err, c.code, c.message)
	}
	var token *types.InvalidNextToken
	_, err := s.client.GetMetricData(t.Context(), &sdk.GetMetricDataInput{
		StartTime: &at, EndTime: aws.Time(at.Add(time.Hour)), NextToken: aws.String("MS4wLjA"), MetricDataQueries: []types.MetricDataQuery{query("a", "Errors", "Sum")},
	})
	if !errors.As(err, &token) {
		t.Errorf("a token of another request: %v", err)
	}
}

func TestListMetrics(t *testing.T) {
	s := newServer(t, nil)
	at := time.Now()
	for i := range 300 {
		s.measure(telemetry.MetricInvocations, fmt.Sprintf("f%03d", i), "", "$LATEST", at, 1)
	}
	s.measure(telemetry.MetricErrors, "f001", "live", "1", at, 1)
	s.measure(telemetry.MetricConcurrentExecutions, "f001", "", "", at, 1)
	list := func(in *sdk.ListMetricsInput) (found []string, pages int) {
		t.Helper()
		for p := sdk.NewListMetricsPaginator(s.client, in); p.HasMorePages(); pages++ {
			out := ok[*sdk.ListMetricsOutput](t)(p.NextPage(t.Context()))
			for _, m := range out.Metrics {
				text := *m.MetricName
				for _, d := range m.Dimensions {
					text += " " + *d.Name + "=" + *d.Value
				}
				found = append(found, text)
			}
		}
		return found, pages
	}
	all, pages := list(&sdk.ListMetricsInput{})
	if len(all) != 1+4+1+300*2 || pages != 2 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("%d metrics in %d pages", len(all), pages)
	}
	filter := func(name, value string) types.DimensionFilter {
		f := types.DimensionFilter{Name: &name}
		if value != "" {
			f.Value = &value
		}
		return f
	}
	for name, c := range map[string]struct {
		in   sdk.ListMetricsInput
		want []string
	}{
		"of a function": {sdk.ListMetricsInput{Dimensions: []types.DimensionFilter{filter("FunctionName", "f001")}, Namespace: aws.String("AWS/Lambda")}, []string{
			"ConcurrentExecutions FunctionName=f001", "Errors FunctionName=f001", "Errors FunctionName=f001 Resource=f001:live",
			"Errors FunctionName=f001 Resource=f001:live ExecutedVersion=1", "Invocations FunctionName=f001", "Invocations FunctionName=f001 Resource=f001",
		}},
		"with a dimension":  {sdk.ListMetricsInput{Dimensions: []types.DimensionFilter{filter("ExecutedVersion", "")}}, []string{"Errors FunctionName=f001 Resource=f001:live ExecutedVersion=1"}},
		"recently":          {sdk.ListMetricsInput{MetricName: aws.String("Errors"), RecentlyActive: "PT3H", Dimensions: []types.DimensionFilter{filter("Resource", "f001:live"), filter("ExecutedVersion", "1")}}, []string{"Errors FunctionName=f001 Resource=f001:live ExecutedVersion=1"}},
		"another namespace": {sdk.ListMetricsInput{Namespace: aws.String("AWS/SQS")}, nil},
		"another dimension": {sdk.ListMetricsInput{Dimensions: []types.DimensionFilter{filter("InstanceId", "")}}, nil},
		"another account":   {sdk.ListMetricsInput{OwningAccount: aws.String("111111111111")}, nil},
	} {
		if got, _ := list(&c.in); !cmp.Equal(c.want, got) {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(c.want, got))
		}
	}
	out := ok[*sdk.ListMetricsOutput](t)(s.client.ListMetrics(t.Context(), &sdk.ListMetricsInput{MetricName: aws.String("ConcurrentExecutions"), IncludeLinkedAccounts: aws.Bool(true)}))
	if diff := cmp.Diff([]string{lambda.DefaultScope.Account}, out.OwningAccounts); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	_, err := s.client.ListMetrics(t.Context(), &sdk.ListMetricsInput{RecentlyActive: "PT4H"})
	refused(t, "another time", err, "ValidationError", "1 validation error detected: Value 'PT4H' at 'recentlyActive' failed to satisfy constraint: Member must satisfy enum value set: [PT3H]")
	_, err = s.client.ListMetrics(t.Context(), &sdk.ListMetricsInput{NextToken: aws.String("!")})
	refused(t, "a token", err, "InvalidParameterValue", "")
}

// TestAccess: signatures, policies, and operations that are not there.
func TestAccess(t *testing.T) {
	s := newServer(t, func(o *monitoring.Options) { o.Access = oneKey{&iam.Session{Function: "f"}} })
	ok[*sdk.ListMetricsOutput](t)(s.client.ListMetrics(t.Context(), &sdk.ListMetricsInput{}))
	_, err := s.client.GetMetricStatistics(t.Context(), statistics("Errors", minute()))
	refused(t, "not allowed", err, "AccessDenied", "")
	if err == nil || !strings.Contains(err.Error(), "cloudwatch:GetMetricStatistics") {
		t.Errorf("the action is not named: %v", err)
	}
	_, err = newClient(s.url, "another secret").ListMetrics(t.Context(), &sdk.ListMetricsInput{})
	refused(t, "another secret", err, "SignatureDoesNotMatch", "")
	other := sdk.New(sdk.Options{
		Region: lambda.DefaultScope.Region, BaseEndpoint: &s.url, Retryer: aws.NopRetryer{}, Credentials: credentials.NewStaticCredentialsProvider("AKIDOTHER", secret, ""),
	})
	_, err = other.ListMetrics(t.Context(), &sdk.ListMetricsInput{})
	refused(t, "another key", err, "InvalidClientTokenId", "")
	s = newServer(t, nil)
	_, err = s.client.PutMetricData(t.Context(), &sdk.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []types.MetricDatum{{MetricName: aws.String("m"), Value: aws.Float64(1)}}})
	refused(t, "not built", err, "NotImplemented", "This server does not support the operation PutMetricData yet.")
	_, err = s.client.DescribeAlarms(t.Context(), &sdk.DescribeAlarmsInput{})
	refused(t, "alarms", err, "NotImplemented", "")
}

// TestOtherProtocols: what older clients send, and how they are answered.
func TestOtherProtocols(t *testing.T) {
	s := newServer(t, func(o *monitoring.Options) { o.Keys = nil })
	at := minute()
	s.measure(telemetry.MetricErrors, "f", "", "$LATEST", at, 1)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
	status, _, body := post(t, s.url, form, "Action=GetMetricStatistics&Version=2010-08-01&Namespace=AWS%2FLambda&MetricName=Errors&Period=60&Statistics.member.1=Sum"+
		"&Dimensions.member.1.Name=FunctionName&Dimensions.member.1.Value=f&StartTime="+at.Format("2006-01-02T15:04:05Z")+"&EndTime="+at.Add(time.Hour).Format("2006-01-02T15:04:05.000Z"))
	if want := "<Datapoints><member><Timestamp>" + at.Format(time.RFC3339) + "</Timestamp><Sum>1</Sum><Unit>Count</Unit></member></Datapoints>"; status != 200 || !strings.Contains(body, want) {
		t.Errorf("form: %d %s", status, body)
	}
	status, _, body = post(t, s.url, form, "Action=GetMetricStatistics&Version=2010-08-01&Namespace=AWS%2FLambda")
	if want := "<Code>MissingParameter</Code><Message>The parameter MetricName is required.\nThe parameter StartTime is required."; status != 400 || !strings.Contains(strings.ReplaceAll(body, "&#xA;", "\n"), want) {
		t.Errorf("a form without members: %d %s", status, body)
	}
	status, _, body = post(t, s.url, form, "Action=Nothing&Version=2010-08-01")
	if status != 400 || !strings.Contains(body, "<Code>InvalidAction</Code>") {
		t.Errorf("a form of no operation: %d %s", status, body)
	}
	if status, _, _ = post(t, s.url, form, "Action=ListRoles&Version=2010-05-08"); status != 418 {
		t.Errorf("a form of another service: %d", status)
	}
	json := map[string]string{"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics"}
	status, header, body := post(t, s.url, json, `{"Namespace":"AWS/Lambda","Dimensions":[{"Name":"Resource"}]}`)
	want := `{"Metrics":[{"Namespace":"AWS/Lambda","MetricName":"Errors","Dimensions":[{"Name":"FunctionName","Value":"f"},{"Name":"Resource","Value":"f"}]}]}`
	if status != 200 || body != want || header.Get("Content-Type") != "application/x-amz-json-1.0" {
		t.Errorf("JSON: %d %s %v", status, body, header)
	}
	json["X-Amz-Target"] = "GraniteServiceVersion20100801.GetMetricStatistics"
	status, header, body = post(t, s.url, json, `{"Namespace":"AWS/Lambda","MetricName":"Errors","StartTime":1,"EndTime":1,"Period":60,"Statistics":["Sum"]}`)
	if status != 400 || header.Get("X-Amzn-Query-Error") != "InvalidParameterValue;Sender" ||
		body != `{"__type":"com.amazonaws.cloudwatch#InvalidParameterValueException","message":"The parameter StartTime must not equal parameter EndTime."}` {
		t.Errorf("JSON: %d %s %v", status, body, header)
	}
	for name, path := range map[string]string{"no operation": "Nothing", "an empty one": "", "a deeper path": "ListMetrics/x"} {
		status, header, body = post(t, s.url+"/service/GraniteServiceVersion20100801/operation/"+path, map[string]string{"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"}, "\xa0")
		if status != 400 || header.Get("X-Amzn-Query-Error") != "InvalidAction;Sender" {
			t.Errorf("%s: %d %q %v", name, status, body, header)
		}
	}
}

// TestEveryOperationIsRouted: what is not built says so, or what is missing in its input.
func TestEveryOperationIsRouted(t *testing.T) {
	s := newServer(t, func(o *monitoring.Options) { o.Keys = nil })
	built := map[string]bool{model.OpGetMetricData: true, model.OpGetMetricStatistics: true, model.OpListMetrics: true}
	unbuilt := 0
	for _, op := range model.Service().Operations {
		header := map[string]string{"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "GraniteServiceVersion20100801." + op.Name}
		status, answer, body := post(t, s.url, header, "{}")
		switch code := answer.Get("X-Amzn-Query-Error"); {
		case built[op.Name]:
		case status == 501 && code == "NotImplemented;Receiver" && strings.Contains(body, "the operation "+op.Name+" yet"):
			unbuilt++
		case status == 400 && code == "ValidationError;Sender" && strings.Contains(body, "must not be null"):
			unbuilt++
		default:
			t.Errorf("%s: %d %s %s", op.Name, status, code, body)
		}
	}
	if unbuilt != 52 {
		t.Errorf("%d operations are not built", unbuilt)
	}
}
