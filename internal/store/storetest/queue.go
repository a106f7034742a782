package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"thaw/internal/store"
)

// events makes n events of one partition that are due.
func events(partition string, n int) []store.Event {
	list := make([]store.Event, n)
	for i := range list {
		list[i] = store.Event{
			ID:        fmt.Sprintf("%s-%d", partition, i),
			Partition: partition,
			Body:      fmt.Appendf(nil, "body %d", i),
			Due:       time.Now().Add(-time.Second),
		}
	}
	return list
}

func testEnqueueLeaseAck(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.EnqueueBatch(ctx, nil))
	sent := events("p", 3)
	noErr(t, q.EnqueueBatch(ctx, sent))
	seen := map[string]bool{}
	for len(seen) < 3 {
		leased, err := q.Lease(ctx, 2, time.Hour)
		noErr(t, err)
		if len(leased) == 0 || len(leased) > 2 {
			t.Fatalf("%d events leased, want 1 or 2", len(leased))
		}
		for _, l := range leased {
			if l.Partition != "p" || l.Attempts != 1 || seen[l.ID] || string(l.Body) != "body "+l.ID[2:] {
				t.Errorf("leased %+v", l)
			}
			seen[l.ID] = true
			noErr(t, q.Ack(ctx, l))
			wantErr(t, q.Ack(ctx, l), store.ErrConflict)
		}
	}
	empty(t, q)
	noErr(t, q.EnqueueBatch(ctx, sent[:1])) // an ID that has ended may come again
}

// empty checks that nothing is due.
func empty(t *testing.T, q store.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if leased, err := q.Lease(ctx, 1, time.Hour); err == nil {
		t.Errorf("leased %+v, want nothing", leased)
	}
}

func testDueTimes(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	now := time.Now()
	list := events("p", 3)
	list[0].Due = now.Add(400 * time.Millisecond)
	list[1].Due = now.Add(200 * time.Millisecond)
	list[2].Due = now.Add(time.Hour)
	noErr(t, q.EnqueueBatch(ctx, list))
	for _, want := range []store.Event{list[1], list[0]} {
		leased, err := q.Lease(ctx, 1, time.Hour)
		noErr(t, err)
		if leased[0].ID != want.ID {
			t.Errorf("leased %s, want %s", leased[0].ID, want.ID)
		}
		if early := want.Due.Sub(time.Now()); early > 0 {
			t.Errorf("%s was handed out %v early", want.ID, early)
		}
	}
	empty(t, q)
}

func testLeaseExpires(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.EnqueueBatch(ctx, events("p", 1)))
	first, err := q.Lease(ctx, 1, 30*time.Millisecond)
	noErr(t, err)
	second, err := q.Lease(ctx, 1, time.Hour)
	noErr(t, err)
	if second[0].ID != first[0].ID || second[0].Attempts != 2 || second[0].Token == first[0].Token {
		t.Errorf("second hand-out: %+v", second[0])
	}
	wantErr(t, q.Ack(ctx, first[0]), store.ErrConflict)
	wantErr(t, q.RetryAt(ctx, first[0], nil, time.Now()), store.ErrConflict)
	noErr(t, q.Ack(ctx, second[0]))
}

func testLateAck(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.EnqueueBatch(ctx, events("p", 1)))
	leased, err := q.Lease(ctx, 1, time.Nanosecond)
	noErr(t, err)
	noErr(t, q.Ack(ctx, leased[0])) // run out, but in nobody else's hands
	empty(t, q)
}

func testRetryAt(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.EnqueueBatch(ctx, events("p", 1)))
	leased, err := q.Lease(ctx, 1, time.Hour)
	noErr(t, err)
	for attempt := 2; attempt < 5; attempt++ {
		due := time.Now().Add(20 * time.Millisecond)
		body := fmt.Sprintf("attempt %d", attempt)
		noErr(t, q.RetryAt(ctx, leased[0], []byte(body), due))
		wantErr(t, q.Ack(ctx, leased[0]), store.ErrConflict)
		leased, err = q.Lease(ctx, 1, time.Hour)
		noErr(t, err)
		if time.Now().Before(due) || string(leased[0].Body) != body || leased[0].Attempts != attempt {
			t.Errorf("leased %+v, want attempt %d, due %v", leased[0], attempt, due)
		}
	}
	noErr(t, q.Ack(ctx, leased[0]))
	empty(t, q)
}

