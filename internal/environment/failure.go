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
// caller is answered, what the log says and how the environment is reset all
// follow from it.
type failure struct {
	errorType string // as metrics and REPORT name it
	message   string // the platform's own words; empty if body is set
	body      []byte // what the runtime posted, passed on verbatim
	status    string // of the phase that failed
	// wireType is the body's errorType where it differs from errorType.
	wireType string
	// at is when it happened; zero for now.
	at time.Time
}

const (
	typeExit              = "Runtime.ExitError"
	typeOutOfMemory       = "Runtime.OutOfMemory"
	typeInvalidEntrypoint = "Runtime.InvalidEntrypoint"
	typeInvalidTask       = "Runtime.InvalidTaskConfig"
	typeTruncated         = "Runtime.TruncatedResponse"
	typeBadMode           = "Runtime.InvalidResponseModeHeader"
	typeTooLarge          = "Function.ResponseSizeTooLarge"
	typeTimedOut          = telemetry.TimedOut
	// typeUnknown is what an init that ran out of its time is reported as.
	typeUnknown = "Runtime.Unknown"

	typeExtensionCrash  = "Extension.Crash"
	typeExtensionLaunch = "Extension.LaunchError"
)

// exited tells what the end of the runtime's process means. A runtime has no
// reason to exit, so that exit status 0 is a failure too.
func exited(st sandbox.ExitStatus) *failure {
	f := &failure{errorType: typeExit, status: telemetry.Error}
	switch {
	case st.Signal != 0:
		f.message = "Runtime exited with error: " + signalText(st)
	case st.Code != 0:
		f.message = "Runtime exited with error: exit status " + strconv.Itoa(st.Code)
	default:
		f.message = "Runtime exited without providing a reason"
	}
	// A process that it has started may have been killed long ago: it lives on, and
	// ends for a reason of its own, or it is a shell that passes the end on.
	if st.OutOfMemory && (st.Signal == int(syscall.SIGKILL) || st.Code == shellKilled) {
		f.errorType, f.wireType = typeOutOfMemory, typeExit
	}
	return f
}

// shellKilled is a shell's exit code when what it has run was killed.
const shellKilled = 128 + int(syscall.SIGKILL)

func signalText(st sandbox.ExitStatus) string {
	return "signal: " + syscall.Signal(st.Signal).String()
}

// killed is the failure of what runs while the environment is shut down.
func killed() *failure { return exited(sandbox.ExitStatus{Signal: int(syscall.SIGKILL)}) }

// extensionExited tells what the end of an extension's process means.
func extensionExited(st sandbox.ExitStatus) *failure {
	f := &failure{errorType: typeExtensionCrash, status: telemetry.Error, message: "exit code " + strconv.Itoa(st.Code)}
	if st.Signal != 0 {
		f.message = signalText(st)
	}
	return f
}

// tooMany is the failure of an init that found more extensions than there may be.
func tooMany() *failure {
	return &failure{
		errorType: typeExtensionLaunch, status: telemetry.Error,
		message: "Extension limit (" + strconv.Itoa(maxExtensions) + ") reached",
	}
}

func timedOut(timeout time.Duration) *failure {
	return &failure{
		errorType: typeTimedOut,
		message:   "Task timed out after " + strconv.FormatFloat(timeout.Seconds(), 'f', 2, 64) + " seconds",
		status:    telemetry.Timeout,
	}
}

// initTimedOut is the failure of an init that took too long.
func initTimedOut() *failure {
	return &failure{errorType: typeUnknown, status: telemetry.Timeout}
}

// notStarted tells why the runtime's program could not be executed; nil if the
// reason lies with the sandbox and not with the function's code.
func notStarted(path string, err error) *failure {
	if !errors.Is(err, sandbox.ErrExec) {
		return nil
	}
	f := &failure{errorType: typeInvalidEntrypoint, status: telemetry.Error}
	reason := "exec format error"
	var errno syscall.Errno
	if errors.As(err, &errno) {
		reason = errno.Error()
	}
	if errno == syscall.E2BIG { // of arguments and variables
		f.errorType = typeInvalidTask
	}
	f.message = "fork/exec " + path + ": " + reason
	return f
}

// notLaunched is notStarted of an extension's program.
func notLaunched(path string, err error) *failure {
	f := notStarted(path, err)
	if f != nil {
		f.errorType = typeExtensionLaunch
	}
	return f
}

// launchError is how the record of an extension that could not be launched names
// the reason.
func launchError(err error) string {
	if errors.Is(err, syscall.EACCES) {
		return "PermissionDenied"
	}
	return "UnknownError"
}

// reported is the failure that the runtime or an extension has reported.
func reported(f *runtimeapi.Fault) *failure {
	if f.Source == runtimeapi.SourceRuntime {
		return posted(f.Failure)
	}
	return &failure{errorType: f.Failure.Type, message: f.Reported, status: telemetry.Error}
}

func posted(f *runtimeapi.Failure) *failure {
	return &failure{errorType: f.Type, body: f.Body, status: telemetry.Error}
}

// onWire is the error type that callers and the log see.
func (f *failure) onWire() string {
	if f.wireType != "" {
		return f.wireType
	}
	return f.errorType
}

// payload is the body that the caller is answered with.
func (f *failure) payload(requestID string) []byte {
	if f.body != nil {
		return f.body
	}
	body := struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{f.onWire(), f.message}
	if f.errorType != typeTooLarge {
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
	return telemetry.Fault{RequestID: requestID, Message: f.message, ErrorType: f.onWire()}
}

// ends tells how what runs is ended after the failure.
func (f *failure) ends() occasion {
	if f.status == telemetry.Timeout {
		return afterTimeout
	}
	return afterFailure
}

// cause is the error type that records of an invocation name: a timeout's status
// says it all.
func (f *failure) cause() string {
	if f.status == telemetry.Timeout {
		return ""
	}
	return f.errorType
}

// moment is when it happened.
func (f *failure) moment() time.Time {
	if f == nil || f.at.IsZero() {
		return time.Now()
	}
	return f.at
}
