package pool

import (
	"context"
	"maps"
	"slices"
)

// drop ends an environment that nobody holds, behind the caller's back.
func (vp *versionPool) drop(m *member) {
	vp.pools.host.endings(+1)
	vp.pools.work.Go(func() {
		vp.end(m)
		vp.pools.host.leave()
		vp.pools.host.endings(-1)
	})
}

// end ends an environment that nobody holds. Its place is the caller's then.
func (vp *versionPool) end(m *member) {
	if err := m.env.Shutdown(context.Background()); err != nil {
		vp.pools.opts.Logger.Error("shut down environment", "function", vp.fn.name, "error", err)
	}
	if !m.provisioned {
		vp.size.Add(-1)
	}
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
	vp.gone.Store(true)
	waiters := vp.waiters
	vp.waiters = nil
	nothing := len(vp.members) == 0
	vp.provision.end()
	for _, i := range vp.inits {
		vp.giveUp(i)
	}
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
	idle := slices.Concat(vp.idle, vp.provision.ready)
	vp.idle, vp.provision.ready = nil, nil
	for _, m := range idle {
		vp.forgo(m)
	}
	vp.mu.Unlock()
	for _, m := range idle {
		vp.drop(m)
	}
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
			vp.pools.opts.Logger.Error("cut off environment", "function", vp.fn.name, "error", err)
		}
	}
	<-empty
}
