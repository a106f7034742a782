package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/cgroup"
	"thaw/internal/linux/network"
	"thaw/internal/sandbox/native"
)

// host is this machine as doctor's checks see it. Its functions and its root are
// replaced in tests.
type host struct {
	root     string // where /proc, /sys and /dev are looked up
	euid     int
	release  string // of the kernel
	dataDir  string
	address  string
	runtimes string

	lookPath  func(name string) (string, error)
	listen    func(address string) error
	freeBytes func(dir string) (uint64, error)
	// freeInodes is 0 where a file system does not count them.
	freeInodes func(dir string) (uint64, error)
	now        func() time.Time
	// userNamespace tries to make one.
	userNamespace func() error
	// newGroup lists the files of a new control group below a mount point.
	newGroup func(mount string) ([]string, error)
	// network makes what connects sandboxes, where it disturbs nobody.
	network func() error
	// obstacle names a chain of the packet filter that drops what is forwarded.
	obstacle func() (string, error)
	// makeTree makes control groups as the server does, and removes them.
	makeTree func() error
}

func thisHost(dataDir, address, runtimes string) host {
	return host{
		root:          "/",
		euid:          os.Geteuid(),
		release:       kernelRelease(),
		dataDir:       dataDir,
		address:       address,
		runtimes:      runtimesDirOf(runtimes, dataDir),
		lookPath:      exec.LookPath,
		listen:        tryListen,
		freeBytes:     freeBytes,
		freeInodes:    freeInodes,
		now:           time.Now,
		userNamespace: tryUserNamespace,
		newGroup:      tryGroup,
		makeTree:      tryTree,
		network:       network.Try,
		obstacle:      native.Obstacle,
	}
}

func (h host) read(path string) (string, error) {
	content, err := os.ReadFile(filepath.Join(h.root, path))
	return string(content), err
}

func (h host) exists(path string) bool {
	_, err := os.Lstat(filepath.Join(h.root, path))
	return err == nil
}

// cgroupLayout is where the controllers of this machine are. Hosts have the v2
// hierarchy alone, or v1 hierarchies and beside them a v2 one with the
// controllers that are left.
type cgroupLayout struct {
	unified     string            // mount point of v2; empty if there is none
	controllers []string          // of v2
	legacy      map[string]string // v1: controller to mount point
}

func (h host) cgroups() cgroupLayout {
	layout := cgroupLayout{legacy: make(map[string]string)}
	mounts, _ := h.read("/proc/self/mounts")
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line) // source, mount point, type, options, …
		if len(fields) < 4 {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			layout.unified = fields[1]
			text, _ := h.read(fields[1] + "/cgroup.controllers")
			layout.controllers = strings.Fields(text)
		case "cgroup":
			for _, option := range strings.Split(fields[3], ",") {
				layout.legacy[option] = fields[1]
			}
		}
	}
	return layout
}

func kernelRelease() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "unknown"
	}
	release, _, _ := bytes.Cut(name.Release[:], []byte{0})
	return string(release)
}

func tryListen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return listener.Close()
}

func freeBytes(dir string) (uint64, error) {
	stat, err := statfs(dir)
	return stat.Bavail * uint64(stat.Bsize), err
}

func freeInodes(dir string) (uint64, error) {
	stat, err := statfs(dir)
	return stat.Ffree, err
}

// statfs asks the file system that a directory is on, or will be on once it is
// made.
func statfs(dir string) (unix.Statfs_t, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return unix.Statfs_t{}, err
	}
	for {
		var stat unix.Statfs_t
		err := unix.Statfs(dir, &stat)
		if err == nil {
			return stat, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return unix.Statfs_t{}, &fs.PathError{Op: "statfs", Path: dir, Err: err}
		}
		dir = filepath.Dir(dir)
	}
}

// tryUserNamespace runs a program that does nothing in a new user namespace. The kernel refuses that in a chroot, and many containers do.
func tryUserNamespace() error {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	return cmd.Run()
}

// tryGroup makes a control group, because the root group has neither
// cgroup.freeze nor cgroup.kill, and removes it again.
func tryGroup(mount string) ([]string, error) {
	dir, err := os.MkdirTemp(mount, "thaw-doctor-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

// tryTree makes what the server makes, because a controller that is there may
// still not be handed down.
func tryTree() error {
	layout, err := cgroup.Detect()
	if err != nil {
		return err
	}
	tree := cgroup.NewTree(layout, fmt.Sprintf("thaw-doctor-%d", os.Getpid()))
	makeErr := tree.Make()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = tree.Clear(ctx)
	return errors.Join(makeErr, err)
}
