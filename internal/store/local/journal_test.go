package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/store"
)

func TestGroupsDecode(t *testing.T) {
	events := []store.Event{
		{ID: "a", Partition: "p\x00ä", Due: time.Unix(0, 1), Body: []byte{}},
		{ID: "b", Due: time.Unix(-5, 7), Body: bytes.Repeat([]byte("x"), 70_000)},
	}
	group := Group(events, "a", "c")
	got, done, sizes, err := DecodeGroup(group)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(events, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "c"}, done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if sizes != len(group) {
		t.Errorf("records of %d bytes in a group of %d", sizes, len(group))
	}
	short := Group(events[:1], "a")
	for n := 1; n < len(short); n++ {
		// A cut between two records is a shorter group; any other is an error.
		if _, _, sizes, err := DecodeGroup(short[:n]); err == nil && sizes != n {
			t.Errorf("a group cut after %d bytes decodes", n)
		}
	}
}

// TestFirstFormat reads what was written before queues had names.
func TestFirstFormat(t *testing.T) {
	group := []byte("\x01\x01a\x01p\x00\x00\x00\x00\x00\x00\x00\x01\x02\x04body" + "\x02\x01b")
	events, done, sizes, err := DecodeGroup(group)
	want := []store.Event{{ID: "a", Partition: "p", Due: time.Unix(0, 1), Body: []byte("body")}}
	if diff := cmp.Diff(want, events); diff != "" || err != nil || sizes != len(group) || len(done) != 1 || done[0] != "b" {
		t.Errorf("dones %q, %d bytes, %v; events (-want +got):\n%s", done, sizes, err, diff)
	}
	if queues := QueuesOf(group); !slices.Equal(queues, []string{"async", "async"}) {
		t.Errorf("queues %q", queues)
	}
}

func FuzzDecodeGroup(f *testing.F) {
	f.Add(Group([]store.Event{{ID: "a", Partition: "p", Body: []byte("body")}}, "a"))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, group []byte) {
		if _, _, sizes, err := DecodeGroup(group); err == nil && sizes != len(group) {
			t.Errorf("records of %d bytes in a group of %d", sizes, len(group))
		}
	})
}

// TestJournalIsCutOff works off many events behind one that nobody ends: the
// journal stays short, and what is left survives its moves and a restart.
func TestJournalIsCutOff(t *testing.T) {
	dir := t.TempDir()
	s := openLocal(t, dir)
	s.SetSlack(0)
	ctx, q := t.Context(), s.Queue("async")
	leftOver(ctx, t, q)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			if err := workOff(ctx, q, worker); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if size := s.Size(); size > 3*segmentSize {
		t.Errorf("%d bytes are kept for two events", size)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openLocal(t, dir)
	defer s.Close()
	leased, err := s.Queue("async").Lease(ctx, 100, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, l := range leased {
		got[l.ID] = string(l.Body)
	}
	if diff := cmp.Diff(map[string]string{"waits": "long", "retried": "new"}, got); diff != "" {
		t.Errorf("events after the restart (-want +got):\n%s", diff)
	}
}

// leftOver enqueues three events in one message: one is leased for long, one
// given back with a new body and leased again, one ended.
func leftOver(ctx context.Context, t *testing.T, q store.Queue) {
	t.Helper()
	err := q.EnqueueBatch(ctx, []store.Event{
		{ID: "waits", Body: []byte("long")},
		{ID: "retried", Body: []byte("old")},
		{ID: "ended"},
	})
	if err != nil {
		t.Fatal(err)
	}
	leased, err := q.Lease(ctx, 3, time.Hour)
	for _, l := range leased {
		switch l.ID {
		case "retried":
			err = errors.Join(err, q.RetryAt(ctx, l, []byte("new"), time.Now()))
		case "ended":
			err = errors.Join(err, q.Ack(ctx, l))
		}
	}
	again, leaseErr := q.Lease(ctx, 3, time.Hour)
	if err := errors.Join(err, leaseErr); err != nil || len(leased) != 3 || len(again) != 1 {
		t.Fatalf("leased %d, then %d, %v", len(leased), len(again), err)
	}
}

// workOff enqueues and ends 200 events.
func workOff(ctx context.Context, q store.Queue, worker int) error {
	for i := range 200 {
		e := store.Event{ID: fmt.Sprintf("%d-%d", worker, i), Partition: "p", Body: make([]byte, 100_000)}
		if err := q.EnqueueBatch(ctx, []store.Event{e}); err != nil {
			return err
		}
		leased, err := q.Lease(ctx, 1, time.Hour)
		if err != nil {
			return err
		}
		if err := q.Ack(ctx, leased[0]); err != nil {
			return err
		}
	}
	return nil
}

func openLocal(t testing.TB, dir string) *Store {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says:\n%s", &log)
	}
	return s
}
