package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"thaw/internal/telemetry"
)

// wants tells whether an event goes to a subscription: its kind must be
// subscribed to, and its API and schema must know its type.
func (s settings) wants(e telemetry.Event, api string) bool {
	kind := kindPlatform
	t := e.Record.Type()
	switch t {
	case telemetry.TypeFunction:
		kind = kindFunction
	case telemetry.TypeExtensionLine:
		kind = kindExtension
	}
	if !slices.Contains(s.types, kind) {
		return false
	}
	return kind != kindPlatform || known(t, api, s.schema)
}

// known tells whether a platform event is of an API's schema. The Logs API ended
// before init and restore phases were told of; its END and fault are not in the
// Telemetry API, where platform.report tells them.
func known(t telemetry.Type, api, schema string) bool {
	switch t {
	case telemetry.TypeStart, telemetry.TypeReport, telemetry.TypeExtension, telemetry.TypeLogsDropped:
		return true
	case telemetry.TypeEnd, telemetry.TypeFault, telemetry.TypeLogsSubscription:
		return api == LogsAPI
	case telemetry.TypeRuntimeDone:
		return api == TelemetryAPI || schema == schema20210318
	}
	return api == TelemetryAPI
}

// encode makes the body of a batch: an array for HTTP, lines for TCP.
func encode(events []telemetry.Event, api string, set settings) ([]byte, error) {
	var b bytes.Buffer
	lines := set.url == ""
	if !lines {
		b.WriteByte('[')
	}
	for i, e := range events {
		if i > 0 && !lines {
			b.WriteByte(',')
		}
		e.Record = shape(e.Record, api, set.schema)
		event, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", e.Record.Type(), err)
		}
		b.Write(event)
		if lines {
			b.WriteByte('\n')
		}
	}
	if !lines {
		b.WriteByte(']')
	}
	return b.Bytes(), nil
}

// shape is a record as a schema has it.
func shape(r telemetry.Record, api, schema string) telemetry.Record {
	if line, ok := r.(telemetry.Line); ok {
		line.Object = line.Object && (schema == schema20221213 || schema == schema20250129)
		return line
	}
	if api != LogsAPI {
		return r
	}
	switch r := r.(type) {
	case telemetry.Start:
		return telemetry.Start{RequestID: r.RequestID, Version: r.Version}
	case telemetry.RuntimeDone:
		return logsRuntimeDone{r.RequestID, r.Status}
	case telemetry.Report:
		return logsReport{r.RequestID, r.Metrics, r.Tracing}
	}
	return r
}

// logsRuntimeDone is platform.runtimeDone of the Logs API.
type logsRuntimeDone struct {
	RequestID string `json:"requestId"`
	Status    string `json:"status"`
}

// Type is that of the record in the Telemetry API.
func (logsRuntimeDone) Type() telemetry.Type { return telemetry.TypeRuntimeDone }

// logsReport is platform.report of the Logs API, which tells no status.
type logsReport struct {
	RequestID string                  `json:"requestId"`
	Metrics   telemetry.ReportMetrics `json:"metrics"`
	Tracing   *telemetry.Tracing      `json:"tracing,omitempty"`
}

// Type is that of the record in the Telemetry API.
func (logsReport) Type() telemetry.Type { return telemetry.TypeReport }
