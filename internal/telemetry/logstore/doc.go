// Package logstore keeps what functions log: groups, their streams and events,
// on disk, to be searched and followed.
//
// Vocabulary. A group holds the streams of one function, a stream the events of
// one execution environment, an event is a time and a message. Events of a group
// are numbered from 1 in the order in which they came; a Position is a place in
// the order by time and number, in which they are read. A segment is one file of
// a group's events, the newest one is active and grows, the others are sealed and
// have an index beside them. A block is a run of a segment's events with their
// earliest and latest time: what an index lists and a search reads.
//
// What is promised. Append never waits: it puts the event into a queue of
// bounded size, and what does not fit is counted and told in an event of its own.
// One writer takes the queue to the files, normally within a millisecond. What was
// written survives the death of the process; what the kernel had not written back
// is lost with the power. A tail that was torn by either is cut off when the
// group is next used, and told. Disk is bounded for each group and for all, and
// the oldest segments go first; events past their group's retention are not shown
// and their segments go too.
//
// Bounds. Of any number of groups, Options.LoadedGroups have their index in
// memory and a file open; a search reads block by block and keeps one page.
//
// Life cycle: Open starts the writer and the sweeper, Close writes what is queued
// and waits for both. Concurrency: every method may be called from any goroutine.
// Store.mu guards the table of groups and is taken before or without a group's
// own, which orders all that happens to its files.
package logstore
