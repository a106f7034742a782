package pool

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/telemetry"
)

// versionPool is the environments of one version of one function.
type versionPool struct {
	pools  *Pools
	fn     *function
	number string

	size atomic.Int32 // environments on demand, existing or being started
	gone atomic.Bool  // retired
	turn turn         // guarded by host.mu

	mu       sync.Mutex
	version  *lambda.Version // what new environments are made to
	retired  error           // why no environment is to be had here any more; nil
	members  map[*member]struct{}
	inits    []*initialisation // of what is no member yet
	idle     []*member         // the most recently used is last
	waiters  []*waiter         // the longest waiting is first
	starting int
	draining int
	empty    chan struct{} // closed when the last member of a retired pool is gone

	rests     rests
	listing   listing
	gauges    gauges
	provision provision
}

// member is one environment in a pool. Its fields are guarded by the pool's mutex.
type member struct {
	pool        *versionPool
	env         Environment
	version     *lambda.Version
	provisioned bool
	counted     bool // with provision.live
	old         bool // counted with provision.old
	lent        bool // it is held by a lease
	frozen      bool
	since       time.Time     // when it became idle
	expires     time.Time     // when it has reached its greatest age
	paused      time.Duration // how long it was idle before its newest invocation
	// draining members are counted by the pool too.
	draining bool
	// succession says whether another is started to take its place.
	succession succession
	reuse      reuse
}

// waiter is an invocation without an environment yet.
type waiter struct {
	granted chan grant // holds one
	began   time.Time
	// otherwise is what is done when nothing was granted within the grace; nil: it is
	// done.
	otherwise func()
	grace     time.Duration
}

type grant struct {
	member *member
	err    error
}

// Lease is the right to run one invocation in one environment.
type Lease struct {
	// Reported, if set before Invoke, is given the invocation's report; see
	// environment.Watch.
	Reported func(report telemetry.Report, failed bool)

	member *member
	permit permit
}

// Provisioned tells whether the environment was started ahead for the function's
// provisioned concurrency.
func (l *Lease) Provisioned() bool { return l.member.provisioned }

// Spillover tells that it was not, although the version has provisioned
// concurrency.
func (l *Lease) Spillover() bool {
	vp := l.member.pool
	vp.mu.Lock()
	defer vp.mu.Unlock()
	return !l.member.provisioned && vp.provision.target > 0
}

// Invoke runs the invocation and gives the environment back when it is free.
func (l *Lease) Invoke(ctx context.Context, inv lambda.Invocation, tail bool) (lambda.Result, error) {
	m := l.member
	a, fn := &m.pool.pools.admission, l.permit.fn
	responded := false
	return m.env.Invoke(ctx, inv, tail, environment.Watch{
		Reported: l.Reported,
		Responded: func() {
			responded = true
			fn.draining.Add(1)
			a.draining.Add(1)
			m.drains()
		},
		Free: func(reusable bool) {
			a.release(l.permit)
			if responded { // not before: who asks now finds one or the other
				fn.draining.Add(-1)
				a.draining.Add(-1)
			}
			m.pool.put(m, reusable)
		},
	})
}

// drains marks a member that has answered and is about to be free.
func (m *member) drains() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.drain(true)
}

// drain counts a member among those that are about to be free, or no longer. The
// mutex is held.
func (m *member) drain(on bool) {
	if m.draining == on {
		return
	}
	n := 1
	if !on {
		n = -1
	}
	m.draining = on
	m.pool.draining += n
	if m.provisioned {
		m.pool.provision.draining += n
	}
}

// acquire takes the most recently used environment. One that has answered and
// is about to be free is more recent than any idle one, and is waited for a
// little: using few environments keeps them hot and lets the others freeze. A
// provisioned one comes before both.
func (vp *versionPool) acquire(ctx context.Context, v *lambda.Version, patient bool) (*member, error) {
	vp.adopt(v)
	vp.mu.Lock()
	if err := vp.retired; err != nil {
		vp.mu.Unlock()
		return nil, err
	}
	draining := vp.draining
	if len(vp.provision.ready) > 0 {
		draining = vp.provision.draining
	}
	drains := draining > len(vp.waiters)
	if !drains {
		if m := vp.newest(); m != nil {
			vp.mu.Unlock()
			return m, nil
		}
	}
	w := &waiter{granted: make(chan grant, 1), began: time.Now()}
	vp.waiters = append(vp.waiters, w)
	idle := len(vp.idle)+len(vp.provision.ready) > 0
	vp.mu.Unlock()
	switch {
	case drains && idle:
		w.otherwise, w.grace = vp.serveIdle, hotGrace
	case drains:
		w.otherwise, w.grace = vp.startMissing, drainGrace
	default:
		vp.startMissing()
	}
	return vp.wait(ctx, w, patient)
}

