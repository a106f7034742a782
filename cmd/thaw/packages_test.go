package main

import (
	"archive/zip"
	"bytes"
	"log/slog"
	"testing"

	"thaw/internal/code"
	"thaw/internal/store/memory"
)

// TestNothingIsCollectedDuringABackup: what a backup's records name is there until
// it has been read.
func TestNothingIsCollectedDuringABackup(t *testing.T) {
	opened, err := code.Open(code.Options{Dir: t.TempDir(), Blobs: memory.New().Blobs(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p := &packages{Packages: opened}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	if _, err := w.Create("bootstrap"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	added, err := p.Add(t.Context(), buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	p.Release(added)
	nobody := func() func(string) bool { return func(string) bool { return false } }
	p.reading.RLock()
	if held, err := p.Collect(t.Context(), nobody); err != nil || held == 0 {
		t.Errorf("during a backup: %d held, %v", held, err)
	}
	f, err := p.Open(t.Context(), added)
	if err != nil {
		t.Fatalf("the package is gone: %v", err)
	}
	f.Close()
	p.reading.RUnlock()
	if held, err := p.Collect(t.Context(), nobody); err != nil || held != 0 {
		t.Errorf("afterwards: %d held, %v", held, err)
	}
	if _, err := p.Open(t.Context(), added); err == nil {
		t.Error("the package is still there afterwards")
	}
}
