// Package environment is one execution environment: a sandbox with a runtime and
// extensions in it, taken through its life.
//
// Vocabulary and life cycle. Init starts the external extensions, waits until all
// have registered, starts the runtime, and ends when it and every extension ask
// for their first event; on demand it has ten seconds. Invoke gives them one event
// and ends, for the caller, when the runtime has responded; the environment is free
// when the runtime and the extensions that were told ask for the next event. A
// timeout, a crash or a failed init lead to a reset: everything inside ends, /tmp
// stays, and the next invocation runs the init again under the function's own
// timeout (a suppressed init). Shutdown ends it. What runs between an init and the
// reset or shutdown after it is one life.
//
//	uninitialised ─► initialising ─► idle ⇄ frozen
//	      ▲                │         │ ▲      │
//	      │                ▼         ▼ │      │
//	      └─────────── resetting ◄── busy ◄───┘      any ─► down
//
// The transitions are a table (state.go), and so are the times that processes have
// to end by themselves (farewell.go). The first failure of a life names what befell
// it; whatever follows is its consequence.
//
// This is the only package that sees both the sandbox and the protocol spoken
// inside it. All that happens is told to one stream as records of telemetry, in
// order: logs, subscribers and traces are made of it.
//
// Concurrency: of one environment, Init and Invoke are called one at a time.
// Freeze and Shutdown may be called at any time: the one does nothing unless the
// environment is idle, the other ends what is running.
package environment
