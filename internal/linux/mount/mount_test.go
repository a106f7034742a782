package mount_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/mount"
)

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
}

// inside is the path of a name in a detached mount.
func inside(m *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", m.Fd(), name)
}

func write(t *testing.T, dir string, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, pairs[i]), []byte(pairs[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, m *os.File, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if text, err := os.ReadFile(inside(m, pairs[i])); err != nil || string(text) != pairs[i+1] {
			t.Errorf("%s has %q, %v; want %q", pairs[i], text, err, pairs[i+1])
		}
	}
	if err := os.WriteFile(inside(m, "new"), nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("write = %v, want a read-only file system", err)
	}
}

func TestBindIsReadOnly(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	write(t, dir, "a", "1")
	m, err := mount.Bind(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	check(t, m, "a", "1")
	if _, err := mount.Bind(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("bind of nothing = %v", err)
	}
}

func TestOverlayGivesTheFirst(t *testing.T) {
	needRoot(t)
	first, second := filepath.Join(t.TempDir(), "with:colon,comma"), t.TempDir()
	if err := os.Mkdir(first, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, first, "both", "first")
	write(t, second, "both", "second", "two", "2")
	m, err := mount.Overlay(first, second)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	check(t, m, "both", "first", "two", "2")
}

func TestFilesystem(t *testing.T) {
	needRoot(t)
	m, err := mount.Filesystem("tmpfs", mount.Option{Name: "size", Value: "64k"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.WriteFile(inside(m, "big"), make([]byte, 128<<10), 0o644); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("write beyond the size = %v, want no space left", err)
	}
	if _, err := mount.Filesystem("tmpfs", mount.Option{Name: "no_such_option"}); err == nil {
		t.Error("an unknown option was taken")
	}
}