func testAllOrNone(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.EnqueueBatch(ctx, events("p", 1)))
	batch := append(events("q", 4), events("p", 1)...)
	wantErr(t, q.EnqueueBatch(ctx, batch), store.ErrConflict)
	leased, err := q.Lease(ctx, 10, time.Hour)
	noErr(t, err)
	if len(leased) != 1 {
		t.Errorf("%d events, want only the first", len(leased))
	}
	empty(t, q)
	noErr(t, q.EnqueueBatch(ctx, batch[:4]))
}

func testLargeEvent(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	batch := events("p", 3)
	for i := range batch {
		batch[i].Body = bytes.Repeat([]byte{byte('a' + i)}, store.MaxEvent)
		noErr(t, q.EnqueueBatch(ctx, batch[i:i+1]))
	}
	for range batch {
		leased, err := q.Lease(ctx, 1, time.Hour)
		noErr(t, err)
		if want := byte('a' + leased[0].ID[2] - '0'); len(leased[0].Body) != store.MaxEvent || leased[0].Body[0] != want {
			t.Errorf("%s: %d bytes", leased[0].ID, len(leased[0].Body))
		}
	}
	full := []store.Event{
		{ID: "x", Partition: string(make([]byte, 512)), Body: make([]byte, store.MaxEvent)},
		{ID: "y", Body: make([]byte, store.MaxBatchBytes-store.MaxEvent)},
	}
	noErr(t, q.EnqueueBatch(ctx, full))
	full[0].ID, full[1].ID = "v", "w"
	full[1].Body = append(full[1].Body, 0)
	wantErr(t, q.EnqueueBatch(ctx, full), store.ErrTooLarge)
	large := store.Event{ID: "large", Body: make([]byte, store.MaxEvent+1)}
	wantErr(t, q.EnqueueBatch(ctx, []store.Event{large}), store.ErrTooLarge)
}

func testFairness(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.EnqueueBatch(ctx, events("long", 50)))
	noErr(t, q.EnqueueBatch(ctx, events("short", 1)))
	for range 3 {
		leased, err := q.Lease(ctx, 1, time.Hour)
		noErr(t, err)
		if leased[0].Partition == "short" {
			return
		}
	}
	t.Error("one partition's backlog holds up another's event")
}

func testLeaseEnds(t *testing.T, q store.Queue) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := q.Lease(ctx, 1, time.Hour); err == nil {
		t.Error("lease of nothing: no error")
	}
}

