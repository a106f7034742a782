package backlog_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
)

var seed = flag.Uint64("seed", 0, "seed of the random histories; 0 takes one from the clock")

// take leases what is due now.
func take(t *testing.T, b *backlog.Backlog, limit int, visibility time.Duration) []backlog.Grant {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	grants, err := b.Lease(ctx, limit, visibility)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return grants
}

func TestPartitionsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backlog.New(1000)
		for i := range 30 {
			b.Add(backlog.Item{ID: fmt.Sprint("a", i), Partition: "a", Due: time.Now(), Place: uint64(i)})
		}
		b.Add(backlog.Item{ID: "b0", Partition: "b", Due: time.Now(), Place: 31})
		b.Add(backlog.Item{ID: "c0", Partition: "c", Due: time.Now(), Place: 32})
		turns := map[string]int{}
		for i := range 6 {
			for _, g := range take(t, b, 1, time.Hour) {
				if _, ok := turns[g.Partition]; !ok {
					turns[g.Partition] = i
				}
			}
		}
		if turns["b"] > 2 || turns["c"] > 2 || len(turns) != 3 {
			t.Errorf("first turns: %v", turns)
		}
	})
}

func TestOrderWithinAPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backlog.New(1000)
		now := time.Now()
		for i := range 20 { // the same due time: as they were stored
			b.Add(backlog.Item{ID: fmt.Sprint(i), Due: now, Place: uint64(i)})
		}
		for i, g := range take(t, b, 20, time.Hour) {
			if g.ID != fmt.Sprint(i) {
				t.Errorf("%d: %s", i, g.ID)
			}
		}
	})
}

// TestVisibleAtOnce: one call hands nothing out twice.
func TestVisibleAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backlog.New(10)
		b.Add(backlog.Item{ID: "a", Due: time.Now()}, backlog.Item{ID: "b", Due: time.Now()})
		for range 2 {
			if grants := take(t, b, 10, 0); len(grants) != 2 || grants[0].ID == grants[1].ID {
				t.Errorf("handed out %+v", grants)
			}
		}
	})
}

