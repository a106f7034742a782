package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Tree is the part of the host's hierarchies that one server owns.
type Tree struct {
	layout Layout
	name   string
}

// Detect plans for this host.
func Detect() (Layout, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Layout{}, err
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Layout{}, err
	}
	return Plan(Host{
		Mountinfo: string(mountinfo),
		Self:      string(self),
		Controllers: func(dir string) (string, error) {
			text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
			return string(text), err
		},
		Delegated: func(dir string) bool {
			var mark [8]byte
			n, err := unix.Getxattr(dir, "trusted.delegate", mark[:])
			return err == nil && string(mark[:n]) == "1"
		},
		Inner: func(dir string) bool {
			_, err := os.Stat(filepath.Join(dir, "cgroup.type"))
			return err == nil
		},
	})
}

// NewTree names a server's part of the hierarchies. Nothing is made yet.
func NewTree(layout Layout, name string) *Tree { return &Tree{layout, name} }

// Make makes the tree's directories and hands the controllers down.
func (t *Tree) Make() error {
	for _, dir := range t.roots() {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make cgroup: %w", err)
		}
	}
	if len(t.layout.Hand) == 0 {
		return nil
	}
	if err := t.layout.handDown(); err != nil {
		return err
	}
	return hand(filepath.Join(t.layout.Unified, t.name), t.layout.Hand)
}

// moves bounds how often processes are moved out of the way: new ones may be born
// there meanwhile.
const moves = 20

// handDown hands the controllers down from Unified, having moved the processes in
// it to the Leaf where there is one.
func (l Layout) handDown() error {
	if l.Leaf == "" {
		return hand(l.Unified, l.Hand)
	}
	if err := os.Mkdir(l.Leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make cgroup: %w", err)
	}
	var err error
	for range moves {
		if err = moveAll(l.Unified, l.Leaf); err != nil {
			return err
		}
		if err = hand(l.Unified, l.Hand); !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return err
}

func hand(dir string, controllers []string) error {
	err := write(dir, "cgroup.subtree_control", "+"+strings.Join(controllers, " +"))
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%s holds processes that are not this server's to move, so that no controller can be handed down from it: "+
			"run in a group of its own (systemd: Delegate=yes; containers: a cgroup namespace of their own): %w", dir, err)
	}
	if err != nil {
		return fmt.Errorf("hand controllers down: %w", err)
	}
	return nil
}

// moveAll moves the processes of one group to another. Those that have ended
// meanwhile are no error, and 0 stands for one that is outside of this process's
// namespace and cannot be named.
func moveAll(from, to string) error {
	text, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, pid := range strings.Fields(string(text)) {
		if pid == "0" {
			continue
		}
		if err := write(to, "cgroup.procs", pid); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move process %s to %s: %w", pid, to, err)
		}
	}
	return nil
}

// KillSwitch opens the file to which "1" is written to kill all in the tree,
// frozen or not.
func (t *Tree) KillSwitch() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(t.layout.Unified, t.name, "cgroup.kill"), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the kernel is too old, Linux 5.14 or later is needed: %w", err)
	}
	return f, err
}

// Residue counts what Clear has found.
type Residue struct{ Processes, Groups int }

// Clear kills every process in the tree and removes its groups, and at last the
// tree itself. A tree that does not exist is clear.
func (t *Tree) Clear(ctx context.Context) (Residue, error) {
	var found Residue
	root := filepath.Join(t.layout.Unified, t.name)
	names, err := childGroups(root)
	if err != nil {
		return found, err
	}
	for _, name := range names {
		if text, err := os.ReadFile(filepath.Join(root, name, "cgroup.procs")); err == nil {
			found.Processes += bytes.Count(text, []byte{'\n'})
		}
	}
	if err := write(root, "cgroup.kill", "1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return found, fmt.Errorf("kill cgroup: %w", err)
	}
	for _, dir := range t.roots() {
		names, err := childGroups(dir)
		if err != nil {
			return found, err
		}
		for _, name := range names {
			if err := remove(ctx, filepath.Join(dir, name)); err != nil {
				return found, err
			}
		}
		if dir == root {
			found.Groups = len(names)
		}
		if err := remove(ctx, dir); err != nil {
			return found, err
		}
	}
	return found, nil
}

// roots returns the tree's directory in each hierarchy that it uses, version 2
// first.
func (t *Tree) roots() []string { return t.layout.directories(t.name) }

func (l Layout) directories(name string) []string {
	dirs := []string{filepath.Join(l.Unified, name)}
	for _, c := range []Controller{l.Memory, l.CPU, l.PIDs} {
		if dir := filepath.Join(c.Parent, name); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func childGroups(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// remove removes one group, waiting for the processes in it to end.
func remove(ctx context.Context, dir string) error {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := unix.Rmdir(dir)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EBUSY {
			return fmt.Errorf("remove cgroup %q: %w", dir, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove cgroup %q: %w", dir, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func write(dir, file, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
