package logs

import (
	"encoding/json"
	"strings"
	"time"

	"thaw/internal/telemetry"
)

// The formats of a log, as LoggingConfig names them.
const (
	FormatText = "Text"
	FormatJSON = "JSON"
)

// level orders what a log in JSON shows.
type level int

const (
	levelNone level = iota
	levelTrace
	levelDebug
	levelInfo
	levelWarn
	levelError
	levelFatal
)

// levelNames are the levels as the service names them.
var levelNames = [...]string{"", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}

// levelOr reads a level, in the names of the service and those of Python's
// logging; what is none of them counts as other.
func levelOr(name string, other level) level {
	switch strings.ToUpper(name) {
	case "TRACE":
		return levelTrace
	case "DEBUG":
		return levelDebug
	case "INFO":
		return levelInfo
	case "WARN", "WARNING":
		return levelWarn
	case "ERROR":
		return levelError
	case "FATAL", "CRITICAL":
		return levelFatal
	}
	return other
}

// recordLevel is the level of a platform event in a log in JSON, as the service
// documents it; levelNone for those that only text logs have.
func recordLevel(r telemetry.Record) level {
	switch r := r.(type) {
	case telemetry.InitStart:
		return infoIf(r.RuntimeVersion != "")
	case telemetry.RestoreStart:
		return infoIf(r.RuntimeVersion != "")
	case telemetry.InitRuntimeDone:
		return warnUnless(r.Status, levelDebug)
	case telemetry.RestoreRuntimeDone:
		return warnUnless(r.Status, levelDebug)
	case telemetry.RuntimeDone:
		return warnUnless(r.Status, levelDebug)
	case telemetry.InitReport:
		return warnUnless(r.Status, infoIf(r.InitializationType != telemetry.OnDemand))
	case telemetry.RestoreReport:
		return warnUnless(r.Status, levelInfo)
	case telemetry.Report:
		return warnUnless(r.Status, levelInfo)
	case telemetry.Start:
		return levelInfo
	case telemetry.LogsDropped:
		return levelWarn
	case telemetry.Extension, telemetry.TelemetrySubscription, telemetry.LogsSubscription:
		return levelInfo
	}
	return levelNone
}

func infoIf(yes bool) level {
	if yes {
		return levelInfo
	}
	return levelDebug
}

func warnUnless(status string, good level) level {
	if status == telemetry.Success {
		return good
	}
	return levelWarn
}

// jsonLine is an event as a log in JSON shows it.
func jsonLine(e telemetry.Event) string {
	b, err := e.MarshalJSON()
	if err != nil { // records always encode
		return ""
	}
	return string(append(b, '\n'))
}

// inspect tells whether a line is a JSON object, its level and its time. The
// level is that of its frame, or what its key "level" names; the service takes
// the latter only of lines that have a time too, in RFC 3339, zero otherwise.
func inspect(text, frame string) (object bool, level string, at time.Time) {
	var line struct {
		Level     any `json:"level"`
		Timestamp any `json:"timestamp"` // of Node.js, Python, Java, .NET
		Time      any `json:"time"`      // of Go's slog
	}
	if !startsObject(text) || json.Unmarshal([]byte(text), &line) != nil {
		return false, frame, time.Time{}
	}
	if frame != "" {
		return true, frame, time.Time{}
	}
	at = stampOf(line.Timestamp)
	if at.IsZero() {
		at = stampOf(line.Time)
	}
	if name, ok := line.Level.(string); ok && !at.IsZero() {
		level = strings.ToUpper(name)
	}
	return true, level, at
}

// stampOf reads a time in RFC 3339, zero if it is none.
func stampOf(v any) time.Time {
	text, ok := v.(string)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

func startsObject(text string) bool {
	for _, c := range text {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '{'
		}
	}
	return false
}
