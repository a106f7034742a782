// Package otlp sends what happens in execution environments to a collector of
// OpenTelemetry, as spans, by OTLP over HTTP.
//
// Vocabulary: an Exporter has one destination and a bounded queue in front of it.
// An Observer watches the events of one environment and puts together what makes
// a span: an invocation with its parts, the init phase that went before it, and
// the shutdown. An invocation is in the trace that its header names. If its
// function has a segment of its own, the span is that segment, so that what the
// function itself exports by the header is below it; if the caller samples the
// trace, the caller's span is its parent.
//
// Nothing waits for the collector: where the queue is full, spans are dropped and
// counted. What could not be sent is tried again a few times, and dropped then.
//
// Messages are made from OpenTelemetry's own definitions, without its SDK, whose
// exporters bring all of gRPC with them: 12 MB of program against two and a half.
//
// Concurrency: an Exporter's methods may be called from many goroutines; an
// Observer's, one at a time.
package otlp
