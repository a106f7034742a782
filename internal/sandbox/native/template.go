package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// templateName is of a template's file. The number in it is the format's, to be
// changed with what is in one: those of other formats are removed.
const templateName = "tmp-v2-%d.ext4"

// maxTemplates bounds the templates that are kept: each is a file and a
// descriptor. Users of many more sizes wait for mkfs again.
const maxTemplates = 8

// A file system needs room for its own tables: so much is added to what a
// function may fill.
const (
	tableFraction = 16
	tableBytes    = 8 << 20
)

// templates are files with empty file systems, one per size of /tmp.
type templates struct {
	dir  string
	mkfs string

	mu     sync.Mutex
	bySize map[int64]*template
	recent []int64 // those of bySize, the latest used first
}

// template is one file. Its maker closes ready when it is there, or could not be
// made.
type template struct {
	size  int64
	ready chan struct{}
	file  *os.File
	err   error
	users int // guarded by the mutex of templates
}

// openTemplates removes the files of other formats, and those beyond the bound.
func openTemplates(dir, mkfs string) (*templates, error) {
	s := &templates{dir: dir, mkfs: mkfs, bySize: map[int64]*template{}}
	files, err := filepath.Glob(filepath.Join(dir, "tmp-*.ext4"))
	if err != nil {
		return nil, err
	}
	kept := 0
	for _, path := range files {
		var size int64
		_, err := fmt.Sscanf(filepath.Base(path), templateName, &size)
		if err == nil && s.path(size) == path && (kept < maxTemplates-1 || size == defaultTmpBytes) {
			kept++
			continue
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *templates) path(size int64) string {
	return filepath.Join(s.dir, fmt.Sprintf(templateName, size))
}

// acquire returns the template of a size until it is released. The first who asks
// makes it, if there is none; others wait for him, and only for his size.
func (s *templates) acquire(ctx context.Context, size int64) (*template, error) {
	for {
		t, first := s.enter(size)
		if first {
			t.file, t.err = s.open(ctx, size)
			close(t.ready)
		}
		select {
		case <-t.ready:
		case <-ctx.Done():
			s.release(t)
			return nil, ctx.Err()
		}
		if t.err == nil {
			return t, nil
		}
		s.release(t)
		othersEnd := errors.Is(t.err, context.Canceled) || errors.Is(t.err, context.DeadlineExceeded)
		if first || !othersEnd {
			return nil, t.err
		}
	}
}

// enter returns a template to be used or waited for, and whether it is the caller's
// to make.
func (s *templates) enter(size int64) (t *template, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = noteRecent(s.recent, size, len(s.bySize)+1)
	if t = s.bySize[size]; t == nil {
		t, first = &template{size: size, ready: make(chan struct{})}, true
		s.bySize[size] = t
	}
	t.users++
	return t, first
}

// release ends a use. What could not be made is forgotten, and so are those used
// least lately beyond the bound.
func (s *templates) release(t *template) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.users--
	select {
	case <-t.ready:
		if t.err != nil && s.bySize[t.size] == t {
			s.forget(t.size)
		}
	default: // who makes it is still at it
	}
	for i := len(s.recent) - 1; i >= 0 && len(s.bySize) > maxTemplates; i-- {
		old := s.bySize[s.recent[i]]
		if old == nil || old.users > 0 || old.size == defaultTmpBytes {
			continue
		}
		s.forget(old.size)
		old.file.Close()
		os.Remove(s.path(old.size)) // what cannot be removed is found again at the next start
	}
}

// forget takes a size from the list. The mutex is held.
func (s *templates) forget(size int64) {
	delete(s.bySize, size)
	s.recent = slices.DeleteFunc(s.recent, func(other int64) bool { return other == size })
}

func (s *templates) open(ctx context.Context, size int64) (*os.File, error) {
	path := s.path(size)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := s.build(ctx, path, size); err != nil {
			return nil, fmt.Errorf("make template of /tmp: %w", err)
		}
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open template of /tmp: %w", err)
	}
	return f, nil
}

// build makes the file whole or not at all, be it that the power goes.
func (s *templates) build(ctx context.Context, path string, size int64) error {
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
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	d, err := openDisk(image)
	if err != nil {
		return err
	}
	if err := errors.Join(openToAll(d.mount), d.release(ctx)); err != nil {
		return err
	}
	if err := image.Sync(); err != nil {
		return err
	}
	if err := os.Rename(image.Name(), path); err != nil {
		return err
	}
	return syncDirectory(s.dir)
}

func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// openToAll gives an empty file system's root the mode of /tmp.
func openToAll(root *os.File) error {
	dir := fmt.Sprintf("/proc/self/fd/%d", root.Fd())
	if err := os.Remove(filepath.Join(dir, "lost+found")); err != nil {
		return err
	}
	return os.Chmod(dir+"/.", 0o777|os.ModeSticky)
}

// close is called when nobody uses a template any more.
func (s *templates) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, t := range s.bySize {
		errs = append(errs, t.file.Close())
	}
	s.bySize = map[int64]*template{}
	return errors.Join(errs...)
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
