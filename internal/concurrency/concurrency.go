// Package concurrency is the arithmetic of admission: may one more invocation
// run now, and if not, which limit says so. It is pure: state in, verdict out.
// Counting, waiting and holding permits is the pool's business.
//
// Vocabulary: concurrency is the number of invocations that hold an execution
// environment; a permit is the right to be one of them; a throttle is a refusal
// with its reason.
package concurrency

// State is what a verdict depends on.
type State struct {
	AccountLimit int
	AccountInUse int
}

// Reason is the service's ThrottleReason of a refusal.
type Reason string

// Admitted is the verdict that is no refusal.
const Admitted Reason = ""

// ConcurrentInvocationLimitExceeded says that the account's limit, or the
// host's, is reached.
const ConcurrentInvocationLimitExceeded Reason = "ConcurrentInvocationLimitExceeded"

// Admit decides about one more invocation.
func Admit(s State) Reason {
	if s.AccountInUse >= s.AccountLimit {
		return ConcurrentInvocationLimitExceeded
	}
	return Admitted
}
