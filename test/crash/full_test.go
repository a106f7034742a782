package crash_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/local"
)

// smallDisk is a file system of a few megabytes.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("thaw-crash", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk fills a disk: what cannot be kept is refused, what was acknowledged is
// there and can be ended, also by the next life, and there is room again then.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, 40)
	s := openFull(t, dir)
	waiting := fill(t, s)
	first, err := s.Metadata().Put(t.Context(), "k", []byte("v"), 0)
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("put on a full disk: revision %d, %v", first, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// Whatever room was given back, somebody else has it now.
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	s = openFull(t, dir)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Queue("async").EnqueueBatch(t.Context(), []store.Event{{ID: "one more", Body: make([]byte, 1000)}}); err == nil {
		waiting["one more"] = true // there was room for a small one
	} else if !errors.Is(err, store.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("enqueue: %v", err)
	}
	for len(waiting) > 0 {
		leased, err := s.Queue("async").Lease(t.Context(), 100, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leased {
			if !waiting[l.ID] {
				t.Errorf("event %s was refused", l.ID)
			}
			delete(waiting, l.ID)
			if err := s.Queue("async").Ack(t.Context(), l); err != nil {
				t.Fatalf("ack with %d events left: %v", len(waiting), err)
			}
		}
	}
	if err := errors.Join(filler.Close(), os.Remove(filler.Name())); err != nil {
		t.Fatal(err)
	}
	recovers(t, s)
}

// TestRoomOnAFullDisk: what follows from an end has room where nothing else has; and
// what is dead between the living becomes room again, however little it is.
func TestRoomOnAFullDisk(t *testing.T) {
	s := openFull(t, smallDisk(t, 40))
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := s.Metadata().Put(t.Context(), "first", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	waiting := fill(t, s)
	follows := store.Event{ID: "follows", Body: make([]byte, 20_000), Urgent: true}
	if err := s.Queue("async/deliveries").EnqueueBatch(t.Context(), []store.Event{follows}); err != nil {
		t.Errorf("what follows from an end: %v", err)
	}
	if err := s.Queue("async").EnqueueBatch(t.Context(), []store.Event{{ID: "new", Body: follows.Body}}); !errors.Is(err, store.ErrFull) {
		t.Errorf("a new event: %v", err)
	}
	if err := s.Queue("async").Purge(t.Context()); err != nil {
		t.Fatalf("purge of %d events: %v", len(waiting), err)
	}
	recovers(t, s)
	leased, err := s.Queue("async/deliveries").Lease(t.Context(), 1, time.Hour)
	if err != nil || len(leased) != 1 || leased[0].ID != follows.ID {
		t.Errorf("leased %v, %v", leased, err)
	}
	if e, err := s.Metadata().Get(t.Context(), "first"); err != nil || string(e.Value) != "v" {
		t.Errorf("the first record: %q, %v", e.Value, err)
	}
}

// TestRetryOnAFullDisk: who could not write what became of an event has it in hands
// still, and can write it when there is room.
func TestRetryOnAFullDisk(t *testing.T) {
	s := openFull(t, smallDisk(t, 40))
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	waiting := fill(t, s)
	q := s.Queue("async")
	leased, err := q.Lease(t.Context(), len(waiting), time.Hour)
	if err != nil || len(leased) != len(waiting) {
		t.Fatalf("%d of %d leased, %v", len(leased), len(waiting), err)
	}
	at := 0
	for err == nil && at < len(leased) {
		if err = q.RetryAt(t.Context(), leased[at], leased[at].Body, time.Now().Add(time.Hour)); err == nil {
			at++
		}
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("after %d retries on a full disk: %v", at, err)
	}
	for _, l := range leased[at+1:] {
		if err := q.Ack(t.Context(), l); err != nil {
			t.Fatalf("ack: %v", err)
		}
	}
	recovers(t, s)
	if err := q.RetryAt(t.Context(), leased[at], leased[at].Body, time.Now().Add(time.Hour)); err != nil {
		t.Errorf("retry when there is room: %v", err)
	}
}

func openFull(t *testing.T, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(t.Context(), local.Options{Dir: filepath.Join(dir, "store"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill enqueues until there is no more room.
func fill(t *testing.T, s store.Store) map[string]bool {
	t.Helper()
	waiting := map[string]bool{}
	body := []byte(strings.Repeat("b", 20_000))
	for n := range 10_000 {
		e := store.Event{ID: fmt.Sprint(n), Body: body}
		err := s.Queue("async").EnqueueBatch(t.Context(), []store.Event{e})
		switch {
		case err == nil:
			waiting[e.ID] = true
			continue
		case !errors.Is(err, store.ErrFull):
			t.Errorf("a full disk is told as %v", err)
		}
		break
	}
	if len(waiting) < 500 || len(waiting) > 2000 {
		t.Errorf("%d events on 40 MB", len(waiting))
	}
	return waiting
}

// recovers waits until there is room again: the journal looks for it now and then.
func recovers(t *testing.T, s store.Store) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := s.Metadata().Put(t.Context(), "k", []byte("v"), 0)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is room, and still: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
