// Package pool keeps the execution environments of every function version and
// decides which of them runs an invocation.
//
// Acquire is one decision: a lease on an environment, or a throttle. First the
// ledger of package concurrency gives a permit or the reason of a refusal. Then
// the most recently used idle environment is taken; when there is none, another
// is started, and whichever comes first, the new one or one that became free
// meanwhile, serves the invocation. A lease holds its permit until the
// environment is free again, which is later than its caller's answer.
//
// Vocabulary: an idle environment waits for work; it is frozen after a short
// grace, unless Freezing says otherwise, and shut down after the keep-alive. A
// draining one has answered its caller and is about to be free. A stale one was
// made to a configuration that is no longer the version's; it ends with its
// invocation, and so does one that has reached its greatest age. If that one was
// in steady use, its successor was started ahead. While the host is short of
// memory, environments end that are least likely to be used again.
//
// A provisioned environment was started ahead because the function's provisioned
// concurrency asks for it. It is taken before any other, never ends for want of
// use or room, and is replaced when it ends for another reason.
//
// The host is full when as many environments exist as may and none of them is
// idle. Then invocations wait for a bounded time: pools take turns in getting the
// places that become free, and one that has much gives to one that has little.
//
// Concurrency: one mutex per function version, one for the ledger, one for the
// places on the host; the order in which they nest is Host.serving, a version's,
// the ledger's or the host's. A warm invocation takes a version's and, for some
// dozens of nanoseconds, the ledger's.
package pool
