package pool

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/telemetry"
)

const (
	// maxPreparing bounds the environments that are provisioned at one time: those
	// of invocations, for which somebody waits, are started beside them.
	maxPreparing = 2
	// tendInterval is how often provisioned environments are looked after at least.
	tendInterval = time.Second
	// An environment that cannot be provisioned is tried again after retryFirst, then
	// after twice as long each time, up to retryMost.
	retryFirst = time.Second
	retryMost  = time.Minute
	// roomTries is how many tries in vain to find room on the host, one each second,
	// are a failure. What is busy now may be free then.
	roomTries = 60
)

// Status of a provisioned concurrency configuration, as the service has it.
const (
	ProvisioningInProgress = "IN_PROGRESS"
	ProvisioningReady      = "READY"
	ProvisioningFailed     = "FAILED"
)

// Reasons of a failed one. The first is the service's; it has no host that is
// full, nor one that cannot make a sandbox.
const (
	reasonInit = "FUNCTION_ERROR_INIT_FAILURE"
	reasonHost = "The host has no room for another execution environment."
	reasonMake = "The execution environment could not be created."
)

var (
	errInit   = errors.New("init failed")
	errNoRoom = errors.New("the host is full")
	errMoot   = errors.New("not wanted any more")
)

// provision is the provisioned environments of a version, guarded by the pool's
// mutex.
type provision struct {
	target   int
	ready    []*member // idle, the most recently used is last
	draining int
	live     int // those that are ready or in use, without those that are too old
	old      int // those that serve until their successors do
	making   int // being made, or about to be
	begun    int // of these, those that have a place on the host
	givenUp  int // inits that are not wanted any more
	failures int // rounds, since the last success
	reason   string
	retry    time.Time // no try before
	settled  bool      // the target was reached
	timer    *time.Timer
}

// begin forgets what came of earlier wishes.
func (pr *provision) begin() {
	pr.failures, pr.reason, pr.retry, pr.settled = 0, "", time.Time{}, false
}

// end is that nothing is to be provisioned any more.
func (pr *provision) end() {
	pr.target = 0
	if pr.timer != nil {
		pr.timer.Stop()
	}
}

// shares are the parts of a configuration that its versions get. An alias with two
// versions divides it as it divides invocations.
func shares(f *lambda.Function, c lambda.ProvisionedConcurrency) map[string]int {
	a := f.Alias(c.Qualifier)
	if a == nil {
		return map[string]int{c.Qualifier: c.Requested}
	}
	of := map[string]int{a.Version: c.Requested}
	if a.Additional != nil {
		n := int(math.Round(float64(c.Requested) * a.Additional.Weight))
		of[a.Version] -= n
		of[a.Additional.Number] += n
	}
	return of
}

// provisioned is how many environments each version of a function is to have.
func provisioned(f *lambda.Function) map[string]int {
	if f == nil || len(f.Configs.Provisioned) == 0 {
		return nil
	}
	wanted := map[string]int{}
	for _, c := range f.Configs.Provisioned {
		for number, n := range shares(f, c) {
			if n > 0 && number != lambda.Latest && f.Version(number) != nil {
				wanted[number] += n
			}
		}
	}
	return wanted
}

// Provisioning is how far a provisioned concurrency configuration is.
type Provisioning struct {
	// Allocated and Available count environments: made, and initialized.
	Allocated, Available int
	Status               string
	Reason               string // of a failure
}

// Provisioned tells how far the configuration of a function's qualifier is.
// Versions that several configurations are for are counted to the first.
func (p *Pools) Provisioned(f *lambda.Function, qualifier string) Provisioning {
	out := Provisioning{Status: ProvisioningReady}
	at, found := lambda.Find(f.Configs.Provisioned, qualifier)
	if !found {
		return out
	}
	for number, share := range shares(f, f.Configs.Provisioned[at]) {
		before := 0
		for _, c := range f.Configs.Provisioned[:at] {
			before += shares(f, c)[number]
		}
		p.mu.Lock()
		var vp *versionPool
		if fn := p.byName[f.Name]; fn != nil {
			vp = fn.versions[number]
		}
		p.mu.Unlock()
		one := Provisioning{Status: ProvisioningInProgress}
		if vp != nil {
			one = vp.provisioning(before, share)
		}
		out.Allocated += one.Allocated
		out.Available += one.Available
		if one.Status == ProvisioningFailed || out.Status == ProvisioningReady {
			out.Status, out.Reason = one.Status, one.Reason
		}
	}
	return out
}

// provisioning is the state of a share of the pool's environments, of those after
// the first ones.
func (vp *versionPool) provisioning(before, share int) Provisioning {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	pr := &vp.provision
	part := func(n int) int { return min(max(n-before, 0), share) }
	out := Provisioning{Allocated: part(pr.live + pr.old + pr.begun), Available: part(pr.live + pr.old), Status: ProvisioningInProgress}
	switch {
	case pr.target < before+share: // the change has not arrived yet
	case out.Available >= share || pr.settled && pr.failures == 0:
		out.Status = ProvisioningReady
	case pr.reason == reasonHost && pr.failures < roomTries: // still
	case pr.failures > 0:
		out.Status, out.Reason = ProvisioningFailed, pr.reason
	}
	return out
}

// provide changes how many environments are to be provisioned.
func (vp *versionPool) provide(target int) {
	vp.mu.Lock()
	if vp.provision.target != target && vp.retired == nil {
		vp.provision.target = target
		vp.provision.begin()
	}
	pr := &vp.provision
	none := target == 0 && pr.live == 0 && pr.old == 0 && pr.making == 0
	vp.mu.Unlock()
	if !none {
		vp.tend()
	}
}

