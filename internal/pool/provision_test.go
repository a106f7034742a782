package pool_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/telemetry"
)

// provisioned is a function with versions 1 and 2, an alias that leads to the
// first, and provisioned concurrency.
func provisioned(configs ...lambda.ProvisionedConcurrency) *lambda.Function {
	f := &lambda.Function{Name: "f", Latest: *version(lambda.Latest, 128, time.Time{}),
		Versions: []lambda.Version{*version("1", 128, time.Time{}), *version("2", 128, time.Time{})},
		Aliases:  []lambda.Alias{{Name: "live", Version: "1"}}}
	f.Configs.Provisioned = configs
	return f
}

func of(qualifier string, n int) lambda.ProvisionedConcurrency {
	return lambda.ProvisionedConcurrency{Qualifier: qualifier, Requested: n}
}

// want fails the test unless a configuration is so far.
func want(t *testing.T, p *pool.Pools, f *lambda.Function, qualifier string, want pool.Provisioning) {
	t.Helper()
	if got := p.Provisioned(f, qualifier); got != want {
		t.Errorf("%s: %+v, want %+v", qualifier, got, want)
	}
}

// alive counts the living environments of a version that were started for a
// reason.
func (h *host) living(number, initType string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.made {
		e.mu.Lock()
		if !e.down && e.version.Number == number && e.initType == initType {
			n++
		}
		e.mu.Unlock()
	}
	return n
}

// spoil does something to an environment.
func (h *host) spoil(i int, how func(*env)) {
	h.mu.Lock()
	e := h.made[i]
	h.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	how(e)
}

// at invokes a version and tells whether in a provisioned environment.
func at(t *testing.T, p *pool.Pools, f *lambda.Function, number string) (ahead, spilled bool) {
	t.Helper()
	l, err := p.Acquire(t.Context(), "f", f.Version(number))
	if err != nil {
		t.Error(err)
		return false, false
	}
	ahead, spilled = l.Provisioned(), l.Spillover()
	if _, err := l.Invoke(t.Context(), lambda.Invocation{}, false); err != nil {
		t.Error(err)
	}
	return ahead, spilled
}

// TestProvisioned takes a configuration through its life: environments are made,
// are used before others, spill over, and end with the configuration.
func TestProvisioned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = telemetry.ProvisionedConcurrency
		h := &host{t: t, initTakes: time.Second, runTakes: 100 * time.Millisecond}
		p := open(h, pool.Options{KeepAlive: time.Minute})
		f := provisioned(of("live", 3))
		p.Changed("f", f)
		synctest.Wait()
		want(t, p, f, "live", pool.Provisioning{Allocated: 2, Status: pool.ProvisioningInProgress}) // two are made at one time
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, p, f, "live", pool.Provisioning{Allocated: 3, Available: 3, Status: pool.ProvisioningReady})
		time.Sleep(time.Hour)
		if n := h.living("1", ahead); n != 3 || h.number() != 3 {
			t.Errorf("%d living and %d made after an hour, want the three", n, h.number())
		}
		if e := h.see(0); !e.frozen {
			t.Error("one that is idle is not frozen")
		}
		var mu sync.Mutex
		var prepared, spilled int
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				a, s := at(t, p, f, "1")
				mu.Lock()
				defer mu.Unlock()
				if a {
					prepared++
				}
				if s {
					spilled++
				}
			})
		}
		synctest.Wait()
		if v := p.Figures().Functions[0].Versions; len(v) != 1 || v[0].Busy != 3 || v[0].Provisioned != 3 {
			t.Errorf("%+v", v)
		}
		all.Wait()
		if prepared < 3 || spilled != 5-prepared {
			t.Errorf("%d in provisioned environments, %d spilled over", prepared, spilled)
		}
		for range 10 {
			if a, s := at(t, p, f, "1"); !a || s {
				t.Error("one that was started on demand was taken before a provisioned one")
			}
		}
		if a, s := at(t, p, f, "2"); a || s {
			t.Error("another version has a provisioned environment, or spills over")
		}
		f = provisioned(of("live", 1))
		p.Changed("f", f)
		synctest.Wait()
		want(t, p, f, "live", pool.Provisioning{Allocated: 1, Available: 1, Status: pool.ProvisioningReady})
		if n := h.living("1", ahead); n != 1 {
			t.Errorf("%d living, want one", n)
		}
		p.Changed("f", provisioned())
		synctest.Wait()
		if n := h.living("1", ahead); n != 0 {
			t.Errorf("%d living, want none", n)
		}
		p.Close(t.Context())
	})
}

