package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/store"
	"thaw/internal/store/local"
	"thaw/internal/store/memory"
	"thaw/internal/store/mirror"
)

func open(t *testing.T, path string, m store.Metadata, accept bool) (*mirror.Mirror, error) {
	t.Helper()
	return mirror.Open(t.Context(), mirror.Options{Path: path, Metadata: m, Accept: accept, Logger: slog.New(slog.DiscardHandler)})
}

// see opens and closes a mirror, which must find nothing wrong.
func see(t *testing.T, path string, m store.Metadata) {
	t.Helper()
	opened, err := open(t, path, m, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, m store.Metadata, key, value string, expect store.Revision) store.Revision {
	t.Helper()
	revision, err := m.Put(t.Context(), key, []byte(value), expect)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func remove(t *testing.T, m store.Metadata, key string, expect store.Revision) {
	t.Helper()
	if err := m.Delete(t.Context(), key, expect); err != nil {
		t.Fatal(err)
	}
}

// build makes a store with a history: "put k v" and "delete k", one per line.
func build(t *testing.T, history string) store.Metadata {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { s.Close() })
	replay(t, s.Metadata(), history)
	return s.Metadata()
}

func replay(t *testing.T, m store.Metadata, history string) {
	t.Helper()
	for step := range strings.SplitSeq(history, ",") {
		words := strings.Fields(step)
		if len(words) == 0 {
			continue
		}
		var revision store.Revision
		if e, err := m.Get(t.Context(), words[1]); err == nil {
			revision = e.Revision
		}
		if words[0] == "delete" {
			remove(t, m, words[1], revision)
		} else {
			put(t, m, words[1], words[2], revision)
		}
	}
}

func TestStoresThatAreBehind(t *testing.T) {
	const seen = "put a 1, put b 1, put c 1, put b 2, delete c"
	tests := []struct {
		name, now string
		behind    string // a part of the error; empty if the store is taken
	}{
		{"the same", seen, ""},
		{"one change more", seen + ", put d 1", ""},
		{"one deletion more", seen + ", delete a", ""},
		{"all deleted", seen + ", delete a, delete b", ""},
		{"deleted and made anew", seen + ", delete a, put a 2", ""},
		{"empty", "", "ends at revision 0 with 0 records, the copy at revision 5 with 2"},
		{"without the last change", "put a 1, put b 1, put c 1, put b 2", "ends at revision 4"},
		{"emptied, then used as much", "put x 1, put x 2, put x 3, put x 4, put x 5", `"x" of revision 5 is not in the copy`},
		{"emptied, then used more", "put x 1, put x 2, put x 3, put x 4, put x 5, put x 6", "only 1 changes"},
		{"other values", "put a 9, put b 1, put c 1, put b 2, delete c", `"a" differs`},
		{"a record of before is gone", "put x 1, put b 1, put c 1, put b 2, delete c, put x 2", "only 1 changes"},
		{"other order", "put b 1, put a 1, put c 1, put b 2, delete c", `"a" has revision 2, in the copy 1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), mirror.FileName)
			see(t, path, build(t, seen))
			now := build(t, tt.now)
			opened, err := open(t, path, now, false)
			if tt.behind == "" {
				if err != nil {
					t.Fatal(err)
				}
				opened.Close()
				return
			}
			if !errors.Is(err, mirror.ErrBehind) || !strings.Contains(err.Error(), tt.behind) {
				t.Errorf("open: %v, want mirror.ErrBehind with %q", err, tt.behind)
			}
		})
	}
}

// TestAccept: what was refused is taken when it is asked for, and from then on.
func TestAccept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, mirror.FileName)
	see(t, path, build(t, "put a 1, put b 1"))
	older := build(t, "put a 1")
	if _, err := open(t, path, older, false); !errors.Is(err, mirror.ErrBehind) {
		t.Fatalf("open: %v, want mirror.ErrBehind", err)
	}
	accepted, err := open(t, path, older, true)
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	see(t, path, older)
	aside, err := filepath.Glob(path + ".*")
	if err != nil || len(aside) != 1 {
		t.Fatalf("set aside: %v, %v", aside, err)
	}
	if newest, revisions, err := mirror.ReadFile(aside[0]); err != nil || newest != 2 || len(revisions) != 2 {
		t.Errorf("the old copy has revision %d, %v, %v", newest, revisions, err)
	}
}

// TestFollow: each change is in the file, also those after Open.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), mirror.FileName)
		m := build(t, "put a 1")
		opened, err := open(t, path, m, false)
		if err != nil {
			t.Fatal(err)
		}
		replay(t, m, "put b 1, put b 2, delete a, put c 1, delete c")
		synctest.Wait()
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
		newest, revisions, err := mirror.ReadFile(path)
		if err != nil || newest != 6 {
			t.Errorf("revision %d, %v, want 6", newest, err)
		}
		if diff := cmp.Diff(map[string]uint64{"b": 3}, revisions); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

// TestBefore: what is changed before the copy is written is copied as changed.
func TestBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), mirror.FileName)
	m := build(t, "put a plain, put b plain, put c plain")
	before := func(_ context.Context, records []store.Entry) error {
		if len(records) != 3 {
			t.Errorf("shown %d records, want 3", len(records))
		}
		replay(t, m, "put a sealed, put b sealed, delete c")
		return nil
	}
	opened, err := mirror.Open(t.Context(), mirror.Options{Path: path, Metadata: m, Before: before, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	opened.Close()
	content, err := os.ReadFile(path)
	if err != nil || bytes.Contains(content, []byte("plain")) || bytes.Count(content, []byte("sealed")) != 2 {
		t.Errorf("the copy is %q, %v", content, err)
	}
	see(t, path, m)
}

// TestBrokenFiles cuts the file at each byte, and changes each: what is left is a
// copy that knows less, or nothing, and never one that refuses its own store.
func TestBrokenFiles(t *testing.T) {
	m := build(t, "put a 1, put b 1, put a 2, delete b, put c 1")
	path := filepath.Join(t.TempDir(), mirror.FileName)
	see(t, path, build(t, "put a 1, put b 1"))
	see(t, path, m)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		opened, err := open(t, path, m, false)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		opened.Close()
		if newest, revisions, err := mirror.ReadFile(path); err != nil || newest != 5 || len(revisions) != 2 {
			t.Fatalf("%s: the copy ends at %d with %v, %v", what, newest, revisions, err)
		}
	}
	for n := range whole {
		check(fmt.Sprintf("the first %d bytes", n), whole[:n])
	}
	for n := 8; n < len(whole); n++ {
		changed := bytes.Clone(whole)
		changed[n] ^= 0x55
		check(fmt.Sprintf("byte %d changed", n), changed)
	}
}

// TestNotAMirror: a copy whose beginning is damaged is kept aside, and a new one made.
func TestNotAMirror(t *testing.T) {
	path := filepath.Join(t.TempDir(), mirror.FileName)
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := open(t, path, build(t, ""), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	kept, err := filepath.Glob(path + ".2*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %v, %v", kept, err)
	}
	if content, _ := os.ReadFile(kept[0]); string(content) != "something else" {
		t.Errorf("kept: %q", content)
	}
}

// FuzzReadFile: whatever is in the file, reading it ends, and reads the same again.
func FuzzReadFile(f *testing.F) {
	f.Add([]byte("THAWMIR1"))
	f.Add([]byte("THAWMIR1\x00\x00\x00\x0b\x00\x00\x00\x00\x03aaaaaaaa\x00\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), mirror.FileName)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		newest, revisions, err := mirror.ReadFile(path)
		if err != nil {
			return
		}
		again, same, err := mirror.ReadFile(path)
		if err != nil || again != newest || !cmp.Equal(revisions, same) {
			t.Errorf("read again: %d %v %v, first %d %v", again, same, err, newest, revisions)
		}
	})
}

// TestHistories lets stores go on in any way, with the mirror opened at any
// moment: a store is never refused by its own copy, and always when it is set
// back to an earlier moment.
func TestHistories(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 0))
		path := filepath.Join(t.TempDir(), mirror.FileName)
		s := memory.New()
		m := s.Metadata()
		var history []string
		seen := 0
		for range 1 + random.IntN(30) {
			step := fmt.Sprintf("put k%d v%d", random.IntN(5), random.Int())
			if _, err := m.Get(t.Context(), "k0"); err == nil && random.IntN(3) == 0 {
				step = "delete k0"
			}
			history = append(history, step)
			replay(t, m, step)
			if random.IntN(4) == 0 {
				see(t, path, m)
				seen = len(history)
			}
		}
		if seen > 0 {
			back := random.IntN(seen)
			_, err := open(t, path, build(t, strings.Join(history[:back], ",")), false)
			if !errors.Is(err, mirror.ErrBehind) {
				t.Errorf("seed %d: set back from %d to %d steps: %v", seed, seen, back, err)
			}
		}
		s.Close()
	}
}

// TestCompaction writes one record until the file would be large.
func TestCompaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), mirror.FileName)
	s := memory.New()
	defer s.Close()
	m := s.Metadata()
	other := put(t, m, "other", "value", 0)
	value := strings.Repeat("x", 1<<20-100)
	var revision store.Revision
	for range 3 * mirror.Slack >> 20 {
		revision = put(t, m, "k", value, revision)
		see(t, path, m)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(mirror.Slack + 4<<20); info.Size() > limit {
		t.Errorf("the file has %d bytes, more than %d", info.Size(), limit)
	}
	newest, revisions, err := mirror.ReadFile(path)
	want := map[string]uint64{"k": uint64(revision), "other": uint64(other)}
	if diff := cmp.Diff(want, revisions); diff != "" || err != nil || newest != uint64(revision) {
		t.Errorf("revision %d, %v (-want +got):\n%s", newest, err, diff)
	}
}

// TestLostEngine: the engine's directory is emptied under a data directory.
func TestLostEngine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, mirror.FileName)
	start := func() *local.Store {
		s, err := local.Open(t.Context(), local.Options{Dir: filepath.Join(dir, "store"), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := start()
	revision := put(t, s.Metadata(), "function/f", "1", 0)
	put(t, s.Metadata(), "function/g", "1", 0)
	see(t, path, s.Metadata())
	remove(t, s.Metadata(), "function/f", revision)
	s.Close()
	s = start()
	see(t, path, s.Metadata())
	s.Close()
	if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	s = start()
	defer s.Close()
	if _, err := open(t, path, s.Metadata(), false); !errors.Is(err, mirror.ErrBehind) {
		t.Errorf("open: %v, want mirror.ErrBehind", err)
	}
}
