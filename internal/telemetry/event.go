package telemetry

import (
	"encoding/json"
	"strconv"
	"time"
)

// Type is the name of an event's type.
type Type string

// The types of events.
const (
	TypeInitStart             Type = "platform.initStart"
	TypeInitRuntimeDone       Type = "platform.initRuntimeDone"
	TypeInitReport            Type = "platform.initReport"
	TypeStart                 Type = "platform.start"
	TypeRuntimeDone           Type = "platform.runtimeDone"
	TypeEnd                   Type = "platform.end" // Logs API and text logs only
	TypeReport                Type = "platform.report"
	TypeRestoreStart          Type = "platform.restoreStart"
	TypeRestoreRuntimeDone    Type = "platform.restoreRuntimeDone"
	TypeRestoreReport         Type = "platform.restoreReport"
	TypeExtension             Type = "platform.extension"
	TypeTelemetrySubscription Type = "platform.telemetrySubscription"
	TypeLogsSubscription      Type = "platform.logsSubscription"
	TypeLogsDropped           Type = "platform.logsDropped"
	TypeFault                 Type = "platform.fault" // Logs API and text logs only
	TypeFunction              Type = "function"
	TypeExtensionLine         Type = "extension"
)

// Initialization types, as records and AWS_LAMBDA_INITIALIZATION_TYPE name them.
const (
	OnDemand               = "on-demand"
	ProvisionedConcurrency = "provisioned-concurrency"
	SnapStart              = "snap-start"
)

// Phases in which an init runs: PhaseInvoke is that of a suppressed init.
const (
	PhaseInit   = "init"
	PhaseInvoke = "invoke"
)

// Statuses of a phase.
const (
	Success = "success"
	Failure = "failure" // the platform's fault
	Error   = "error"   // the function's
	Timeout = "timeout"
)

// Event is one thing that happened in an environment.
type Event struct {
	Time   time.Time
	Record Record
}

// Record is what an event tells. It is one of the structs of this package.
type Record interface {
	Type() Type
}

// TimeFormat is how every event's time is written, in UTC.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// MarshalJSON renders the envelope that logs in JSON and subscribers of the
// newest schema receive.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Time   string `json:"time"`
		Type   Type   `json:"type"`
		Record Record `json:"record"`
	}{e.Time.UTC().Format(TimeFormat), e.Record.Type(), e.Record})
}

// Milliseconds is a duration that JSON shows with up to three decimals.
type Milliseconds time.Duration

// MarshalJSON renders thousandths of a millisecond.
func (m Milliseconds) MarshalJSON() ([]byte, error) {
	us := (time.Duration(m) + 500) / time.Microsecond
	return strconv.AppendFloat(nil, float64(us)/1000, 'f', -1, 64), nil
}

// Span is one part of a phase.
type Span struct {
	Name       string       `json:"name"` // responseLatency, responseDuration, runtimeOverhead, extensionOverhead
	Start      Moment       `json:"start"`
	DurationMs Milliseconds `json:"durationMs"`
}

// NewSpan makes a span.
func NewSpan(name string, start time.Time, took time.Duration) Span {
	return Span{Name: name, Start: Moment(start), DurationMs: Milliseconds(took)}
}

// Moment is a time that JSON shows in TimeFormat. It is written only for those
// who read it: most events have no reader.
type Moment time.Time

// MarshalJSON renders the time.
func (m Moment) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Time(m).UTC().Format(TimeFormat))
}

// Tracing names the trace that an event belongs to.
type Tracing struct {
	SpanID string `json:"spanId,omitempty"`
	Type   string `json:"type"` // "X-Amzn-Trace-Id"
	Value  string `json:"value"`
}

// NewTracing wraps the value of a trace header; nil for none.
func NewTracing(header string) *Tracing {
	if header == "" {
		return nil
	}
	return &Tracing{Type: "X-Amzn-Trace-Id", Value: header}
}
