package runtimeapi

import "bufio"

// Next is the state machine, for the tests of its table.
func Next(from string, on int) (string, bool) {
	to, ok := state(from).next(event(on))
	return string(to), ok
}

// Events are the machine's events, in the order of a usual life.
const (
	EventNext          = int(eventNext)
	EventInitError     = int(eventInitError)
	EventDeliver       = int(eventDeliver)
	EventResponse      = int(eventResponse)
	EventErrorResponse = int(eventErrorResponse)
	EventSent          = int(eventSent)
)

// States are all states of the machine.
func States() []string {
	return []string{
		string(stateStarted), string(stateInitError), string(stateReady), string(stateRunning),
		string(stateResponse), string(stateErrorResponse), string(stateResponseSent),
	}
}

// Parsed is one request as the parser understood it.
type Parsed struct {
	Method, Path string
	Body         []byte
	Length       int64 // -1 if chunked
	Last         bool
}

// Parse reads one request with its body.
func Parse(br *bufio.Reader, max int64) (Parsed, error) {
	var q request
	if err := q.read(br); err != nil {
		return Parsed{}, err
	}
	p := Parsed{Method: string(q.method()), Path: string(q.path()), Length: q.length, Last: q.last}
	body, err := q.readBody(br, max)
	p.Body = body.bytes
	return p, err
}

// ErrorName is the reduction of error types.
func ErrorName(s string) string { return errorName([]byte(s)) }

// WithoutCause is the removal of a report's cause.
func WithoutCause(s string) string { return string(withoutCause([]byte(s))) }
