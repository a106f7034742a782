package powercut_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"thaw/test/crash/powercut"
)

// mount has a disk appear in a directory, or skips.
func mount(t *testing.T, d *powercut.Disk) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("no FUSE: %v", err)
	}
	dir := t.TempDir()
	unmount, err := d.Mount(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Release()
		if err := unmount(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func syncPath(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
}

// after cuts the power many times at the same moment, and counts what is left.
func after(t *testing.T, d *powercut.Disk, look func(dir string) string) map[string]int {
	t.Helper()
	d.Cut()
	left := map[string]int{}
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { left[look(mount(t, d.After(rand.New(rand.NewPCG(seed, 0)))))]++ })
	}
	return left
}

func content(path string) string {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "none"
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%q", b)
}

// TestWriterWithoutSync loses bytes, and one that syncs keeps them.
func TestWriterWithoutSync(t *testing.T) {
	d := powercut.New(false)
	dir := mount(t, d)
	path := filepath.Join(dir, "f")
	must(t, os.WriteFile(path, []byte("synced"), 0o600))
	syncPath(t, path)
	syncPath(t, dir)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString(" and not")
	must(t, err)
	must(t, f.Close())
	left := after(t, d, func(dir string) string { return content(filepath.Join(dir, "f")) })
	if left[`"synced"`] == 0 || left[`"synced and not"`] == 0 || len(left) != 2 {
		t.Errorf("left after cuts: %v", left)
	}
}

// TestNamesWithoutSync: a new file's name is kept by a sync of its directory, and by
// its own sync only on an ordered disk.
func TestNamesWithoutSync(t *testing.T) {
	for ordered, want := range map[bool]map[string]bool{
		false: {`none`: true, `"x"`: true},
		true:  {`"x"`: true},
	} {
		t.Run(fmt.Sprint(ordered), func(t *testing.T) {
			d := powercut.New(ordered)
			dir := mount(t, d)
			path := filepath.Join(dir, "f")
			must(t, os.WriteFile(path, []byte("x"), 0o600))
			syncPath(t, path)
			left := after(t, d, func(dir string) string { return content(filepath.Join(dir, "f")) })
			if len(left) != len(want) {
				t.Errorf("left after cuts: %v, want %v", left, want)
			}
		})
	}
}

// TestRename: before the sync of the directory either file has the name, never none.
func TestRename(t *testing.T) {
	d := powercut.New(false)
	dir := mount(t, d)
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o600))
	syncPath(t, filepath.Join(dir, "f"))
	syncPath(t, dir)
	must(t, os.WriteFile(filepath.Join(dir, "new"), []byte("new"), 0o600))
	syncPath(t, filepath.Join(dir, "new"))
	must(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "f")))
	left := after(t, d, func(dir string) string { return content(filepath.Join(dir, "f")) })
	if left[`"old"`] == 0 || left[`"new"`] == 0 || len(left) != 2 {
		t.Errorf("left after cuts: %v", left)
	}
}

// TestTornWrite: pages of one write survive apart from each other.
func TestTornWrite(t *testing.T) {
	d := powercut.New(true)
	dir := mount(t, d)
	path := filepath.Join(dir, "f")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_SYNC, 0o600)
	must(t, err)
	_, err = f.Write(make([]byte, 1<<16)) // durable by its flag
	must(t, err)
	must(t, f.Close())
	full := make([]byte, 1<<16)
	for i := range full {
		full[i] = 1
	}
	f, err = os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(full, 0)
	must(t, err)
	must(t, f.Close())
	left := after(t, d, func(dir string) string {
		b, err := os.ReadFile(filepath.Join(dir, "f"))
		if err != nil || len(b) != 1<<16 {
			return fmt.Sprint(len(b), err)
		}
		ones := 0
		for i := 0; i < len(b); i += 512 {
			ones += int(b[i])
		}
		switch ones {
		case 0:
			return "none"
		case 128:
			return "all"
		}
		return "some"
	})
	if left["none"] == 0 || left["all"]+left["some"] == 0 || left["some"] == 0 || left["none"]+left["all"]+left["some"] != 30 {
		t.Errorf("left after cuts: %v", left)
	}
}

// TestCutAfter: what comes after the cut waits, and fails when it is let go.
func TestCutAfter(t *testing.T) {
	d := powercut.New(true)
	dir := mount(t, d)
	d.CutAfter(3) // create, write, sync
	failed := make(chan error, 1)
	go func() {
		f, err := os.Create(filepath.Join(dir, "f"))
		if err == nil {
			if _, err = f.WriteString("x"); err == nil {
				err = f.Sync()
			}
			f.Close()
		}
		failed <- err
	}()
	<-d.WasCut()
	select {
	case err := <-failed:
		t.Errorf("a sync after the cut returned %v", err)
	default:
	}
	d.Release()
	if err := <-failed; !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
}

// TestRoom: a disk that is full says so, and has room again when files are gone.
func TestRoom(t *testing.T) {
	d := powercut.New(true)
	d.SetRoom(10_000)
	dir := mount(t, d)
	path := filepath.Join(dir, "f")
	must(t, os.WriteFile(path, make([]byte, 9000), 0o600))
	err := os.WriteFile(filepath.Join(dir, "g"), make([]byte, 2000), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write over the bound: %v", err)
	}
	must(t, os.Remove(path))
	must(t, os.WriteFile(filepath.Join(dir, "g"), make([]byte, 2000), 0o600))
}
