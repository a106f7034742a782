package monitoring

import (
	"context"
	"encoding/base64"
	"time"

	model "thaw/internal/awsapi/gen/cloudwatch"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/metrics"
)

const (
	// maxListed is a page of ListMetrics.
	maxListed = 500
	// listed is how long ago a metric may have had its last value to be listed.
	listed = 14 * 24 * time.Hour
)

func (h *Handler) listMetrics(ctx context.Context, in *model.ListMetricsInput) (*model.ListMetricsOutput, error) {
	after := ""
	if in.NextToken != nil {
		token, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil || len(token) == 0 {
			return nil, lambda.Errorf(lambda.CodeInvalidParameterValue, "The value for parameter NextToken is not valid.")
		}
		after = string(token)
	}
	out := &model.ListMetricsOutput{Metrics: []model.Metric{}}
	if in.OwningAccount != nil && *in.OwningAccount != h.Scope.Account {
		return out, nil
	}
	since := h.Now().Add(-listed)
	if in.RecentlyActive != nil {
		since = h.Now().Add(-recently)
	}
	known, err := h.Store.List(ctx, since)
	if err != nil {
		return nil, err
	}
	last := ""
	for _, k := range known {
		place := placeOf(k.Series)
		if place <= after || !matches(in, k.Series) {
			continue
		}
		if len(out.Metrics) == maxListed {
			token := base64.RawURLEncoding.EncodeToString([]byte(last))
			out.NextToken = &token
			break
		}
		last = place
		out.Metrics = append(out.Metrics, metricOf(k.Series))
		if in.IncludeLinkedAccounts != nil && *in.IncludeLinkedAccounts {
			out.OwningAccounts = append(out.OwningAccounts, h.Scope.Account)
		}
	}
	return out, nil
}

// placeOf orders series as the store lists them.
func placeOf(s metrics.Series) string {
	return string(s.Metric) + "\x00" + s.Function + "\x00" + s.Resource + "\x00" + s.ExecutedVersion + "\x00"
}

// matches tells whether a series is asked for: it has every dimension of the filter,
// with its value if that is given.
func matches(in *model.ListMetricsInput, s metrics.Series) bool {
	if in.Namespace != nil && *in.Namespace != namespace || in.MetricName != nil && *in.MetricName != string(s.Metric) {
		return false
	}
	has := map[string]string{dimFunction: s.Function, dimResource: s.Resource, dimVersion: s.ExecutedVersion}
	for _, f := range in.Dimensions {
		value := has[*f.Name]
		if value == "" || f.Value != nil && *f.Value != value {
			return false
		}
	}
	return true
}

// metricOf shows a series.
func metricOf(s metrics.Series) model.Metric {
	ns, name := namespace, string(s.Metric)
	m := model.Metric{Namespace: &ns, MetricName: &name, Dimensions: []model.Dimension{}}
	for _, d := range []struct{ name, value string }{{dimFunction, s.Function}, {dimResource, s.Resource}, {dimVersion, s.ExecutedVersion}} {
		if d.value != "" {
			m.Dimensions = append(m.Dimensions, model.Dimension{Name: &d.name, Value: &d.value})
		}
	}
	return m
}
