// Package telemetry is the vocabulary of what an execution environment leaves
// behind: the events of the Telemetry API, each a time and a record. The
// environment emits them; logs formats them, relay delivers them to subscribers,
// trace makes spans of them. It owns no state.
//
// Vocabulary. A platform event tells of a phase (platform.initStart,
// platform.report, …); a function or extension event is one line that code
// inside has printed. Member names, units and the values of enumerations are
// those of the service's Telemetry API reference, schema 2022-12-13, and of
// recorded events; durations are milliseconds.
//
// Concurrency: events are values that nobody changes once they are emitted.
package telemetry
