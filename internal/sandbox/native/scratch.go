package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/loop"
	"thaw/internal/linux/mount"
)

// A file system needs room for its own tables: so much is added to what a
// function may fill.
const (
	tableFraction = 16
	tableBytes    = 8 << 20
)

// sparedSizes is of how many sizes beside the default one a disk is kept ready.
const sparedSizes = 4

// scratch makes the disks of /tmp: file systems in files. The file is a copy of a
// template that has no name any more, so that nothing of it can stay behind.
type scratch struct {
	dir  string
	mkfs string

	mu        sync.Mutex
	templates map[int64]*os.File
	spares    map[int64][]*disk
	recent    []int64 // sizes asked for other than the default, the latest first
	closed    bool
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
	s := &scratch{dir: dir, mkfs: mkfs, templates: map[int64]*os.File{}, spares: map[int64][]*disk{}}
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
	if spares := s.spares[size]; len(spares) > 0 {
		d := spares[len(spares)-1]
		s.spares[size] = spares[:len(spares)-1]
		s.mu.Unlock()
		return d, nil
	}
	if size != defaultTmpBytes {
		s.noteRecent(size)
	}
	s.mu.Unlock()
	return s.make(ctx, size)
}

// noteRecent puts a size first.
func (s *scratch) noteRecent(size int64) {
	recent := []int64{size}
	for _, other := range s.recent {
		if other != size && len(recent) < sparedSizes {
			recent = append(recent, other)
		}
	}
	s.recent = recent
}

// refill makes one disk, if one is wanted, and tells whether more are: as many of
// the default size as sandboxes wait, and one of each size that was asked for
// lately.
func (s *scratch) refill(ctx context.Context, usual int) (more bool, err error) {
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

// make copies the template of a size, and the template first if there is none.
func (s *scratch) make(ctx context.Context, size int64) (*disk, error) {
	template, err := s.template(ctx, size)
	if err != nil {
		return nil, err
	}
	image, err := s.unnamedFile()
	if err != nil {
		return nil, err
	}
	defer image.Close()
	if err := copySparse(image, template); err != nil {
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

// template returns the file of an empty file system. It is made once per size,
// and kept in the state directory.
func (s *scratch) template(ctx context.Context, size int64) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.templates[size]; f != nil {
		return f, nil
	}
	path := filepath.Join(s.dir, fmt.Sprintf("tmp-%d.ext4", size))
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := s.makeTemplate(ctx, path, size); err != nil {
			return nil, fmt.Errorf("make template of /tmp: %w", err)
		}
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open template of /tmp: %w", err)
	}
	s.templates[size] = f
	return f, nil
}

// makeTemplate makes the file whole or not at all.
func (s *scratch) makeTemplate(ctx context.Context, path string, size int64) error {
	image, err := os.Create(path + ".partial")
	if err != nil {
		return err
	}
	defer image.Close()
	defer os.Remove(image.Name())
	if err := image.Truncate(size + size/tableFraction + tableBytes); err != nil {
		return err
	}
	// No journal, for nobody mounts it again after a crash; no reserve for root;
	// tables are left unwritten, which they may be in a file of zeroes.
	command := exec.CommandContext(ctx, s.mkfs, "-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode",
		"-E", "lazy_itable_init=1,nodiscard", image.Name())
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	d, err := openDisk(image)
	if err != nil {
		return err
	}
	if err := errors.Join(openToAll(d.mount), d.release(ctx)); err != nil {
		return err
	}
	return os.Rename(image.Name(), path)
}

// openToAll gives an empty file system's root the mode of /tmp.
func openToAll(root *os.File) error {
	dir := fmt.Sprintf("/proc/self/fd/%d", root.Fd())
	if err := os.Remove(filepath.Join(dir, "lost+found")); err != nil {
		return err
	}
	return os.Chmod(dir+"/.", 0o777|os.ModeSticky)
}

// copySparse copies only what is not a hole.
func copySparse(to, from *os.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if err := to.Truncate(info.Size()); err != nil {
		return err
	}
	for offset := int64(0); ; {
		start, err := unix.Seek(int(from.Fd()), offset, unix.SEEK_DATA)
		if err == unix.ENXIO { // nothing but a hole is left
			return nil
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(int(from.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := copyRange(to, from, start, end); err != nil {
			return err
		}
		offset = end
	}
}

func copyRange(to, from *os.File, start, end int64) error {
	in, out := start, start
	for in < end {
		n, err := unix.CopyFileRange(int(from.Fd()), &in, int(to.Fd()), &out, int(end-in), 0)
		if err == unix.EXDEV || err == unix.EINVAL || err == unix.EOPNOTSUPP || err == unix.ENOSYS {
			_, err := io.Copy(io.NewOffsetWriter(to, out), io.NewSectionReader(from, in, end-in))
			return err
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
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
	for _, f := range s.templates {
		errs = append(errs, f.Close())
	}
	s.templates = nil
	return errors.Join(errs...)
}
