package native_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/sandbox/native"
)

// holdings is what this process and the host hold because of sandboxes.
type holdings struct {
	Mounts      []string // of the host that are in the state directory
	Loops       []string // backing files in the state directory
	Groups      []string // cgroups of the state directory's tree
	Processes   []string // named like the helper, with the state directory's user ids, or children of this process
	Descriptors int      // of this process
	Files       []string // in the state directory
}

// observe counts. Other servers on the host hold things of their own, so that
// only what belongs to this directory or this process counts.
func observe(t testing.TB, dir string) holdings {
	t.Helper()
	var h holdings
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mountinfo)) {
		if strings.Contains(line, dir) {
			h.Mounts = append(h.Mounts, line)
		}
	}
	for _, file := range glob(t, "/sys/block/loop*/loop/backing_file") {
		if text, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(text), dir) {
			h.Loops = append(h.Loops, string(text))
		}
	}
	h.Groups = append(glob(t, "/sys/fs/cgroup/*/"+native.TreeName(dir)), glob(t, "/sys/fs/cgroup/"+native.TreeName(dir))...)
	h.Processes = children(t, os.Getpid())
	h.Descriptors = len(glob(t, "/proc/self/fd/*"))
	for _, file := range glob(t, dir+"/*") {
		switch name := filepath.Base(file); {
		case name == "lock", name == "stage", name == "skeleton", strings.HasSuffix(name, ".ext4"):
			// kept for the next life
		default:
			h.Files = append(h.Files, name)
		}
	}
	return h
}

// compare checks that all is as it was. Another test's or the runtime's
// descriptor may be a moment late.
func (h holdings) compare(t testing.TB, dir string) {
	t.Helper()
	var diff string
	for range 100 {
		now := observe(t, dir)
		now.Descriptors = max(now.Descriptors, h.Descriptors) // less is no leak
		if diff = cmp.Diff(h, now); diff == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("left behind (-before +after):\n%s", diff)
}

// children returns the living processes whose parent is pid, but not the Go
// tool's.
func children(t testing.TB, pid int) []string {
	t.Helper()
	var found []string
	for _, file := range glob(t, "/proc/[0-9]*/stat") {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ")
		var state string
		var parent int
		if _, err := fmt.Sscan(after, &state, &parent); err == nil && parent == pid {
			found = append(found, string(text))
		}
	}
	return found
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
