package mirror_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"thaw/internal/store"
	"thaw/internal/store/memory"
	"thaw/internal/store/mirror"
)

// TestFullDisk: changes that could not be written do not make the store look older
// than it is, neither once the disk has room again nor at the next start.
func TestFullDisk(t *testing.T) {
	for name, mended := range map[string]bool{"room again": true, "full to the end": false} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), mirror.FileName)
			s := memory.New()
			defer s.Close()
			see(t, path, s.Metadata())
			var log bytes.Buffer
			f := follower(t, path, &log)
			next := watched(t, s.Metadata())
			first := put(t, s.Metadata(), "a", "1", 0)
			f.Take(next())
			if err := f.Break(); err != nil {
				t.Fatal(err)
			}
			put(t, s.Metadata(), "a", "2", first)
			f.Take(next())
			put(t, s.Metadata(), "b", "1", 0)
			f.Take(next())
			if err := f.Mend(); err != nil {
				t.Fatal(err)
			}
			want := store.Revision(1)
			if mended {
				want = put(t, s.Metadata(), "c", "1", 0)
				f.Take(next())
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), "not kept up"); n != 1 {
				t.Errorf("told %d times: %s", n, &log)
			}
			if newest, _, err := mirror.ReadFile(path); err != nil || newest != uint64(want) {
				t.Errorf("the copy ends at %d, want %d; %v", newest, want, err)
			}
			see(t, path, s.Metadata())
		})
	}
}

// TestFullDiskForLong: what waits is bounded, and the copy still is one of the
// store's past.
func TestFullDiskForLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), mirror.FileName)
	s := memory.New()
	defer s.Close()
	see(t, path, s.Metadata())
	var log bytes.Buffer
	f := follower(t, path, &log)
	next := watched(t, s.Metadata())
	if err := f.Break(); err != nil {
		t.Fatal(err)
	}
	for i := range mirror.MaxLate + 2 {
		put(t, s.Metadata(), fmt.Sprint("k", i), "1", 0)
		f.Take(next())
	}
	if err := f.Mend(); err != nil {
		t.Fatal(err)
	}
	put(t, s.Metadata(), "last", "1", 0)
	f.Take(next())
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "too many changes wait") {
		t.Errorf("the log says %s", &log)
	}
	if newest, _, err := mirror.ReadFile(path); err != nil || newest != 0 {
		t.Errorf("the copy ends at %d, %v", newest, err)
	}
	see(t, path, s.Metadata())
}

func follower(t *testing.T, path string, log *bytes.Buffer) *mirror.Follower {
	t.Helper()
	f, err := mirror.NewFollower(path, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// watched gives the changes of a store, one by one.
func watched(t *testing.T, m store.Metadata) (next func() store.Change) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := m.Watch(ctx, "")
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		for range changes {
		}
	})
	for c := range changes {
		if c.Synced {
			break
		}
	}
	return func() store.Change { return <-changes }
}
