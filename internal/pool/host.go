package pool

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// host is the places for environments that there are.
type host struct {
	limit int

	serving sync.Mutex // held while turns are given

	mu           sync.Mutex
	environments int // existing or being started
	ending       int // of these, those that are being shut down
	queue        []*versionPool
	candidates   candidates
	crowd        int // see list

	// hungry tells that the queue is not empty, waiting how many invocations wait
	// for a place.
	hungry  atomic.Bool
	waiting atomic.Int64
}

// turn is a pool's place in the queue, guarded by host.mu.
type turn struct {
	queued bool
	since  time.Time
}

// ask puts a pool at the end of the queue, if it is not in it.
func (h *host) ask(vp *versionPool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !vp.turn.queued {
		vp.turn = turn{true, time.Now()}
		h.queue = append(h.queue, vp)
		h.hungry.Store(true)
	}
}

// next takes the pool whose turn it is out of the queue; nil if there is none.
func (h *host) next() *versionPool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return nil
	}
	vp := h.queue[0]
	h.queue[0] = nil
	h.queue = h.queue[1:]
	vp.turn.queued = false
	h.hungry.Store(len(h.queue) > 0)
	return vp
}

// waitOn puts a pool that has had its turn in vain back in front.
func (h *host) waitOn(vp *versionPool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if vp.turn.queued { // it has asked again meanwhile
		h.queue = slices.DeleteFunc(h.queue, func(x *versionPool) bool { return x == vp })
	}
	vp.turn.queued = true // since when stays
	h.queue = slices.Insert(h.queue, 0, vp)
	h.hungry.Store(true)
}

// serve gives places to pools in turn, each one at a time, until no pool wants
// one or there is none.
func (h *host) serve() {
	h.serving.Lock()
	defer h.serving.Unlock()
	for vp := h.next(); vp != nil; vp = h.next() {
		if !vp.wanting() {
			continue
		}
		victim, ok := h.place()
		if !ok {
			h.waitOn(vp)
			return
		}
		switch {
		case !vp.begin(victim):
			h.unplace(victim)
		case vp.wanting():
			h.ask(vp)
		}
	}
}

// give lets the pool whose turn it is have the place of a free environment. It is
// false if none wants it.
func (h *host) give(m *member) bool {
	h.serving.Lock()
	defer h.serving.Unlock()
	for vp := h.next(); vp != nil; vp = h.next() {
		if vp.begin(m) {
			if vp.wanting() {
				h.ask(vp)
			}
			return true
		}
	}
	return false
}

// unplace undoes place.
func (h *host) unplace(victim *member) {
	if victim != nil {
		victim.pool.putBack(victim)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.environments--
}

// place takes a free place, or else an idle environment out of its pool.
func (h *host) place() (victim *member, ok bool) {
	if h.spare() {
		return nil, true
	}
	victim = h.victim()
	return victim, victim != nil
}

// spare takes a free place.
func (h *host) spare() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.environments >= h.limit {
		return false
	}
	h.environments++
	return true
}

// leave gives a place back.
func (h *host) leave() {
	h.mu.Lock()
	h.environments--
	h.mu.Unlock()
	if h.hungry.Load() {
		h.serve()
	}
}

// endings counts the environments that are just ending.
func (h *host) endings(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ending += n
}

func (h *host) isEnding() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ending > 0
}

// yields tells whether a pool has to give the place of a free environment,
// although it has use for it, to the pool whose turn it is: if it has more than
// one environment more than that, or if that has had none for some time.
func (h *host) yields(vp *versionPool, patience time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 || h.queue[0] == vp {
		return false
	}
	other := h.queue[0]
	has := other.size.Load()
	return vp.size.Load() > has+1 || has == 0 && time.Since(other.turn.since) >= patience
}
