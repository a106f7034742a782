package pool

import (
	"context"
	"sync"
	"time"
)

// Memory is a reading of the host's memory.
type Memory struct {
	// AvailableBytes is what could be had without swapping.
	AvailableBytes int64
	// Stalled is the share of the last seconds, from 0 to 1, in which some process
	// of the host waited for memory; 0 where the kernel does not tell.
	Stalled float64
}

const (
	// memoryInterval is how often the host's memory is looked at.
	memoryInterval = time.Second
	// stalledShare is from where on waiting for memory tells that it is short.
	stalledShare = 0.2
	// maxEnds bounds the environments that are ended at one time for the memory
	// they have.
	maxEnds = 8
)

// relief decides how many idle environments have to end for the host's memory:
// an eighth of them while less than the reserve is available, half of them below
// half of it. The next reading tells whether that was enough. Stalls alone are no
// reason, because a function at its own limit stalls too; they double the reserve.
func relief(m Memory, reserve int64, idle int) int {
	short := m.AvailableBytes < reserve || m.Stalled >= stalledShare && m.AvailableBytes < 2*reserve
	switch {
	case !short:
		return 0
	case m.AvailableBytes < reserve/2:
		return (idle + 1) / 2
	default:
		return (idle + 7) / 8
	}
}

// watchMemory ends idle environments, those that are worth least first, while the host is short of memory. It returns when ctx ends.
func (p *Pools) watchMemory(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		idle := p.idle()
		if idle == 0 {
			continue
		}
		m, err := p.opts.Memory()
		if err != nil {
			if !told {
				p.opts.Logger.Error("read the host's memory", "error", err)
			}
			told = true
			continue
		}
		told = false
		if n := relief(m, p.opts.MemoryReserve, idle); n > 0 {
			p.opts.Logger.Info("memory is short: idle environments end",
				"environments", n, "idle", idle, "available_bytes", m.AvailableBytes, "stalled", m.Stalled)
			p.evictMany(n)
		}
	}
}

// idle counts the idle environments that may end.
func (p *Pools) idle() int {
	n := 0
	p.mu.Lock()
	defer p.mu.Unlock()
	for vp := range p.all() {
		vp.mu.Lock()
		n += len(vp.idle)
		vp.mu.Unlock()
	}
	return n
}

// evictMany ends up to n idle environments and waits for their end.
func (p *Pools) evictMany(n int) {
	var ends sync.WaitGroup
	defer ends.Wait()
	turns := make(chan struct{}, maxEnds)
	for range n {
		turns <- struct{}{}
		ends.Go(func() {
			p.evict()
			<-turns
		})
	}
}

// evict ends the idle environment that is worth least.
func (p *Pools) evict() {
	if m := p.host.victim(); m != nil {
		p.host.endings(+1)
		m.pool.end(m)
		p.host.leave()
		p.host.endings(-1)
	}
}

// readingAge is how old a reading of the memory may be for a start.
const readingAge = 100 * time.Millisecond

// roomy makes the question whether the host has memory for one more environment.
// One that has none to spare is full, whatever MaxEnvironments says: the
// alternative is that its kernel kills what it likes.
func (o *Options) roomy() func() bool {
	if o.Memory == nil {
		return func() bool { return true }
	}
	var mu sync.Mutex
	var at time.Time
	enough := true
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); at.IsZero() || now.Sub(at) >= readingAge {
			m, err := o.Memory()
			at, enough = now, err != nil || m.AvailableBytes >= o.MemoryReserve
		}
		return enough
	}
}
