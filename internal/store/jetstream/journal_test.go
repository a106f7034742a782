package jetstream_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/store"
	"thaw/internal/store/jetstream"
)

func TestGroupsDecode(t *testing.T) {
	events := []store.Event{
		{ID: "a", Partition: "p\x00ä", Due: time.Unix(0, 1), Body: []byte{}},
		{ID: "b", Due: time.Unix(-5, 7), Body: bytes.Repeat([]byte("x"), 70_000)},
	}
	group := jetstream.Group(events, "a", "c")
	got, done, sizes, err := jetstream.DecodeGroup(group)
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
	short := jetstream.Group(events[:1], "a")
	for n := 1; n < len(short); n++ {
		// A cut between two records is a shorter group; any other is an error.
		if _, _, sizes, err := jetstream.DecodeGroup(short[:n]); err == nil && sizes != n {
			t.Errorf("a group cut after %d bytes decodes", n)
		}
	}
}

func FuzzDecodeGroup(f *testing.F) {
	f.Add(jetstream.Group([]store.Event{{ID: "a", Partition: "p", Body: []byte("body")}}, "a"))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, group []byte) {
		if _, _, sizes, err := jetstream.DecodeGroup(group); err == nil && sizes != len(group) {
			t.Errorf("records of %d bytes in a group of %d", sizes, len(group))
		}
	})
}

// TestJournalIsCutOff works off many events around one that waits: the journal
// stays short, and the one survives its moves and a restart.
func TestJournalIsCutOff(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	s.SetSlack(0)
	ctx := t.Context()
	waits := store.Event{ID: "waits", Partition: "w", Body: []byte("long"), Due: time.Now().Add(time.Second)}
	if err := s.Queue().EnqueueBatch(ctx, []store.Event{waits}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			if err := workOff(ctx, s.Queue(), worker, waits.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	messages, err := s.JournalMessages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if messages > 300 {
		t.Errorf("%d messages are kept for one event", messages)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = openStore(ctx, dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		leased, err := s.Queue().Lease(ctx, 1, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if leased[0].ID == waits.ID {
			if string(leased[0].Body) != "long" {
				t.Errorf("body %q", leased[0].Body)
			}
			return
		}
	}
}

// workOff enqueues and ends 200 events. The one that waits is put off when its
// time has come.
func workOff(ctx context.Context, q store.Queue, worker int, waits string) error {
	for i := range 200 {
		e := store.Event{ID: fmt.Sprintf("%d-%d", worker, i), Partition: "p", Body: make([]byte, 100)}
		if err := q.EnqueueBatch(ctx, []store.Event{e}); err != nil {
			return err
		}
		leased, err := q.Lease(ctx, 1, time.Hour)
		if err != nil {
			return err
		}
		if leased[0].ID == waits {
			err = q.RetryAt(ctx, leased[0], leased[0].Body, time.Now().Add(time.Second))
		} else {
			err = q.Ack(ctx, leased[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
