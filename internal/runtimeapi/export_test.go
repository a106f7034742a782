package runtimeapi

import (
	"bufio"
	"bytes"
	"net"
	"time"
)

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
	EventRestoreNext   = int(eventRestoreNext)
	EventRestored      = int(eventRestored)
	EventRestoreError  = int(eventRestoreError)
)

// States are all states of the machine.
func States() []string {
	return []string{
		string(stateStarted), string(stateInitError), string(stateReady), string(stateRunning),
		string(stateResponse), string(stateErrorResponse), string(stateResponseSent),
		string(stateRestoreReady), string(stateRestoring), string(stateRestoreError),
	}
}

// NextExtension is the state machine of extensions.
func NextExtension(from string, on int) (string, bool) {
	to, ok := extensionState(from).next(extensionEvent(on))
	return string(to), ok
}

// The events of that machine.
const (
	ExtensionRegisters    = int(extensionRegisters)
	ExtensionAsks         = int(extensionAsks)
	ExtensionAsksAgain    = int(extensionAsksAgain)
	ExtensionGetsEvent    = int(extensionGetsEvent)
	ExtensionFailsInit    = int(extensionFailsInit)
	ExtensionFailsRunning = int(extensionFailsRunning)
)

// ExtensionStates are all states of that machine.
func ExtensionStates() []string {
	return []string{
		string(extensionStarted), string(extensionRegistered), string(extensionReady), string(extensionRunning),
		string(extensionInitError), string(extensionExitError),
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

// Converse has the server serve a connection on which the peer sends this and
// hangs up, and gives what it has answered.
func (s *Server) Converse(in []byte) []byte {
	t := &tape{in: bytes.NewReader(in)}
	newConn(s, t).serve()
	return t.out.Bytes()
}

// tape is the connection.
type tape struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (t *tape) Read(p []byte) (int, error)       { return t.in.Read(p) }
func (t *tape) Write(p []byte) (int, error)      { return t.out.Write(p) }
func (t *tape) Close() error                     { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }
