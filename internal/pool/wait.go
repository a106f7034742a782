package pool

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// lookAgain is when an invocation for which an environment is being started looks
// again whether that is still so.
const lookAgain = 100 * time.Millisecond

// wait waits for an environment: for one that is being started as long as that
// takes, for room on a full host as long as the operator says.
func (vp *versionPool) wait(ctx context.Context, w *waiter, patient bool) (*member, error) {
	p := vp.pools
	patience := max(p.opts.HostWait, 0)
	if !patient {
		patience = 0
	}
	if waiting := p.host.waiting.Add(1); waiting > int64(p.opts.MaxWaiting) {
		patience = 0
	}
	defer p.host.waiting.Add(-1)
	// One that is about to be free is waited for in any case.
	full := time.NewTimer(max(patience, drainGrace))
	defer full.Stop()
	late := time.NewTimer(maxWait)
	defer late.Stop()
	for {
		select {
		case g := <-w.granted:
			return g.member, g.err
		case <-ctx.Done():
			vp.abandon(w)
			return nil, ctx.Err()
		case <-late.C:
			vp.abandon(w)
			return nil, fmt.Errorf("no environment of %s within %v", vp.fn.name, maxWait)
		case <-full.C:
			if vp.refuse(w, patient) {
				return nil, throttle(hostFull)
			}
			full.Reset(lookAgain)
		}
	}
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
	vp.mu.Lock()
	defer vp.mu.Unlock()
	at := slices.Index(vp.waiters, w)
	if at < vp.starting { // or it has one
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
