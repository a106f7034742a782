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
	gate  int         // how many starts may be at work at one time
	roomy func() bool // whether there is memory for one more

	serving sync.Mutex // held while turns are given

	mu           sync.Mutex
	environments int // existing or being started
	starts       int // at work, on demand
	ending       int // of these, those that are being shut down
	queue        []*versionPool
	candidates   candidates
	crowd        int // see list

	// hungry tells that the queue is not empty.
	hungry  atomic.Bool
	waiting waiting
}

const (
	// workTime is how long a start keeps others from beginning, at most.
	workTime = 500 * time.Millisecond
	// leastRoom is how many environments may exist however little memory there is:
	// what takes the memory may be somebody else.
	leastRoom = 16
)

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
		h.hungry.Store(false) // and not before: what becomes free meanwhile is to be told
		return nil
	}
	vp := h.queue[0]
	h.queue[0] = nil
	h.queue = h.queue[1:]
	vp.turn.queued = false
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
		if h.busy() {
			h.waitOn(vp)
			return
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

// busy tells that as many starts are at work as may be.
func (h *host) busy() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.starts >= h.gate
}

// work counts a start that is at work, until it is done or has taken so long that
// it will rather be waiting for something than using the processor.
func (h *host) work() (done func()) {
	h.mu.Lock()
	h.starts++
	h.mu.Unlock()
	var once sync.Once
	over := func() {
		once.Do(func() {
			h.mu.Lock()
			h.starts--
			h.mu.Unlock()
			if h.hungry.Load() {
				h.serve()
			}
		})
	}
	slow := time.AfterFunc(workTime, over)
	return func() {
		slow.Stop()
		over()
	}
}

// full tells that there is no room, whatever else keeps a start waiting.
func (h *host) full() bool {
	roomy := h.roomy()
	h.mu.Lock()
	defer h.mu.Unlock()
	return (h.environments >= h.limit || h.environments >= leastRoom && !roomy) && len(h.candidates) == 0
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
	roomy := h.roomy()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.environments >= h.limit || h.environments >= leastRoom && !roomy {
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
// although it has use for it, to the pool whose turn it is: if the host is full,
// and it has more than one environment more than that, or that has had none for
// some time.
func (h *host) yields(vp *versionPool, patience time.Duration) bool {
	if !h.full() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) > 0 && h.queue[0] == vp { // its own free one is its turn
		h.queue = append(h.queue[1:], vp)
	}
	if len(h.queue) == 0 || h.queue[0] == vp {
		return false
	}
	other := h.queue[0]
	has := other.size.Load()
	return vp.size.Load() > has+1 || has == 0 && time.Since(other.turn.since) >= patience
}
