package backlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"thaw/internal/store"
)

// wallClock is a clock of which only the wall's hands are seen, as after a restart:
// times that are stored have no monotonic reading.
type wallClock struct{ at time.Time }

func (c *wallClock) now() time.Time { return c.at }

// TestClockJumps sets the clock forth and back by hours while events are added,
// handed out, extended, given back and ended. Whatever it does, no event is lost: when
// it stands behind all due times, each is handed out.
func TestClockJumps(t *testing.T) {
	first := uint64(time.Now().UnixNano())
	for i := range uint64(30) {
		t.Run(fmt.Sprint(first+i), func(t *testing.T) { jump(t, rand.New(rand.NewPCG(first+i, 0))) })
	}
}

func jump(t *testing.T, random *rand.Rand) {
	clock := &wallClock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	b := New(1 << 20)
	b.now = clock.now
	there, held := map[string]bool{}, map[string]uint64{}
	for step := range 300 {
		switch random.IntN(6) {
		case 0:
			id := fmt.Sprint(step)
			due := clock.at.Add(time.Duration(random.IntN(7200)-600) * time.Second)
			b.Add(Item{ID: id, Partition: fmt.Sprint(random.IntN(4)), Due: due, Place: uint64(step)})
			there[id] = true
		case 1:
			clock.at = clock.at.Add(time.Duration(random.IntN(12*3600)-6*3600) * time.Second)
		case 2:
			clock.at = clock.at.Add(time.Duration(random.IntN(60)) * time.Second)
		case 3:
			for _, g := range handOut(t, b, 1+random.IntN(5)) {
				if !there[g.ID] {
					t.Fatalf("step %d: %s was handed out after its end", step, g.ID)
				}
				held[g.ID] = g.Token
			}
		case 4:
			for id, token := range held { // any
				if err := b.Extend(token, clock.at.Add(time.Minute)); err != nil {
					t.Fatalf("step %d: extend %s: %v", step, id, err)
				}
				break
			}
		case 5:
			for id, token := range held {
				item, err := b.Remove(token)
				if err != nil || item.ID != id {
					t.Fatalf("step %d: %+v, %v", step, item, err)
				}
				delete(held, id)
				if c := b.Count(); c.Waiting+c.Leased+c.Delayed != len(there) {
					t.Fatalf("step %d: count %+v of %d, while one is ended", step, c, len(there))
				}
				if random.IntN(2) == 0 {
					item.Due = clock.at.Add(time.Minute)
					b.Add(item)
					break
				}
				b.Forget([]store.Event{{ID: id}})
				delete(there, id)
				break
			}
		}
		if c := b.Count(); c.Waiting+c.Leased+c.Delayed != len(there) {
			t.Fatalf("step %d: count %+v of %d", step, c, len(there))
		}
	}
	clock.at = clock.at.Add(1000 * time.Hour)
	for _, g := range handOut(t, b, 1<<20) {
		delete(there, g.ID)
	}
	if len(there) > 0 {
		t.Errorf("never handed out: %v", there)
	}
}

func handOut(t *testing.T, b *Backlog, limit int) []Grant {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	grants, err := b.Lease(ctx, limit, time.Minute)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return grants
}
