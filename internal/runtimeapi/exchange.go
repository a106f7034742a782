package runtimeapi

import (
	"sync"
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

	outcome Outcome // written before responded is closed

	mu   sync.Mutex
	idle bool
	then func()
	took time.Duration // valid once idle
}

// Responded is closed when the runtime has answered, in whatever way. It is
// never closed if the runtime dies or the server is closed: the caller watches
// the process and the deadline too.
func (x *Exchange) Responded() <-chan struct{} { return x.responded }

// Outcome is valid once Responded is closed.
func (x *Exchange) Outcome() Outcome { return x.outcome }

// WhenIdle has f called once the runtime, having answered, asks for the next
// event: at once if it has. It is called with the runtime ready for Deliver, on
// the goroutine that serves the runtime's connection, and so must not wait for
// anything; a channel would cost every invocation one more goroutine's turn. A
// second call replaces an f that has not been called.
func (x *Exchange) WhenIdle(f func()) {
	x.mu.Lock()
	idle := x.idle
	if !idle {
		x.then = f
	}
	x.mu.Unlock()
	if idle {
		f()
	}
}

// end marks the exchange as over and calls whom it may concern.
func (x *Exchange) end() {
	x.mu.Lock()
	x.idle, x.took = true, time.Since(x.delivered)
	then := x.then
	x.mu.Unlock()
	if then != nil {
		then()
	}
}

// Duration is the time from the delivery to the runtime's request for the next
// event; valid once that has come.
func (x *Exchange) Duration() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.took
}
