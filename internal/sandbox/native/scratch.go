package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/loop"
	"thaw/internal/linux/mount"
)

// sparedSizes is of how many sizes beside the default one a disk is kept ready.
const sparedSizes = 4

// scratch makes the disks of /tmp: file systems in files. The file is a copy of a
// template that has no name any more, so that nothing of it can stay behind.
type scratch struct {
	dir       string
	templates *templates

	mu     sync.Mutex
	spares map[int64][]*disk
	recent []int64 // sizes asked for other than the default, the latest first
	closed bool
}

// disk is one file system, not mounted anywhere yet.
type disk struct {
	mount *os.File
	loop  loop.ID

	once sync.Once
	err  error
}

// openScratch checks that disks can be made, by making the template of the usual
// size.
func openScratch(ctx context.Context, dir string) (*scratch, error) {
	mkfs, err := findProgram("mkfs.ext4")
	if err != nil {
		return nil, errors.New("mkfs.ext4 is missing: install the package e2fsprogs")
	}
	if err := loop.Available(); err != nil {
		return nil, fmt.Errorf("loop devices are missing: load the kernel module loop (modprobe loop): %w", err)
	}
	templates, err := openTemplates(dir, mkfs)
	if err != nil {
		return nil, fmt.Errorf("clear templates of /tmp: %w", err)
	}
	s := &scratch{dir: dir, templates: templates, spares: map[int64][]*disk{}}
	d, err := s.make(ctx, defaultTmpBytes)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a disk for /tmp: %w", err), s.close())
	}
	s.spares[defaultTmpBytes] = []*disk{d}
	return s, nil
}

// findProgram looks also where administrators' programs are on hosts whose PATH
// is without them.
func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// take returns a disk of which a function can fill size bytes.
func (s *scratch) take(ctx context.Context, size int64) (*disk, error) {
	s.mu.Lock()
	if size != defaultTmpBytes {
		s.recent = noteRecent(s.recent, size, sparedSizes)
	}
	if spares := s.spares[size]; len(spares) > 0 {
		d := spares[len(spares)-1]
		s.spares[size] = spares[:len(spares)-1]
		s.mu.Unlock()
		return d, nil
	}
	s.mu.Unlock()
	return s.make(ctx, size)
}

// noteRecent returns a list of at most so many sizes, the given one first.
func noteRecent(list []int64, size int64, most int) []int64 {
	recent := []int64{size}
	for _, other := range list {
		if other != size && len(recent) < most {
			recent = append(recent, other)
		}
	}
	return recent
}

// refill makes one disk, if one is wanted, and tells whether more are: as many of
// the default size as sandboxes wait, and one of each size that was asked for
// lately. Those of other sizes are given up.
func (s *scratch) refill(ctx context.Context, usual int) (more bool, err error) {
	if err := s.dropUnused(ctx); err != nil {
		return false, fmt.Errorf("give up a spare /tmp: %w", err)
	}
	s.mu.Lock()
	wanted := []int64{}
	for range usual - len(s.spares[defaultTmpBytes]) {
		wanted = append(wanted, defaultTmpBytes)
	}
	for _, size := range s.recent {
		if len(s.spares[size]) == 0 {
			wanted = append(wanted, size)
		}
	}
	s.mu.Unlock()
	if len(wanted) == 0 {
		return false, nil
	}
	d, err := s.make(ctx, wanted[0])
	if err != nil {
		return false, fmt.Errorf("make a disk for /tmp: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, d.release(ctx)
	}
	s.spares[wanted[0]] = append(s.spares[wanted[0]], d)
	return len(wanted) > 1, nil
}

// dropUnused releases the spares of sizes that were not asked for lately: each
// has a loop device.
func (s *scratch) dropUnused(ctx context.Context) error {
	var unused []*disk
	s.mu.Lock()
	for size, spares := range s.spares {
		if size != defaultTmpBytes && !slices.Contains(s.recent, size) {
			unused = append(unused, spares...)
			delete(s.spares, size)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, d := range unused {
		errs = append(errs, d.release(ctx))
	}
	return errors.Join(errs...)
}

// make copies the template of a size, and the template first if there is none.
func (s *scratch) make(ctx context.Context, size int64) (*disk, error) {
	t, err := s.templates.acquire(ctx, size)
	if err != nil {
		return nil, err
	}
	defer s.templates.release(t)
	image, err := s.unnamedFile()
	if err != nil {
		return nil, err
	}
	defer image.Close()
	if err := copySparse(image, t.file); err != nil {
		return nil, fmt.Errorf("copy template: %w", err)
	}
	return openDisk(image)
}

// openDisk mounts an image, detached.
func openDisk(image *os.File) (*disk, error) {
	device, err := loop.Attach(image)
	if err != nil {
		return nil, err
	}
	defer device.Close()
	m, err := mount.Filesystem("ext4", mount.Option{Name: "source", Value: device.Path()}, mount.Option{Name: "noinit_itable"})
	if err != nil {
		return nil, err
	}
	return &disk{mount: m, loop: device.ID}, nil
}

// release closes the mount and waits until the kernel has freed the device: the
// last process that saw the mount may be just ending.
func (d *disk) release(ctx context.Context) error {
	d.once.Do(func() {
		if d.err = d.mount.Close(); d.err != nil {
			return
		}
		for pause := 200 * time.Microsecond; loop.InUse(d.loop); pause = min(2*pause, 20*time.Millisecond) {
			select {
			case <-ctx.Done():
				d.err = fmt.Errorf("loop device %d stays in use: %w", d.loop.Number, ctx.Err())
				return
			case <-time.After(pause):
			}
		}
	})
	return d.err
}

// unnamedFile is gone when its last user is. File systems that cannot make one
// get a file that is removed at once.
func (s *scratch) unnamedFile() (*os.File, error) {
	fd, err := unix.Open(s.dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), filepath.Join(s.dir, "disk")), nil
	}
	f, err := os.CreateTemp(s.dir, "disk-*.partial")
	if err != nil {
		return nil, fmt.Errorf("make image file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("make image file: %w", err)
	}
	return f, nil
}

func (s *scratch) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, spares := range s.spares {
		for _, d := range spares {
			errs = append(errs, d.release(ctx))
		}
	}
	s.spares = nil
	return errors.Join(append(errs, s.templates.close())...)
}
