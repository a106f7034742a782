package cgroup_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

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
