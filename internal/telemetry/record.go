package telemetry

import (
	"encoding/json"
	"time"
)

// InitStart begins an init phase.
type InitStart struct {
	InitializationType string   `json:"initializationType"`
	Phase              string   `json:"phase"`
	RuntimeVersion     string   `json:"runtimeVersion,omitempty"`
	RuntimeVersionARN  string   `json:"runtimeVersionArn,omitempty"`
	FunctionName       string   `json:"functionName"`
	FunctionVersion    string   `json:"functionVersion"`
	InstanceID         string   `json:"instanceId,omitempty"`
	InstanceMaxMemory  int64    `json:"instanceMaxMemory,omitempty"` // bytes
	Tracing            *Tracing `json:"tracing,omitempty"`
}

// InitRuntimeDone tells that the runtime has ended its part of an init phase.
type InitRuntimeDone struct {
	InitializationType string   `json:"initializationType"`
	Phase              string   `json:"phase"`
	Status             string   `json:"status"`
	ErrorType          string   `json:"errorType,omitempty"`
	Spans              []Span   `json:"spans,omitempty"`
	Tracing            *Tracing `json:"tracing,omitempty"`
}

// InitReport ends an init phase.
type InitReport struct {
	InitializationType string      `json:"initializationType"`
	Phase              string      `json:"phase"`
	Status             string      `json:"status"`
	ErrorType          string      `json:"errorType,omitempty"`
	Metrics            InitMetrics `json:"metrics"`
	Spans              []Span      `json:"spans,omitempty"`
	Tracing            *Tracing    `json:"tracing,omitempty"`
}

// InitMetrics measures an init or restore phase.
type InitMetrics struct {
	DurationMs Milliseconds `json:"durationMs"`
}

// Start begins an invocation.
type Start struct {
	RequestID   string   `json:"requestId"`
	Version     string   `json:"version,omitempty"`
	FunctionARN string   `json:"functionArn,omitempty"`
	Tracing     *Tracing `json:"tracing,omitempty"`
}

// RuntimeDone tells that the runtime is done with an invocation.
type RuntimeDone struct {
	RequestID string             `json:"requestId"`
	Status    string             `json:"status"`
	ErrorType string             `json:"errorType,omitempty"`
	Metrics   RuntimeDoneMetrics `json:"metrics"`
	Spans     []Span             `json:"spans,omitempty"`
	Tracing   *Tracing           `json:"tracing,omitempty"`
	// FunctionError is the type of the error that the handler ended with, for traces.
	// The record does not show it: the runtime has done its part, with success and no
	// bytes produced (the service's people in aws-samples/aws-lambda-extensions, issue
	// 85; its own emulator).
	FunctionError string `json:"-"`
}

// RuntimeDoneMetrics measures the runtime's part of an invocation.
type RuntimeDoneMetrics struct {
	DurationMs    Milliseconds `json:"durationMs"`
	ProducedBytes *int64       `json:"producedBytes,omitempty"`
}

// End follows an invocation's last line.
type End struct {
	RequestID string `json:"requestId"`
}

// Report ends an invocation.
type Report struct {
	RequestID string        `json:"requestId"`
	Status    string        `json:"status"`
	ErrorType string        `json:"errorType,omitempty"`
	Metrics   ReportMetrics `json:"metrics"`
	Spans     []Span        `json:"spans,omitempty"`
	Tracing   *Tracing      `json:"tracing,omitempty"`
}

// ReportMetrics measures an invocation. Zero optional metrics are left out.
type ReportMetrics struct {
	DurationMs              Milliseconds `json:"durationMs"`
	BilledDurationMs        int64        `json:"billedDurationMs"`
	MemorySizeMB            int          `json:"memorySizeMB"`
	MaxMemoryUsedMB         int64        `json:"maxMemoryUsedMB"`
	InitDurationMs          Milliseconds `json:"initDurationMs,omitempty"`
	RestoreDurationMs       Milliseconds `json:"restoreDurationMs,omitempty"`
	BilledRestoreDurationMs int64        `json:"billedRestoreDurationMs,omitempty"`
}

// NewReportMetrics measures an invocation that ran for d, after an init phase of
// its own of length init, zero for none. Billed are, since August 2025, run time
// and init time together, in whole milliseconds, at least 1; the run time counts
// up to the function's timeout, zero for none. peak is in bytes.
func NewReportMetrics(d, init, timeout time.Duration, memoryMB int, peak int64) ReportMetrics {
	run := d
	if timeout > 0 {
		run = min(run, timeout)
	}
	const mib = 1 << 20
	return ReportMetrics{
		DurationMs:       Milliseconds(d),
		BilledDurationMs: max(1, int64((run+init+time.Millisecond-1)/time.Millisecond)),
		MemorySizeMB:     memoryMB,
		MaxMemoryUsedMB:  min(max((peak+mib-1)/mib, 1), int64(memoryMB)),
		InitDurationMs:   Milliseconds(init),
	}
}

