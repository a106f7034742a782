package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"thaw/internal/concurrency"
	"thaw/internal/environment"
	"thaw/internal/lambda"
)

// versionPool is the environments of one version of one function.
type versionPool struct {
	pools    *Pools
	function string

	mu       sync.Mutex
	version  *lambda.Version // what new environments are made to
	retired  error           // why no environment is to be had here any more; nil
	members  map[*member]struct{}
	idle     []*member // the most recently used is last
	waiters  []*waiter // the longest waiting is first
	starting int
	draining int
	empty    chan struct{} // closed when the last member of a retired pool is gone

	// timer freezes and ends idle members; due is when, or zero. One for all: a
	// timer that is set and stopped with each invocation costs a wake-up of the
	// network poller each time.
	timer *time.Timer
	due   time.Time
}

// member is one environment in a pool. Its fields are guarded by the pool's mutex.
type member struct {
	pool    *versionPool
	env     Environment
	version *lambda.Version
	frozen  bool
	since   time.Time     // when it became idle
	expires time.Time     // when it has reached its greatest age
	paused  time.Duration // how long it was idle before its newest invocation
	// draining members are counted by the pool too.
	draining bool
	// succession says whether another is started to take its place.
	succession succession
}

// waiter is an invocation without an environment yet.
type waiter struct {
	granted chan grant // holds one
}

type grant struct {
	member *member
	err    error
}

// Lease is the right to run one invocation in one environment.
type Lease struct {
	member *member
}

// Invoke runs the invocation and gives the environment back when it is free.
func (l *Lease) Invoke(ctx context.Context, inv lambda.Invocation, tail bool) (lambda.Result, error) {
	m := l.member
	return m.env.Invoke(ctx, inv, tail, environment.Watch{
		Responded: m.drains,
		Free: func(reusable bool) {
			m.pool.pools.running.Add(-1)
			m.pool.put(m, reusable)
		},
	})
}

// drains marks a member that has answered and is about to be free.
func (m *member) drains() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.draining = true
	m.pool.draining++
}

// acquire takes the most recently used environment. One that has answered and
// is about to be free is more recent than any idle one, and is waited for a
// little: using few environments keeps them hot and lets the others freeze.
func (vp *versionPool) acquire(ctx context.Context, v *lambda.Version) (*member, error) {
	vp.adopt(v)
	vp.mu.Lock()
	if err := vp.retired; err != nil {
		vp.mu.Unlock()
		return nil, err
	}
	drains := vp.draining > len(vp.waiters)
	if !drains && len(vp.idle) > 0 {
		m := vp.newest()
		vp.mu.Unlock()
		return m, nil
	}
	w := &waiter{granted: make(chan grant, 1)}
	vp.waiters = append(vp.waiters, w)
	idle := len(vp.idle) > 0
	vp.mu.Unlock()
	switch {
	case drains && idle:
		defer time.AfterFunc(hotGrace, vp.serveIdle).Stop()
	case drains:
		defer time.AfterFunc(drainGrace, vp.startMissing).Stop()
	default:
		vp.startMissing()
	}
	late := time.NewTimer(maxWait)
	defer late.Stop()
	select {
	case g := <-w.granted:
		return g.member, g.err
	case <-ctx.Done():
		vp.abandon(w)
		return nil, ctx.Err()
	case <-late.C:
		vp.abandon(w)
		return nil, fmt.Errorf("no environment of %s within %v", vp.function, maxWait)
	}
}

// newest takes the most recently used idle environment. There is one, and the
// mutex is held.
func (vp *versionPool) newest() *member {
	n := len(vp.idle)
	m := vp.idle[n-1]
	vp.idle[n-1] = nil
	vp.idle = vp.idle[:n-1]
	m.paused = time.Since(m.since)
	return m
}

