package crash_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/local"
	"thaw/test/crash/powercut"
)

// TestFailedSync has syncs fail in the middle of the work: their callers are told, the
// next ones are served, and after a cut of the power all that was acknowledged is
// there, though the system takes for written what the failed sync has dropped.
func TestFailedSync(t *testing.T) {
	needFUSE(t)
	first := newSeed(t)
	acknowledged := map[string]bool{}
	disk := powercut.New(false)
	onDisk(t, disk, func(s *local.Store) {
		for n := range 60 {
			if n%10 == 5 {
				disk.FailSyncs(1 + n%3)
			}
			e := store.Event{ID: fmt.Sprint(n), Body: []byte("body")}
			err := s.Queue("q").EnqueueBatch(t.Context(), []store.Event{e})
			switch {
			case err == nil:
				acknowledged[e.ID] = true
			case !errors.Is(err, syscall.EIO):
				t.Errorf("event %d: %v", n, err)
			}
		}
		disk.Cut()
		disk.Release()
	})
	if len(acknowledged) < 40 || len(acknowledged) > 54 {
		t.Errorf("%d events of 60 were acknowledged", len(acknowledged))
	}
	onDisk(t, disk.After(source(first)), func(s *local.Store) {
		leased, err := s.Queue("q").Lease(t.Context(), 100, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leased {
			delete(acknowledged, l.ID)
		}
		if len(acknowledged) > 0 {
			t.Errorf("lost: %v", acknowledged)
		}
		if damaged, err := s.Damaged(); err != nil || damaged {
			t.Errorf("damage is told: %t, %v", damaged, err)
		}
	})
}

// onDisk opens a store on a disk that is mounted meanwhile.
func onDisk(t *testing.T, disk *powercut.Disk, use func(s *local.Store)) {
	t.Helper()
	at := t.TempDir()
	unmount, err := disk.Mount(at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unmount(); err != nil {
			t.Error(err)
		}
	}()
	s, err := local.Open(t.Context(), local.Options{Dir: filepath.Join(at, "store"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	use(s)
	// Its disk may have gone.
	if err := s.Close(); err != nil && !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
}
