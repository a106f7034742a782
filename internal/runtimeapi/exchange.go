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

// Times are the moments of an exchange; zero until they have come.
type Times struct {
	Delivered   time.Time // the event was given to the runtime
	Responding  time.Time // the head of its answer has arrived
	Responded   time.Time // the answer is complete
	RuntimeDone time.Time // the runtime has asked for the next event
	Idle        time.Time // the last extension has asked for the next event, too
}

// Exchange is one event on its way through the runtime and the extensions.
type Exchange struct {
	invocation lambda.Invocation
	responded  chan struct{}
	outcome    Outcome // written before responded is closed
	// waiting counts who has not asked for the next event: the runtime, and the
	// extensions that were told. The server's mu guards it.
	waiting int

	mu     sync.Mutex
	times  Times
	onDone func()
	onIdle func()
}

// Responded is closed when the runtime has answered, in whatever way. It is
// never closed if the runtime dies or the server is closed: the caller watches
// the process and the deadline too.
func (x *Exchange) Responded() <-chan struct{} { return x.responded }

// Outcome is valid once Responded is closed.
func (x *Exchange) Outcome() Outcome { return x.outcome }

// Times tells when what has happened so far happened.
func (x *Exchange) Times() Times {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.times
}

// WhenRuntimeDone has f called once the runtime, having answered, asks for the
// next event: at once if it has. WhenIdle has f called once the extensions that
// were told of the event have asked, too: the server is ready for Deliver then.
// That comes after f of WhenRuntimeDone has returned, if it was set by then.
//
// Both are called on the goroutine that serves the connection of the one who
// asked, and so must not wait for anything; a channel would cost every
// invocation one more goroutine's turn. A second call replaces an f that has not
// been called.
func (x *Exchange) WhenRuntimeDone(f func()) {
	x.mu.Lock()
	done := !x.times.RuntimeDone.IsZero()
	if !done {
		x.onDone = f
	}
	x.mu.Unlock()
	if done {
		f()
	}
}

// WhenIdle is described at WhenRuntimeDone.
func (x *Exchange) WhenIdle(f func()) {
	x.mu.Lock()
	idle := !x.times.Idle.IsZero()
	if !idle {
		x.onIdle = f
	}
	x.mu.Unlock()
	if idle {
		f()
	}
}

// runtimeDone marks the runtime's part as over and calls whom it may concern.
func (x *Exchange) runtimeDone() {
	x.mu.Lock()
	x.times.RuntimeDone = time.Now()
	then := x.onDone
	x.mu.Unlock()
	if then != nil {
		then()
	}
}

// end marks the exchange as over and calls whom it may concern.
func (x *Exchange) end() {
	x.mu.Lock()
	x.times.Idle = time.Now()
	then := x.onIdle
	x.mu.Unlock()
	if then != nil {
		then()
	}
}
