package native_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thaw/internal/sandbox"
	"thaw/internal/sandbox/native"
)

// TestResetIsQuickUnderASmallCPUShare kills processes that have used up their
// share: under it their end would take longer than anyone waits. Afterwards the
// share counts again.
func TestResetIsQuickUnderASmallCPUShare(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box", Limits: sandbox.Limits{CPUMilli: 2000, Processes: 500}})
	attachProbe(t, s)
	r, w, err := s.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const family = "i=0; while [ $i -lt 150 ]; do ( while :; do :; done ) & i=$((i+1)); done; echo all; wait"
	_, err = s.Start(t.Context(), sandbox.Process{Path: "/bin/sh", Args: []string{"sh", "-c", family}, Dir: "/", Stdout: w})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.LimitCPU(50); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the reset took %v", took)
	}
	before, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if _, status := result2(probe(t, s, "spin", "1s"))(t); status.Code != 0 {
		t.Fatalf("%+v", status)
	}
	after, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if share := float64(after.CPU-before.CPU) / float64(time.Since(began)); share > 0.2 {
		t.Errorf("after the reset a sandbox with 0.05 of a core used %.2f", share)
	}
}

func TestResetRemovesSharedObjects(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	if out, _ := result2(probe(t, s, "share"))(t); out != "3 3 3\n" {
		t.Fatalf("shared memory, semaphores and queues made: %q, want 3 of each", out)
	}
	if u, err := s.Usage(); err != nil || u.MemoryBytes < 24*mib {
		t.Fatalf("usage %+v, %v; want what is shared in it", u, err)
	}
	for range 2 { // with something to remove and without
		if err := s.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if out, _ := result2(probe(t, s, "shared"))(t); out != "0 0 0\n" {
		t.Errorf("left after a reset: %q", out)
	}
	if u, err := s.Usage(); err != nil || u.MemoryBytes > 16*mib {
		t.Errorf("usage %+v, %v; want nothing shared in it", u, err)
	}
}

// TestResetEmptiesADeepTree must not hold a descriptor for each level.
func TestResetEmptiesADeepTree(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	if out, status := result2(probe(t, s, "deep", "/dev/shm", "9000"))(t); status.Code != 0 {
		t.Fatalf("%+v, %s", status, out)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 200, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	err := s.Reset(t.Context())
	if restoreErr := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); restoreErr != nil {
		t.Fatal(restoreErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := shell(t, s, "ls -A /dev/shm"); out != "" {
		t.Errorf("after a reset: %q", out)
	}
}

func TestAClosedListenerIsForgotten(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	for range 3 { // as after each reset
		l, err := s.Listen(t.Context(), "tcp4", "169.254.100.1:9001")
		if err != nil {
			t.Fatal(err)
		}
		if got := native.OpenListeners(s); got != 1 {
			t.Errorf("with one listener open, %d are known", got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := native.OpenListeners(s); got != 0 {
		t.Errorf("with all closed, %d are known", got)
	}
}
