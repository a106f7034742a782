package lambda

import "time"

// Invocation is one event on its way to one execution environment.
type Invocation struct {
	RequestID string
	// ARN is the function's ARN as the caller wrote it: qualified if and only if
	// the caller's was.
	ARN      string
	Deadline time.Time
	TraceID  string // the trace header, as the function gets it
	// SegmentID is the span of this invocation, which then is the parent in TraceID,
	// and CallerTraceID is the header with the caller's parent. Both are empty unless
	// the function's tracing is active and the trace sampled.
	SegmentID, CallerTraceID string
	ClientContext            string // decoded JSON; empty if none
	ContentType              string // empty means application/json
	Payload                  []byte
}

// Result is what an invocation came to. A function's failure is a result, not
// an error: the service answers it with status 200.
type Result struct {
	Payload []byte
	// FunctionError is "Unhandled" when the function failed, otherwise empty.
	FunctionError string
	// ErrorType names the failure for logs and metrics ("Runtime.ExitError",
	// "Sandbox.Timedout", …); empty on success.
	ErrorType string
	// LogTail is the last 4096 bytes of the invocation's log, START to REPORT.
	LogTail []byte
	// ExecutedVersion is the version that ran.
	ExecutedVersion string
	// TraceID is the trace header of the answer; empty if it is the request's.
	TraceID string
}

// Unhandled is the value of X-Amz-Function-Error for every failure.
const Unhandled = "Unhandled"
