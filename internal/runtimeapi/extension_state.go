package runtimeapi

// extensionState is where an extension stands, by the names that it sees in the
// answers to forbidden calls and that records of it show.
type extensionState string

const (
	extensionStarted    extensionState = "Started"
	extensionRegistered extensionState = "Registered"
	extensionReady      extensionState = "Ready"
	extensionRunning    extensionState = "Running"
	extensionInitError  extensionState = "InitError"
	extensionExitError  extensionState = "ExitError"
)

// extensionExited is what the answer to a forbidden exit/error calls the state
// that was meant, in the service's own words; no extension is ever in it.
const extensionExited extensionState = "Exited"

// extensionEvent is what moves an extension from one state to another.
type extensionEvent int

const (
	extensionRegisters    extensionEvent = iota
	extensionAsks                        // for the next event
	extensionAsksAgain                   // after it lost the connection on which it waited
	extensionGetsEvent                   // an invocation, or the shutdown
	extensionFailsInit                   // it reports that it cannot start
	extensionFailsRunning                // it reports that it must exit
)

type extensionTransition struct {
	from extensionState
	on   extensionEvent
}

// extensionTransitions is the whole machine: what is not here is not allowed. A
// failure may be reported more than once; the first report counts.
var extensionTransitions = map[extensionTransition]extensionState{
	{extensionStarted, extensionRegisters}:       extensionRegistered,
	{extensionRegistered, extensionAsks}:         extensionReady,
	{extensionRegistered, extensionFailsInit}:    extensionInitError,
	{extensionRegistered, extensionFailsRunning}: extensionExitError,
	{extensionReady, extensionAsksAgain}:         extensionReady,
	{extensionReady, extensionGetsEvent}:         extensionRunning,
	{extensionReady, extensionFailsRunning}:      extensionExitError,
	{extensionRunning, extensionAsks}:            extensionReady,
	{extensionRunning, extensionFailsRunning}:    extensionExitError,
	{extensionInitError, extensionFailsInit}:     extensionInitError,
	{extensionExitError, extensionFailsRunning}:  extensionExitError,
}

// next is the state after an event; ok is false if the event is not allowed.
func (s extensionState) next(on extensionEvent) (to extensionState, ok bool) {
	to, ok = extensionTransitions[extensionTransition{s, on}]
	return to, ok
}
