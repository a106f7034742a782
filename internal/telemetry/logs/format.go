package logs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Report is the measure of one invocation, as its REPORT line shows it.
type Report struct {
	RequestID string
	Duration  time.Duration
	// Init is the length of the init phase that came before this invocation, zero
	// if there was none.
	Init     time.Duration
	Timeout  time.Duration // caps what is billed
	MemoryMB int
	// MaxMemoryBytes is the environment's measured peak.
	MaxMemoryBytes int64
	Status         string // "", "timeout" or "error"
	ErrorType      string
}

// The platform's lines, in the service's text format; tabs part the columns.

func startLine(requestID, version string) string {
	return "START RequestId: " + requestID + " Version: " + version + "\n"
}

func endLine(requestID string) string {
	return "END RequestId: " + requestID + "\n"
}

func (r Report) line() string {
	var b strings.Builder
	b.Grow(256)
	b.WriteString("REPORT RequestId: ")
	b.WriteString(r.RequestID)
	b.WriteString("\tDuration: ")
	b.WriteString(milliseconds(r.Duration))
	b.WriteString(" ms\tBilled Duration: ")
	b.WriteString(strconv.FormatInt(r.BilledMS(), 10))
	b.WriteString(" ms\tMemory Size: ")
	b.WriteString(strconv.Itoa(r.MemoryMB))
	b.WriteString(" MB\tMax Memory Used: ")
	b.WriteString(strconv.FormatInt(r.maxMemoryMB(), 10))
	b.WriteString(" MB\t")
	if r.Init > 0 {
		b.WriteString("Init Duration: ")
		b.WriteString(milliseconds(r.Init))
		b.WriteString(" ms\t")
	}
	if r.Status != "" {
		b.WriteString("Status: ")
		b.WriteString(r.Status)
		if r.ErrorType != "" {
			b.WriteString("\tError Type: ")
			b.WriteString(r.ErrorType)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

// BilledMS is the billed duration in milliseconds: run time and, since August
// 2025, init time together, rounded up, at least 1; the run time counts up to
// the function's timeout.
func (r Report) BilledMS() int64 {
	run := r.Duration
	if r.Timeout > 0 && run > r.Timeout {
		run = r.Timeout
	}
	ms := int64(math.Ceil(float64(run+r.Init) / float64(time.Millisecond)))
	return max(ms, 1)
}

func (r Report) maxMemoryMB() int64 {
	mb := (r.MaxMemoryBytes + 1<<20 - 1) >> 20
	return min(max(mb, 1), int64(r.MemoryMB))
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64)
}

// TimeoutLine is what the log says of an invocation that ran out of time.
func TimeoutLine(now time.Time, requestID string, timeout time.Duration) string {
	return fmt.Sprintf("%s %s Task timed out after %.2f seconds\n\n",
		now.UTC().Format("2006-01-02T15:04:05.000Z"), requestID, timeout.Seconds())
}

// FaultLine is what the log says of an environment that failed.
func FaultLine(requestID, message, errorType string) string {
	return "RequestId: " + requestID + " Error: " + message + "\n" + errorType + "\n"
}

// InitReportLine is written after an init phase that failed. phase is "init" or,
// for a suppressed init inside an invocation, "invoke"; status is "error" or
// "timeout".
func InitReportLine(d time.Duration, phase, status, errorType string) string {
	line := "INIT_REPORT Init Duration: " + milliseconds(d) + " ms\tPhase: " + phase + "\tStatus: " + status
	if errorType != "" {
		line += "\tError Type: " + errorType
	}
	return line + "\n"
}

// InitStartLine opens a stream of a managed runtime.
func InitStartLine(runtimeVersion, arn string) string {
	return "INIT_START Runtime Version: " + runtimeVersion + "\tRuntime Version ARN: " + arn + "\n"
}

// StreamName is the name of an environment's log stream: the day, the version
// and 32 hexadecimal digits.
func StreamName(now time.Time, version, id string) string {
	return now.UTC().Format("2006/01/02") + "/[" + version + "]" + strings.ReplaceAll(id, "-", "")
}
