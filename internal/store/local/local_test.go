package local_test

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/local"
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

func openStore(ctx context.Context, dir string) (*local.Store, error) {
	return local.Open(ctx, local.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
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
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}
