package pool

import (
	"testing"
	"time"
)

// TestWaitingInBurstsAndForLong: a burst waits, as many as there may be
// environments; where that is not enough for longer than one waits, a quarter does.
func TestWaitingInBurstsAndForLong(t *testing.T) {
	const most, patience = 8, time.Second
	var w waiting
	now := time.Unix(1, 0)
	enter := func() bool { return !w.enter(now, most, patience) }
	come := func(n int) (stayed int) {
		for range n {
			if enter() {
				stayed++
			} else {
				w.leave()
			}
		}
		return stayed
	}
	if n := come(20); n != most {
		t.Errorf("%d of a burst wait, want %d", n, most)
	}
	for range w.count.Load() {
		w.leave()
	}
	for range 15 { // somebody is refused all the time
		now = now.Add(100 * time.Millisecond)
		come(20)
		for range w.count.Load() {
			w.leave()
		}
	}
	if n := come(20); n != most/standingShare {
		t.Errorf("%d wait under a standing load, want %d", n, most/standingShare)
	}
	for range w.count.Load() {
		w.leave()
	}
	if !enter() { // an empty queue is not yet the end of the load
		t.Error("nobody waits in an empty queue")
	}
	now = now.Add(patience + 1)
	if n := come(20); n != most-1 {
		t.Errorf("%d wait beside one after the load, want %d", n, most-1)
	}
}