// newest lends the most recently used idle environment, a provisioned one if
// there is one; nil if there is none. The mutex is held.
func (vp *versionPool) newest() *member {
	m := last(&vp.provision.ready)
	for m != nil && !m.env.Ready() { // it has died since it was looked after
		vp.forgo(m)
		vp.drop(m)
		m = last(&vp.provision.ready)
	}
	if m == nil {
		m = last(&vp.idle)
	}
	if m != nil {
		m.paused = time.Since(m.since)
		vp.lend(m)
	}
	return m
}

// last takes the last one off a list; nil if there is none.
func last(list *[]*member) *member {
	n := len(*list)
	if n == 0 {
		return nil
	}
	m := (*list)[n-1]
	(*list)[n-1] = nil
	*list = (*list)[:n-1]
	return m
}

// lend counts an environment as held. The mutex is held.
func (vp *versionPool) lend(m *member) {
	m.lent = true
	vp.gauges.count(m, +1)
}

// grantFirst lends an environment to who has waited longest. The mutex is held.
func (vp *versionPool) grantFirst(m *member) {
	w := vp.waiters[0]
	vp.waiters[0] = nil
	vp.waiters = vp.waiters[1:]
	vp.lend(m)
	w.granted <- grant{member: m}
}

// serveIdle gives idle environments to those who have waited for a hotter one in
// vain.
func (vp *versionPool) serveIdle() {
	vp.mu.Lock()
	for len(vp.waiters) > 0 {
		m := vp.newest()
		if m == nil {
			break
		}
		w := vp.waiters[0]
		vp.waiters = vp.waiters[1:]
		w.granted <- grant{member: m}
	}
	vp.mu.Unlock()
	vp.startMissing()
}

// put takes an environment back: to the longest waiting invocation, to the idle
// ones, to another pool that has none, or out of the pool if it is of no use any
// more.
func (vp *versionPool) put(m *member, reusable bool) {
	host := &vp.pools.host
	vp.mu.Lock()
	if m.lent {
		m.lent = false
		vp.gauges.count(m, -1)
	}
	vp.renew(m)
	if reusable {
		vp.freezeFirst(m)
	}
	m.drain(false)
	fresh := m.reuse.uses == 0
	now := time.Now()
	if !reusable || !vp.keeps(m, now) {
		vp.forgo(m)
		vp.mu.Unlock()
		vp.drop(m)
		vp.serveIdle()
		return
	}
	m.reuse.used(vp.pools.epoch, now)
	if m.provisioned {
		vp.outgrow(m, now)
	} else {
		vp.startSuccessor(m, now)
	}
	if len(vp.waiters) > 0 && !m.provisioned && !fresh && host.hungry.Load() && host.yields(vp, vp.pools.opts.HostWait/2) {
		vp.mu.Unlock()
		if host.give(m) {
			vp.startMissing()
			return
		}
		vp.mu.Lock()
	}
	if len(vp.waiters) > 0 {
		m.paused = 0
		vp.grantFirst(m)
		vp.mu.Unlock()
		return
	}
	vp.settle(m, now)
	vp.mu.Unlock()
	if !m.provisioned && host.hungry.Load() {
		host.serve()
	}
}

// keeps tells whether a free environment is of use any more. The mutex is held.
func (vp *versionPool) keeps(m *member, now time.Time) bool {
	if vp.retired != nil || m.version != vp.version || m.outlived(now) {
		return false
	}
	return !m.provisioned || vp.keepsProvisioned(m)
}

// putBack undoes surrender: the environment is the one to be taken last.
func (vp *versionPool) putBack(m *member) {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	switch {
	case !vp.keeps(m, time.Now()):
		vp.drop(m)
	case len(vp.waiters) > 0:
		vp.grantFirst(m)
	default:
		vp.idle = slices.Insert(vp.idle, 0, m)
		vp.list()
		vp.wake(m.restsAt())
	}
}
