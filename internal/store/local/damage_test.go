package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/blobs"
	"thaw/internal/store/damage"
	"thaw/internal/store/local"
)

// TestDamage breaks a store of three lives in one way each, and looks at what is said
// and at what is left.
func TestDamage(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(t *testing.T, dir string)
		found  string // within what is told; empty for nothing
		events uint64 // lost at most, as is told
		left   []string
	}{
		"none":            {func(*testing.T, string) {}, "", 0, []string{"a0", "a1", "b0", "b1", "c0", "c1"}},
		"a byte":          {flip("journal/*1.log", -1), "groups of the journal", 1, []string{"a0", "b0", "b1", "c0", "c1"}},
		"the header":      {flip("journal/*1.log", 9), "the header", 0, []string{"a0", "a1", "b0", "b1", "c0", "c1"}},
		"the magic":       {flip("journal/*1.log", 0), "the header", 0, []string{"a0", "a1", "b0", "b1", "c0", "c1"}},
		"the last byte":   {flip("journal/*5.log", -1), "groups of the journal", 1, []string{"a0", "a1", "b0", "b1", "c0"}},
		"the end":         {cut("journal/*5.log", 1), "groups of the journal", 1, []string{"a0", "a1", "b0", "b1", "c0"}},
		"all but the end": {keep("journal/*3.log", 32), "groups of the journal", 2, []string{"a0", "a1", "c0", "c1"}},
		"a segment":       {remove("journal/*3.log"), "groups of the journal", 2, []string{"a0", "a1", "c0", "c1"}},
		"the last":        {remove("journal/*5.log"), "groups of the journal", 2, []string{"a0", "a1", "b0", "b1"}},
		"all segments":    {remove("journal/*.log"), "groups of the journal", 6, nil},
		"the mark":        {flip("journal.mark", 20), "the mark of the journal is damaged", 0, []string{"a0", "a1", "b0", "b1", "c0", "c1"}},
		"a short mark":    {cut("journal.mark", 3), "the mark of the journal is damaged", 0, []string{"a0", "a1", "b0", "b1", "c0", "c1"}},
		"no mark":         {remove("journal.mark"), "the mark of the journal is missing", 0, []string{"a0", "a1", "b0", "b1", "c0", "c1"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, life := range []string{"a", "b", "c"} {
				enqueueTwo(t, dir, life)
			}
			test.damage(t, dir)
			left := waiting(t, dir)
			if fmt.Sprint(left) != fmt.Sprint(test.left) {
				t.Errorf("left %v, want %v", left, test.left)
			}
			found, err := damage.In(dir).Read()
			if err != nil {
				t.Fatal(err)
			}
			checkFound(t, dir, found, test.found, test.events)
			enqueueTwo(t, dir, "d") // and it goes on
			if again := waiting(t, dir); len(again) != len(left)+2 {
				t.Errorf("after another life: %v", again)
			}
			if more, err := damage.In(dir).Read(); err != nil || len(more) != len(found) {
				t.Errorf("found again: %+v, %v", more[len(found):], err)
			}
		})
	}
}

func checkFound(t *testing.T, dir string, found []damage.Finding, what string, events uint64) {
	t.Helper()
	if what == "" {
		if len(found) > 0 {
			t.Errorf("found %+v", found)
		}
		return
	}
	if len(found) != 1 || !strings.Contains(found[0].What, what) || found[0].Events != events {
		t.Fatalf("found %+v, want %q, %d events", found, what, events)
	}
	if found[0].Kept != "" {
		if _, err := os.Stat(filepath.Join(dir, "damaged", found[0].Kept)); err != nil {
			t.Error(err)
		}
	}
}

func enqueueTwo(t *testing.T, dir, life string) {
	t.Helper()
	s := open(t, dir)
	for i := range 2 {
		e := store.Event{ID: fmt.Sprint(life, i), Body: []byte(life + " body")}
		if err := s.Queue("q").EnqueueBatch(t.Context(), []store.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// waiting lists the events by their IDs.
func waiting(t *testing.T, dir string) (ids []string) {
	t.Helper()
	s := open(t, dir)
	defer s.Close()
	for {
		count, err := s.Queue("q").Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if count.Waiting == 0 {
			return ids
		}
		leased, err := s.Queue("q").Lease(t.Context(), 1, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, leased[0].ID)
	}
}

// change replaces the bytes of the files of a pattern.
func change(t *testing.T, dir, pattern string, edit func(b []byte) []byte) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err == nil {
			err = errors.Join(os.Remove(path), os.WriteFile(path, edit(b), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// flip changes a byte; -1 is the last one.
func flip(pattern string, at int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		change(t, dir, pattern, func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b })
	}
}

// cut takes bytes off the end.
func cut(pattern string, n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		change(t, dir, pattern, func(b []byte) []byte { return b[:max(0, len(b)-n)] })
	}
}

// keep leaves only the first bytes.
func keep(pattern string, n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		change(t, dir, pattern, func(b []byte) []byte { return b[:n] })
	}
}

func remove(pattern string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range paths {
			err = errors.Join(err, os.Remove(path))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestTornEnd: what was never acknowledged goes without a word.
func TestTornEnd(t *testing.T) {
	dir := t.TempDir()
	enqueueTwo(t, dir, "a")
	change(t, dir, "journal/*1.log", func(b []byte) []byte { return append(b, "\x00\x00\x00\x10half a group"...) })
	if left := waiting(t, dir); len(left) != 2 {
		t.Errorf("left %v", left)
	}
	if found, err := damage.In(dir).Read(); err != nil || len(found) > 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestDamageAtWork changes a body under a running store: it is given up and told, and
// the others are handed out.
func TestDamageAtWork(t *testing.T) {
	dir := t.TempDir()
	enqueueTwo(t, dir, "a")
	var log bytes.Buffer
	s, err := local.Open(t.Context(), local.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	flip("journal/*1.log", -1)(t, dir)
	leased, err := s.Queue("q").Lease(t.Context(), 10, time.Hour)
	if err != nil || len(leased) != 1 || leased[0].ID != "a0" {
		t.Errorf("leased %+v, %v", leased, err)
	}
	if count, err := s.Queue("q").Count(t.Context()); err != nil || count != (store.Count{Leased: 1}) {
		t.Errorf("count %+v, %v", count, err)
	}
	found, err := damage.In(dir).Read()
	if err != nil || len(found) != 1 || found[0].Events != 1 || fmt.Sprint(found[0].Records) != "[q a1]" {
		t.Errorf("found %+v, %v; the log says %s", found, err, &log)
	}
}

// TestDamagedBlob: its bytes are not handed out, and it can be put again.
func TestDamagedBlob(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	digest, _, err := s.Blobs().Put(t.Context(), strings.NewReader("package"))
	if err != nil {
		t.Fatal(err)
	}
	flip(filepath.Join("blobs", digest[:2], digest), 3)(t, dir)
	if _, err := s.Blobs().Open(t.Context(), digest); !errors.Is(err, blobs.ErrDamaged) {
		t.Errorf("open: %v", err)
	}
	found, err := damage.In(dir).Read()
	if err != nil || len(found) != 1 || found[0].Kept == "" {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, _, err := s.Blobs().Put(t.Context(), strings.NewReader("package")); err != nil {
		t.Error(err)
	}
	f, err := s.Blobs().Open(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
