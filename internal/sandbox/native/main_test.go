package native_test

import (
	"context"
	"fmt"
	"io"
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

// program is thaw-init and probeDir the directory of the program that the tests
// run inside; both are built once per run.
var (
	program  []byte
	probeDir string
)

func TestMain(m *testing.M) {
	if state, probeDir, victim := strings.Cut(os.Getenv(victimVariable), ":"); victim {
		fmt.Fprintln(os.Stderr, runVictim(state, probeDir))
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "thaw-init-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	probeDir = filepath.Join(dir, "probe")
	for name, pkg := range map[string]string{"thaw-init": "thaw/cmd/thaw-init", "probe/probe": "./testdata/probe"} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, name), pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	if program, err = os.ReadFile(filepath.Join(dir, "thaw-init")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// open returns a driver whose state directory is the test's own, and checks at the
// test's end that nothing of it is left.
func open(t testing.TB, poolSize int) *native.Driver {
	t.Helper()
	dir := t.TempDir()
	before := observe(t, dir)
	d := openAt(t, dir, poolSize)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		before.compare(t, dir)
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

// probe starts the probe inside, which must be attached.
func probe(t testing.TB, s sandbox.Sandbox, args ...string) (sandbox.Running, sandbox.PipeReader) {
	t.Helper()
	r, w, err := s.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	p, err := s.Start(t.Context(), sandbox.Process{
		Path: "/var/task/probe", Args: append([]string{"probe"}, args...), Dir: "/tmp", Stdout: w, Stderr: w,
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

// result awaits the end of the probe and returns what it has printed.
func result(t testing.TB, p sandbox.Running, r io.Reader) (string, sandbox.ExitStatus) {
	t.Helper()
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Exited():
	case <-time.After(patience):
		t.Fatal("the process does not end")
	}
	return string(out), p.Status()
}

// patience bounds every wait for something that must come.
const patience = time.Minute

func attachProbe(t testing.TB, s sandbox.Sandbox) {
	t.Helper()
	if err := s.Attach(t.Context(), sandbox.Mount{Sources: []string{probeDir}, Target: "/var/task", Own: true}); err != nil {
		t.Fatal(err)
	}
}

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
	return result(t, p, r)
}

// writeFiles writes pairs of a name and a content.
func writeFiles(t testing.TB, dir string, pairs ...string) {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, pairs[i]), []byte(pairs[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
