package pool

import (
	"slices"
	"time"

	"thaw/internal/telemetry"
)

// Freezing says when an idle environment is frozen.
type Freezing int

// The ways to freeze. Lazily is after a short grace, so that nothing is frozen
// under load. Always is before an environment can be given away again: what runs
// on after an answer never overlaps with the next event, as in the service. With
// Never what is left running goes on, and takes its share of the CPU.
const (
	Lazily Freezing = iota
	Always
	Never
)

// succession is how far an environment's replacement is.
type succession int

const (
	none succession = iota
	begun
	stands // the replacement is ready: the old one ends when it is free
)

const (
	// maxLead is how long before its greatest age an environment in steady use gets
	// a successor; it covers the longest init.
	maxLead = 30 * time.Second
	// hotPause is the longest pause between two invocations of steady use.
	hotPause = time.Second
)

// age is how old a new environment may become. It varies by an eighth, so that
// what one burst has started does not end in one moment.
func (p *Pools) age() time.Duration {
	return p.opts.MaxAge - time.Duration(p.opts.Random()*float64(p.opts.MaxAge/8))
}

func (p *Pools) lead() time.Duration { return min(p.opts.MaxAge/8, maxLead) }

// outlived tells whether a free member has to end. The mutex is held.
func (m *member) outlived(now time.Time) bool {
	return m.succession == stands || !now.Before(m.expires)
}

// endsAt is when a member that stays idle ends.
func (m *member) endsAt() time.Time {
	opts := &m.pool.pools.opts
	at := m.since.Add(opts.IdleGrace + opts.KeepAlive)
	if m.expires.Before(at) {
		return m.expires
	}
	return at
}

// restsAt is when something is to be done with an idle member: freeze it, or end
// it; zero is never. The end of provisioned ones is seen to by tend.
func (m *member) restsAt() time.Time {
	end := m.endsAt()
	if m.provisioned {
		end = time.Time{}
	}
	if m.frozen || m.pool.pools.opts.Freezing == Never {
		return end
	}
	if at := m.since.Add(m.pool.pools.opts.IdleGrace); end.IsZero() || at.Before(end) {
		return at
	}
	return end
}

// rests is the timer that freezes and ends idle members; due is when, or zero. One
// for all: a timer that is set and stopped with each invocation costs a wake-up of
// the network poller each time.
type rests struct {
	timer *time.Timer
	due   time.Time
}

// settle puts a free member with the idle ones. The mutex is held.
func (vp *versionPool) settle(m *member, now time.Time) {
	m.since = now
	if m.provisioned {
		vp.provision.ready = append(vp.provision.ready, m)
	} else {
		vp.idle = append(vp.idle, m)
		vp.list()
	}
	vp.wake(m.restsAt())
}

// wake sets the timer, unless it is set to an earlier time. The mutex is held.
func (vp *versionPool) wake(at time.Time) {
	r := &vp.rests
	if at.IsZero() || !r.due.IsZero() && !at.Before(r.due) {
		return
	}
	r.due = at
	if r.timer == nil {
		r.timer = time.AfterFunc(time.Until(at), vp.rest)
		return
	}
	r.timer.Reset(time.Until(at))
}

// rest is the timer's turn: it freezes what has been idle for the grace, and
// ends what has been idle for the keep-alive or is too old.
func (vp *versionPool) rest() {
	now := time.Now()
	var freeze, end []*member
	vp.mu.Lock()
	vp.rests.due = time.Time{}
	resting := func(m *member) (ends bool) {
		at := m.restsAt()
		switch {
		case at.IsZero() || now.Before(at):
			return false
		case !m.provisioned && !now.Before(m.endsAt()):
			end = append(end, m)
			return true
		}
		m.frozen = true
		freeze = append(freeze, m)
		return false
	}
	vp.idle = slices.DeleteFunc(vp.idle, resting)
	vp.provision.ready = slices.DeleteFunc(vp.provision.ready, resting)
	for _, m := range slices.Concat(vp.idle, vp.provision.ready) {
		vp.wake(m.restsAt())
	}
	vp.mu.Unlock()
	for _, m := range freeze {
		vp.freeze(m)
	}
	for _, m := range end {
		vp.drop(m)
	}
}

// freeze freezes a member. It may be taken at this very moment: an environment
// that is busy refuses.
func (vp *versionPool) freeze(m *member) {
	if err := m.env.Freeze(); err != nil {
		vp.pools.opts.Logger.Error("freeze environment", "function", vp.fn.name, "error", err)
	}
}

// freezeFirst freezes a member that is about to be idle before anybody can take
// it, if that is the way. The mutex is held, but not while the member is frozen:
// meanwhile it counts as one that is about to be free.
func (vp *versionPool) freezeFirst(m *member) {
	m.frozen = false
	if vp.pools.opts.Freezing != Always || vp.retired != nil || m.version != vp.version || len(vp.waiters) > 0 {
		return
	}
	m.drain(true)
	vp.mu.Unlock()
	vp.freeze(m)
	vp.mu.Lock()
	m.frozen = true
	vp.renew(m)
}

// startSuccessor starts the replacement of a member that is in steady use and
// soon too old, so that nobody waits for a start when it ends. Without room there
// is none. The mutex is held.
func (vp *versionPool) startSuccessor(old *member, now time.Time) {
	if old.succession != none || old.paused >= hotPause || now.Before(old.expires.Add(-vp.pools.lead())) {
		return
	}
	old.succession = begun
	if !vp.pools.host.spare() {
		return
	}
	vp.size.Add(1)
	v := vp.version
	vp.pools.work.Go(func() {
		m, err := vp.make(v, telemetry.OnDemand)
		if err != nil {
			vp.size.Add(-1)
			vp.pools.opts.Logger.Error("start environment", "function", vp.fn.name, "error", err)
			return
		}
		vp.mu.Lock()
		vp.members[m] = struct{}{}
		old.succession = stands
		at := slices.Index(vp.idle, old)
		if at >= 0 {
			vp.idle = slices.Delete(vp.idle, at, at+1)
		}
		vp.mu.Unlock()
		vp.put(m, true)
		if at >= 0 {
			vp.drop(old)
		}
	})
}
