package telemetry

import "time"

// Metric is the name of a metric, as CloudWatch has it in the namespace AWS/Lambda.
type Metric string

// The metrics of functions. Those in milliseconds are told as such; the others are
// counts.
const (
	MetricInvocations                 Metric = "Invocations"
	MetricErrors                      Metric = "Errors"
	MetricThrottles                   Metric = "Throttles"
	MetricDuration                    Metric = "Duration" // ms
	MetricPostRuntimeDuration         Metric = "PostRuntimeExtensionsDuration"
	MetricProvisionedInvocations      Metric = "ProvisionedConcurrencyInvocations"
	MetricProvisionedSpillover        Metric = "ProvisionedConcurrencySpilloverInvocations"
	MetricConcurrentExecutions        Metric = "ConcurrentExecutions"
	MetricUnreservedExecutions        Metric = "UnreservedConcurrentExecutions"
	MetricProvisionedExecutions       Metric = "ProvisionedConcurrentExecutions"
	MetricProvisionedUtilization      Metric = "ProvisionedConcurrencyUtilization"
	MetricClaimedAccountConcurrency   Metric = "ClaimedAccountConcurrency"
	MetricAsyncEventsReceived         Metric = "AsyncEventsReceived"
	MetricAsyncEventAge               Metric = "AsyncEventAge" // ms
	MetricAsyncEventsDropped          Metric = "AsyncEventsDropped"
	MetricDeadLetterErrors            Metric = "DeadLetterErrors"
	MetricDestinationDeliveryFailures Metric = "DestinationDeliveryFailures"
	MetricRecursiveInvocationsDropped Metric = "RecursiveInvocationsDropped"
	MetricSignatureValidationErrors   Metric = "SignatureValidationErrors"
	MetricOversizedRecordCount        Metric = "OversizedRecordCount"
)

// Measure is one value of one metric of one function. Qualifier is what the caller
// named, empty for none; ExecutedVersion is what ran, if anything did.
type Measure struct {
	Metric          Metric
	Function        string
	Qualifier       string
	ExecutedVersion string
	Value           float64
	At              time.Time // of an invocation: its start
}

// Meter takes measures. It must not block: it is called on the way of an
// invocation.
type Meter interface {
	Measure(m Measure)
}
