package pool

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/concurrency"
	"thaw/internal/lambda"
)

const (
	// leastRetryAfter is what a throttled caller is told to wait at least.
	leastRetryAfter = time.Second
	// permitGrace is how long an invocation that finds a limit reached waits for an
	// environment that has answered and is about to be free: a caller who invokes one
	// after the other is quicker than the runtime's next request, by some 100 µs, or
	// more where the processors are busy. No more wait than are about to be free, so
	// that hardly anybody waits in vain.
	permitGrace = 50 * time.Millisecond
)

// function is what the pools of one function's versions share.
type function struct {
	name     string
	versions map[string]*versionPool // by number; guarded by Pools.mu
	page     *concurrency.Function   // guarded by admission.mu
	hopes    int                     // guarded by admission.mu
	draining atomic.Int64            // permits whose callers have their answer
}

// admission is the account's ledger.
type admission struct {
	draining atomic.Int64 // permits whose callers have their answer

	mu     sync.Mutex
	ledger *concurrency.Ledger
	hopes  []*hope // the longest waiting is first
}

// permit is the right to hold one environment.
type permit struct {
	fn    *function
	share *concurrency.Share
}

// hope is an invocation that waits for a permit which is about to be free.
type hope struct {
	pool  *versionPool
	heard chan concurrency.Verdict // holds one
}

// admit takes a permit or says why there is none. A patient one waits a little if
// one is about to be free.
func (a *admission) admit(ctx context.Context, vp *versionPool, patient bool) (permit, error) {
	fn := vp.fn
	a.mu.Lock()
	verdict := a.ledger.Admit(fn.page, vp.number, time.Now())
	if verdict.Reason == concurrency.Admitted || !patient || !a.soon(fn, verdict.Reason) {
		a.mu.Unlock()
		return fn.permit(verdict)
	}
	h := &hope{vp, make(chan concurrency.Verdict, 1)}
	a.hopes = append(a.hopes, h)
	fn.hopes++
	a.mu.Unlock()
	late := time.NewTimer(permitGrace)
	defer late.Stop()
	var err error
	select {
	case v := <-h.heard:
		return fn.permit(v)
	case <-late.C:
		err = throttle(verdict)
	case <-ctx.Done():
		err = ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := slices.Index(a.hopes, h); at >= 0 {
		a.hopes = slices.Delete(a.hopes, at, at+1)
		fn.hopes--
		return permit{}, err
	}
	return fn.permit(<-h.heard) // at the same moment
}

// permit is what a verdict comes to.
func (fn *function) permit(v concurrency.Verdict) (permit, error) {
	if v.Reason != concurrency.Admitted {
		return permit{}, throttle(v)
	}
	return permit{fn, v.Share}, nil
}

// soon tells whether a permit for one more who waits is about to be free. The
// mutex is held.
func (a *admission) soon(fn *function, reason concurrency.Reason) bool {
	switch reason {
	case concurrency.ReservedFunctionConcurrentInvocationLimitExceeded:
		return fn.draining.Load() > int64(fn.hopes)
	case concurrency.ConcurrentInvocationLimitExceeded:
		return a.draining.Load() > int64(len(a.hopes))
	}
	return false
}

// release gives a permit back.
func (a *admission) release(p permit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ledger.Release(p.fn.page, p.share)
	a.fulfil()
}

// set changes what a function claims.
func (a *admission) set(fn *function, reserved *int, shares map[string]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ledger.Set(fn.page, reserved, shares)
	a.fulfil()
}

// empty tells that nothing need be remembered of a function.
func (a *admission) empty(fn *function) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fn.page.Empty() && fn.hopes == 0
}

// fulfil admits those who wait, as far as there are permits. The mutex is held.
func (a *admission) fulfil() {
	if len(a.hopes) == 0 {
		return
	}
	now := time.Now()
	a.hopes = slices.DeleteFunc(a.hopes, func(h *hope) bool {
		verdict := a.ledger.Admit(h.pool.fn.page, h.pool.number, now)
		if verdict.Reason != concurrency.Admitted && !verdict.Reason.Rate() {
			return false
		}
		h.pool.fn.hopes--
		h.heard <- verdict
		return true
	})
}

// start counts an environment that is started on demand.
func (a *admission) start(fn *function) concurrency.Verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ledger.Start(fn.page, time.Now())
}

// throttle is the answer to who is refused. A function that may not run at all says
// nothing of when to come again, as recorded from the service.
func throttle(v concurrency.Verdict) *lambda.Error {
	e := lambda.Errorf(lambda.CodeTooManyRequests, "Rate Exceeded.")
	e.Reason = string(v.Reason)
	if !v.Never {
		e.RetryAfter = max(v.RetryAfter, leastRetryAfter)
	}
	return e
}

// hostFull is the answer to who found no room on the host: the service has one
// for want of capacity, and this is it.
var hostFull = concurrency.Verdict{Reason: concurrency.ConcurrentInvocationLimitExceeded}
