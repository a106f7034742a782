// Package pool keeps the execution environments of every function version and
// decides which of them runs an invocation.
//
// Acquire is one decision: a lease on an environment, or a throttle. The most
// recently used idle environment is taken first; when there is none, another is
// started, and whichever comes first, the new one or one that became free
// meanwhile, serves the invocation. A lease holds its permit until the
// environment is free again, which is later than its caller's answer.
//
// Vocabulary: an idle environment waits for work; it is frozen after a short
// grace, unless Freezing says otherwise, and shut down after the keep-alive. A
// draining one has answered its caller and is about to be free. A stale one was
// made to a configuration that is no longer the version's; it ends with its
// invocation, and so does one that has reached its greatest age. If that one was
// in steady use, its successor was started ahead. While the host is short of
// memory, environments end that have been idle for longest.
//
// Concurrency: one mutex per function version; the account's permits are one
// atomic counter. A warm invocation takes no lock that another function's does.
package pool
