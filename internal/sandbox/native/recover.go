package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/loop"
	"thaw/internal/sandbox"
)

// clear removes what a dead server with the same state directory has left. The
// scratch disk that New made is not among it.
func (d *Driver) clear(ctx context.Context) (sandbox.Leftovers, error) {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	var left sandbox.Leftovers
	residue, err := d.tree.Clear(ctx)
	left.Processes, left.Cgroups = residue.Processes, residue.Groups
	if err != nil {
		return left, err
	}
	if left.Mounts, err = unmountBelow(d.state.dir); err != nil {
		return left, err
	}
	if left.Interfaces, err = d.gateway.down(ctx); err != nil {
		return left, err
	}
	if left.LoopDevices, err = d.clearLoops(ctx); err != nil {
		return left, err
	}
	left.Directories, err = d.clearFiles()
	return left, err
}

// unmountBelow detaches the mounts in a directory, the latest first.
func unmountBelow(dir string) (int, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return 0, err
	}
	lines := strings.Split(string(text), "\n")
	count := 0
	for i := len(lines) - 1; i >= 0; i-- {
		fields := strings.Fields(lines[i])
		if len(fields) < 5 || !strings.HasPrefix(fields[4], dir+"/") {
			continue
		}
		if err := unix.Unmount(fields[4], unix.MNT_DETACH); err != nil {
			return count, fmt.Errorf("unmount %q: %w", fields[4], err)
		}
		count++
	}
	return count, nil
}

// clearLoops waits for the devices of dead sandboxes to clear themselves, and
// detaches those that do not.
func (d *Driver) clearLoops(ctx context.Context) (int, error) {
	own := d.scratch.devices()
	count := 0
	for attempt := 0; ; attempt++ {
		numbers, err := loop.Attached(d.state.dir)
		if err != nil {
			return 0, fmt.Errorf("list loop devices: %w", err)
		}
		var left []int
		for _, n := range numbers {
			if !own[n] {
				left = append(left, n)
			}
		}
		count = max(count, len(left))
		if len(left) == 0 {
			return count, nil
		}
		if attempt == 100 {
			for _, n := range left {
				if err := loop.Detach(n); err != nil {
					return count, err
				}
			}
		}
		select {
		case <-ctx.Done():
			return count, fmt.Errorf("loop devices %v stay in use: %w", left, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// devices returns the numbers of the spare disks' devices.
func (s *scratch) devices() map[int]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers := map[int]bool{}
	for _, spares := range s.spares {
		for _, d := range spares {
			numbers[d.loop.Number] = true
		}
	}
	return numbers
}

// clearFiles removes what was half made, and makes the skeleton anew.
func (d *Driver) clearFiles() (int, error) {
	partial, err := filepath.Glob(d.state.path("*.partial"))
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, path := range partial {
		errs = append(errs, os.Remove(path))
	}
	return len(partial), errors.Join(append(errs, d.makeSkeleton())...)
}

// makeSkeleton makes the mount points that a root of the caller's may lack. Whatever
// the server's own umask is, those inside go through them.
func (d *Driver) makeSkeleton() error {
	skeleton := d.state.path("skeleton")
	for _, dir := range append([]string{"", "/dev", "/proc", "/tmp", "/etc", "/var"}, mountPoints...) {
		path := filepath.Join(skeleton, dir)
		if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755)); err != nil {
			return fmt.Errorf("make skeleton: %w", err)
		}
	}
	for _, file := range []string{"/etc/hosts", "/etc/resolv.conf"} {
		if err := os.WriteFile(filepath.Join(skeleton, file), nil, 0o644); err != nil {
			return fmt.Errorf("make skeleton: %w", err)
		}
	}
	return nil
}
