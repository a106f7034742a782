package invoke

import (
	"errors"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/telemetry"
)

// metering is what is measured of one invocation. All of it bears the time at which it
// began. Requests that are not valid are measured by nobody, and those that are
// throttled as such alone.
type metering struct {
	meter telemetry.Meter  // nil: nothing is measured
	where telemetry.Metric // of versions with provisioned concurrency
	sample
}

// sample is a measure without its metric and value.
type sample = telemetry.Measure

func (s *Service) metering(req *Request) metering {
	m := metering{meter: s.opts.Meter}
	if m.meter != nil {
		m.sample = sample{Function: req.Ref.Name, Qualifier: req.Ref.Qualifier, At: time.Now()}
	}
	return m
}

func (m *metering) measure(metric telemetry.Metric, value float64) {
	one := m.sample
	one.Metric, one.Value = metric, value
	m.meter.Measure(one)
}

// refused counts a throttle; other refusals are no matter of metrics.
func (m *metering) refused(err error) {
	if told := new(lambda.Error); m.meter != nil && errors.As(err, &told) && told.Code == lambda.CodeTooManyRequests {
		m.measure(telemetry.MetricThrottles, 1)
	}
}

// admitted has an invocation counted when it has ended: before, it may yet go to
// another environment.
func (m *metering) admitted(lease *pool.Lease) {
	if m.meter == nil {
		return
	}
	ended := *m
	switch {
	case lease.Provisioned():
		ended.where = telemetry.MetricProvisionedInvocations
	case lease.Spillover():
		ended.where = telemetry.MetricProvisionedSpillover
	}
	lease.Reported = ended.reported
}

// reported counts an invocation that has ended, well or not.
func (m *metering) reported(report telemetry.Report, failed bool) {
	errs := 0.0
	if failed {
		errs = 1
	}
	m.measure(telemetry.MetricInvocations, 1)
	m.measure(telemetry.MetricErrors, errs)
	m.measure(telemetry.MetricThrottles, 0) // so that it has a value whenever there is one of Invocations
	if m.where != "" {
		m.measure(m.where, 1)
	}
	m.measure(telemetry.MetricDuration, milliseconds(report.Metrics.DurationMs))
	for _, span := range report.Spans {
		if span.Name == "extensionOverhead" {
			m.measure(telemetry.MetricPostRuntimeDuration, milliseconds(span.DurationMs))
		}
	}
}

func milliseconds(d telemetry.Milliseconds) float64 {
	return float64(time.Duration(d)/time.Microsecond) / 1000
}
