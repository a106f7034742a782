// Package logs is what an invocation leaves behind as text: it captures what
// the code in an execution environment prints, puts the platform's own lines
// around it, and passes it on to a Sink, which keeps it.
//
// Vocabulary. A group belongs to a function ("/aws/lambda/hello"), a stream to
// one execution environment, an event is one line with its line end. The tail is
// the last 4096 bytes of one invocation's events, START to REPORT, as
// X-Amz-Log-Result carries it.
//
// Life cycle: Open makes a Stream for an environment; Stream.Capture reads its
// pipes until it is closed.
//
// Concurrency: every method may be called from any goroutine. One mutex per
// stream orders the events of its pipes and the platform's own lines.
package logs
