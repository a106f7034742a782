// Package concurrency is the arithmetic of admission: may one more invocation
// run now, may one more environment start, and if not, which limit says so. It
// is pure: it has no clock, no lock and no goroutine. Counting what is told,
// waiting for it to change and holding what was admitted is the pool's business.
//
// Vocabulary. Concurrency is the number of invocations that hold a permit; a
// permit is held from the admission until the environment is free again. A claim
// is the part of the account's concurrency that a function has for itself: what
// is reserved for it, or else what is provisioned for its versions. A share is
// the part of its function's claim that is provisioned for one version. What
// nobody has claimed is unreserved. A throttle is a refusal with its reason.
//
// The rules, from the service's developer guide ("Lambda function scaling",
// "Configuring reserved concurrency", "Configuring provisioned concurrency"):
//
//   - An invocation of a version with a share takes a permit of the share first,
//     and spills over to what is on demand when all of it is in use.
//   - On demand a function with a reservation has what is reserved without all of
//     its shares; all others together have what is unreserved.
//   - All permits together never exceed the account's limit, also while claims
//     change: permits that were given before a change are kept to their end.
//   - A function begins no more invocations in a second than ten times its
//     concurrency: a bucket of one second's worth, filled continuously.
//   - A function starts no more than 1,000 environments in any ten seconds.
//
// Concurrency: a Ledger belongs to one goroutine at a time.
package concurrency