// TestWaitsForTheEarliest checks on a virtual clock that a waiting lease wakes
// up exactly when something is due, also if that was added while it waits.
func TestWaitsForTheEarliest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backlog.New(10)
		start := time.Now()
		b.Add(backlog.Item{ID: "late", Due: start.Add(time.Hour)})
		go func() {
			time.Sleep(time.Minute)
			b.Add(backlog.Item{ID: "early", Due: start.Add(2 * time.Minute)})
		}()
		for _, want := range []struct {
			id    string
			after time.Duration
		}{{"early", 2 * time.Minute}, {"early", 32 * time.Minute}, {"late", time.Hour}} {
			grants, err := b.Lease(t.Context(), 5, 30*time.Minute)
			if err != nil || len(grants) != 1 || grants[0].ID != want.id || time.Since(start) != want.after {
				t.Fatalf("leased %+v, %v after %v; want %+v", grants, err, time.Since(start), want)
			}
			if grants[0].Attempts == 2 {
				if _, err := b.Remove(grants[0].Token); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestLimit(t *testing.T) {
	b := backlog.New(2)
	one, two := []store.Event{{ID: "1"}}, []store.Event{{ID: "2"}, {ID: "3"}}
	if err := b.Reserve(one); err != nil {
		t.Fatal(err)
	}
	if err := b.Reserve(two); !errors.Is(err, store.ErrFull) {
		t.Errorf("three of two: %v", err)
	}
	b.Forget(one)
	if err := b.Reserve(two); err != nil {
		t.Error(err)
	}
	if b.Len() != 2 {
		t.Errorf("%d reserved", b.Len())
	}
}

// naive is the backlog as a list.
type naive struct {
	items  []backlog.Item
	tokens map[string]uint64
	holds  map[string]time.Time
}

func (n *naive) due(now time.Time) (ids []string) {
	for _, i := range n.items {
		if !i.Due.After(now) && !n.holds[i.Partition].After(now) {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

func (n *naive) find(id string) int {
	return slices.IndexFunc(n.items, func(i backlog.Item) bool { return i.ID == id })
}

func (n *naive) count(now time.Time) (c store.Count) {
	for _, i := range n.items {
		_, inHands := n.tokens[i.ID]
		switch {
		case !i.Due.After(now):
			c.Waiting++
		case inHands:
			c.Leased++
		default:
			c.Delayed++
		}
	}
	return c
}

// TestRandomHistories compares with the list: what is handed out is due, all
// that is due is handed out, and only the latest token counts.
func TestRandomHistories(t *testing.T) {
	base := *seed
	if base == 0 {
		base = uint64(time.Now().UnixNano())
	}
	for i := range uint64(50) {
		t.Run(fmt.Sprint(base+i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { history(t, rand.New(rand.NewPCG(base+i, 0))) })
		})
	}
}

func history(t *testing.T, random *rand.Rand) {
	b := backlog.New(1 << 20)
	n := &naive{tokens: map[string]uint64{}, holds: map[string]time.Time{}}
	stale := []uint64{}
	for step := range 300 {
		switch random.IntN(9) {
		case 0, 1:
			item := backlog.Item{
				ID:        fmt.Sprint(step),
				Partition: fmt.Sprint(random.IntN(5)),
				Due:       time.Now().Add(time.Duration(random.IntN(20)-5) * time.Second),
				Place:     uint64(step),
			}
			b.Add(item)
			n.items = append(n.items, item)
		case 2:
			time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
		case 3, 4:
			visibility := time.Duration(1+random.IntN(10)) * time.Second
			limit := 1 + random.IntN(8)
			want := n.due(time.Now())
			grants := take(t, b, limit, visibility)
			if len(grants) != min(limit, len(want)) {
				t.Fatalf("step %d: %d handed out of %d due, limit %d", step, len(grants), len(want), limit)
			}
			for _, g := range grants {
				at := n.find(g.ID)
				if !slices.Contains(want, g.ID) || g.Attempts != n.items[at].Attempts+1 {
					t.Fatalf("step %d: handed out %+v, due are %v", step, g, want)
				}
				if old := n.tokens[g.ID]; old != 0 {
					stale = append(stale, old)
				}
				n.tokens[g.ID] = g.Token
				n.items[at].Due, n.items[at].Attempts = time.Now().Add(visibility), g.Attempts
			}
		case 5:
			for id, token := range n.tokens { // some of them, in no order
				if random.IntN(2) == 0 {
					continue
				}
				item, err := b.Remove(token)
				if err != nil || item.ID != id {
					t.Fatalf("step %d: removed %+v, %v; want %s", step, item, err, id)
				}
				stale = append(stale, token)
				delete(n.tokens, id)
				n.items = slices.DeleteFunc(n.items, func(i backlog.Item) bool { return i.ID == id })
				b.Forget([]store.Event{{ID: id}})
			}
			for _, token := range stale {
				_, err := b.Remove(token)
				if !errors.Is(err, store.ErrConflict) || !errors.Is(b.Extend(token, time.Now()), store.ErrConflict) {
					t.Fatalf("step %d: an old token counts: %v", step, err)
				}
			}
		case 6:
			for id, token := range n.tokens {
				if random.IntN(3) > 0 {
					continue
				}
				until := time.Now().Add(time.Duration(random.IntN(20)-5) * time.Second)
				if err := b.Extend(token, until); err != nil {
					t.Fatalf("step %d: extend %s: %v", step, id, err)
				}
				n.items[n.find(id)].Due = until
			}
		case 7:
			if random.IntN(5) > 0 {
				continue
			}
			before := uint64(random.IntN(step + 1))
			ended := b.Clear(before)
			was := len(n.items)
			n.items = slices.DeleteFunc(n.items, func(i backlog.Item) bool {
				if i.Place >= before {
					return false
				}
				if token, ok := n.tokens[i.ID]; ok {
					stale = append(stale, token)
					delete(n.tokens, i.ID)
				}
				return true
			})
			if len(ended) != was-len(n.items) {
				t.Fatalf("step %d: %d cleared, want %d", step, len(ended), was-len(n.items))
			}
			if before > 0 { // stored before, and added after
				b.Add(backlog.Item{ID: "overtaken", Place: before - 1})
			}
		case 8:
			name, until := fmt.Sprint(random.IntN(5)), time.Now().Add(time.Duration(random.IntN(15)-5)*time.Second)
			b.Hold(name, until)
			n.holds[name] = until
		}
		if got, want := b.Count(), n.count(time.Now()); got != want {
			t.Fatalf("step %d: count %+v, want %+v", step, got, want)
		}
		sum := store.Count{}
		for _, c := range b.Partitions() {
			sum.Waiting, sum.Leased, sum.Delayed = sum.Waiting+c.Waiting, sum.Leased+c.Leased, sum.Delayed+c.Delayed
		}
		if sum != b.Count() {
			t.Fatalf("step %d: the partitions have %+v, want %+v", step, sum, b.Count())
		}
		if b.Len() != len(n.items) {
			t.Fatalf("step %d: %d items, want %d", step, b.Len(), len(n.items))
		}
	}
}
