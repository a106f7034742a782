package pool_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/pool"
)

// TestHistories runs random invocations, changes and failures and checks that no
// limit is ever exceeded and that nothing is lost.
func TestHistories(t *testing.T) {
	seed := rand.Uint64()
	for i := range uint64(200) {
		t.Run("", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { history(t, seed, i) })
		})
		if t.Failed() {
			t.Fatalf("seed %d, history %d", seed, i)
		}
	}
}

func history(t *testing.T, seed, n uint64) {
	r := rand.New(rand.NewPCG(seed, n))
	limit := 1 + r.IntN(6)
	h := &host{
		t: t, initTakes: time.Duration(r.IntN(50)) * time.Millisecond,
		runTakes:   time.Duration(r.IntN(20)) * time.Millisecond,
		drainTakes: time.Duration(r.IntN(2)*r.IntN(20)) * time.Millisecond,
	}
	var available atomic.Int64
	p := open(h, pool.Options{
		AccountLimit: limit, MaxEnvironments: 1 + r.IntN(8), KeepAlive: 100 * time.Millisecond,
		Freezing: pool.Freezing(r.IntN(3)), MaxAge: time.Duration(20+r.IntN(1000)) * time.Millisecond,
		Memory: func() (pool.Memory, error) { return pool.Memory{AvailableBytes: available.Load()}, nil }, MemoryReserve: 1,
	})
	memory := 128
	var wg sync.WaitGroup
	for range 60 {
		available.Store(int64(r.IntN(3)))
		switch r.IntN(12) {
		case 0:
			memory += r.IntN(2)
			p.Changed("f", function(version(lambda.Latest, memory, time.Now())))
		case 1:
			h.mu.Lock()
			if len(h.made) > 0 {
				e := h.made[r.IntN(len(h.made))]
				e.mu.Lock()
				e.failNext = true
				e.mu.Unlock()
			}
			h.mu.Unlock()
		default:
			v := version(lambda.Latest, memory, time.Now())
			wg.Go(func() {
				l, err := p.Acquire(t.Context(), "f", v)
				var e *lambda.Error
				if errors.As(err, &e) && e.Code == lambda.CodeTooManyRequests {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := l.Invoke(t.Context(), lambda.Invocation{}, false); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Duration(r.IntN(15)) * time.Millisecond)
	}
	wg.Wait()
	p.Close(t.Context())
	synctest.Wait()
	if h.maxBusy > limit {
		t.Errorf("%d invocations at one time, the limit is %d", h.maxBusy, limit)
	}
	if _, alive := h.count(); alive != 0 {
		t.Errorf("%d environments left", alive)
	}
}
