package pool_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/pool"
)

func TestFreezing(t *testing.T) {
	for name, test := range map[string]struct {
		how         pool.Freezing
		drains      time.Duration
		first, rest int // freezes right after three invocations, and a minute later
	}{
		"lazily":                     {pool.Lazily, 0, 0, 1},
		"always":                     {pool.Always, 0, 4, 4}, // after init and after each
		"always, answered before":    {pool.Always, 200 * time.Microsecond, 4, 4},
		"never":                      {pool.Never, 0, 0, 0},
		"never, and answered before": {pool.Never, 200 * time.Microsecond, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{t: t, runTakes: time.Millisecond, drainTakes: test.drains}
				p := open(h, pool.Options{Freezing: test.how, IdleGrace: 10 * time.Millisecond, KeepAlive: 5 * time.Minute})
				v := version(lambda.Latest, 128, time.Now())
				l, err := p.Acquire(t.Context(), "f", v) // nobody waits when the first is ready
				if err != nil {
					t.Fatal(err)
				}
				if _, err := l.Invoke(t.Context(), lambda.Invocation{}, false); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					time.Sleep(time.Millisecond)
					if got := invoke(t, p, v); got != "0" {
						t.Errorf("ran in environment %s, want the first again", got)
					}
				}
				time.Sleep(time.Millisecond)
				synctest.Wait()
				if got := h.see(0).freezes; got != test.first {
					t.Errorf("%d freezes at first, want %d", got, test.first)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if e := h.see(0); e.freezes != test.rest || e.frozen != (test.rest > 0) || e.down {
					t.Errorf("%+v a minute later, want %d freezes", e, test.rest)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if !h.see(0).down {
					t.Error("alive after the keep-alive")
				}
				p.Close(t.Context())
			})
		})
	}
}

// TestAlwaysFrozenBetween has callers that never pause: whoever waits gets the
// environment at once, and each pause between two is spent frozen.
func TestAlwaysFrozenBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond, freezeTakes: 50 * time.Microsecond}
		p := open(h, pool.Options{Freezing: pool.Always})
		v := version(lambda.Latest, 128, time.Now())
		for range 100 {
			invoke(t, p, v)
		}
		if made, _ := h.count(); made != 1 {
			t.Errorf("%d environments for one caller: one that is just being frozen was not waited for", made)
		}
		if e := h.see(0); e.freezes != 100 {
			t.Errorf("%d freezes, want one after each of 100 invocations", e.freezes)
		}
		p.Close(t.Context())
	})
}

// TestChangeWhileFreezing: a change that an environment does not see costs it its
// life at no moment.
func TestChangeWhileFreezing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond, freezeTakes: time.Second}
		p := open(h, pool.Options{Freezing: pool.Always})
		v := version(lambda.Latest, 128, time.Now())
		go invoke(t, p, v)
		time.Sleep(2 * time.Millisecond) // it is being frozen
		same := version(lambda.Latest, 128, time.Now())
		p.Changed("f", function(same))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := invoke(t, p, same); got != "0" || h.see(0).down {
			t.Errorf("ran in environment %s, want the first again", got)
		}
		p.Close(t.Context())
	})
}

// TestMaxAgeOfABusyEnvironment never lets an environment pause.
func TestMaxAgeOfABusyEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const age = time.Hour
		h := &host{t: t, initTakes: 5 * time.Second, runTakes: 700 * time.Millisecond}
		p := open(h, pool.Options{MaxAge: age})
		v := version(lambda.Latest, 128, time.Now())
		invoke(t, p, v)
		for end := time.Now().Add(3 * age); time.Now().Before(end); {
			began := time.Now()
			invoke(t, p, v)
			if took := time.Since(began); took > time.Second {
				t.Errorf("waited %v for a start, although the environment's age is known ahead", took)
			}
			for i := range h.number() {
				if e := h.see(i); e.down && (e.lived > age || e.lived < age*7/8-time.Minute) {
					t.Fatalf("environment %d lived for %v, want %v or up to an eighth less", i, e.lived, age)
				}
			}
		}
		if made, alive := h.count(); made < 3 || made > 5 || alive > 2 {
			t.Errorf("%d environments made and %d alive after three times the greatest age", made, alive)
		}
		p.Close(t.Context())
	})
}

// TestMaxAgeWithoutRoom has no place for a successor: the next invocation after
// the end starts its own.
func TestMaxAgeWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: 100 * time.Millisecond}
		p := open(h, pool.Options{MaxAge: time.Minute, MaxEnvironments: 1})
		v := version(lambda.Latest, 128, time.Now())
		for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
			invoke(t, p, v)
			if _, alive := h.count(); alive > 1 {
				t.Fatalf("%d environments where there is room for one", alive)
			}
		}
		if made, _ := h.count(); made < 3 {
			t.Errorf("%d environments in three times the greatest age", made)
		}
		p.Close(t.Context())
	})
}

// TestMaxAgeOfARestingEnvironment: one that is used now and then ends in its
// time, idle, and is not replaced before it is needed.
func TestMaxAgeOfARestingEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond}
		p := open(h, pool.Options{MaxAge: time.Hour, KeepAlive: 30 * time.Minute})
		v := version(lambda.Latest, 128, time.Now())
		for range 5 {
			invoke(t, p, v)
			time.Sleep(10 * time.Minute)
		}
		synctest.Wait()
		if e := h.see(0); e.down || e.runs != 5 {
			t.Errorf("%+v after 50 minutes", e)
		}
		invoke(t, p, v)
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if made, alive := h.count(); made != 1 || alive != 0 {
			t.Errorf("%d made and %d alive after an hour, want one that has ended", made, alive)
		}
		p.Close(t.Context())
	})
}

// TestSuccessorThatCannotStart leaves the old environment in service to its end.
func TestSuccessorThatCannotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: 100 * time.Millisecond}
		p := open(h, pool.Options{MaxAge: time.Minute, AccountLimit: 10})
		v := version(lambda.Latest, 128, time.Now())
		invoke(t, p, v)
		h.failStarts(errNoSandbox)
		for h.see(0).runs < 500 { // 50 seconds: the successor is tried at 45 at the earliest, and an end comes at 52
			invoke(t, p, v)
		}
		h.failStarts(nil)
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			invoke(t, p, v)
		}
		var wg sync.WaitGroup
		for range 10 { // no permit and no room was lost
			wg.Go(func() { invoke(t, p, v) })
		}
		wg.Wait()
		p.Close(t.Context())
		if _, alive := h.count(); alive != 0 {
			t.Errorf("%d environments left", alive)
		}
	})
}
