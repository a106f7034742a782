package native_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thaw/internal/sandbox"
	"thaw/internal/sandbox/native"
)

// use creates a sandbox with a /tmp of a size and destroys it.
func use(ctx context.Context, d *native.Driver, size int64) error {
	s, err := d.Create(ctx, sandbox.Spec{ID: "box", Limits: sandbox.Limits{TmpBytes: size}})
	if err != nil {
		return err
	}
	return s.Destroy(context.Background())
}

func TestFewSizesOfTmpAreKept(t *testing.T) {
	dir := t.TempDir()
	before := observe(t, dir)
	d := openAt(t, dir, 1)
	for i := range int64(12) {
		if err := use(t.Context(), d, (i+1)*mib); err != nil {
			t.Fatal(err)
		}
	}
	if files := glob(t, dir+"/tmp-*.ext4"); len(files) > 8 {
		t.Errorf("%d templates are kept, want at most 8: %q", len(files), files)
	}
	awaitLoops(t, dir, 5) // one of the default size, and of the last four
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	before.compare(t, dir)
}

// awaitLoops waits until that many loop devices of a directory are left, and no
// more come.
func awaitLoops(t *testing.T, dir string, want int) {
	t.Helper()
	same, last := 0, -1
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		n := len(observe(t, dir).Loops)
		if n != last {
			same, last = 0, n
		}
		if same++; n == want && same > 25 {
			return
		}
	}
	t.Errorf("%d loop devices are held, want %d", last, want)
}

// slowMkfs puts a program into PATH that makes file systems only while a file is
// there, except for those of the default size, and writes down each call.
func slowMkfs(t *testing.T) (calls, gate string) {
	t.Helper()
	real, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	calls, gate = filepath.Join(dir, "calls"), filepath.Join(dir, "gate")
	script := fmt.Sprintf(`#!/bin/sh
echo "$*" >> %s
case "$*" in *-536870912.ext4*) ;; *) while [ ! -e %s ]; do sleep 0.01; done ;; esac
exec %s "$@"
`, calls, gate, real)
	if err := os.WriteFile(filepath.Join(dir, "mkfs.ext4"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return calls, gate
}

func TestANewSizeOfTmpHoldsUpNobodyElse(t *testing.T) {
	calls, gate := slowMkfs(t)
	d := open(t, -1)
	if err := use(t.Context(), d, 0); err != nil { // takes the spare
		t.Fatal(err)
	}
	waiting := make(chan error, 2)
	for range cap(waiting) {
		go func() { waiting <- use(t.Context(), d, 3*mib) }()
	}
	awaitText(t, calls, "-3145728.ext4")
	ctx, cancel := context.WithTimeout(t.Context(), patience/2)
	defer cancel()
	if err := use(ctx, d, 0); err != nil {
		t.Errorf("beside the making of another size: %v", err)
	}
	early, cancelEarly := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancelEarly()
	if err := use(early, d, 3*mib); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for the size = %v, want the context's end", err)
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range cap(waiting) {
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(calls)
	if n := strings.Count(string(text), "-3145728.ext4"); err != nil || n != 1 {
		t.Errorf("the size was made %d times, %v; want once", n, err)
	}
}

// awaitText waits until a file has a text in it.
func awaitText(t *testing.T, file, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), want) {
			return
		}
	}
	t.Fatalf("%s does not get %q", file, want)
}

func TestATemplateOfAnotherFormatIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, "tmp-536870912.ext4", "not a file system", "tmp-v1-536870912.ext4", "nor this")
	d := openAt(t, dir, -1)
	if err := use(t.Context(), d, 0); err != nil {
		t.Error(err)
	}
	if files := glob(t, dir+"/tmp-*.ext4"); len(files) != 1 {
		t.Errorf("templates %q, want one", files)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestADriverThatCannotBeMadeSaysWhy(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("sandboxes need root")
	}
	dir := t.TempDir()
	before := observe(t, dir)
	path := filepath.Join(dir, fmt.Sprintf(native.TemplateName, 512*mib))
	writeFiles(t, dir, filepath.Base(path), "not a file system")
	_, err := native.New(t.Context(), native.Options{StateDir: dir, Init: program, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "make a disk for /tmp") {
		t.Errorf("New = %v, want what is wrong with /tmp", err)
	}
	before.compare(t, dir)
}
