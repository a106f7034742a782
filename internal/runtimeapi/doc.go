// Package runtimeapi is the HTTP interface that code inside an execution
// environment speaks: the Runtime API (2018-06-01), the Extensions API
// (2020-01-01), the subscriptions of the Telemetry API (2022-07-01) and of the
// Logs API before it (2020-08-15), and the metadata endpoint (2026-01-15). One
// Server belongs to one runtime process and the extensions beside it, from their
// start to their end; one file holds each endpoint.
//
// Vocabulary. The runtime asks for its next event, and its connection is parked
// until there is one: the environment is idle. Deliver writes an event to the
// parked connection and opens an exchange. The runtime responds, and then asks
// for the next event, which ends its part in the exchange. An extension is a
// process of its own (external) or lives in the runtime (internal); one that
// asked to be told of invocations has its part in the exchange, too, until it
// asks again. A fault is the first report that something cannot go on.
//
// Life cycle: New, Serve with a listener; Registered, Started and Ready pass; then
// Deliver for each invocation, Shutdown to tell extensions of the end, Close. A
// runtime process that was started anew gets a new Server. Where snapshots are
// taken, RestoreReady and Restored come before Ready.
//
// The HTTP/1.1 server is our own, small and bounded: it is on the path of every
// warm invocation, and net/http costs that path a tenth of its throughput. An
// event is written by the goroutine that invokes, and the answer comes back over
// one channel, so that no goroutine stands between the two. What comes from
// inside is hostile: heads, header counts, bodies, connections and the time that
// a request may take to arrive all have limits.
//
// Concurrency: every method of Server may be called from many goroutines. There
// is one goroutine per connection, and one for each event that is being written
// to an extension, so that one which does not read holds up nobody; Close ends
// them and waits. Nothing is written, and no function of Options called, under mu.
package runtimeapi
