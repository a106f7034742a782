package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/spf13/cobra"

	"thaw/internal/lambda"
)

const (
	metricsNamespace    = "AWS/Lambda"
	metricsFunction     = "FunctionName" // a dimension
	defaultMetricsSince = time.Hour
	maxMetricsSince     = 24 * time.Hour // the longest period of the service
	// maxMetricQueries is how many the service takes in one request.
	maxMetricQueries = 500
)

func newMetricsCommand() *cobra.Command {
	var conn connection
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "metrics [FUNCTION]",
		Short: "Show how functions have been doing lately",
		Long: `Show how functions have been doing: invocations, those of them that failed, requests
that were refused for want of concurrency, how long invocations took on average,
99 of 100 of them, and at most, and how many ran at one time.

The numbers are those of CloudWatch's metrics, which clients of that service
read with every detail; what has begun in the time counts.`,
		Example: `  thaw metrics
  thaw metrics hello --since 10m
  thaw metrics --since 24h --json | jq '.[] | select(.errors > 0)'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			client := t.metricClient()
			var names []string
			if len(args) > 0 {
				ref, ok := lambda.ParseRef(args[0])
				if !ok {
					return usageError("%q is neither the name nor the ARN of a function", args[0])
				}
				names = []string{ref.Name}
			} else if names, err = measuredFunctions(cmd.Context(), client); err != nil {
				return err
			}
			shown, err := readMetrics(cmd.Context(), client, names, since)
			if err != nil {
				return err
			}
			return printMetrics(cmd.OutOrStdout(), shown, conn.json)
		},
	}
	conn.addFlags(cmd)
	cmd.ValidArgsFunction = conn.completeFunctions(1)
	durationFlag(cmd, &since, "since", defaultMetricsSince, time.Minute, maxMetricsSince, "how far back to look")
	return cmd
}

// metricClient makes the client of the CloudWatch API.
func (t target) metricClient() *cloudwatch.Client {
	return cloudwatch.New(cloudwatch.Options{
		Region:       t.Region,
		BaseEndpoint: aws.String(t.Endpoint),
		Credentials:  t.credentials(),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   t.httpClient(),
		AppID:        "thaw",
	})
}

// measuredFunctions are the functions that have metrics, sorted.
func measuredFunctions(ctx context.Context, client *cloudwatch.Client) (names []string, err error) {
	for _, metric := range []string{"Invocations", "Throttles"} { // a function may have been refused only
		pages := cloudwatch.NewListMetricsPaginator(client, &cloudwatch.ListMetricsInput{
			Namespace: aws.String(metricsNamespace), MetricName: &metric, Dimensions: []types.DimensionFilter{{Name: aws.String(metricsFunction)}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, m := range page.Metrics {
				if len(m.Dimensions) == 1 {
					names = append(names, aws.ToString(m.Dimensions[0].Value))
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// shownMetrics are a function's. Durations are milliseconds; they are absent if nothing
// has run.
type shownMetrics struct {
	Function    string   `json:"function"`
	Invocations int      `json:"invocations"`
	Errors      int      `json:"errors"`
	Throttles   int      `json:"throttles"`
	AverageMS   *float64 `json:"average_ms,omitempty"`
	P99MS       *float64 `json:"p99_ms,omitempty"`
	LongestMS   *float64 `json:"longest_ms,omitempty"`
	Concurrent  int      `json:"concurrent"`
}

// columns are the queries of one function, and where their values go.
var columns = []struct {
	metric, stat string
	set          func(*shownMetrics, float64)
}{
	{"Invocations", "Sum", func(m *shownMetrics, v float64) { m.Invocations = int(v) }},
	{"Errors", "Sum", func(m *shownMetrics, v float64) { m.Errors = int(v) }},
	{"Throttles", "Sum", func(m *shownMetrics, v float64) { m.Throttles = int(v) }},
	{"Duration", "Average", func(m *shownMetrics, v float64) { m.AverageMS = &v }},
	{"Duration", "p99", func(m *shownMetrics, v float64) { m.P99MS = &v }},
	{"Duration", "Maximum", func(m *shownMetrics, v float64) { m.LongestMS = &v }},
	{"ConcurrentExecutions", "Maximum", func(m *shownMetrics, v float64) { m.Concurrent = int(v) }},
}

// readMetrics asks for all functions, as many at one time as the service takes. Those
// with nothing to show are left out.
func readMetrics(ctx context.Context, client *cloudwatch.Client, names []string, since time.Duration) ([]shownMetrics, error) {
	end := time.Now().Truncate(time.Minute).Add(time.Minute)
	period := (since + time.Minute - 1).Truncate(time.Minute)
	list := []shownMetrics{}
	for some := range slices.Chunk(names, maxMetricQueries/len(columns)) {
		in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(end.Add(-period)), EndTime: &end}
		found := make([]shownMetrics, len(some))
		for i, name := range some {
			found[i].Function = name
			for j, c := range columns {
				in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{
					Id: aws.String(fmt.Sprintf("q%d_%d", i, j)),
					MetricStat: &types.MetricStat{
						Metric: &types.Metric{
							Namespace: aws.String(metricsNamespace), MetricName: &c.metric,
							Dimensions: []types.Dimension{{Name: aws.String(metricsFunction), Value: &name}},
						},
						Period: aws.Int32(int32(period / time.Second)), Stat: &c.stat,
					},
				})
			}
		}
		for pages := cloudwatch.NewGetMetricDataPaginator(client, in); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, r := range page.MetricDataResults {
				var i, j int
				if _, err := fmt.Sscanf(aws.ToString(r.Id), "q%d_%d", &i, &j); err == nil && len(r.Values) > 0 && i < len(found) && j < len(columns) {
					columns[j].set(&found[i], r.Values[0])
				}
			}
		}
		for _, m := range found {
			if m.Invocations > 0 || m.Throttles > 0 || m.Concurrent > 0 {
				list = append(list, m)
			}
		}
	}
	return list, nil
}

func printMetrics(w io.Writer, list []shownMetrics, asJSON bool) error {
	if asJSON {
		return printJSON(w, list)
	}
	rows := [][]string{{"FUNCTION", "INVOCATIONS", "ERRORS", "THROTTLES", "AVERAGE", "P99", "LONGEST", "CONCURRENT"}}
	for _, m := range list {
		rows = append(rows, []string{
			m.Function, strconv.Itoa(m.Invocations), strconv.Itoa(m.Errors), strconv.Itoa(m.Throttles),
			shownMS(m.AverageMS), shownMS(m.P99MS), shownMS(m.LongestMS), strconv.Itoa(m.Concurrent),
		})
	}
	return printTable(w, rows)
}

// shownMS has three digits or so that matter.
func shownMS(ms *float64) string {
	switch {
	case ms == nil:
		return "-"
	case *ms < 100:
		return strconv.FormatFloat(math.Round(*ms*10)/10, 'f', -1, 64) + " ms"
	case *ms < 10_000:
		return strconv.FormatFloat(math.Round(*ms), 'f', -1, 64) + " ms"
	}
	return strconv.FormatFloat(math.Round(*ms/100)/10, 'f', -1, 64) + " s"
}