// TestProvisionedAliasMoves: the environments move with the alias, in parts if it
// leads to two versions.
func TestProvisionedAliasMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = telemetry.ProvisionedConcurrency
		h := &host{t: t, initTakes: time.Second}
		p := open(h, pool.Options{})
		f := provisioned(of("live", 4))
		p.Changed("f", f)
		time.Sleep(time.Minute)
		for _, test := range []struct {
			alias    lambda.Alias
			one, two int
		}{
			{lambda.Alias{Name: "live", Version: "1", Additional: &lambda.WeightedVersion{Number: "2", Weight: 0.25}}, 3, 1},
			{lambda.Alias{Name: "live", Version: "2"}, 0, 4},
		} {
			f = provisioned(of("live", 4))
			f.Aliases[0] = test.alias
			p.Changed("f", f)
			if got := p.Provisioned(f, "live"); got.Status != pool.ProvisioningInProgress {
				t.Errorf("%+v right after the move", got)
			}
			time.Sleep(time.Minute)
			want(t, p, f, "live", pool.Provisioning{Allocated: 4, Available: 4, Status: pool.ProvisioningReady})
			if one, two := h.living("1", ahead), h.living("2", ahead); one != test.one || two != test.two {
				t.Errorf("%d and %d of the versions, want %d and %d", one, two, test.one, test.two)
			}
		}
		p.Close(t.Context())
	})
}

// TestProvisionedIsReplaced when it dies, idle or in use, and when it is too old,
// without a caller who waits for it.
func TestProvisionedIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: 5 * time.Second, runTakes: 10 * time.Millisecond}
		p := open(h, pool.Options{MaxAge: time.Hour})
		f := provisioned(of("1", 2))
		p.Changed("f", f)
		time.Sleep(time.Minute)
		ready := pool.Provisioning{Allocated: 2, Available: 2, Status: pool.ProvisioningReady}
		h.spoil(0, func(e *env) { e.dead = true })
		time.Sleep(10 * time.Second)
		want(t, p, f, "1", ready)
		if !h.see(0).down || h.number() != 3 {
			t.Errorf("%d made, down: %t; want the dead one replaced", h.number(), h.see(0).down)
		}
		h.spoil(2, func(e *env) { e.failNext = true })
		at(t, p, f, "1")
		at(t, p, f, "1")
		time.Sleep(10 * time.Second)
		want(t, p, f, "1", ready)
		if !h.see(2).down || h.number() != 4 {
			t.Errorf("%d made, down: %t; want the one that failed replaced", h.number(), h.see(2).down)
		}
		for end := time.Now().Add(3 * time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
			began := time.Now()
			if a, _ := at(t, p, f, "1"); !a || time.Since(began) > 20*time.Millisecond {
				t.Fatalf("provisioned: %t, after %v", a, time.Since(began))
			}
		}
		for i := range h.number() {
			if e := h.see(i); e.down && e.lived > time.Hour+time.Minute {
				t.Errorf("environment %d lived for %v", i, e.lived)
			}
		}
		if made := h.number(); made < 8 || made > 14 {
			t.Errorf("%d made in three times the greatest age of two", made)
		}
		p.Close(t.Context())
	})
}

// TestProvisionedFails: an init that fails is told, tried again at growing
// intervals, and forgotten when it succeeds.
func TestProvisionedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: 100 * time.Millisecond, unready: true}
		p := open(h, pool.Options{})
		f := provisioned(of("1", 3))
		p.Changed("f", f)
		time.Sleep(200 * time.Millisecond)
		want(t, p, f, "1", pool.Provisioning{Status: pool.ProvisioningFailed, Reason: "FUNCTION_ERROR_INIT_FAILURE"})
		time.Sleep(10 * time.Minute)
		if made := h.number(); made < 10 || made > 25 {
			t.Errorf("%d tries in ten minutes", made)
		}
		if _, alive := h.count(); alive > 1 {
			t.Errorf("%d that failed live on", alive)
		}
		h.mu.Lock()
		h.unready = false
		h.mu.Unlock()
		time.Sleep(2 * time.Minute)
		want(t, p, f, "1", pool.Provisioning{Allocated: 3, Available: 3, Status: pool.ProvisioningReady})
		h.failStarts(errNoSandbox)
		f = provisioned(of("1", 4))
		p.Changed("f", f)
		time.Sleep(500 * time.Millisecond)
		want(t, p, f, "1", pool.Provisioning{Allocated: 3, Available: 3, Status: pool.ProvisioningFailed, Reason: "The execution environment could not be created."})
		p.Close(t.Context())
	})
}

