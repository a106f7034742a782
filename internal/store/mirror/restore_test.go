package mirror_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"thaw/internal/store"
	"thaw/internal/store/local"
	"thaw/internal/store/mirror"
)

func openLocal(t *testing.T, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(t.Context(), local.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRestores: records that were lost with the journal's files come back with their
// revisions, deleted ones stay deleted, and once they agree damage of before excuses
// nothing.
func TestRestores(t *testing.T) {
	dir := t.TempDir()
	path, engine := filepath.Join(dir, mirror.FileName), filepath.Join(dir, "store")
	var revision store.Revision
	for life := range 3 { // a segment each
		s := openLocal(t, engine)
		changed := put(t, s.Metadata(), "changed", fmt.Sprint(life), revision)
		revision = changed
		put(t, s.Metadata(), fmt.Sprint("new", life), "v", 0)
		gone := put(t, s.Metadata(), "gone", "v", 0)
		remove(t, s.Metadata(), "gone", gone)
		seeEngine(t, path, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	segments, err := filepath.Glob(filepath.Join(engine, "journal", "*.log"))
	if err != nil || len(segments) != 3 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	if err := os.Remove(segments[2]); err != nil {
		t.Fatal(err)
	}
	s := openLocal(t, engine)
	seeEngine(t, path, s)
	if e, err := s.Metadata().Get(t.Context(), "changed"); err != nil || string(e.Value) != "2" || e.Revision != revision {
		t.Errorf("%q at %d, %v; want revision %d", e.Value, e.Revision, err, revision)
	}
	if _, err := s.Metadata().Get(t.Context(), "gone"); err == nil {
		t.Error("a deleted record is back")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Set back without damage: a store that nobody knows.
	if err := os.RemoveAll(filepath.Join(engine, "journal")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(engine, "journal.mark")); err != nil {
		t.Fatal(err)
	}
	s = openLocal(t, engine)
	defer s.Close()
	if m, err := mirror.Open(t.Context(), mirror.Options{Path: path, Metadata: s.Metadata(), Engine: s, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		m.Close()
		t.Error("an empty store was taken")
	}
}

func seeEngine(t *testing.T, path string, s *local.Store) {
	t.Helper()
	m, err := mirror.Open(t.Context(), mirror.Options{Path: path, Metadata: s.Metadata(), Engine: s, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}
