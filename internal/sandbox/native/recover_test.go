package native_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thaw/internal/linux/loop"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/native"
)

// victimVariable makes the test program a server to be killed: its value is the
// state directory. The probe's directory comes after it.
const victimVariable = "THAW_TEST_VICTIM"

// victimNetworkVariable gives its sandboxes a network.
const victimNetworkVariable = "THAW_TEST_VICTIM_NETWORK"

// runVictim makes sandboxes of every state, says so, and waits to be killed.
func runVictim(state, probeDir string) error {
	ctx := context.Background()
	program, err := os.ReadFile(filepath.Join(filepath.Dir(probeDir), "thaw-init"))
	if err != nil {
		return err
	}
	options := native.Options{StateDir: state, Init: program, PoolSize: 2, Logger: slog.New(slog.DiscardHandler)}
	if os.Getenv(victimNetworkVariable) != "" {
		options.Network = &native.Network{Resolver: resolver{}}
	}
	d, err := native.New(ctx, options)
	if err != nil {
		return err
	}
	if _, err := d.Recover(ctx); err != nil {
		return err
	}
	for _, kind := range []string{"running", "frozen", "claimed"} {
		s, err := d.Create(ctx, sandbox.Spec{ID: kind})
		if err != nil {
			return err
		}
		if err := s.Attach(ctx, sandbox.Mount{Sources: []string{probeDir}, Target: "/var/task"}); err != nil {
			return err
		}
		if _, err := s.Listen(ctx, "tcp4", "169.254.100.1:9001"); err != nil {
			return err
		}
		if kind == "claimed" {
			continue
		}
		r, w, err := s.Pipe()
		if err != nil {
			return err
		}
		if _, err := s.Start(ctx, sandbox.Process{Path: "/var/task/probe", Args: []string{"probe", "family"}, Stdout: w, Env: []string{"PATH=/usr/bin:/bin"}}); err != nil {
			return err
		}
		if _, err := r.Read(make([]byte, 10)); err != nil {
			return err
		}
		if kind == "frozen" {
			if err := s.Freeze(); err != nil {
				return err
			}
		}
	}
	fmt.Println("ready")
	select {}
}

func TestNothingIsLeftOfAKilledServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("sandboxes need root")
	}
	dir := t.TempDir()
	before := observe(t, dir)
	victim := exec.Command("/proc/self/exe")
	victim.Env = append(os.Environ(), victimVariable+"="+dir+":"+probeDir)
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		victim.Process.Kill()
		t.Fatalf("the server said %q, %v", line, err)
	}
	pids := descendants(t, victim.Process.Pid)
	if len(pids) < 8 { // the spawner, three sandboxes at least, and two families
		t.Errorf("the server had %d processes: %v", len(pids), pids)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := victim.Wait(); !errors.As(err, &exit) {
		t.Fatal(err)
	}
	awaitGone(t, pids)
	checkLife(t, dir)
	before.compare(t, dir)
}

// checkLife lives again in a killed server's state directory.
func checkLife(t *testing.T, dir string) {
	t.Helper()
	d := openAt(t, dir, -1)
	left, err := d.Recover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The processes were dead already, and nothing else outlives them.
	if left.Cgroups < 3 || left.Mounts != 0 || left.Interfaces != 0 {
		t.Errorf("recovered %+v, want the cgroups of three sandboxes or more, and no mount", left)
	}
	s, err := d.Create(t.Context(), sandbox.Spec{ID: "next"})
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := shell(t, s, "echo alive"); out != "alive\n" {
		t.Errorf("the next sandbox said %q", out)
	}
	if err := errors.Join(s.Destroy(t.Context()), d.Close()); err != nil {
		t.Error(err)
	}
}

// descendants returns a process's children and theirs.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	var pids []int
	for _, line := range children(t, pid) {
		var child int
		if _, err := fmt.Sscan(line, &child); err != nil {
			t.Fatal(err)
		}
		pids = append(append(pids, child), descendants(t, child)...)
	}
	return pids
}

// awaitGone waits until processes have ended, as those of a killed server do
// without anybody's doing. A zombie that the host's init is slow to reap is gone.
func awaitGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				break
			}
			if _, after, _ := strings.Cut(string(text), ") "); strings.HasPrefix(after, "Z") && len(glob(t, fmt.Sprintf("/proc/%d/task/*", pid))) < 2 {
				break // with its last thread its descriptors are closed
			}
			if time.Now().After(deadline) {
				t.Errorf("still there: %s", text)
				break
			}
		}
	}
}

func TestRecoverRemovesWhatItFinds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("sandboxes need root")
	}
	dir := t.TempDir()
	before := observe(t, dir)
	writeFiles(t, dir, "tmp-1.ext4.partial", "half made")
	image, err := os.Create(filepath.Join(dir, "image.partial"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if err := image.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	device, err := loop.Attach(image)
	if err != nil {
		t.Fatal(err)
	}
	group := filepath.Join(cgroupRoot(t), native.TreeName(dir), "s1")
	if err := os.MkdirAll(group, 0o755); err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command("/bin/sleep", "3600")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), fmt.Append(nil, sleeper.Process.Pid), 0); err != nil {
		t.Fatal(err)
	}
	device.Close()
	d := openAt(t, dir, -1)
	left, err := d.Recover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left.Processes != 1 || left.Cgroups != 1 || left.Directories != 2 {
		t.Errorf("recovered %+v, want a process, a cgroup and two half made files", left)
	}
	sleeper.Wait()
	if status := sleeper.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("the process found in the cgroup ended with %v, want killed", sleeper.ProcessState)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	image.Close()
	before.compare(t, dir)
}

// cgroupRoot is where the version 2 hierarchy is mounted.
func cgroupRoot(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			return dir
		}
	}
	t.Skip("no cgroup version 2 hierarchy")
	return ""
}

func TestTwoServersDoNotShareAStateDirectory(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir, -1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := native.New(ctx, native.Options{StateDir: dir, Init: program, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a second server opened the directory")
	}
	other := openAt(t, t.TempDir(), -1)
	s, err := d.Create(t.Context(), sandbox.Spec{ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := other.Recover(t.Context()); err != nil || left != (sandbox.Leftovers{}) {
		t.Errorf("another server recovered %+v, %v; want nothing", left, err)
	}
	if out, _ := shell(t, s, "echo alive"); out != "alive\n" {
		t.Errorf("the first server's sandbox said %q", out)
	}
	if err := errors.Join(s.Destroy(t.Context()), d.Close(), other.Close()); err != nil {
		t.Error(err)
	}
}