// TestProvisionedTakesRoom from what is idle, never gives its own, and waits for
// what is busy.
func TestProvisionedTakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond}
		p := open(h, pool.Options{MaxEnvironments: 4, KeepAlive: time.Hour})
		for _, name := range []string{"a", "b", "c", "d"} {
			ask(t, p, name, false)
		}
		f := provisioned(of("1", 3))
		p.Changed("f", f)
		time.Sleep(time.Second)
		want(t, p, f, "1", pool.Provisioning{Allocated: 3, Available: 3, Status: pool.ProvisioningReady})
		for range 5 {
			for _, name := range []string{"a", "b", "c", "d"} {
				if reason := ask(t, p, name, false); reason != "" {
					t.Error(reason)
				}
			}
		}
		if n := h.living("1", telemetry.ProvisionedConcurrency); n != 3 || h.maxAlive > 4 {
			t.Errorf("%d of three provisioned environments are left, %d existed at one time", n, h.maxAlive)
		}
		h.runTakes = 20 * time.Second
		go ask(t, p, "a", false)
		synctest.Wait()
		f = provisioned(of("1", 4))
		p.Changed("f", f)
		time.Sleep(10 * time.Second)
		want(t, p, f, "1", pool.Provisioning{Allocated: 3, Available: 3, Status: pool.ProvisioningInProgress})
		time.Sleep(20 * time.Second)
		want(t, p, f, "1", pool.Provisioning{Allocated: 4, Available: 4, Status: pool.ProvisioningReady})
		f = provisioned(of("1", 5))
		p.Changed("f", f)
		time.Sleep(2 * time.Minute)
		want(t, p, f, "1", pool.Provisioning{Allocated: 4, Available: 4, Status: pool.ProvisioningFailed, Reason: "The host has no room for another execution environment."})
		p.Close(t.Context())
	})
}

// TestProvisionedChange: a version that is not ready yet waits; one whose
// environments would be others has them made anew; one that is deleted has none.
func TestProvisionedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t}
		p := open(h, pool.Options{})
		start := time.Now()
		f := provisioned(of("1", 1))
		f.Versions[0].Status.State = lambda.StatePending
		p.Changed("f", f)
		time.Sleep(time.Minute)
		if h.number() != 0 {
			t.Error("a version that is not ready has environments")
		}
		f = provisioned(of("1", 1))
		f.Versions[0].LastModified = start
		p.Changed("f", f)
		time.Sleep(time.Second)
		want(t, p, f, "1", pool.Provisioning{Allocated: 1, Available: 1, Status: pool.ProvisioningReady})
		f = provisioned(of("1", 1))
		f.Versions[0].LastModified, f.Versions[0].Resources.MemoryMB = time.Now(), 256
		p.Changed("f", f)
		time.Sleep(time.Second)
		want(t, p, f, "1", pool.Provisioning{Allocated: 1, Available: 1, Status: pool.ProvisioningReady})
		if !h.see(0).down || h.number() != 2 {
			t.Errorf("%d made, the first is down: %t", h.number(), h.see(0).down)
		}
		p.Changed("f", nil)
		synctest.Wait()
		if _, alive := h.count(); alive != 0 {
			t.Errorf("%d outlive their function", alive)
		}
		if f := p.Figures(); len(f.Functions) != 0 || f.Claimed != 0 {
			t.Errorf("%+v of a function that is deleted", f)
		}
		p.Close(t.Context())
	})
}

// TestCloseEndsInits: nobody waits for an init of minutes when its environment is
// not needed any more.
func TestCloseEndsInits(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p *pool.Pools){
		"close":  func(t *testing.T, p *pool.Pools) { p.Close(t.Context()) },
		"end":    func(_ *testing.T, p *pool.Pools) { p.Changed("f", provisioned()) },
		"delete": func(_ *testing.T, p *pool.Pools) { p.Changed("f", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{t: t, initTakes: 15 * time.Minute}
				p := open(h, pool.Options{})
				p.Changed("f", provisioned(of("1", 1)))
				synctest.Wait()
				began := time.Now()
				end(t, p)
				synctest.Wait()
				if _, alive := h.count(); alive != 0 || time.Since(began) > time.Second {
					t.Errorf("%d alive %v later", alive, time.Since(began))
				}
				time.Sleep(time.Hour)
				p.Close(t.Context())
			})
		})
	}
}
