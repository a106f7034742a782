package pool_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/pool"
)

// TestDeletedVersion: the environments of a version go with it, its busy ones
// with their invocation; those of the others stay.
func TestDeletedVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Second}
		p := open(h, pool.Options{})
		start := time.Now()
		one, two, latest := version("1", 128, start), version("2", 128, start), version(lambda.Latest, 128, start)
		for i, v := range []*lambda.Version{one, two, latest} { // environments 0, 1 and 2
			if got, want := invoke(t, p, v), string(rune('0'+i)); got != want {
				t.Errorf("version %s ran in environment %s, want %s", v.Number, got, want)
			}
		}
		go invoke(t, p, two)
		synctest.Wait()
		go invoke(t, p, two) // environment 3
		synctest.Wait()
		time.Sleep(time.Second / 2)
		p.Changed("f", &lambda.Function{Name: "f", Latest: *latest, Versions: []lambda.Version{*one}})
		if h.see(1).down || h.see(3).down {
			t.Error("a busy environment was cut off")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i, down := range []bool{false, true, false, true} {
			if h.see(i).down != down {
				t.Errorf("environment %d: down is %t", i, !down)
			}
		}
		if got := invoke(t, p, one); got != "0" {
			t.Errorf("version 1 ran in environment %s, want its own", got)
		}
		p.Close(t.Context())
	})
}

// TestWaitingForADeletedVersion: who waits is told at once.
func TestWaitingForADeletedVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: time.Hour}
		p := open(h, pool.Options{})
		start := time.Now()
		failed := make(chan error, 1)
		go func() {
			_, err := p.Acquire(t.Context(), "f", version("1", 128, start))
			failed <- err
		}()
		synctest.Wait()
		p.Changed("f", function(version(lambda.Latest, 128, start)))
		if err := <-failed; !errors.Is(err, pool.ErrRetired) || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		p.Close(t.Context())
	})
}
