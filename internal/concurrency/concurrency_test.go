package concurrency_test

import (
	"testing"

	"thaw/internal/concurrency"
)

func TestAdmit(t *testing.T) {
	for _, c := range []struct {
		name string
		in   concurrency.State
		want concurrency.Reason
	}{
		{"nothing runs", concurrency.State{AccountLimit: 2}, concurrency.Admitted},
		{"the last permit", concurrency.State{AccountLimit: 2, AccountInUse: 1}, concurrency.Admitted},
		{"at the limit", concurrency.State{AccountLimit: 2, AccountInUse: 2}, concurrency.ConcurrentInvocationLimitExceeded},
		{"over a lowered limit", concurrency.State{AccountLimit: 2, AccountInUse: 5}, concurrency.ConcurrentInvocationLimitExceeded},
		{"no concurrency at all", concurrency.State{}, concurrency.ConcurrentInvocationLimitExceeded},
	} {
		if got := concurrency.Admit(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
