package mount_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/mount"
)

// mappedRoot is what the root of the tests' user namespaces is on the host.
const mappedRoot = 1_900_000_000

// users makes a user namespace.
func users(t testing.TB) *os.File {
	t.Helper()
	cmd := exec.Command("cat")
	end, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: mappedRoot, Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		end.Close()
		cmd.Wait()
	})
	return f
}

func workshop(t testing.TB) *mount.Workshop {
	t.Helper()
	w, err := mount.OpenWorkshop(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// owned makes a mount, unless the file system of the tests cannot be mapped.
func owned(t testing.TB, w *mount.Workshop, ns *os.File, sources ...string) *os.File {
	t.Helper()
	m, err := w.Owned(ns, sources...)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		t.Skipf("the file system of %s cannot be mapped: %v", sources[0], err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func owner(t testing.TB, path string) uint32 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Uid
}

func TestOwned(t *testing.T) {
	needRoot(t)
	w, ns := workshop(t), users(t)
	first, second := filepath.Join(t.TempDir(), "with:colon,comma"), t.TempDir()
	if err := os.Mkdir(first, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, first, "both", "first", "one", "1")
	write(t, second, "both", "second", "two", "2")
	t.Run("one", func(t *testing.T) {
		m := owned(t, w, ns, first)
		check(t, m, "both", "first", "one", "1")
		for _, name := range []string{".", "one"} {
			if got := owner(t, inside(m, name)); got != mappedRoot {
				t.Errorf("%s belongs to %d, want %d", name, got, mappedRoot)
			}
		}
	})
	t.Run("two", func(t *testing.T) {
		m := owned(t, w, ns, first, second)
		check(t, m, "both", "first", "one", "1", "two", "2")
		if got := owner(t, inside(m, "two")); got != mappedRoot {
			t.Errorf("a file of the second belongs to %d, want %d", got, mappedRoot)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if _, err := w.Owned(ns, filepath.Join(first, "absent")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("mount of nothing = %v", err)
		}
	})
	if got := owner(t, filepath.Join(first, "one")); got != 0 {
		t.Errorf("on the host the file belongs to %d", got)
	}
}

// TestOwnedStaysReadOnly clears the flag of the mount: the file system below it
// has no layer to be written.
func TestOwnedStaysReadOnly(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	write(t, dir, "a", "1")
	m := owned(t, workshop(t), users(t), dir)
	if err := unix.MountSetattr(int(m.Fd()), "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
		t.Fatal(err)
	}
	check(t, m, "a", "1") // which tries to write
}

// TestWorkshopIsItsOwn looks for traces of the workshop where others would see
// them, and for descriptors that are left.
func TestWorkshopIsItsOwn(t *testing.T) {
	needRoot(t)
	place, dir, other, ns := t.TempDir(), t.TempDir(), t.TempDir(), users(t)
	absent := filepath.Join(dir, "absent")
	w, err := mount.OpenWorkshop(place)
	if err != nil {
		t.Fatal(err)
	}
	owned(t, w, ns, dir).Close()
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if _, err := w.Owned(ns, dir, absent); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("mount of nothing = %v", err)
				}
				m, err := w.Owned(ns, dir, other)
				if err != nil {
					t.Error(err)
					return
				}
				m.Close()
			}
		})
	}
	all.Wait()
	if after := count(); after != before {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), place) {
		t.Errorf("the workshop is among this namespace's mounts:\n%s", mounts)
	}
	w.Close()
	if _, err := w.Owned(ns, dir); !errors.Is(err, mount.ErrClosed) {
		t.Errorf("mount by a closed workshop = %v", err)
	}
	if entries, err := os.ReadDir(place); err != nil || len(entries) != 0 {
		t.Errorf("%d entries are left in %s, %v", len(entries), place, err)
	}
}

// TestWorkshopLeavesTheMainThread opens one from the main thread, whose mounts are
// those that /proc/self shows.
func TestWorkshopLeavesTheMainThread(t *testing.T) {
	needRoot(t)
	namespace := func() string {
		name, err := os.Readlink("/proc/self/ns/mnt")
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	before := namespace()
	for range 50 { // a goroutine often begins where its maker runs
		w, err := mount.OpenWorkshop(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if got := namespace(); got != before {
			w.Close()
			t.Fatalf("the process is in the namespace %s, was in %s", got, before)
		}
		w.Close()
	}
}

// TestWorkshopKeepsNoMountBusy unmounts what was mounted when the workshop was
// opened; a copy of it would keep the file system alive.
func TestWorkshopKeepsNoMountBusy(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("busy", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	// The kernel tells the watch when the file system itself has gone.
	if _, err := unix.InotifyAddWatch(watch, filepath.Join(dir, "f"), unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	workshop(t)
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	events := make([]byte, 4096)
	n, err := unix.Read(watch, events)
	if err != nil || n < unix.SizeofInotifyEvent {
		t.Errorf("the file system is still there: %v", err)
	}
}

func BenchmarkOwned(b *testing.B) {
	needRoot(b)
	w, ns, dir := workshop(b), users(b), b.TempDir()
	for b.Loop() {
		m, err := w.Owned(ns, dir)
		if err != nil {
			b.Fatal(err)
		}
		m.Close()
	}
}
