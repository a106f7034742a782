package code

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// unpack makes the tree of a zip in dir, which is empty. Nothing of it is synced:
// a tree is trusted by the kernel that has written it, and by no other.
func unpack(ctx context.Context, a archive, dir string, l Limits) error {
	src := &source{r: a.ReaderAt, budget: -1}
	zr, err := readDirectory(src, a.size, l)
	if err != nil {
		return err
	}
	entries, err := plan(ctx, zr, l)
	if err != nil {
		return src.blame(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	t := &tree{
		root:   root,
		src:    src,
		limits: l,
		left:   l.Unzipped,
		dirs:   map[string]dirAttr{".": {perm: 0o755}},
		buf:    make([]byte, 128<<10),
	}
	return src.blame(t.fill(ctx, entries))
}

// tree is a tree being made.
type tree struct {
	root   *os.Root
	src    *source
	limits Limits
	left   int64 // bytes that may yet be written
	dirs   map[string]dirAttr
	buf    []byte
}

type dirAttr struct {
	perm  fs.FileMode
	mtime time.Time
}

// fill makes directories and files first, then links: so nothing is ever written
// through a link. Directories get their modes and times last, since each file
// made in them would change the times.
func (t *tree) fill(ctx context.Context, entries []entry) error {
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		switch e.kind {
		case fs.ModeDir:
			err = t.mkdir(e.name, dirAttr{e.perm, e.file.Modified})
		case 0:
			err = t.write(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	for _, e := range entries {
		if e.kind == fs.ModeSymlink {
			if err := t.link(ctx, e); err != nil {
				return err
			}
		}
	}
	for _, e := range entries {
		if e.kind == fs.ModeSymlink {
			if err := t.checkLink(ctx, e.name); err != nil {
				return err
			}
		}
	}
	return t.finish(ctx)
}

// mkdir makes a directory and its parents, each 0700 until finish, unless a file
// inside it came first.
func (t *tree) mkdir(name string, attr dirAttr) error {
	_, known := t.dirs[name]
	t.dirs[name] = attr
	if known {
		return nil
	}
	for d := path.Dir(name); ; d = path.Dir(d) {
		if _, ok := t.dirs[d]; ok {
			break
		}
		t.dirs[d] = dirAttr{perm: 0o755}
	}
	return t.root.MkdirAll(name, 0o700)
}

// parent makes the directory that an entry is in.
func (t *tree) parent(name string) error {
	dir := path.Dir(name)
	if _, ok := t.dirs[dir]; ok {
		return nil
	}
	return t.mkdir(dir, dirAttr{perm: 0o755})
}

// write unpacks one file.
func (t *tree) write(ctx context.Context, e entry) error {
	if err := t.parent(e.name); err != nil {
		return err
	}
	f, err := t.root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.copy(ctx, f, e); err != nil {
		return err
	}
	if err := f.Chmod(e.perm); err != nil {
		return err
	}
	if err := setTimes(t.root, e.name, e.file.Modified); err != nil {
		return err
	}
	return f.Close()
}

// copy inflates an entry, counting what really comes out of it. The zip package
// compares the checksum at the end, and the length.
func (t *tree) copy(ctx context.Context, w io.Writer, e entry) error {
	r, err := e.file.Open()
	if err != nil {
		return errBadZip()
	}
	defer r.Close()
	var written uint64
	for {
		n, err := r.Read(t.buf)
		if written += uint64(n); written > e.file.UncompressedSize64 {
			return errBadZip()
		}
		if t.left -= int64(n); t.left < 0 {
			return t.limits.errUnzipped()
		}
		if n > 0 {
			if _, err := w.Write(t.buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errBadZip()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// link makes a symbolic link whose target, read as text, stays inside the tree.
// Whether it really does depends on the other links: checkLink.
func (t *tree) link(ctx context.Context, e entry) error {
	if e.file.UncompressedSize64 > maxLink {
		return errBadZip()
	}
	var target strings.Builder
	if err := t.copy(ctx, &target, e); err != nil {
		return err
	}
	to := target.String()
	if to == "" || strings.ContainsRune(to, 0) || path.IsAbs(to) ||
		!filepath.IsLocal(path.Join(path.Dir(e.name), to)) {
		return errBadZip()
	}
	if err := t.parent(e.name); err != nil {
		return err
	}
	return t.root.Symlink(to, e.name)
}

// checkLink follows a link as the kernel would, through all other links. One that
// leads nowhere is harmless; one that leads out of the tree, or in a circle, is
// refused.
func (t *tree) checkLink(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := t.root.Stat(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return errBadZip()
}

// finish gives the directories their modes and times, the deepest first.
func (t *tree) finish(ctx context.Context) error {
	names := make([]string, 0, len(t.dirs))
	for name := range t.dirs {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) })
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.finishDir(name, t.dirs[name]); err != nil {
			return fmt.Errorf("directory %q: %w", name, err)
		}
	}
	return nil
}

func (t *tree) finishDir(name string, attr dirAttr) error {
	if err := t.root.Chmod(name, attr.perm); err != nil {
		return err
	}
	return setTimes(t.root, name, attr.mtime)
}

// firstTime is the earliest time that a zip can tell.
var firstTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func setTimes(root *os.Root, name string, mtime time.Time) error {
	if mtime.Before(firstTime) {
		mtime = firstTime
	}
	return root.Chtimes(name, mtime, mtime)
}
