// Package seeds keeps the seeds of random histories that have failed, for tests:
// what failed once is played again before all others, at every run, until somebody
// takes it off the list.
//
// The list of a test is testdata/seeds/TEST.txt in its package's directory: a line
// for each history, its seed and its number. It belongs into the repository with
// the change that mends what it shows.
package seeds

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// History is one random history: a seed, and the number of the history among those
// of the seed.
type History struct{ Seed, Number uint64 }

func file(t testing.TB) string {
	return filepath.Join("testdata", "seeds", strings.ReplaceAll(t.Name(), "/", "_")+".txt")
}

// Kept returns the histories on the test's list, the oldest first.
func Kept(t testing.TB) (kept []History) {
	t.Helper()
	text, err := os.ReadFile(file(t))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var h History
		if _, err := fmt.Sscanf(line, "%d %d\n", &h.Seed, &h.Number); err != nil {
			t.Fatalf("%s: %q: %v", file(t), line, err)
		}
		kept = append(kept, h)
	}
	return kept
}

// Keep puts a history on the test's list.
func Keep(t testing.TB, h History) {
	t.Helper()
	if slices.Contains(Kept(t), h) {
		return
	}
	path := file(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Error(err)
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d %d\n", h.Seed, h.Number)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Error(err)
		return
	}
	t.Logf("kept in %s", path)
}
