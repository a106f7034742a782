package jetstream_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/jetstream"
	"thaw/internal/store/storetest"
)

func open(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := openStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openStore(ctx context.Context, dir string) (*jetstream.Store, error) {
	return jetstream.Open(ctx, jetstream.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
}

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		Open:    func(t *testing.T, dir string) store.Store { return open(t, dir) },
		Durable: true,
	})
}

func TestOneProcessOwnsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	second, err := openStore(t.Context(), dir)
	if err == nil {
		second.Close()
		t.Fatal("the directory was opened twice")
	}
}

// TestCloseLeavesNothingRunning counts goroutines: the engine's end with it.
func TestCloseLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	s := open(t, t.TempDir())
	if _, err := s.Metadata().Watch(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Metadata().Put(t.Context(), "k", nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The server's own goroutines see its end a moment later than it reports it.
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}

// TestSyncsAlways looks at the setting: killing a process shows no lack of it,
// only loss of power does.
func TestSyncsAlways(t *testing.T) {
	s, err := openStore(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.SyncAlways() {
		t.Error("the server answers before the disk is synced")
	}
}

// TestOpensNoSocket: what is in the process is reached in the process only.
func TestOpensNoSocket(t *testing.T) {
	before := sockets(t)
	s := open(t, t.TempDir())
	defer s.Close()
	if after := sockets(t); after != before {
		t.Errorf("%d sockets, %d before", after, before)
	}
}

func sockets(t *testing.T) (n int) {
	t.Helper()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skipf("no list of open files: %v", err)
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}
