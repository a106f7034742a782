package pool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/pool"
)

// ask invokes a function and tells the reason of a refusal.
func ask(t *testing.T, p *pool.Pools, name string, try bool) (reason string) {
	acquire := p.Acquire
	if try {
		acquire = p.TryAcquire
	}
	l, err := acquire(t.Context(), name, version(lambda.Latest, 128, time.Time{}))
	if refused := new(lambda.Error); errors.As(err, &refused) {
		return refused.Reason
	}
	if try && errors.Is(err, pool.ErrBusy) {
		return "busy"
	}
	if err != nil {
		t.Error(err)
		return "error"
	}
	if _, err := l.Invoke(t.Context(), lambda.Invocation{}, false); err != nil {
		t.Error(err)
	}
	return ""
}

// TestHostWait: on a full host an invocation waits, gets what becomes free in
// time, and is refused if nothing does; one that can come again later does not
// wait.
func TestHostWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = "ConcurrentInvocationLimitExceeded"
		h := &host{t: t, runTakes: 400 * time.Millisecond}
		p := open(h, pool.Options{MaxEnvironments: 1, HostWait: time.Second})
		go ask(t, p, "a", false)
		synctest.Wait()
		began := time.Now()
		if reason := ask(t, p, "b", true); reason != "busy" || time.Since(began) > 20*time.Millisecond {
			t.Errorf("who tries: %q after %v", reason, time.Since(began))
		}
		if reason := ask(t, p, "b", false); reason != "" || time.Since(began) != 800*time.Millisecond {
			t.Errorf("who waits: %q after %v, want its own 400 ms after the other's", reason, time.Since(began))
		}
		h.runTakes = time.Minute
		go ask(t, p, "a", false)
		synctest.Wait()
		began = time.Now()
		if reason := ask(t, p, "b", false); reason != capacity || time.Since(began) != time.Second {
			t.Errorf("who waits in vain: %q after %v", reason, time.Since(began))
		}
		time.Sleep(2 * time.Minute)
		p.Close(t.Context())
	})
}

// TestManyWaiters: as many wait as the host has places, and one more of the same is refused
// at once.
func TestManyWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Hour}
		p := open(h, pool.Options{MaxEnvironments: 3, HostWait: 30 * time.Second})
		for range 3 {
			go ask(t, p, "a", false)
		}
		synctest.Wait()
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() { ask(t, p, "b", false) })
		}
		synctest.Wait()
		if f := p.Figures(); f.Waiting != 3 || f.Environments != 3 || f.Running != 6 {
			t.Errorf("%+v", f)
		}
		began := time.Now()
		if reason := ask(t, p, "b", false); reason == "" || time.Since(began) > 0 {
			t.Errorf("one more: %q after %v", reason, time.Since(began))
		}
		waiting.Wait()
		time.Sleep(2 * time.Hour)
		p.Close(t.Context())
	})
}

// TestFairHost: functions that could each fill the host get a part of it that is
// about the same, and none starves, not even where there are fewer places than
// functions.
func TestFairHost(t *testing.T) {
	for _, test := range []struct{ places, functions, callers int }{{12, 3, 20}, {4, 4, 8}, {2, 4, 4}, {1, 2, 2}} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{t: t, initTakes: 10 * time.Millisecond, runTakes: 50 * time.Millisecond}
				p := open(h, pool.Options{MaxEnvironments: test.places, HostWait: time.Second})
				const long = 20 * time.Second
				var mu sync.Mutex
				served := map[string]int{}
				var all sync.WaitGroup
				end := time.Now().Add(long)
				for i := range test.functions {
					name := fmt.Sprint("f", i)
					for range test.callers << i { // the last one asks for most
						all.Go(func() {
							time.Sleep(time.Duration(i) * time.Second / 2) // and comes last
							for time.Now().Before(end) {
								if ask(t, p, name, false) == "" {
									mu.Lock()
									served[name]++
									mu.Unlock()
								} else {
									time.Sleep(100 * time.Millisecond)
								}
							}
						})
					}
				}
				all.Wait()
				p.Close(t.Context())
				share := test.places * int(long/h.runTakes) / test.functions
				for i := range test.functions {
					if n := served[fmt.Sprint("f", i)]; n < share/3 || n > share*2 {
						t.Errorf("%v: of about %d each, one got %d", served, share, n)
						break
					}
				}
				if h.maxAlive > test.places {
					t.Errorf("%d environments in %d places", h.maxAlive, test.places)
				}
			})
		})
	}
}

// TestStartsAtOneTime: a burst begins as many starts at one time as may be, and
// not one for each invocation if those that are free serve the others.
func TestStartsAtOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: 100 * time.Millisecond, runTakes: 10 * time.Millisecond}
		p := open(h, pool.Options{MaxStarts: 4})
		var all sync.WaitGroup
		began := time.Now()
		for range 200 {
			all.Go(func() { ask(t, p, "f", false) })
		}
		all.Wait()
		if made, _ := h.count(); made > 24 || time.Since(began) > time.Second {
			t.Errorf("%d environments in %v for 200 short invocations", made, time.Since(began))
		}
		p.Close(t.Context())
	})
}

// TestSlowStartsHoldNobodyUp: starts that wait for something let others begin.
func TestSlowStartsHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: 8 * time.Second}
		p := open(h, pool.Options{MaxStarts: 2})
		for range 2 {
			go ask(t, p, "slow", false)
		}
		synctest.Wait()
		began := time.Now()
		h.initTakes = time.Millisecond
		if reason := ask(t, p, "quick", false); reason != "" || time.Since(began) > time.Second {
			t.Errorf("%q after %v", reason, time.Since(began))
		}
		time.Sleep(time.Minute)
		p.Close(t.Context())
	})
}