// testManyWorkers has every event worked off exactly once while leases hold.
func testManyWorkers(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	const partitions, each = 4, 50
	work, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	done := map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				leased, err := q.Lease(work, 5, time.Hour)
				if err != nil {
					return
				}
				for _, l := range leased {
					if err := q.Ack(ctx, l); err != nil {
						t.Error(err)
					}
					mu.Lock()
					done[l.ID]++
					if len(done) == partitions*each {
						stop()
					}
					mu.Unlock()
				}
			}
		})
	}
	for p := range partitions {
		wg.Go(func() {
			for _, e := range events(fmt.Sprint(p), each) {
				if err := q.EnqueueBatch(ctx, []store.Event{e}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for id, times := range done {
		if times != 1 {
			t.Errorf("%s was worked off %d times", id, times)
		}
	}
	if len(done) != partitions*each {
		t.Errorf("%d events worked off, want %d", len(done), partitions*each)
	}
}

func testEventLimits(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	for _, bad := range []store.Event{
		{},
		{ID: string(make([]byte, 129))},
		{ID: "x", Partition: string(make([]byte, 513))},
	} {
		if err := q.EnqueueBatch(ctx, []store.Event{bad}); err == nil {
			t.Errorf("enqueue %+v: no error", bad)
		}
	}
	wantErr(t, q.EnqueueBatch(ctx, events("p", store.MaxBatch+1)), store.ErrTooLarge)
	noErr(t, q.EnqueueBatch(ctx, events("p", store.MaxBatch)))
	odd := store.Event{ID: "ä b*>.\r\n", Partition: "ö\r\n", Body: []byte{0, 1}}
	noErr(t, q.EnqueueBatch(ctx, []store.Event{odd}))
	for range 3 {
		leased, err := q.Lease(ctx, 1, time.Hour)
		noErr(t, err)
		if leased[0].ID == odd.ID && leased[0].Partition == odd.Partition {
			return
		}
	}
	t.Error("the event with odd characters did not come")
}

func testExtend(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.EnqueueBatch(ctx, events("p", 1)))
	leased, err := q.Lease(ctx, 1, 40*time.Millisecond)
	noErr(t, err)
	noErr(t, q.Extend(ctx, leased[0], time.Now().Add(time.Hour)))
	empty(t, q)
	noErr(t, q.Extend(ctx, leased[0], time.Now())) // back at once
	again, err := q.Lease(ctx, 1, time.Hour)
	noErr(t, err)
	if again[0].ID != leased[0].ID || again[0].Attempts != 2 {
		t.Errorf("second hand-out: %+v", again[0])
	}
	wantErr(t, q.Extend(ctx, leased[0], time.Now()), store.ErrConflict)
	noErr(t, q.Extend(ctx, again[0], time.Now().Add(time.Hour)))
	noErr(t, q.Ack(ctx, again[0])) // the token is the same
	wantErr(t, q.Extend(ctx, again[0], time.Now()), store.ErrConflict)
	empty(t, q)
}

func wantCount(t *testing.T, q store.Queue, want store.Count) {
	t.Helper()
	got, err := q.Count(t.Context())
	noErr(t, err)
	if got != want {
		t.Errorf("count %+v, want %+v", got, want)
	}
}

func testCount(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	wantCount(t, q, store.Count{})
	list := events("p", 5)
	list[0].Due = time.Now().Add(time.Hour)
	noErr(t, q.EnqueueBatch(ctx, list))
	wantCount(t, q, store.Count{Waiting: 4, Delayed: 1})
	leased, err := q.Lease(ctx, 3, time.Hour)
	noErr(t, err)
	for len(leased) < 3 {
		more, err := q.Lease(ctx, 3-len(leased), time.Hour)
		noErr(t, err)
		leased = append(leased, more...)
	}
	wantCount(t, q, store.Count{Waiting: 1, Leased: 3, Delayed: 1})
	noErr(t, q.Ack(ctx, leased[0]))
	noErr(t, q.RetryAt(ctx, leased[1], nil, time.Now().Add(time.Hour)))
	noErr(t, q.Extend(ctx, leased[2], time.Now().Add(-time.Hour)))
	wantCount(t, q, store.Count{Waiting: 2, Delayed: 2})
}

func testPurge(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.Purge(ctx))
	list := events("p", 4)
	list[0].Due = time.Now().Add(time.Hour)
	noErr(t, q.EnqueueBatch(ctx, list))
	leased, err := q.Lease(ctx, 2, time.Hour)
	noErr(t, err)
	noErr(t, q.Purge(ctx))
	wantCount(t, q, store.Count{})
	empty(t, q)
	for _, l := range leased {
		wantErr(t, q.Ack(ctx, l), store.ErrConflict)
		wantErr(t, q.RetryAt(ctx, l, nil, time.Now()), store.ErrConflict)
		wantErr(t, q.Extend(ctx, l, time.Now()), store.ErrConflict)
	}
	noErr(t, q.EnqueueBatch(ctx, list)) // the same IDs again
	wantCount(t, q, store.Count{Waiting: 3, Delayed: 1})
}

// testPurgeAtWork purges while events come, are leased and given back: no half of an
// event is left, in the counts or on the disk.
func testPurgeAtWork(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	work, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for worker := range 3 {
		wg.Go(func() {
			for i := 0; work.Err() == nil; i++ {
				e := store.Event{ID: fmt.Sprintf("%d-%d", worker, i), Partition: "p", Body: []byte("b")}
				if err := q.EnqueueBatch(ctx, []store.Event{e}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for work.Err() == nil {
				leased, err := q.Lease(work, 3, time.Hour)
				if err != nil {
					return
				}
				for _, l := range leased {
					if string(l.Body) != "b" {
						t.Errorf("%s has body %q", l.ID, l.Body)
					}
					if err := q.RetryAt(ctx, l, l.Body, time.Now()); err != nil && !errors.Is(err, store.ErrConflict) {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 10 {
		noErr(t, q.Purge(ctx))
	}
	stop()
	wg.Wait()
	noErr(t, q.Purge(ctx))
	wantCount(t, q, store.Count{})
	noErr(t, q.EnqueueBatch(ctx, events("last", 1)))
	leased, err := q.Lease(ctx, 100, time.Hour)
	noErr(t, err)
	if len(leased) != 1 || leased[0].Partition != "last" {
		t.Errorf("left: %+v", leased)
	}
}

func testEnd(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	list := events("p", 5)
	list[3].Due = time.Now().Add(time.Hour)
	noErr(t, q.EnqueueBatch(ctx, list))
	leased, err := q.Lease(ctx, 1, time.Hour)
	noErr(t, err)
	ids, err := q.IDs(ctx)
	noErr(t, err)
	slices.Sort(ids)
	if want := []string{"p-0", "p-1", "p-2", "p-3", "p-4"}; !slices.Equal(ids, want) {
		t.Errorf("listed %v, want %v", ids, want)
	}
	noErr(t, q.EnqueueBatch(ctx, events("other", 1)))
	if ids, err = q.IDs(ctx, "other", "none"); err != nil || !slices.Equal(ids, []string{"other-0"}) {
		t.Errorf("of a partition: %v, %v", ids, err)
	}
	noErr(t, q.End(ctx, ids))
	noErr(t, q.End(ctx, []string{leased[0].ID, "p-3", "p-4", "of nothing", "p-4"}))
	wantErr(t, q.Ack(ctx, leased[0]), store.ErrConflict)
	wantCount(t, q, store.Count{Waiting: 2})
	noErr(t, q.EnqueueBatch(ctx, list[3:4])) // its ID is free again
	wantCount(t, q, store.Count{Waiting: 2, Delayed: 1})
}

func testHold(t *testing.T, q store.Queue) {
	ctx := testContext(t)
	noErr(t, q.EnqueueBatch(ctx, append(events("p", 3), events("r", 1)...)))
	q.Hold("p", time.Now().Add(time.Hour))
	leased, err := q.Lease(ctx, 5, time.Hour)
	noErr(t, err)
	if len(leased) != 1 || leased[0].Partition != "r" {
		t.Errorf("leased %+v while the others are held", leased)
	}
	counts, err := q.Partitions(ctx)
	noErr(t, err)
	if want := map[string]store.Count{"p": {Waiting: 3}, "r": {Leased: 1}}; !maps.Equal(counts, want) {
		t.Errorf("counted %v, want %v", counts, want)
	}
	noErr(t, q.EnqueueBatch(ctx, []store.Event{{ID: "late", Partition: "p", Due: time.Now().Add(-time.Hour)}}))
	empty(t, q)
	q.Hold("p", time.Now().Add(20*time.Millisecond)) // it ends by itself
	leased, err = q.Lease(ctx, 1, time.Hour)
	noErr(t, err)
	if len(leased) != 1 || leased[0].ID != "late" {
		t.Errorf("leased %+v, want the one that has been due for longest", leased)
	}
	q.Hold("p", time.Now().Add(time.Hour))
	noErr(t, q.Extend(ctx, leased[0], leased[0].Due))
	q.Hold("p", time.Time{})
	again, err := q.Lease(ctx, 5, time.Hour)
	noErr(t, err)
	if len(again) != 4 || again[0].ID != "late" {
		t.Errorf("leased %+v after the hold", again)
	}
}

// testEndedContext: who does not want to wait takes what is due.
func testEndedContext(t *testing.T, q store.Queue) {
	noErr(t, q.EnqueueBatch(testContext(t), events("p", 3)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if leased, err := q.Lease(ctx, 5, time.Hour); err != nil || len(leased) != 3 {
		t.Errorf("leased %+v, %v; want three", leased, err)
	}
	if leased, err := q.Lease(ctx, 5, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("leased %+v, %v; want none", leased, err)
	}
}

func testQueueNames(t *testing.T, s store.Store) {
	ctx := testContext(t)
	one, two := s.Queue("async"), s.Queue("sqs/1.fifo")
	same := events("p", 2)
	noErr(t, one.EnqueueBatch(ctx, same))
	empty(t, two)
	noErr(t, two.EnqueueBatch(ctx, same[:1])) // IDs are a queue's own
	leased, err := two.Lease(ctx, 10, time.Hour)
	noErr(t, err)
	noErr(t, two.Ack(ctx, leased[0]))
	wantCount(t, two, store.Count{})
	wantCount(t, s.Queue("async"), store.Count{Waiting: 2})
	noErr(t, two.Purge(ctx))
	wantCount(t, one, store.Count{Waiting: 2})
	for _, bad := range []string{"", "a b", "a//b"} {
		q := s.Queue(bad)
		_, leaseErr := q.Lease(ctx, 1, time.Hour)
		_, countErr := q.Count(ctx)
		for _, err := range []error{q.EnqueueBatch(ctx, same), q.Purge(ctx), leaseErr, countErr} {
			if err == nil {
				t.Errorf("queue %q: no error", bad)
			}
		}
	}
}