// tend looks after the provisioned environments: those that have died or are old
// are replaced, those that are too many end, and those that are missing are made.
func (vp *versionPool) tend() {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	pr := &vp.provision
	if vp.retired != nil {
		return
	}
	now := time.Now()
	pr.ready = slices.DeleteFunc(pr.ready, func(m *member) bool {
		vp.outgrow(m, now)
		if vp.keeps(m, now) {
			return false
		}
		vp.forgo(m)
		vp.drop(m)
		return true
	})
	for _, i := range vp.inits { // an init may take minutes
		if i.initType == telemetry.ProvisionedConcurrency && pr.live+pr.begun-pr.givenUp > pr.target {
			vp.giveUp(i)
		}
	}
	pr.settled = pr.settled || pr.target > 0 && pr.live >= pr.target
	if state := vp.version.Status.State; state != lambda.StatePending && state != lambda.StateFailed && !now.Before(pr.retry) {
		most := pr.target
		if pr.failures > 0 {
			most = min(most, pr.live+1) // one to try
		}
		for ; pr.live+pr.making < most; pr.making++ {
			v := vp.version
			vp.pools.work.Go(func() { vp.prepare(v) })
		}
	}
	if pr.target == 0 {
		return
	}
	next := min(tendInterval, vp.pools.lead()/2)
	if pr.timer == nil {
		pr.timer = time.AfterFunc(next, vp.tend)
		return
	}
	pr.timer.Reset(next)
}

// keepsProvisioned tells whether a free provisioned environment is of use any
// more. The mutex is held.
func (vp *versionPool) keepsProvisioned(m *member) bool {
	pr := &vp.provision
	if m.counted && pr.live > pr.target || !m.counted && pr.live+pr.old > pr.target {
		return false
	}
	return m.env.Ready()
}

// outgrow has a member replaced that will soon be too old. It is in service until
// its successor is; where there is no room for both, until its end. The mutex is
// held.
func (vp *versionPool) outgrow(m *member, now time.Time) {
	if m.counted && !now.Before(m.expires.Add(-vp.pools.lead())) && vp.pools.host.hasPlace() {
		vp.forgo(m)
		m.old = true
		vp.provision.old++
	}
}

// forgo no longer counts on a member. The mutex is held.
func (vp *versionPool) forgo(m *member) {
	if m.old {
		m.old = false
		vp.provision.old--
	}
	if !m.counted {
		return
	}
	m.counted = false
	vp.provision.live--
	if vp.retired == nil && vp.provision.timer != nil {
		vp.provision.timer.Reset(0)
	}
}

// prepare makes one provisioned environment.
func (vp *versionPool) prepare(v *lambda.Version) {
	vp.pools.preparing <- struct{}{}
	m, err := vp.prepared(v)
	<-vp.pools.preparing
	vp.mu.Lock()
	pr := &vp.provision
	pr.making--
	if err == nil {
		vp.members[m] = struct{}{}
		pr.live++
		m.counted = true
		pr.failures, pr.reason, pr.retry = 0, "", time.Time{}
	} else if !errors.Is(err, errMoot) && vp.retired == nil {
		vp.failed(err)
	}
	vp.mu.Unlock()
	if m != nil {
		vp.put(m, true)
	}
	vp.tend()
}

// failed remembers why there is no environment. Those that were begun together
// fail together, and count once. The mutex is held.
func (vp *versionPool) failed(err error) {
	pr := &vp.provision
	switch {
	case errors.Is(err, errInit):
		pr.reason = reasonInit
	case errors.Is(err, errNoRoom):
		pr.reason = reasonHost
	default:
		pr.reason = reasonMake
	}
	if now := time.Now(); !now.Before(pr.retry) {
		pr.retry = now.Add(min(retryFirst<<min(pr.failures, 10), retryMost))
		if pr.reason == reasonHost {
			pr.retry = now.Add(retryFirst)
		}
		pr.failures++
		vp.pools.opts.Logger.Warn("provision environment", "function", vp.fn.name, "version", vp.number, "failures", pr.failures, "error", err)
	}
}

// prepared is an environment that waits for its first event.
func (vp *versionPool) prepared(v *lambda.Version) (*member, error) {
	vp.mu.Lock()
	pr := &vp.provision
	moot := vp.retired != nil || vp.version != v && !sameExecution(vp.version, v) || pr.live >= pr.target || time.Now().Before(pr.retry)
	vp.mu.Unlock()
	if moot {
		return nil, errMoot
	}
	if !vp.pools.host.claim() {
		return nil, errNoRoom
	}
	vp.begun(+1)
	defer vp.begun(-1)
	m, err := vp.make(v, telemetry.ProvisionedConcurrency)
	if err != nil {
		return nil, err
	}
	if !m.env.Ready() {
		err := m.env.Shutdown(context.Background())
		vp.pools.host.leave()
		return nil, errors.Join(errInit, err)
	}
	return m, nil
}

// begun counts one that has a place, or no longer.
func (vp *versionPool) begun(n int) {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	vp.provision.begun += n
}

// hasPlace tells whether one more environment may exist at nobody's cost.
func (h *host) hasPlace() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.environments < h.limit
}

// claim takes a place, if need be of an idle environment, which it waits for.
func (h *host) claim() bool {
	h.serving.Lock()
	victim, ok := h.place()
	h.serving.Unlock()
	if victim != nil {
		h.endings(+1)
		victim.pool.end(victim)
		h.endings(-1)
	}
	return ok
}
