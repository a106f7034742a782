// Package lambda is the Lambda API over HTTP: decode, verify, call, encode. It
// has no rules of its own beyond what the wire demands; what operations mean is
// said by control and invoke.
//
// Every request passes the same steps: it gets an id, is routed, its body is read
// up to the operation's limit, its signature is verified, its sender must be
// allowed what it asks for, it is decoded and validated, and only then is an
// operation called. All 88 operations of the model pass them; one that is not
// built yet is then answered with status 501.
//
// Invoke is the warm path: an ordinary request is decoded by hand, without the
// tables, and its payload is never copied.
//
// A Handler starts no goroutines and is safe for concurrent use. Large bodies are
// held in memory one by one: at most maxLarge at a time.
package lambda