// TestNoStartWithoutMemory: where memory is short, environments end for others and
// none is added; a few there always may be.
func TestNoStartWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Minute}
		p := open(h, pool.Options{MemoryReserve: 1, Memory: func() (pool.Memory, error) { return pool.Memory{}, nil }})
		refused := make(chan string, 30)
		for range 30 {
			go func() { refused <- ask(t, p, "f", false) }()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if made, _ := h.count(); made != 16 || len(refused) != 14 {
			t.Errorf("%d environments, %d invocations refused, want 16 and 14", made, len(refused))
		}
		time.Sleep(2 * time.Minute)
		p.Close(t.Context())
	})
}

// TestScalingRate: who starts more environments than he may is refused, and not
// those for whom one is free.
func TestScalingRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Second}
		p := open(h, pool.Options{StartRate: 3})
		reasons := make(chan string, 5)
		for range 5 {
			go func() { reasons <- ask(t, p, "f", false) }()
		}
		synctest.Wait()
		if a, b := <-reasons, <-reasons; a != "FunctionInvocationRateLimitExceeded" || a != b {
			t.Errorf("%q and %q", a, b)
		}
		time.Sleep(2 * time.Second)
		if reason := ask(t, p, "f", false); reason != "" {
			t.Errorf("with free environments: %q", reason)
		}
		time.Sleep(10 * time.Second)
		for range 5 {
			go func() { reasons <- ask(t, p, "f", false) }()
		}
		time.Sleep(2 * time.Second)
		for len(reasons) > 0 {
			if reason := <-reasons; reason != "" {
				t.Errorf("ten seconds later: %q", reason)
			}
		}
		p.Close(t.Context())
	})
}

// TestOneAfterTheOther: a caller who invokes one after the other is not refused
// by a limit of one, although the environment is free a little after its answer.
func TestOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond, drainTakes: 200 * time.Microsecond}
		p := open(h, pool.Options{RequestRate: -1})
		f := function(version(lambda.Latest, 128, time.Time{}))
		f.Reserved = new(1)
		p.Changed("f", f)
		for range 100 {
			if reason := ask(t, p, "f", false); reason != "" {
				t.Fatal(reason)
			}
		}
		limited := open(h, pool.Options{})
		limited.Changed("f", f)
		for range 10 {
			ask(t, limited, "f", false)
		}
		if reason := ask(t, limited, "f", false); reason != "ReservedFunctionInvocationRateLimitExceeded" {
			t.Errorf("who waits for a permit and is over the rate: %q", reason)
		}
		limited.Close(t.Context())
		h.drainTakes = time.Minute
		ask(t, p, "f", false)
		began := time.Now()
		if reason := ask(t, p, "f", false); reason != "ReservedFunctionConcurrentInvocationLimitExceeded" || time.Since(began) > 50*time.Millisecond {
			t.Errorf("%q after %v", reason, time.Since(began))
		}
		time.Sleep(2 * time.Minute)
		p.Close(t.Context())
	})
}

// TestReservation: what is reserved is for its function, whoever else runs, and
// all of it is.
func TestReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Second}
		p := open(h, pool.Options{AccountLimit: 5})
		f := function(version(lambda.Latest, 128, time.Time{}))
		f.Reserved = new(2)
		p.Changed("f", f)
		counts := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, name := range []string{"f", "g"} {
			for range 5 {
				all.Go(func() {
					reason := ask(t, p, name, false)
					mu.Lock()
					defer mu.Unlock()
					counts[name+" "+reason]++
				})
			}
		}
		all.Wait()
		if counts["f "] != 2 || counts["g "] != 3 ||
			counts["f ReservedFunctionConcurrentInvocationLimitExceeded"] != 3 || counts["g ConcurrentInvocationLimitExceeded"] != 2 {
			t.Errorf("%v", counts)
		}
		f.Reserved = nil
		p.Changed("f", f)
		var served sync.WaitGroup
		for range 5 {
			served.Go(func() {
				if reason := ask(t, p, "f", false); reason != "" {
					t.Errorf("without the reservation: %q", reason)
				}
			})
		}
		served.Wait()
		p.Close(t.Context())
	})
}

// evictions is the time that callers wait for starts when functions that differ
// in use and in their init share a host that has too few places.
func evictions(t *testing.T, seed uint64) (waited time.Duration, starts int) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 0))
		h := &host{t: t, runTakes: time.Millisecond}
		h.initOf = func(name string) time.Duration { // one in four takes as long as Java does
			if name[len(name)-1]%4 == 0 {
				return 800 * time.Millisecond
			}
			return 20 * time.Millisecond
		}
		p := open(h, pool.Options{MaxEnvironments: 30, KeepAlive: time.Hour})
		zipf := rand.NewZipf(r, 1.1, 4, 99)
		for range 20_000 {
			began := time.Now()
			ask(t, p, fmt.Sprintf("f%d", zipf.Uint64()), false)
			waited += time.Since(began) - h.runTakes
			time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
		}
		starts = h.number()
		p.Close(t.Context())
	})
	return waited, starts
}

// TestEvictionByExpectedReuse holds the choice of what ends against the least
// recently used, on the same invocations.
func TestEvictionByExpectedReuse(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays an hour of invocations twice")
	}
	waited, starts := evictions(t, 1)
	restore := pool.LeastRecentlyUsed()
	defer restore()
	lru, lruStarts := evictions(t, 1)
	t.Logf("callers wait %v for %d starts; least recently used first: %v for %d", waited, starts, lru, lruStarts)
	if waited > lru*9/10 {
		t.Errorf("callers wait %v for starts, and %v if the least recently used ends first", waited, lru)
	}
}
