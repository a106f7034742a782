package pool_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/pool"
)

func TestRelief(t *testing.T) {
	const reserve = 1000
	for name, test := range map[string]struct {
		memory pool.Memory
		idle   int
		want   int
	}{
		"enough":                         {pool.Memory{AvailableBytes: 1000}, 100, 0},
		"short":                          {pool.Memory{AvailableBytes: 999}, 100, 13},
		"short, few idle":                {pool.Memory{AvailableBytes: 999}, 1, 1},
		"short, none idle":               {pool.Memory{AvailableBytes: 0}, 0, 0},
		"very short":                     {pool.Memory{AvailableBytes: 499}, 100, 50},
		"very short, one idle":           {pool.Memory{AvailableBytes: 499}, 1, 1},
		"stalls and not much":            {pool.Memory{AvailableBytes: 1999, Stalled: 0.2}, 8, 1},
		"stalls of one function":         {pool.Memory{AvailableBytes: 2000, Stalled: 1}, 8, 0},
		"hardly any stalls and not much": {pool.Memory{AvailableBytes: 1999, Stalled: 0.19}, 8, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pool.Relief(test.memory, reserve, test.idle); got != test.want {
				t.Errorf("%d of %d end, want %d", got, test.idle, test.want)
			}
		})
	}
}

// TestMemoryPressure takes the host's memory away: idle environments end, those
// that have been idle for longest first and no busy one, until there is enough.
func TestMemoryPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond}
		const each, reserve = 100, 1000
		var taken atomic.Int64 // by others
		p := open(h, pool.Options{KeepAlive: time.Hour, MemoryReserve: reserve, Memory: func() (pool.Memory, error) {
			_, alive := h.count()
			return pool.Memory{AvailableBytes: 5000 - each*int64(alive) - taken.Load()}, nil
		}})
		defer p.Close(t.Context())
		for i := range 20 {
			l, err := p.Acquire(t.Context(), fmt.Sprint("f", i), version(lambda.Latest, 128, time.Time{}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Invoke(t.Context(), lambda.Invocation{}, false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		if _, alive := h.count(); alive != 20 {
			t.Fatalf("%d of 20 alive while there is memory", alive)
		}
		taken.Store(2501) // 499 are available
		time.Sleep(time.Minute)
		synctest.Wait()
		_, alive := h.count()
		if alive > 14 || alive < 9 {
			t.Errorf("%d alive, want those for which there is memory", alive)
		}
		for i := range 20 {
			if down := h.see(i).down; down != (i < 20-alive) {
				t.Errorf("environment %d: down is %v with %d alive; want the oldest gone", i, down, alive)
			}
		}
		h.runTakes = time.Hour
		go invokeAs(t, p, "f19")
		synctest.Wait()
		taken.Store(5000)
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, alive := h.count(); alive != 1 || h.see(19).down {
			t.Errorf("%d alive with no memory left, want the busy one", alive)
		}
		time.Sleep(time.Hour)
	})
}

// TestUnreadableMemory ends nothing.
func TestUnreadableMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond}
		p := open(h, pool.Options{MemoryReserve: 1, Memory: func() (pool.Memory, error) {
			return pool.Memory{}, errors.New("no such file")
		}})
		invokeAs(t, p, "f")
		time.Sleep(time.Minute)
		synctest.Wait()
		if h.see(0).down {
			t.Error("an environment ended for a reading that there is not")
		}
		p.Close(t.Context())
	})
}

func invokeAs(t *testing.T, p *pool.Pools, name string) {
	l, err := p.Acquire(t.Context(), name, version(lambda.Latest, 128, time.Time{}))
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := l.Invoke(t.Context(), lambda.Invocation{}, false); err != nil {
		t.Error(err)
	}
}
