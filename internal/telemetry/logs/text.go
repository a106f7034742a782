package logs

import (
	"strconv"
	"strings"
	"time"

	"thaw/internal/telemetry"
)

// The platform's lines in the service's text format; tabs part the columns.

// textLine is an event as a log in text shows it; empty if it does not.
func textLine(e telemetry.Event) string {
	switch r := e.Record.(type) {
	case telemetry.Start:
		return "START RequestId: " + r.RequestID + " Version: " + r.Version + "\n"
	case telemetry.End:
		return "END RequestId: " + r.RequestID + "\n"
	case telemetry.Report:
		return reportLine(r, false)
	case telemetry.Fault:
		return faultLine(e.Time, r)
	case telemetry.InitStart:
		return versionLine("INIT_START", r.RuntimeVersion, r.RuntimeVersionARN)
	case telemetry.InitReport:
		return initReportLine(r)
	case telemetry.RestoreStart:
		return versionLine("RESTORE_START", r.RuntimeVersion, r.RuntimeVersionARN)
	case telemetry.RestoreReport:
		return "RESTORE_REPORT Restore Duration: " + milliseconds(r.Metrics.DurationMs) + " ms" +
			statusColumns(r.Status, r.ErrorType) + "\n"
	}
	return rareLine(e.Record)
}

// rareLine is the line of an extension, a subscription or a gap.
func rareLine(r telemetry.Record) string {
	switch r := r.(type) {
	case telemetry.Extension:
		line := "EXTENSION\tName: " + r.Name + "\tState: " + r.State + "\tEvents: [" + strings.Join(r.Events, ", ") + "]"
		if r.ErrorType != "" {
			line += "\tError Type: " + r.ErrorType
		}
		return line + "\n"
	case telemetry.TelemetrySubscription:
		return subscriptionLine("TELEMETRY", r)
	case telemetry.LogsSubscription:
		return subscriptionLine("LOGS", telemetry.TelemetrySubscription(r))
	case telemetry.LogsDropped:
		return "LOGS_DROPPED Records: " + strconv.FormatInt(r.DroppedRecords, 10) +
			"\tBytes: " + strconv.FormatInt(r.DroppedBytes, 10) + "\tReason: " + r.Reason + "\n"
	}
	return ""
}

func subscriptionLine(word string, r telemetry.TelemetrySubscription) string {
	types := make([]string, len(r.Types))
	for i, t := range r.Types {
		if t != "" {
			types[i] = strings.ToUpper(t[:1]) + t[1:]
		}
	}
	return word + "\tName: " + r.Name + "\tState: " + r.State + "\tTypes: [" + strings.Join(types, ", ") + "]\n"
}

// versionLine opens an init or a restore of a managed runtime; others have none.
func versionLine(word, version, arn string) string {
	if arn == "" {
		return ""
	}
	return word + " Runtime Version: " + version + "\tRuntime Version ARN: " + arn + "\n"
}

// initReportLine is empty for an init that succeeded on demand: REPORT shows it.
func initReportLine(r telemetry.InitReport) string {
	line := "INIT_REPORT Init Duration: " + milliseconds(r.Metrics.DurationMs) + " ms"
	switch {
	case r.Status != telemetry.Success:
		return line + "\tPhase: " + r.Phase + statusColumns(r.Status, r.ErrorType) + "\n"
	case r.InitializationType != telemetry.OnDemand:
		return line + "\n"
	}
	return ""
}

// statusColumns tells of a phase that was no success. The status of a timeout
// says it all.
func statusColumns(status, errorType string) string {
	if status == "" || status == telemetry.Success {
		return ""
	}
	columns := "\tStatus: " + status
	if errorType != "" && status != telemetry.Timeout {
		columns += "\tError Type: " + errorType
	}
	return columns
}

// faultLine tells of a failure between the function's last line and END.
func faultLine(at time.Time, r telemetry.Fault) string {
	if r.ErrorType == telemetry.TimedOut {
		return at.UTC().Format(telemetry.TimeFormat) + " " + r.RequestID + " " + r.Message + "\n\n"
	}
	return r.Text()
}

// reportLine is REPORT and, for an invocation that is traced, the line after it.
func reportLine(r telemetry.Report, old bool) string {
	m := r.Metrics
	b := make([]byte, 0, 512) // on the stack, most of the time
	b = append(b, "REPORT RequestId: "...)
	b = append(b, r.RequestID...)
	b = append(b, "\tDuration: "...)
	b = appendMilliseconds(b, m.DurationMs)
	b = append(b, " ms\tBilled Duration: "...)
	b = strconv.AppendInt(b, m.BilledDurationMs, 10)
	b = append(b, " ms\tMemory Size: "...)
	b = strconv.AppendInt(b, int64(m.MemorySizeMB), 10)
	b = append(b, " MB\tMax Memory Used: "...)
	b = strconv.AppendInt(b, m.MaxMemoryUsedMB, 10)
	b = append(b, " MB\t"...)
	if m.InitDurationMs > 0 {
		b = append(b, "Init Duration: "...)
		b = appendMilliseconds(b, m.InitDurationMs)
		b = append(b, " ms\t"...)
	}
	if m.RestoreDurationMs > 0 {
		b = append(b, "Restore Duration: "...)
		b = appendMilliseconds(b, m.RestoreDurationMs)
		b = append(b, " ms\tBilled Restore Duration: "...)
		b = strconv.AppendInt(b, m.BilledRestoreDurationMs, 10)
		b = append(b, " ms\t"...)
	}
	if columns := statusColumns(r.Status, r.ErrorType); columns != "" && !old {
		b = append(b, columns[1:]...) // the last column has ended with a tab
	}
	b = append(b, '\n')
	return string(append(b, traceLine(r.Tracing)...))
}

// traceLine names the trace of an invocation that is sampled.
func traceLine(t *telemetry.Tracing) string {
	if t == nil {
		return ""
	}
	header := map[string]string{}
	for part := range strings.SplitSeq(t.Value, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		header[key] = value
	}
	if header["Sampled"] != "1" {
		return ""
	}
	segment := t.SpanID
	if segment == "" {
		segment = header["Parent"]
	}
	return "XRAY TraceId: " + header["Root"] + "\tSegmentId: " + segment + "\tSampled: true\t\n"
}

func milliseconds(d telemetry.Milliseconds) string {
	return string(appendMilliseconds(nil, d))
}

func appendMilliseconds(b []byte, d telemetry.Milliseconds) []byte {
	return strconv.AppendFloat(b, float64(d)/float64(time.Millisecond), 'f', 2, 64)
}

// StreamName is the name of an environment's log stream: the day, the version
// and 32 hexadecimal digits. In a group that is not the function's own, which
// others may share, its name comes before the version.
func StreamName(now time.Time, group, function, version, id string) string {
	if group == ownGroup(function) {
		function = ""
	}
	return now.UTC().Format("2006/01/02") + "/" + function + "[" + version + "]" + strings.ReplaceAll(id, "-", "")
}

// ownGroup is the group of a function that names no other.
func ownGroup(function string) string { return "/aws/lambda/" + function }