// serveIdle gives idle environments to those who have waited for a hotter one in
// vain.
func (vp *versionPool) serveIdle() {
	vp.mu.Lock()
	for len(vp.idle) > 0 && len(vp.waiters) > 0 {
		w := vp.waiters[0]
		vp.waiters = vp.waiters[1:]
		w.granted <- grant{member: vp.newest()}
	}
	vp.mu.Unlock()
	vp.startMissing()
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

// startMissing starts an environment for every waiter that none is being
// started for: a burst of n invocations starts at most n.
func (vp *versionPool) startMissing() {
	for {
		vp.mu.Lock()
		if vp.retired != nil || len(vp.waiters) <= vp.starting {
			vp.mu.Unlock()
			return
		}
		vp.starting++
		v := vp.version
		vp.mu.Unlock()
		vp.pools.work.Go(func() { vp.start(v) })
	}
}

// start makes one environment. The caller that it is for may be gone by then.
func (vp *versionPool) start(v *lambda.Version) {
	if !vp.pools.room() {
		vp.started(nil, throttle(concurrency.ConcurrentInvocationLimitExceeded))
		return
	}
	vp.started(vp.make(v))
}

// make makes one environment, which has been counted, ready for its first event.
func (vp *versionPool) make(v *lambda.Version) (*member, error) {
	ctx := context.Background()
	env, err := vp.pools.opts.New(ctx, vp.function, v)
	if err == nil {
		if err = env.Init(ctx); err != nil {
			err = errors.Join(err, env.Shutdown(ctx))
		}
	}
	if err != nil {
		vp.pools.environments.Add(-1)
		return nil, err
	}
	return &member{pool: vp, env: env, version: v, expires: time.Now().Add(vp.pools.age())}, nil
}

// started ends one start: with a member, or with the reason why there is none,
// which the longest waiting invocation gets.
func (vp *versionPool) started(m *member, err error) {
	vp.mu.Lock()
	vp.starting--
	if m != nil {
		vp.members[m] = struct{}{}
		vp.mu.Unlock()
		vp.put(m, true)
		return
	}
	var first *waiter
	if len(vp.waiters) > 0 {
		first, vp.waiters = vp.waiters[0], vp.waiters[1:]
	}
	vp.mu.Unlock()
	if first == nil {
		vp.pools.opts.Logger.Error("start environment", "function", vp.function, "error", err)
		return
	}
	first.granted <- grant{err: err}
}

// put takes an environment back: to the longest waiting invocation, to the idle
// ones, or out of the pool if it is of no use any more.
func (vp *versionPool) put(m *member, reusable bool) {
	vp.mu.Lock()
	vp.renew(m)
	if reusable {
		vp.freezeFirst(m)
	}
	if m.draining {
		m.draining = false
		vp.draining--
	}
	now := time.Now()
	if !reusable || vp.retired != nil || m.version != vp.version || m.outlived(now) {
		vp.mu.Unlock()
		vp.drop(m)
		vp.serveIdle()
		return
	}
	vp.startSuccessor(m, now)
	if len(vp.waiters) > 0 {
		w := vp.waiters[0]
		vp.waiters = vp.waiters[1:]
		m.paused = 0
		w.granted <- grant{member: m}
		vp.mu.Unlock()
		return
	}
	vp.idle = append(vp.idle, m)
	m.since = now
	vp.wake(m.restsAt())
	vp.mu.Unlock()
}

// drop ends an environment that nobody holds, behind the caller's back.
func (vp *versionPool) drop(m *member) {
	vp.pools.endings(+1)
	vp.pools.work.Go(func() { vp.end(m) })
}

// end ends an environment that nobody holds and that was counted as ending.
func (vp *versionPool) end(m *member) {
	defer vp.pools.endings(-1)
	if err := m.env.Shutdown(context.Background()); err != nil {
		vp.pools.opts.Logger.Error("shut down environment", "function", vp.function, "error", err)
	}
	vp.pools.environments.Add(-1)
	vp.mu.Lock()
	delete(vp.members, m)
	last := len(vp.members) == 0
	if last && vp.empty != nil {
		close(vp.empty)
		vp.empty = nil
	}
	retired := vp.retired != nil
	vp.mu.Unlock()
	if last && retired {
		vp.pools.forget(vp)
	}
}

// retire ends the pool: its idle environments now, its busy ones in time. Who
// waits for an environment is told why there is none.
func (vp *versionPool) retire(why error) {
	vp.mu.Lock()
	vp.retired = why
	waiters := vp.waiters
	vp.waiters = nil
	nothing := len(vp.members) == 0
	vp.mu.Unlock()
	for _, w := range waiters {
		w.granted <- grant{err: why}
	}
	if nothing {
		vp.pools.forget(vp)
	}
	vp.dropIdle()
}

func (vp *versionPool) dropIdle() {
	vp.mu.Lock()
	idle := vp.idle
	vp.idle = nil
	vp.mu.Unlock()
	for _, m := range idle {
		vp.drop(m)
	}
}

func (vp *versionPool) idleSince() (time.Time, bool) {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	if len(vp.idle) == 0 {
		return time.Time{}, false
	}
	return vp.idle[0].since, true
}

// dropOldest ends the environment that has been idle for longest, and waits for
// its end, because room is needed.
func (vp *versionPool) dropOldest() bool {
	vp.mu.Lock()
	if len(vp.idle) == 0 {
		vp.mu.Unlock()
		return false
	}
	m := vp.idle[0]
	vp.idle = slices.Delete(vp.idle, 0, 1)
	vp.mu.Unlock()
	vp.pools.endings(+1)
	vp.end(m)
	return true
}

// drain waits until every environment of a retired pool is gone; when ctx ends,
// the invocations that still run are cut off.
func (vp *versionPool) drain(ctx context.Context) {
	vp.mu.Lock()
	if len(vp.members) == 0 {
		vp.mu.Unlock()
		return
	}
	empty := make(chan struct{})
	vp.empty = empty
	vp.mu.Unlock()
	select {
	case <-empty:
		return
	case <-ctx.Done():
	}
	vp.mu.Lock()
	members := slices.Collect(maps.Keys(vp.members))
	vp.mu.Unlock()
	for _, m := range members {
		if err := m.env.Shutdown(context.Background()); err != nil {
			vp.pools.opts.Logger.Error("cut off environment", "function", vp.function, "error", err)
		}
	}
	<-empty
}
