// Package environment is one execution environment: a sandbox with a runtime in
// it, taken through its life.
//
// Vocabulary and life cycle. Init starts the runtime and ends when it asks for
// its first event; it has ten seconds. Invoke gives it one event and ends, for
// the caller, when the runtime has responded; the environment is free when the
// runtime asks for the next event. A timeout, a crash or a failed init lead to a
// reset: everything inside is killed, /tmp stays, and the next invocation runs
// the init again under the function's own timeout (a suppressed init). Shutdown
// ends it.
//
//	new ─► initialising ─► idle ⇄ frozen
//	            │           │ ▲
//	            ▼           ▼ │
//	          reset ◄────── busy          any ─► down
//
// This is the only package that sees both the sandbox and the protocol spoken
// inside it.
//
// Concurrency: of one environment, Init and Invoke are called one at a time.
// Freeze and Shutdown may be called at any time: the one does nothing unless the
// environment is idle, the other waits for what is running.
package environment
