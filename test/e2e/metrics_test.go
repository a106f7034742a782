package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What TestMetrics does with its function.
const (
	metered       = "metered"
	meteredErrors = 2 // one raises, one runs out of time
	meteredBurst  = 4 // at one time
	meteredAlias  = 2 // by the alias
	meteredAll    = 3 + meteredErrors + meteredBurst + meteredAlias
	meteredRefuse = 2
)

// TestMetrics: real invocations, good ones, failing ones and refused ones, are counted
// exactly, as every client and Prometheus read it, and still when the server
// has been restarted.
func TestMetrics(t *testing.T) {
	dir, began := t.TempDir(), time.Now()
	s := startIn(t, dir, "--metrics-listen", "127.0.0.1:0")
	s.beMetered(t)
	s.scraped(t)
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	s = startIn(t, dir)
	span := []string{strconv.FormatInt(began.Add(-time.Minute).Unix(), 10), strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)}
	t.Run("Go", func(t *testing.T) { s.metricsByGo(t, began) })
	t.Run("boto3", func(t *testing.T) { s.metricsByBoto3(t, span) })
	t.Run("JavaScript", func(t *testing.T) { s.metricsByJavaScript(t, span) })
	t.Run("CLI", func(t *testing.T) { s.metricsByCLI(t, client(t, "aws"), span) })
	t.Run("CLI 2", func(t *testing.T) { s.metricsByCLI(t, version2(t), span) })
}

// beMetered runs what is counted.
func (s *server) beMetered(t *testing.T) {
	t.Helper()
	sp := goEcho(t)
	sp.timeout = 3
	s.deployKeeping(t, metered, sp)
	name := aws.String(metered)
	v, err := s.client.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: v.Version}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.invoke(t, metered, map[string]any{})
	}
	s.invoke(t, metered, map[string]any{"raise": "on purpose"}).failed(t)
	s.invoke(t, metered, map[string]any{"sleepMS": 4000}).failed(t)
	var burst sync.WaitGroup
	for range meteredBurst {
		burst.Go(func() {
			if _, err := s.tryInvoke(t.Context(), metered, map[string]any{"sleepMS": 1500}); err != nil {
				t.Error(err)
			}
		})
	}
	burst.Wait()
	for range meteredAlias {
		s.invoke(t, metered+":live", map[string]any{})
	}
	s.beRefused(t)
}

// beRefused makes requests that are no invocations.
func (s *server) beRefused(t *testing.T) {
	t.Helper()
	name := aws.String(metered)
	if _, err := s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeDryRun}); err != nil {
		t.Error(err)
	}
	_, err := s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, Payload: []byte("{")})
	wantError(t, err, 400, "InvalidRequestContentException", "")
	_, err = s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(metered + ":none")})
	wantError(t, err, 404, "ResourceNotFoundException", "")
	if _, err := s.client.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	for range meteredRefuse {
		_, err := s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name})
		if throttled := new(types.TooManyRequestsException); !errors.As(err, &throttled) {
			t.Errorf("with no concurrency: %v", err)
		}
	}
}

