package pool

import (
	"iter"
	"maps"
	"slices"

	"thaw/internal/concurrency"
)

// Figures are gauges of all environments.
type Figures struct {
	concurrency.Usage
	Environments int // existing or being started
	Idle         int // of these, on demand
	Waiting      int // invocations that wait for room on the host
	Functions    []FunctionFigures
}

// FunctionFigures are those of a function.
type FunctionFigures struct {
	Function string
	Running  int // permits
	Versions []VersionFigures
}

// VersionFigures are those of a version.
type VersionFigures struct {
	Version string
	Running int // invocations in its environments
	// Provisioned is how many environments are to be provisioned, Available how many
	// are ready or in use, and Busy how many are in use.
	Provisioned int
	Available   int
	Busy        int
}

// all are the pools of living versions. The mutex is held.
func (p *Pools) all() iter.Seq[*versionPool] {
	return func(yield func(*versionPool) bool) {
		for _, fn := range p.byName {
			for _, vp := range fn.versions {
				if !yield(vp) {
					return
				}
			}
		}
	}
}

// Figures are the gauges as they stand.
func (p *Pools) Figures() Figures { return p.figures(false) }

// Usage is the account's part of Figures.
func (p *Pools) Usage() concurrency.Usage {
	p.admission.mu.Lock()
	defer p.admission.mu.Unlock()
	return p.admission.ledger.Usage()
}

// Peaks are the highest of each gauge since the last call, so that no burst is
// missed between two looks. Environments, Idle, Waiting, Provisioned and Available
// are as they stand.
func (p *Pools) Peaks() Figures { return p.figures(true) }

func (p *Pools) figures(peaks bool) Figures {
	p.mu.Lock()
	fns := make([]*function, 0, len(p.byName))
	pools := make([][]*versionPool, 0, len(p.byName))
	for _, fn := range p.byName {
		fns = append(fns, fn)
		pools = append(pools, slices.Collect(maps.Values(fn.versions)))
	}
	p.mu.Unlock()
	f := Figures{Waiting: int(p.host.waiting.count.Load()), Functions: make([]FunctionFigures, len(fns))}
	for i, fn := range fns {
		f.Functions[i] = FunctionFigures{Function: fn.name, Versions: make([]VersionFigures, len(pools[i]))}
		for j, vp := range pools[i] {
			var idle int
			f.Functions[i].Versions[j], idle = vp.figures(peaks)
			f.Idle += idle
		}
	}
	p.admission.mu.Lock()
	f.Usage = p.admission.ledger.Usage()
	if peaks {
		f.Usage = p.admission.ledger.Peaks()
	}
	for i, fn := range fns {
		f.Functions[i].Running = fn.page.Running()
		if peaks {
			f.Functions[i].Running = fn.page.Peak()
		}
	}
	p.admission.mu.Unlock()
	p.host.mu.Lock()
	f.Environments = p.host.environments
	p.host.mu.Unlock()
	return f
}

// gauges are how much of a pool is in use, guarded by the pool's mutex.
type gauges struct {
	running, busy         int // invocations, and those of them in provisioned environments
	peakRunning, peakBusy int
}

// count counts an invocation that begins or ends. The pool's mutex is held.
func (g *gauges) count(m *member, n int) {
	g.running += n
	if m.provisioned {
		g.busy += n
	}
	g.peakRunning = max(g.peakRunning, g.running)
	g.peakBusy = max(g.peakBusy, g.busy)
}

func (vp *versionPool) figures(peaks bool) (f VersionFigures, idle int) {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	g := &vp.gauges
	f = VersionFigures{
		Version: vp.number, Running: g.running, Busy: g.busy,
		Provisioned: vp.provision.target, Available: vp.provision.live + vp.provision.old,
	}
	if peaks {
		f.Running, f.Busy = g.peakRunning, g.peakBusy
		g.peakRunning, g.peakBusy = g.running, g.busy
	}
	return f, len(vp.idle)
}
