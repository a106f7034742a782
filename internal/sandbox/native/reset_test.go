package native_test

import (
	"testing"
	"time"

	"thaw/internal/sandbox"
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
