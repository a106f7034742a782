package logs

import (
	"encoding/json"
	"strings"

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

// inspect tells whether a line is a JSON object, and its level: that of its
// frame, or what its key "level" names.
func inspect(text []byte, frame string) (object bool, name string) {
	var line struct {
		Level any `json:"level"`
	}
	if !startsObject(text) || json.Unmarshal(text, &line) != nil {
		return false, frame
	}
	if name, ok := line.Level.(string); ok && frame == "" {
		return true, strings.ToUpper(name)
	}
	return true, frame
}

func startsObject(text []byte) bool {
	for _, c := range text {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '{'
		}
	}
	return false
}
