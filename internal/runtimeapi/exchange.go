package runtimeapi

import (
	"time"

	"thaw/internal/lambda"
)

// Failure is an error that the runtime has reported.
type Failure struct {
	// Type is the error's type as metrics and logs may show it: of the form
	// Runtime.Name or Function.Name, whatever the runtime wrote.
	Type string
	// Body is the report as the caller sees it, verbatim.
	Body        []byte
	ContentType string
}

// Outcome is what the runtime made of one event. At most one of Failure,
// TooLarge, Truncated and BadMode is set; with none of them, Payload is the
// answer.
type Outcome struct {
	Payload     []byte
	ContentType string // as the runtime sent it; may be empty
	Failure     *Failure
	// TooLarge is the size in bytes of a response beyond the limit. Of one that
	// came in chunks, no more than some 64 MiB is counted.
	TooLarge int64
	// Truncated: the connection ended in the middle of the response.
	Truncated bool
	// BadMode: the response's mode header has a value that means nothing.
	BadMode bool

	// ResponseLatency is the time from the delivery to the response's head,
	// ResponseDuration from there to its end.
	ResponseLatency  time.Duration
	ResponseDuration time.Duration
}

// Exchange is one event on its way through the runtime.
type Exchange struct {
	invocation lambda.Invocation
	delivered  time.Time
	responded  chan struct{}
	idle       chan struct{}

	outcome Outcome       // written before responded is closed
	took    time.Duration // written before idle is closed
}

// Responded is closed when the runtime has answered, in whatever way. It is
// never closed if the runtime dies or the server is closed: the caller watches
// the process and the deadline too.
func (x *Exchange) Responded() <-chan struct{} { return x.responded }

// Outcome is valid once Responded is closed.
func (x *Exchange) Outcome() Outcome { return x.outcome }

// Idle is closed when the runtime, having answered, asks for the next event.
func (x *Exchange) Idle() <-chan struct{} { return x.idle }

// Duration is the time from the delivery to the runtime's request for the next
// event; valid once Idle is closed.
func (x *Exchange) Duration() time.Duration { return x.took }
