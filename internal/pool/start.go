package pool

import (
	"context"
	"errors"
	"slices"
	"time"

	"thaw/internal/concurrency"
	"thaw/internal/lambda"
	"thaw/internal/telemetry"
)

// wanting tells whether somebody waits for whom no environment is being started.
func (vp *versionPool) wanting() bool {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	return vp.wants()
}

// wants is wanting with the mutex held.
func (vp *versionPool) wants() bool { return vp.retired == nil && len(vp.waiters) > vp.starting }

// startMissing asks for a place on the host for every waiter that no environment
// is being started for: a burst of n invocations starts at most n.
func (vp *versionPool) startMissing() {
	if !vp.wanting() {
		return
	}
	vp.pools.host.ask(vp)
	vp.pools.host.serve()
}

// begin begins one start, in the place of a victim if there is one. It is false
// if nobody wants it any more, or the function starts too many: then those who
// wait for a start are refused.
func (vp *versionPool) begin(victim *member) bool {
	vp.mu.Lock()
	defer vp.mu.Unlock()
	if !vp.wants() {
		return false
	}
	if verdict := vp.pools.admission.start(vp.fn); verdict.Reason != concurrency.Admitted {
		for _, w := range vp.waiters[vp.starting:] {
			w.granted <- grant{err: throttle(verdict)}
		}
		clear(vp.waiters[vp.starting:])
		vp.waiters = vp.waiters[:vp.starting]
		return false
	}
	vp.starting++
	vp.size.Add(1)
	v := vp.version
	if victim != nil {
		vp.pools.host.endings(+1)
	}
	done := vp.pools.host.work()
	vp.pools.work.Go(func() {
		if victim != nil {
			victim.pool.end(victim)
			vp.pools.host.endings(-1)
		}
		m, err := vp.make(v, telemetry.OnDemand)
		vp.started(m, err)
		done()
	})
	return true
}

// make makes one environment, whose place is taken, ready for its first event.
// Without one the place is given back.
func (vp *versionPool) make(v *lambda.Version, initType string) (*member, error) {
	ctx := context.Background()
	began := time.Now()
	env, err := vp.pools.opts.New(ctx, vp.fn.name, v, initType)
	if err == nil {
		err = vp.initialise(ctx, env, initType)
		if err != nil {
			err = errors.Join(err, env.Shutdown(ctx))
		}
	}
	if err != nil {
		vp.pools.host.leave()
		return nil, err
	}
	now := time.Now()
	return &member{
		pool: vp, env: env, version: v, provisioned: initType == telemetry.ProvisionedConcurrency,
		expires: now.Add(vp.pools.age()), reuse: reuse{init: now.Sub(began)},
	}, nil
}

// initialisation is an environment while it is made ready. It is remembered so
// that it can be ended if nobody needs it any more: an init may take minutes.
type initialisation struct {
	env      Environment
	initType string
	givenUp  bool
}

// initialise runs the init of an environment.
func (vp *versionPool) initialise(ctx context.Context, env Environment, initType string) error {
	i := &initialisation{env: env, initType: initType}
	vp.mu.Lock()
	if err := vp.retired; err != nil {
		vp.mu.Unlock()
		return err
	}
	vp.inits = append(vp.inits, i)
	vp.mu.Unlock()
	err := env.Init(ctx)
	vp.mu.Lock()
	defer vp.mu.Unlock()
	vp.inits = slices.DeleteFunc(vp.inits, func(x *initialisation) bool { return x == i })
	if i.givenUp {
		vp.provision.givenUp--
		return errMoot // which is why it failed
	}
	return err
}

// giveUp ends an environment that is being made ready. The mutex is held.
func (vp *versionPool) giveUp(i *initialisation) {
	if i.givenUp {
		return
	}
	i.givenUp = true
	vp.provision.givenUp++
	vp.pools.work.Go(func() {
		if err := i.env.Shutdown(context.Background()); err != nil {
			vp.pools.opts.Logger.Error("shut down environment", "function", vp.fn.name, "error", err)
		}
	})
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
	vp.size.Add(-1)
	var first *waiter
	if len(vp.waiters) > 0 {
		first, vp.waiters = vp.waiters[0], vp.waiters[1:]
	}
	retired := vp.retired
	vp.mu.Unlock()
	if first == nil {
		if retired == nil {
			vp.pools.opts.Logger.Error("start environment", "function", vp.fn.name, "error", err)
		}
		return
	}
	first.granted <- grant{err: err}
}
