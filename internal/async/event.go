package async

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/telemetry/trace"
)

// Event is one asynchronous invocation.
type Event struct {
	// RequestID is the caller's, and the same at every attempt.
	RequestID string
	Function  string
	// Qualifier is the caller's; empty if he named none.
	Qualifier     string
	Payload       []byte // JSON, at most 1 MiB
	ClientContext string // decoded JSON
	Trace         trace.Accepted
	// EnqueuedAt is set by Enqueue.
	EnqueuedAt time.Time
}

// progress is what has become of an event, kept with it.
type progress struct {
	Attempts int
	Refusals int
	// LastError and LastStatus are of the last refusal; 0 if there was none.
	LastError  string
	LastStatus int
	// Outcome is of the last attempt that reached the function; nil if none has.
	Outcome *lambda.Result
}

// Forms of what is stored. A form that is not known belongs to a later program.
const (
	formEvent    = 1
	formDelivery = 1
)

// errForm is what is stored in a form that this program does not know, errBroken
// what is not in the form that it claims.
var (
	errForm   = errors.New("its form is not known")
	errBroken = errors.New("it is not whole")
)

// envelope is the head of a stored event, in JSON. The payload and the outcome's
// payload follow it as they are.
type envelope struct {
	ID            string           `json:"id"`
	Function      string           `json:"function"`
	Qualifier     string           `json:"qualifier,omitempty"`
	ClientContext string           `json:"client_context,omitempty"`
	Trace         string           `json:"trace"`
	Undecided     bool             `json:"undecided,omitempty"`
	Fresh         bool             `json:"fresh,omitempty"`
	EnqueuedAt    int64            `json:"enqueued_at"` // ns since 1970
	Attempts      int              `json:"attempts,omitempty"`
	Refusals      int              `json:"refusals,omitempty"`
	LastError     string           `json:"last_error,omitempty"`
	LastStatus    int              `json:"last_status,omitempty"`
	Outcome       *envelopeOutcome `json:"outcome,omitempty"`
}

type envelopeOutcome struct {
	Version       string `json:"version"`
	FunctionError string `json:"function_error,omitempty"`
}

// maxLastError bounds the text of an error that is kept with an event, in bytes.
const maxLastError = 256

// encodeEvent makes the body of a stored event. An outcome's payload that has no
// room in it is left out.
func encodeEvent(e *Event, p *progress) ([]byte, error) {
	head := envelope{
		ID: e.RequestID, Function: e.Function, Qualifier: e.Qualifier, ClientContext: e.ClientContext,
		Trace: e.Trace.Header, Undecided: e.Trace.Undecided, Fresh: e.Trace.Fresh, EnqueuedAt: e.EnqueuedAt.UnixNano(),
		Attempts: p.Attempts, Refusals: p.Refusals, LastError: cut(p.LastError, maxLastError), LastStatus: p.LastStatus,
	}
	var response []byte
	if p.Outcome != nil {
		head.Outcome = &envelopeOutcome{Version: p.Outcome.ExecutedVersion, FunctionError: p.Outcome.FunctionError}
		response = p.Outcome.Payload
	}
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	if frameSize(text, e.Payload, response) > store.MaxEvent {
		response = nil
	}
	return frame(formEvent, text, e.Payload, response), nil
}

func decodeEvent(body []byte) (e Event, p progress, err error) {
	parts, err := unframe(formEvent, 3, body)
	if err != nil {
		return Event{}, progress{}, err
	}
	var head envelope
	if err := json.Unmarshal(parts[0], &head); err != nil {
		return Event{}, progress{}, fmt.Errorf("%w: %w", errBroken, err)
	}
	e = Event{
		RequestID: head.ID, Function: head.Function, Qualifier: head.Qualifier, Payload: parts[1], ClientContext: head.ClientContext,
		Trace:      trace.Accepted{Header: head.Trace, Undecided: head.Undecided, Fresh: head.Fresh},
		EnqueuedAt: time.Unix(0, head.EnqueuedAt),
	}
	p = progress{Attempts: head.Attempts, Refusals: head.Refusals, LastError: head.LastError, LastStatus: head.LastStatus}
	if o := head.Outcome; o != nil {
		p.Outcome = &lambda.Result{ExecutedVersion: o.Version, FunctionError: o.FunctionError, Payload: parts[2]}
	}
	return e, p, nil
}

// deliveryHead is the head of a stored delivery, in JSON. The body follows it.
type deliveryHead struct {
	Kind        DeliveryKind         `json:"kind"`
	Target      string               `json:"target"`
	Function    string               `json:"function"`
	Qualifier   string               `json:"qualifier,omitempty"`
	FunctionARN string               `json:"function_arn"`
	Role        string               `json:"role"`
	ID          string               `json:"id"`
	Attributes  map[string]Attribute `json:"attributes,omitempty"`
	Trace       string               `json:"trace"`
	At          int64                `json:"at"` // ns since 1970
	Success     bool                 `json:"success,omitempty"`
	Tries       int                  `json:"tries,omitempty"`
}

func encodeDelivery(d *Delivery, tries int) ([]byte, error) {
	text, err := json.Marshal(deliveryHead{
		Kind: d.Kind, Target: d.Target, Function: d.Function.Name, Qualifier: d.Function.Qualifier, FunctionARN: d.FunctionARN,
		Role: d.Role, ID: d.ID, Attributes: d.Attributes, Trace: d.Trace, At: d.At.UnixNano(), Success: d.Success, Tries: tries,
	})
	if err != nil {
		return nil, err
	}
	return frame(formDelivery, text, d.Body), nil
}

func decodeDelivery(body []byte) (d Delivery, tries int, err error) {
	parts, err := unframe(formDelivery, 2, body)
	if err != nil {
		return Delivery{}, 0, err
	}
	var head deliveryHead
	if err := json.Unmarshal(parts[0], &head); err != nil {
		return Delivery{}, 0, fmt.Errorf("%w: %w", errBroken, err)
	}
	return Delivery{
		Kind: head.Kind, Target: head.Target, Function: lambda.Ref{Name: head.Function, Qualifier: head.Qualifier}, FunctionARN: head.FunctionARN,
		Role: head.Role, ID: head.ID, Body: parts[1], Attributes: head.Attributes, Trace: head.Trace, At: time.Unix(0, head.At).UTC(),
		Success: head.Success,
	}, head.Tries, nil
}

// frame is a byte that tells the form, and then the parts, each behind its length
// as an unsigned varint.
func frame(form byte, parts ...[]byte) []byte {
	out := append(make([]byte, 0, frameSize(parts...)), form)
	for _, part := range parts {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}

// frameSize is at least the size of a frame.
func frameSize(parts ...[]byte) int {
	size := 1
	for _, part := range parts {
		size += binary.MaxVarintLen32 + len(part)
	}
	return size
}

func unframe(form byte, count int, body []byte) ([][]byte, error) {
	if len(body) == 0 {
		return nil, errBroken
	}
	if body[0] != form {
		return nil, fmt.Errorf("%w: %d", errForm, body[0])
	}
	body = body[1:]
	parts := make([][]byte, count)
	for i := range parts {
		size, n := binary.Uvarint(body)
		if n <= 0 || size > uint64(len(body)-n) {
			return nil, errBroken
		}
		parts[i], body = body[n:n+int(size):n+int(size)], body[n+int(size):]
	}
	if len(body) > 0 {
		return nil, errBroken
	}
	return parts, nil
}
