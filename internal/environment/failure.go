package environment

import (
	"encoding/json"
	"errors"
	"strconv"
	"syscall"
	"time"

	"thaw/internal/runtimeapi"
	"thaw/internal/sandbox"
	"thaw/internal/telemetry"
)

// failure is why an init or an invocation ended badly. It is data: what the
// caller is answered, what the log says and whether the environment must be
// reset all follow from it.
type failure struct {
	errorType string // as metrics and REPORT name it
	message   string // the platform's own words; empty if body is set
	body      []byte // what the code inside posted, passed on verbatim
	status    string // REPORT's Status column
	// wireType is the body's errorType where it differs from errorType.
	wireType string
}

const (
	statusError   = "error"
	statusTimeout = "timeout"

	typeExit              = "Runtime.ExitError"
	typeOutOfMemory       = "Runtime.OutOfMemory"
	typeInvalidEntrypoint = "Runtime.InvalidEntrypoint"
	typeTruncated         = "Runtime.TruncatedResponse"
	typeBadMode           = "Runtime.InvalidResponseModeHeader"
	typeTooLarge          = "Function.ResponseSizeTooLarge"
	typeTimedOut          = telemetry.TimedOut
	// typeUnknown is what an init that ran out of its ten seconds is reported as.
	typeUnknown = "Runtime.Unknown"
)

// exited tells what the end of the runtime's process means. A runtime has no
// reason to exit, so that exit status 0 is a failure too.
func exited(st sandbox.ExitStatus) *failure {
	f := &failure{errorType: typeExit, status: statusError}
	switch {
	case st.Signal != 0:
		f.message = "Runtime exited with error: signal: " + syscall.Signal(st.Signal).String()
	case st.Code != 0:
		f.message = "Runtime exited with error: exit status " + strconv.Itoa(st.Code)
	default:
		f.message = "Runtime exited without providing a reason"
	}
	if st.OutOfMemory {
		f.errorType, f.wireType = typeOutOfMemory, typeExit
	}
	return f
}

func timedOut(timeout time.Duration) *failure {
	return &failure{
		errorType: typeTimedOut,
		message:   "Task timed out after " + strconv.FormatFloat(timeout.Seconds(), 'f', 2, 64) + " seconds",
		status:    statusTimeout,
	}
}

// notStarted tells why the bootstrap could not be executed; nil if the reason
// lies with the sandbox and not with the function's code.
func notStarted(path string, err error) *failure {
	if !errors.Is(err, sandbox.ErrExec) {
		return nil
	}
	reason := "exec format error"
	var errno syscall.Errno
	if errors.As(err, &errno) {
		reason = errno.Error()
	}
	return &failure{
		errorType: typeInvalidEntrypoint,
		message:   "fork/exec " + path + ": " + reason,
		status:    statusError,
	}
}

func posted(f *runtimeapi.Failure) *failure {
	return &failure{errorType: f.Type, body: f.Body, status: statusError}
}

// payload is the body that the caller is answered with.
func (f *failure) payload(requestID string) []byte {
	if f.body != nil {
		return f.body
	}
	wire := f.errorType
	if f.wireType != "" {
		wire = f.wireType
	}
	body := struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{wire, f.message}
	if wire != typeTooLarge {
		body.ErrorMessage = "RequestId: " + requestID + " Error: " + f.message
	}
	out, err := json.Marshal(body)
	if err != nil { // two strings always encode
		return nil
	}
	return out
}

// record is what the log says between the function's last output and END; nil
// where the code inside has spoken for itself.
func (f *failure) record(requestID string) telemetry.Record {
	if f.body != nil || f.errorType == typeTooLarge {
		return nil
	}
	wire := f.errorType
	if f.wireType != "" {
		wire = f.wireType
	}
	return telemetry.Fault{RequestID: requestID, Message: f.message, ErrorType: wire}
}
