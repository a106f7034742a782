package pool

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lookAgain is when an invocation for which an environment is being started looks
// again whether that is still so.
const lookAgain = 100 * time.Millisecond

// waiting is the invocations that wait for an environment. In a burst as many wait
// as there may be environments. But where some have been refused for as long as one
// waits, more is asked than can be done, and a long queue only makes all that is
// answered late: then a quarter of them waits, until nobody has been refused for as
// long again.
type waiting struct {
	count atomic.Int64

	mu          sync.Mutex
	began, last time.Time // the refusals of now
}

// standingShare is the part that waits while more is asked than can be done.
const standingShare = 4

// enter counts one more; crowded tells that others wait, and enough of them.
func (w *waiting) enter(now time.Time, most int, patience time.Duration) (crowded bool) {
	n := int(w.count.Add(1))
	if n <= max(1, most/standingShare) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	stands := now.Sub(w.last) <= patience && now.Sub(w.began) > patience
	if n <= most && !stands {
		return false
	}
	if now.Sub(w.last) > patience {
		w.began = now
	}
	w.last = now
	return true
}

func (w *waiting) leave() { w.count.Add(-1) }

// wait waits for an environment: for one that is being started as long as that
// takes, for room on a full host as long as the operator says.
func (vp *versionPool) wait(ctx context.Context, w *waiter, patient bool) (*member, error) {
	p := vp.pools
	patience := drainGrace // one that is about to be free is waited for in any case
	if patient {
		patience = max(p.opts.HostWait, drainGrace)
	}
	if p.host.waiting.enter(time.Now(), p.opts.MaxWaiting, p.opts.HostWait) && !vp.first(w) {
		patience = 0 // others of the function have waited longer
	}
	defer p.host.waiting.leave()
	// One timer for all: in a busy pool most wait for a moment only, and each timer
	// that is set costs more than the rest.
	first := patience
	if w.otherwise != nil {
		first = w.grace
	}
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case g := <-w.granted:
			return g.member, g.err
		case <-ctx.Done():
			vp.abandon(w)
			return nil, ctx.Err()
		case <-timer.C:
		}
		waited := time.Since(w.began)
		switch {
		case w.otherwise != nil:
			w.otherwise()
			w.otherwise = nil
			timer.Reset(max(patience-waited, 0))
			continue
		case vp.refuse(w, patient) || waited >= maxWait && vp.withdraw(w):
			if !patient {
				return nil, ErrBusy
			}
			return nil, throttle(hostFull)
		case waited >= maxWait:
			vp.abandon(w)
			return nil, fmt.Errorf("no environment of %s within %v", vp.fn.name, maxWait)
		}
		timer.Reset(min(lookAgain, maxWait-waited))
	}
}

// first tells whether nobody else of the function has waited longer: then it has
// its turn, however many others wait.
func (vp *versionPool) first(w *waiter) bool {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	return len(vp.waiters) > 0 && vp.waiters[0] == w
}

// refuse takes a waiter off the list for whom there is no room. Those who wait
// longest have the environments that are being started.
func (vp *versionPool) refuse(w *waiter, patient bool) bool {
	if patient && time.Since(w.began) < endGrace && vp.pools.host.isEnding() {
		return false
	}
	if patient && !vp.pools.host.full() {
		return false // it is not for want of room that one waits
	}
	return vp.withdraw(w)
}

// withdraw takes a waiter off the list, unless an environment is being started for
// it, or it has one.
func (vp *versionPool) withdraw(w *waiter) bool {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	at := slices.Index(vp.waiters, w)
	if at < vp.starting {
		return false
	}
	vp.waiters = slices.Delete(vp.waiters, at, at+1)
	return true
}

// abandon takes a waiter off the list, or gives back what it was granted.
func (vp *versionPool) abandon(w *waiter) {
	vp.mu.Lock()
	vp.waiters = slices.DeleteFunc(vp.waiters, func(x *waiter) bool { return x == w })
	vp.mu.Unlock()
	select {
	case g := <-w.granted:
		if g.member != nil {
			vp.put(g.member, true)
		}
	default:
	}
}
