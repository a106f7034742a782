package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Group is one sandbox's place in the hierarchies.
type Group struct {
	layout Layout
	path   string // below the layout's parents
	freeze *os.File

	mu       sync.Mutex
	limit    int64 // of memory, in bytes; 0 if none was set
	meter    watermark
	released bool
}

// Limits bounds a group.
type Limits struct {
	MemoryBytes int64
	CPUMilli    int // thousandths of a core
	Processes   int // and threads
}

// Group makes a group. It is version 2's directory that must not exist; others of
// the name are what a crash has left.
func (t *Tree) Group(name string) (*Group, error) {
	g := &Group{layout: t.layout, path: filepath.Join(t.name, name)}
	for i, dir := range g.directories() {
		if err := os.Mkdir(dir, 0o755); err != nil && (i == 0 || !errors.Is(err, fs.ErrExist)) {
			g.removeNow()
			return nil, fmt.Errorf("make cgroup: %w", err)
		}
	}
	freeze, err := os.OpenFile(filepath.Join(g.unified(), "cgroup.freeze"), os.O_WRONLY, 0)
	if err != nil {
		g.removeNow()
		return nil, fmt.Errorf("open freezer: %w", err)
	}
	g.freeze = freeze
	return g, nil
}

func (g *Group) unified() string       { return filepath.Join(g.layout.Unified, g.path) }
func (g *Group) directories() []string { return g.layout.directories(g.path) }

func (g *Group) directory(c Controller) string { return filepath.Join(c.Parent, g.path) }

// removeNow removes the directories of a group that never had a process.
func (g *Group) removeNow() {
	for _, dir := range g.directories() {
		os.Remove(dir)
	}
}

// Open returns version 2's directory, for clone(2) to put a process into.
func (g *Group) Open() (*os.File, error) { return os.Open(g.unified()) }

// Adopt moves a process that was born in the group's version 2 directory into
// the version 1 ones too. It can take long (16 ms in one of a hundred), and is
// done ahead of need.
func (g *Group) Adopt(pid int) error {
	for _, dir := range g.directories()[1:] {
		if err := write(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("move process into cgroup: %w", err)
		}
	}
	return nil
}

// Limit sets the limits. A limit of zero stays as it is.
func (g *Group) Limit(l Limits) error {
	if l.MemoryBytes > 0 {
		g.mu.Lock()
		g.limit = l.MemoryBytes
		g.mu.Unlock()
	}
	return apply(g.layout.settings(g.path, l))
}

// LiftCPU takes the bound of the CPU share away until the next Limit. Dying takes
// CPU time too: in a group with a small share, hundreds of killed processes would
// take minutes.
func (g *Group) LiftCPU() error {
	return apply([]setting{g.layout.cpuSetting(g.path, unlimited)})
}

func optional(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Freeze stops or resumes all processes of the group. It returns when the order
// is given.
func (g *Group) Freeze(stop bool) error {
	text := "0"
	if stop {
		text = "1"
	}
	if _, err := g.freeze.WriteString(text); err != nil {
		return fmt.Errorf("write cgroup.freeze: %w", err)
	}
	return nil
}

// Kill ends all processes of the group at once, frozen or not, and gives them
// the CPU time that their end takes.
func (g *Group) Kill() error {
	if err := optional(write(g.unified(), "cgroup.kill", "1")); err != nil {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	return optional(g.LiftCPU())
}

// Remove kills all processes of the group, waits for their end and removes the
// directories. It may be called again after an error.
func (g *Group) Remove(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.released {
		return nil
	}
	if err := g.Kill(); err != nil {
		return err
	}
	for _, dir := range g.directories() {
		if err := remove(ctx, dir); err != nil {
			return err
		}
	}
	g.released = true
	g.meter.close()
	return g.freeze.Close()
}
