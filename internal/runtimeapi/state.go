package runtimeapi

// state is where a runtime process stands, by the names that its clients see in
// the answers to forbidden calls.
type state string

const (
	stateStarted       state = "Started"
	stateInitError     state = "InitError"
	stateReady         state = "Ready"
	stateRunning       state = "Running"
	stateResponse      state = "InvocationResponse"
	stateErrorResponse state = "InvocationErrorResponse"
	stateResponseSent  state = "ResponseSent"
	stateRestoreReady  state = "RestoreReady"
	stateRestoring     state = "Restoring"
	stateRestoreError  state = "RestoreError"
)

// event is what moves a runtime from one state to another.
type event int

const (
	eventNext          event = iota // the runtime asks for the next event
	eventInitError                  // the runtime reports that it cannot start
	eventDeliver                    // an invocation was given to it
	eventResponse                   // the head of a response has arrived
	eventErrorResponse              // the head of an error has arrived
	eventSent                       // the response or error is complete
	eventRestoreNext                // the runtime asks for its restore
	eventRestored                   // it has been restored
	eventRestoreError               // it reports that it cannot go on after that
)

type transition struct {
	from state
	on   event
}

// transitions is the whole machine: what is not here is not allowed. Asking for
// the next event again while one is running gives the same event once more, for
// clients that lost their connection; likewise while waiting.
var transitions = map[transition]state{
	{stateStarted, eventNext}:           stateReady,
	{stateStarted, eventInitError}:      stateInitError,
	{stateReady, eventNext}:             stateReady,
	{stateReady, eventDeliver}:          stateRunning,
	{stateRunning, eventNext}:           stateRunning,
	{stateRunning, eventResponse}:       stateResponse,
	{stateRunning, eventErrorResponse}:  stateErrorResponse,
	{stateResponse, eventSent}:          stateResponseSent,
	{stateErrorResponse, eventSent}:     stateResponseSent,
	{stateResponseSent, eventNext}:      stateReady,
	{stateStarted, eventRestoreNext}:    stateRestoreReady,
	{stateRestoreReady, eventRestored}:  stateRestoring,
	{stateRestoring, eventNext}:         stateReady,
	{stateRestoring, eventRestoreError}: stateRestoreError,
}

// next is the state after an event; ok is false if the event is not allowed.
func (s state) next(on event) (to state, ok bool) {
	to, ok = transitions[transition{s, on}]
	return to, ok
}