// metricsByGo reads with the Go SDK.
func (s *server) metricsByGo(t *testing.T, began time.Time) {
	client := cloudwatch.New(cloudwatch.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + s.address), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(s.accessID, s.secret, ""),
	})
	wants := map[string]struct {
		metric, stat string
		dimensions   []string // the values, in order
		want         float64
	}{
		"all":          {"Invocations", "Sum", nil, meteredAll},
		"invocations":  {"Invocations", "Sum", []string{metered}, meteredAll},
		"unqualified":  {"Invocations", "Sum", []string{metered, metered}, meteredAll - meteredAlias},
		"alias":        {"Invocations", "Sum", []string{metered, metered + ":live"}, meteredAlias},
		"version":      {"Invocations", "Sum", []string{metered, metered + ":live", "1"}, meteredAlias},
		"errors":       {"Errors", "Sum", []string{metered}, meteredErrors},
		"errorRate":    {"Errors", "Average", []string{metered}, float64(meteredErrors) / meteredAll},
		"throttles":    {"Throttles", "Sum", []string{metered}, meteredRefuse},
		"durations":    {"Duration", "SampleCount", []string{metered}, meteredAll},
		"concurrent":   {"ConcurrentExecutions", "Maximum", []string{metered}, meteredBurst},
		"inAccount":    {"ConcurrentExecutions", "Maximum", nil, meteredBurst},
		"unreserved":   {"UnreservedConcurrentExecutions", "Maximum", nil, meteredBurst},
		"noExtensions": {"PostRuntimeExtensionsDuration", "SampleCount", []string{metered}, 0},
	}
	in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(began.Add(-time.Minute)), EndTime: aws.Time(time.Now().Add(time.Minute))}
	for id, w := range wants {
		metric := &cwtypes.Metric{Namespace: aws.String("AWS/Lambda"), MetricName: aws.String(w.metric)}
		for i, value := range w.dimensions {
			metric.Dimensions = append(metric.Dimensions, cwtypes.Dimension{Name: aws.String([]string{"FunctionName", "Resource", "ExecutedVersion"}[i]), Value: aws.String(value)})
		}
		in.MetricDataQueries = append(in.MetricDataQueries, cwtypes.MetricDataQuery{
			Id: aws.String(id), MetricStat: &cwtypes.MetricStat{Metric: metric, Period: aws.Int32(3600), Stat: aws.String(w.stat)},
		})
	}
	out, err := client.GetMetricData(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.MetricDataResults {
		w := wants[*r.Id]
		if len(r.Values) == 0 && w.want == 0 {
			continue
		}
		if len(r.Values) != 1 || r.Values[0] != w.want {
			t.Errorf("%s: %s of %s, %v: %v, want %v", *r.Id, w.stat, w.metric, w.dimensions, r.Values, w.want)
		}
	}
}

func (s *server) metricsByBoto3(t *testing.T, span []string) {
	script, err := filepath.Abs("testdata/clients/metrics.py")
	if err != nil {
		t.Fatal(err)
	}
	out := s.run(t, t.TempDir(), client(t, "python"), append([]string{script, metered}, span...)...)
	s.saw(t, out, fmt.Sprintf(`{
		"list": ["Duration/metered/metered:live/1", "Errors/metered/metered:live/1", "Invocations/metered/metered:live/1", "Throttles/metered/metered:live/1"],
		"account": [[%d, "Count"]], "errors": [[%d, %d, %v, "Count"]], "throttles": [[%d, 1, "Count"]], "alias": [[%d, "Count"]], "nothing": [],
		"data": {"invocations": [[%d], "Complete"], "concurrent": [[%d], "Complete"]},
		"refused": "MissingParameter", "put": [501, "This server does not support the operation PutMetricData yet."]
	}`, meteredAll, meteredErrors, meteredAll, float64(meteredErrors)/meteredAll, meteredRefuse, meteredAlias, meteredAll, meteredBurst))
}

func (s *server) metricsByJavaScript(t *testing.T, span []string) {
	script, err := filepath.Abs("testdata/clients/metrics.cjs")
	if err != nil {
		t.Fatal(err)
	}
	runtime := filepath.Join(runtimesDir(t), node(t))
	modules := "NODE_PATH=" + filepath.Join(runtime, "runtime", "node_modules")
	out := s.run(t, t.TempDir(), "/usr/bin/env", append([]string{modules, filepath.Join(runtime, "lang", "bin", "node"), script, metered}, span...)...)
	s.saw(t, out, fmt.Sprintf(`{
		"invocations": [%d, true], "errors": [%v, true], "longest": [true], "throttles": [[%d, "Count"]],
		"refused": ["InvalidParameterValueException", true, "The parameter StartTime must not equal parameter EndTime."]
	}`, meteredAll, float64(meteredErrors)/meteredAll, meteredRefuse))
}

