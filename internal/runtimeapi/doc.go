// Package runtimeapi is the HTTP interface that code inside an execution
// environment speaks: today the Runtime API of 2018-06-01. One Server belongs to
// one runtime process, from its start to its end; one file holds each endpoint.
//
// Vocabulary. The runtime asks for its next event, and its connection is parked
// until there is one: the environment is idle. Deliver writes an event to the
// parked connection and opens an exchange. The runtime responds, and then asks
// for the next event, which ends the exchange.
//
// Life cycle: New, Serve with a listener, Deliver for each invocation, Close. A
// runtime process that was started anew gets a new Server.
//
// The HTTP/1.1 server is our own, small and bounded: it is on the path of every
// warm invocation, and net/http costs that path a tenth of its throughput. An
// event is written by the goroutine that invokes, and the answer comes back over
// one channel, so that no goroutine stands between the two. What comes from
// inside is hostile: heads, header counts, bodies, connections and the time that
// a request may take to arrive all have limits.
//
// Concurrency: every method of Server may be called from many goroutines. There
// is one goroutine per connection, ended and waited for by Close.
package runtimeapi
