package cgroup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/cgroup"
)

// tree makes a tree of the test's own in the host's hierarchies.
func tree(t *testing.T) *cgroup.Tree {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("cgroups need root")
	}
	layout, err := cgroup.Detect()
	if err != nil {
		t.Skip(err)
	}
	tree := cgroup.NewTree(layout, fmt.Sprintf("thaw-test-%d", os.Getpid()))
	if err := tree.Make(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if _, err := tree.Clear(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tree
}

// sleeper starts a process in a group.
func sleeper(t *testing.T, g *cgroup.Group) *exec.Cmd {
	t.Helper()
	dir, err := g.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c := exec.Command("/bin/sleep", "3600")
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.Adopt(c.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAGroupIsLimitedFrozenAndKilled(t *testing.T) {
	tree := tree(t)
	g, err := tree.Group("one")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Limit(cgroup.Limits{MemoryBytes: 64 << 20, CPUMilli: 100, Processes: 10}); err != nil {
		t.Fatal(err)
	}
	c := sleeper(t, g)
	u, err := g.Usage()
	if err != nil || u.OOMKills != 0 || u.MemoryPeakBytes < u.MemoryBytes || u.CPU <= 0 {
		t.Errorf("Usage = %+v, %v", u, err)
	}
	if _, err := tree.Group("one"); err == nil {
		t.Error("a second group of the name was made")
	}
	if err := g.Freeze(true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 {
		if err := g.Remove(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Wait(); err == nil || c.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the frozen process ended with %v, want killed", err)
	}
}

func TestClearCountsWhatIsLeft(t *testing.T) {
	tree := tree(t)
	g, err := tree.Group("left")
	if err != nil {
		t.Fatal(err)
	}
	c := sleeper(t, g)
	found, err := tree.Clear(t.Context())
	if err != nil || found != (cgroup.Residue{Processes: 1, Groups: 1}) {
		t.Errorf("Clear = %+v, %v; want one process and one group", found, err)
	}
	if err := c.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	if found, err := tree.Clear(t.Context()); err != nil || found != (cgroup.Residue{}) {
		t.Errorf("Clear again = %+v, %v; want nothing", found, err)
	}
}

// TestProcessesMoveOutOfTheWay hands down a controller from a group with processes
// in it, as a container's top group has.
func TestProcessesMoveOutOfTheWay(t *testing.T) {
	layout, top := busyGroup(t)
	layout.Leaf = filepath.Join(layout.Unified, "leaf")
	tree := cgroup.NewTree(layout, "tree")
	if err := tree.Make(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(layout.Leaf, "cgroup.procs")); err != nil || strings.Count(string(text), "\n") != len(top) {
		t.Errorf("the leaf has %q, %v; want %d processes", text, err, len(top))
	}
	if _, err := tree.Clear(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProcessesOfOthersStay(t *testing.T) {
	layout, _ := busyGroup(t)
	tree := cgroup.NewTree(layout, "tree")
	if err := tree.Make(); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "Delegate=yes") {
		t.Errorf("Make = %v, want advice", err)
	}
	if _, err := tree.Clear(t.Context()); err != nil {
		t.Error(err)
	}
}

// busyGroup makes a group that has a controller to hand down and processes. Its
// layout is for that controller alone.
func busyGroup(t *testing.T) (cgroup.Layout, []*exec.Cmd) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("cgroups need root")
	}
	host, err := cgroup.Detect()
	if err != nil {
		t.Skip(err)
	}
	controller := handable(t, host.Unified) // before the directory, to be undone after it
	dir := filepath.Join(host.Unified, fmt.Sprintf("thaw-test-busy-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		os.Remove(filepath.Join(dir, "leaf"))
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	layout := cgroup.Layout{Unified: dir, Hand: []string{controller}}
	layout.Memory = cgroup.Controller{Version: 2, Parent: dir}
	layout.CPU, layout.PIDs = layout.Memory, layout.Memory
	var processes []*exec.Cmd
	for range 3 {
		c := exec.Command("/bin/sleep", "3600")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, c)
		t.Cleanup(func() {
			c.Process.Kill()
			c.Wait()
		})
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, c.Process.Pid), 0); err != nil {
			t.Fatal(err)
		}
	}
	return layout, processes
}

// handable returns a controller that groups below the top have, one that is handed
// down to them for the time of the test if there is none.
func handable(t *testing.T, top string) string {
	t.Helper()
	control := filepath.Join(top, "cgroup.subtree_control")
	if text, err := os.ReadFile(control); err == nil && len(strings.Fields(string(text))) > 0 {
		return strings.Fields(string(text))[0]
	}
	text, err := os.ReadFile(filepath.Join(top, "cgroup.controllers"))
	if err != nil || len(strings.Fields(string(text))) == 0 {
		t.Skip("this host has no controller of version 2")
	}
	name := strings.Fields(string(text))[0]
	if err := os.WriteFile(control, []byte("+"+name), 0); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.WriteFile(control, []byte("-"+name), 0) }) // refused if another server has come to use it
	return name
}
