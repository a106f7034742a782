package async

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"thaw/internal/lambda"
)

// record is what a destination is told, as recorded from the service.
type record struct {
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	RequestContext  requestContext   `json:"requestContext"`
	RequestPayload  json.RawMessage  `json:"requestPayload"`
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

type requestContext struct {
	RequestID   string    `json:"requestId"`
	FunctionARN string    `json:"functionArn"`
	Condition   Condition `json:"condition"`
	// InvokeCount counts attempts that reached the function.
	InvokeCount int `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// recordTime is the form of a record's timestamp: UTC, with milliseconds.
const recordTime = "2006-01-02T15:04:05.000Z"

// makeRecord makes the record of an event that has ended.
func makeRecord(e *Event, p *progress, arn string, condition Condition, at time.Time) ([]byte, error) {
	r := record{
		Version: "1.0", Timestamp: at.UTC().Format(recordTime),
		RequestContext: requestContext{RequestID: e.RequestID, FunctionARN: arn, Condition: condition, InvokeCount: p.Attempts},
		RequestPayload: asJSON(e.Payload),
	}
	if o := p.Outcome; o != nil {
		r.ResponseContext = &responseContext{StatusCode: 200, ExecutedVersion: o.ExecutedVersion, FunctionError: o.FunctionError}
		r.ResponsePayload = asJSON(o.Payload)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// asJSON embeds a response: as it is when it is JSON, otherwise as a string. A
// custom runtime may answer with anything.
func asJSON(payload []byte) json.RawMessage {
	if len(payload) == 0 {
		return json.RawMessage("null")
	}
	if json.Valid(payload) && utf8.Valid(payload) {
		return payload
	}
	text, err := json.Marshal(string(payload))
	if err != nil { // a string always marshals
		return json.RawMessage("null")
	}
	return text
}

// Names of a dead letter's attributes, and the form of two of them.
const (
	attributeRequestID = "RequestID"
	attributeCode      = "ErrorCode"
	attributeMessage   = "ErrorMessage"
	typeString         = "String"
	typeNumber         = "Number"
	// maxMessage bounds the text, in bytes: the first kilobyte.
	maxMessage = 1024
	// throttled is the text of every throttle.
	throttled = "Rate Exceeded."
)

// deadLetter is the attributes of an event in a dead-letter queue.
func deadLetter(e *Event, p *progress, condition Condition) map[string]Attribute {
	code, message := 200, ""
	switch {
	case p.Outcome != nil:
		message = errorMessage(p.Outcome)
	case p.LastError != "":
		code, message = p.LastStatus, p.LastError
	case condition == ConditionReserved:
		code, message = 429, throttled
	default: // it waited too long while nobody was there to run it
		code, message = 500, string(condition)
	}
	attributes := map[string]Attribute{
		attributeRequestID: {typeString, e.RequestID},
		attributeCode:      {typeNumber, strconv.Itoa(code)},
	}
	if message != "" { // an attribute must not be empty
		attributes[attributeMessage] = Attribute{typeString, cut(message, maxMessage)}
	}
	return attributes
}

// errorMessage is what a failed function has said.
func errorMessage(o *lambda.Result) string {
	var said struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal(o.Payload, &said) == nil && said.ErrorMessage != "" {
		return said.ErrorMessage
	}
	return string(o.Payload)
}

// cut shortens a text to a number of bytes, between two characters.
func cut(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size]
}