// RestoreStart begins the restore phase of a snapshot.
type RestoreStart struct {
	RuntimeVersion    string `json:"runtimeVersion,omitempty"`
	RuntimeVersionARN string `json:"runtimeVersionArn,omitempty"`
	FunctionName      string `json:"functionName"`
	FunctionVersion   string `json:"functionVersion"`
	InstanceID        string `json:"instanceId,omitempty"`
	InstanceMaxMemory int64  `json:"instanceMaxMemory,omitempty"` // bytes
}

// RestoreRuntimeDone tells that the runtime has ended its part of a restore.
type RestoreRuntimeDone struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType,omitempty"`
	Spans     []Span `json:"spans,omitempty"`
}

// RestoreReport ends a restore phase.
type RestoreReport struct {
	Status    string      `json:"status"`
	ErrorType string      `json:"errorType,omitempty"`
	Metrics   InitMetrics `json:"metrics"`
	Spans     []Span      `json:"spans,omitempty"`
}

// Extension tells the state that an extension has come to.
type Extension struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`
	Events    []string `json:"events"`
	ErrorType string   `json:"errorType,omitempty"`
}

// TelemetrySubscription tells of an extension that subscribed by the Telemetry API.
type TelemetrySubscription struct {
	Name  string   `json:"name"`
	State string   `json:"state"`
	Types []string `json:"types"`
}

// LogsSubscription tells of an extension that subscribed by the Logs API.
type LogsSubscription TelemetrySubscription

// LogsDropped tells what a reader has not got.
type LogsDropped struct {
	Reason         string `json:"reason"`
	DroppedRecords int64  `json:"droppedRecords"`
	DroppedBytes   int64  `json:"droppedBytes"`
}

// Fault tells of an environment that failed; it is rendered as its text:
// "RequestId: <id> Error: <message>\n<ErrorType>\n".
type Fault struct {
	RequestID string
	Message   string
	ErrorType string
}

// TimedOut is the error type of an invocation that ran out of time: text logs have
// a line of its own for it.
const TimedOut = "Sandbox.Timedout"

// Text is the two lines that logs show.
func (f Fault) Text() string {
	return "RequestId: " + f.RequestID + " Error: " + f.Message + "\n" + f.ErrorType + "\n"
}

// MarshalJSON renders the text.
func (f Fault) MarshalJSON() ([]byte, error) { return json.Marshal(f.Text()) }

// Line is one line, or one framed record, that code inside has printed.
type Line struct {
	Extension bool   // printed by an extension, not by the function
	Text      string // its line end included, if it had one
	// Level is what the framed record or the JSON names, upper case; empty if none.
	Level string
	// Object is set if the text is a JSON object and the function logs in JSON:
	// subscribers of schema 2022-12-13 or newer get it as such.
	Object bool
}

// MarshalJSON renders the text, or the object that it is.
func (l Line) MarshalJSON() ([]byte, error) {
	if l.Object && json.Valid([]byte(l.Text)) {
		return []byte(l.Text), nil
	}
	return json.Marshal(l.Text)
}

// The types of the records.
func (InitStart) Type() Type             { return TypeInitStart }
func (InitRuntimeDone) Type() Type       { return TypeInitRuntimeDone }
func (InitReport) Type() Type            { return TypeInitReport }
func (Start) Type() Type                 { return TypeStart }
func (RuntimeDone) Type() Type           { return TypeRuntimeDone }
func (End) Type() Type                   { return TypeEnd }
func (Report) Type() Type                { return TypeReport }
func (RestoreStart) Type() Type          { return TypeRestoreStart }
func (RestoreRuntimeDone) Type() Type    { return TypeRestoreRuntimeDone }
func (RestoreReport) Type() Type         { return TypeRestoreReport }
func (Extension) Type() Type             { return TypeExtension }
func (TelemetrySubscription) Type() Type { return TypeTelemetrySubscription }
func (LogsSubscription) Type() Type      { return TypeLogsSubscription }
func (LogsDropped) Type() Type           { return TypeLogsDropped }
func (Fault) Type() Type                 { return TypeFault }

// Type tells the two kinds of lines apart.
func (l Line) Type() Type {
	if l.Extension {
		return TypeExtensionLine
	}
	return TypeFunction
}
