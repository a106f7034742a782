package local_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/store"
)

// TestTakesOverEarlierStore opens a directory that the last release wrote, with the
// engine it had then.
func TestTakesOverEarlierStore(t *testing.T) {
	dir := t.TempDir()
	unpack(t, "../jetstream/testdata/store.tar.gz", dir)
	for range 2 { // and once more, when it is done
		checkTakenOver(t, dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "jetstream.old")); err != nil {
		t.Errorf("the earlier files: %v", err)
	}
}

func checkTakenOver(t *testing.T, dir string) {
	t.Helper()
	s := open(t, dir)
	defer s.Close()
	revisions := map[string]store.Revision{}
	for i, key := range []string{"function/f0.x", "function/f1.x", "function/f2.x", "function/f4.x"} {
		e, err := s.Metadata().Get(t.Context(), key)
		if err != nil || string(e.Value) != key {
			t.Errorf("record %s: %q, %v", key, e.Value, err)
		}
		revisions[key] = e.Revision
		if i > 0 && e.Revision == 0 {
			t.Errorf("record %s has no revision", key)
		}
	}
	want := map[string]store.Revision{"function/f0.x": 2, "function/f1.x": 4, "function/f2.x": 6, "function/f4.x": 10}
	if diff := cmp.Diff(want, revisions); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
	if _, err := s.Metadata().Get(t.Context(), "function/f3.x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted record: %v", err)
	}
	if newest, err := s.Metadata().Newest(t.Context()); err != nil || newest < 11 {
		t.Errorf("newest revision %d, %v", newest, err)
	}
	q := s.Queue("async")
	leased, err := q.Lease(t.Context(), 10, 0)
	if err != nil || len(leased) != 1 || leased[0].ID != "a" || string(leased[0].Body) != "again" || leased[0].Attempts != 2 {
		t.Errorf("events: %+v, %v", leased, err)
	}
	if count, err := q.Count(t.Context()); err != nil || count != (store.Count{Waiting: 1, Delayed: 1}) {
		t.Errorf("count %+v, %v", count, err)
	}
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(z)
	for {
		h, err := files.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if h.FileInfo().IsDir() {
			err = os.MkdirAll(path, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(files); err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