func (s *server) saw(t *testing.T, out []byte, expected string) {
	t.Helper()
	var got, want any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal([]byte(expected), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was seen (-want +got):\n%s", diff)
	}
}

// metricsByCLI reads with a version of the AWS CLI; older ones speak awsQuery.
func (s *server) metricsByCLI(t *testing.T, program string, span []string) {
	// Version 2.9 does not know the variable for the endpoint.
	out := s.run(t, t.TempDir(), program, "--endpoint-url", "http://"+s.address, "cloudwatch", "get-metric-statistics", "--output", "json", "--namespace", "AWS/Lambda", "--metric-name", "Errors",
		"--dimensions", "Name=FunctionName,Value="+metered, "Name=Resource,Value="+metered, "--start-time", span[0], "--end-time", span[1],
		"--period", "3600", "--statistics", "Sum", "SampleCount", "--extended-statistics", "p0.0")
	var answer struct {
		Label      string
		Datapoints []struct {
			Sum, SampleCount   float64
			Unit               string
			ExtendedStatistics map[string]float64
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(answer.Datapoints) != 1 || answer.Label != "Errors" {
		t.Fatalf("answered %s", out)
	}
	if p := answer.Datapoints[0]; p.Sum != meteredErrors || p.SampleCount != meteredAll-meteredAlias || p.Unit != "Count" || p.ExtendedStatistics["p0.0"] != 0 || len(p.ExtendedStatistics) != 1 {
		t.Errorf("answered %s", out)
	}
	_, errs, err := s.tryRun(t, t.TempDir(), program, "--endpoint-url", "http://"+s.address, "cloudwatch", "get-metric-statistics", "--namespace", "AWS/Lambda", "--metric-name", "Errors",
		"--start-time", span[0], "--end-time", span[0], "--period", "60", "--statistics", "Sum")
	want := regexp.MustCompile(`\(InvalidParameterValue\) when calling the GetMetricStatistics operation.*: The parameter StartTime must not equal parameter EndTime\.`)
	if err == nil || !want.Match(errs) {
		t.Errorf("equal times: %v %s", err, errs)
	}
}

// scraped reads what Prometheus reads, at both addresses.
func (s *server) scraped(t *testing.T) {
	t.Helper()
	found := regexp.MustCompile(`msg="metrics are served" address=(\S+)`).FindStringSubmatch(s.stderr.String())
	if found == nil {
		t.Fatal("the log does not tell where metrics are served")
	}
	for _, address := range []string{s.address, found[1]} {
		families := scrape(t, "http://"+address+"/metrics")
		sum := func(name string) (total float64) {
			for _, m := range families[name].GetMetric() {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
			return total
		}
		for name, want := range map[string]float64{
			"thaw_function_invocations_total": meteredAll, "thaw_function_errors_total": meteredErrors, "thaw_function_throttles_total": meteredRefuse,
			"thaw_function_duration_seconds": meteredAll, "thaw_functions": 1, "thaw_concurrent_executions": 0, "thaw_build_info": 1,
		} {
			if got := sum(name); got != want || families[name] == nil {
				t.Errorf("%s at %s: %v, want %v", name, address, got, want)
			}
		}
	}
	// A proxy on this machine may speak for anybody.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a proxy is answered with %s", response.Status)
	}
}

func scrape(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// TestMetricsFromInside: a function reads metrics, if it may.
func TestMetricsFromInside(t *testing.T) {
	s := start(t, "--function-allow", "cloudwatch:ListMetrics")
	s.deployKeeping(t, "echo", goEcho(t))
	s.deployKeeping(t, "python", callers(t)["python"])
	s.invoke(t, "echo", map[string]any{})
	got := s.call(t, "python", map[string]any{"call": "metrics"})
	if diff := cmp.Diff(called{Answer: []any{"echo"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
