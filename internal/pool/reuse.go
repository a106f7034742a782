package pool

import (
	"container/heap"
	"math"
	"slices"
	"time"
)

// Which idle environment ends first, when one has to, goes by what its end costs:
// the length of an init, times how much it was used lately. Uses fade with time,
// so that one of a memory ago counts 1/e. As that fades all of them alike, the
// order of two that rest does not change, and its logarithm can be kept as a
// number of the moment when it became idle:
//
//	worth = ln(init · uses at the last use) + last use / memory
//
// Between environments that were used alike and start alike it is the order of
// their last use.
const (
	// memory is how long a use counts. Without it, an environment that was busy
	// yesterday would outlive those that are in use now.
	memory = time.Minute
	// leastInit is the cost of a start beside the function's init.
	leastInit = 5 * time.Millisecond
)

// reuse is how an environment was used.
type reuse struct {
	init  time.Duration // what its start took
	uses  float64       // faded, at the last one
	last  time.Time
	worth float64
}

// used counts a use that ends now. epoch is any moment, the same for all.
func (r *reuse) used(epoch, now time.Time) {
	r.uses = 1 + r.uses*math.Exp(-float64(now.Sub(r.last))/float64(memory))
	r.last = now
	r.worth = worth((r.init+leastInit).Seconds()*r.uses, float64(now.Sub(epoch))/float64(memory))
}

// worth is the rule above. It is a variable so that a test can hold it against
// another.
var worth = func(cost, last float64) float64 { return math.Log(cost) + last }

// candidate is a pool that has had an idle environment of a worth. It may be
// outdated: the pool knows better.
type candidate struct {
	pool  *versionPool
	worth float64
}

// candidates is a heap, with the least worth on top.
type candidates []candidate

func (c candidates) Len() int           { return len(c) }
func (c candidates) Less(i, j int) bool { return c[i].worth < c[j].worth }
func (c candidates) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)        { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	old := *c
	n := len(old) - 1
	x := old[n]
	old[n] = candidate{}
	*c = old[:n]
	return x
}

// listing is a pool's place among the candidates, guarded by the pool's mutex.
type listing struct {
	listed bool
	worth  float64
}

// list makes sure that the pool is found when room is needed. While it stays
// listed, a warm invocation has nothing to do here. The mutex is held.
func (vp *versionPool) list() {
	if len(vp.idle) == 0 {
		return
	}
	worth := vp.idle[0].reuse.worth
	if vp.listing.listed && worth >= vp.listing.worth {
		return // found too early at worst, and then judged anew
	}
	vp.listing = listing{true, worth}
	vp.pools.host.list(candidate{vp, worth})
}

func (h *host) list(c candidate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.candidates) >= h.crowd {
		h.candidates = slices.DeleteFunc(h.candidates, func(c candidate) bool { return c.pool.gone.Load() })
		heap.Init(&h.candidates)
		h.crowd = max(leastCrowd, 2*len(h.candidates))
	}
	heap.Push(&h.candidates, c)
}

// leastCrowd is how many candidates are looked through for pools that are no
// more, at the earliest: nobody takes them off while there is room.
const leastCrowd = 1024

// victim takes the idle environment that is worth least out of its pool; nil if
// there is none. What was listed long ago is judged anew, which is rare for a
// pool that rests and cheap for one that does not.
func (h *host) victim() *member {
	for {
		h.mu.Lock()
		if len(h.candidates) == 0 {
			h.mu.Unlock()
			return nil
		}
		c := heap.Pop(&h.candidates).(candidate)
		least := math.Inf(1)
		if len(h.candidates) > 0 {
			least = h.candidates[0].worth
		}
		h.mu.Unlock()
		if m := c.pool.surrender(c, least); m != nil {
			return m
		}
	}
}

// surrender gives up the pool's idle environment that is worth least, unless
// another pool's is worth less: then the pool is listed again.
func (vp *versionPool) surrender(c candidate, least float64) *member {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	if !vp.listing.listed || vp.listing.worth != c.worth {
		return nil // it is listed elsewhere
	}
	vp.listing.listed = false
	if len(vp.idle) == 0 {
		return nil
	}
	if vp.idle[0].reuse.worth > least {
		vp.list()
		return nil
	}
	m := vp.idle[0]
	vp.idle[0] = nil
	vp.idle = vp.idle[1:]
	vp.list()
	return m
}
