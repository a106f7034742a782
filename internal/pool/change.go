package pool

import (
	"maps"
	"slices"

	"thaw/internal/lambda"
)

// adopt makes v what new environments are made to. If it asks for something
// else than before, the idle ones end.
func (vp *versionPool) adopt(v *lambda.Version) {
	vp.mu.Lock()
	if vp.version == v || v.LastModified.Before(vp.version.LastModified) {
		vp.mu.Unlock()
		return
	}
	same := sameExecution(vp.version, v)
	if same { // the idle ones serve v; so do the others, which put finds out
		for _, m := range slices.Concat(vp.idle, vp.provision.ready) {
			m.version = v
		}
	} else {
		vp.provision.begin()
	}
	vp.version = v
	vp.mu.Unlock()
	if !same {
		vp.dropIdle()
		vp.tend()
	}
}

// sameExecution tells whether an environment made to a serves b as well.
func sameExecution(a, b *lambda.Version) bool {
	return a.Number == b.Number && a.Code == b.Code && a.Runtime == b.Runtime && a.Handler == b.Handler &&
		a.Role == b.Role && a.Resources == b.Resources && a.Logging == b.Logging && a.Tracing == b.Tracing &&
		maps.Equal(a.Environment, b.Environment) && slices.Equal(a.Layers, b.Layers)
}

// renew makes a member one of the newest version, if it serves that as well. It
// may have been started, or given away, before the change.
func (vp *versionPool) renew(m *member) {
	if m.version != vp.version && sameExecution(m.version, vp.version) {
		m.version = vp.version
	}
}
