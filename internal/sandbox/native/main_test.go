package native_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"thaw/internal/sandbox"
	"thaw/internal/sandbox/native"
)

// program is thaw-init, built once per run.
var program []byte

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "thaw-init-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "thaw-init")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "thaw/cmd/thaw-init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build thaw-init: %v\n%s", err, out)
		return 1
	}
	if program, err = os.ReadFile(file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// open returns a driver whose state directory is the test's own.
func open(t testing.TB, poolSize int) *native.Driver {
	t.Helper()
	d := openAt(t, t.TempDir(), poolSize)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

func openAt(t testing.TB, dir string, poolSize int) *native.Driver {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("sandboxes need root")
	}
	d, err := native.New(t.Context(), native.Options{
		StateDir: dir, Init: program, PoolSize: poolSize,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// create returns a sandbox that is destroyed at the test's end.
func create(t testing.TB, d sandbox.Driver, spec sandbox.Spec) sandbox.Sandbox {
	t.Helper()
	s, err := d.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Destroy(context.Background()); err != nil {
			t.Errorf("Destroy: %v", err)
		}
	})
	return s
}

// shell runs a script inside to its end and returns what it has printed.
func shell(t testing.TB, s sandbox.Sandbox, script string) (string, sandbox.ExitStatus) {
	t.Helper()
	r, w, err := s.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := s.Start(t.Context(), sandbox.Process{
		Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/",
		Stdout: w, Stderr: w,
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Exited():
	case <-time.After(30 * time.Second):
		t.Fatal("the script does not end")
	}
	return string(out), p.Status()
}
