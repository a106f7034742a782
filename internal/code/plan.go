package code

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// An entry is one file, directory or symbolic link to be made.
type entry struct {
	name string // clean, relative, with '/' between its elements
	kind fs.FileMode
	perm fs.FileMode
	file *zip.File
}

// source reads a zip. Errors of the medium are remembered, so that they are not
// taken for errors of the zip. While budget is not negative, every byte read is
// taken from it.
type source struct {
	r      io.ReaderAt
	budget int64
	err    error
}

var (
	errBudget = errors.New("central directory is too large")
	errOffset = errors.New("offset before the beginning")
)

func (s *source) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errOffset // the zip package goes where the zip sends it
	}
	if s.budget >= 0 {
		if s.budget -= int64(len(b)); s.budget < 0 {
			s.budget = 0
			return 0, errBudget
		}
	}
	n, err := s.r.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// blame gives the medium's error, if there was one, for what it has led to.
func (s *source) blame(err error) error {
	if err != nil && s.err != nil {
		return s.err
	}
	return err
}

// readDirectory reads the central directory. The zip package reads all of it
// before its entries can be counted, and keeps each in memory: hence the budget.
func readDirectory(s *source, size int64, l Limits) (*zip.Reader, error) {
	// The end record is looked for in the last 65 KiB, with 1 KiB tried before.
	s.budget = l.Directory + 128<<10
	zr, err := zip.NewReader(s, size)
	s.budget = -1
	if s.err != nil {
		return nil, s.err
	}
	if err != nil || len(zr.File) > l.Entries {
		return nil, errBadZip()
	}
	if len(zr.File) == 0 {
		return nil, errEmptyZip()
	}
	return zr, nil
}

// plan decides what a zip's entries become, and refuses what may not be made. Of
// two files with one name the later one is taken, as unzip does.
func plan(ctx context.Context, zr *zip.Reader, l Limits) (entries []entry, err error) {
	if err := checkSizes(zr.File, l); err != nil {
		return nil, err
	}
	if err := checkOverlap(zr.File); err != nil {
		return nil, err
	}
	entries = make([]entry, 0, len(zr.File))
	index := make(map[string]int, len(zr.File))
	for _, f := range zr.File {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, err := newEntry(f, l)
		if err != nil {
			return nil, err
		}
		i, seen := index[e.name]
		switch {
		case e.name == "." && e.kind == fs.ModeDir:
			// The tree's own directory always has the same mode.
		case !seen:
			index[e.name] = len(entries)
			entries = append(entries, e)
		case entries[i].kind == e.kind:
			entries[i] = e
		default:
			return nil, errBadZip()
		}
	}
	return entries, checkImplied(ctx, entries, index, l)
}

// checkImplied counts the directories that no entry makes, but entries' names need:
// one name can need as many as it is deep. It also refuses entries inside of what is
// no directory.
func checkImplied(ctx context.Context, entries []entry, index map[string]int, l Limits) error {
	implied := map[string]struct{}{}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		for d := path.Dir(e.name); d != "."; d = path.Dir(d) {
			if i, ok := index[d]; ok {
				if entries[i].kind != fs.ModeDir {
					return errBadZip()
				}
				break // its own parents are looked at with it
			}
			if _, seen := implied[d]; seen {
				break
			}
			implied[d] = struct{}{}
			if len(entries)+len(implied) > l.Entries {
				return errBadZip()
			}
		}
	}
	return nil
}

// unzippedSize sums what the entries of a zip that has been unpacked came to: what
// its headers say, for an entry of another size is refused.
func unzippedSize(zip io.ReaderAt, size int64, l Limits) (sum int64, err error) {
	zr, err := readDirectory(&source{r: zip}, size, l)
	if err != nil {
		return 0, err
	}
	for _, f := range zr.File {
		sum += int64(f.UncompressedSize64)
	}
	return sum, nil
}

// checkSizes believes the headers only where they admit too much.
func checkSizes(files []*zip.File, l Limits) error {
	var unzipped, zipped uint64
	for _, f := range files {
		// Sums of at most 2^17 entries, each capped, cannot wrap.
		unzipped += min(f.UncompressedSize64, 1<<40)
		zipped += min(f.CompressedSize64, 1<<40)
	}
	if unzipped > uint64(l.Unzipped) {
		return l.errUnzipped()
	}
	// Names, and what a few bytes become, are not what the ratio is about.
	if zipped > 0 && unzipped > 1<<20 && unzipped/zipped > uint64(l.Ratio) {
		return errBadZip()
	}
	return nil
}

// checkOverlap refuses entries that share compressed bytes: so a small zip is
// made to unpack to petabytes while each entry's own ratio looks ordinary.
func checkOverlap(files []*zip.File) error {
	type span struct{ from, to uint64 }
	spans := make([]span, 0, len(files))
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil || f.CompressedSize64 > 1<<40 {
			return errBadZip()
		}
		if f.CompressedSize64 > 0 {
			spans = append(spans, span{uint64(from), uint64(from) + f.CompressedSize64})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return errBadZip()
		}
	}
	return nil
}

func newEntry(f *zip.File, l Limits) (entry, error) {
	const encrypted = 0x1
	if f.Flags&encrypted != 0 || f.Method != zip.Store && f.Method != zip.Deflate {
		return entry{}, errBadZip()
	}
	name, isDir, ok := cleanName(f, l)
	if !ok {
		return entry{}, errBadZip()
	}
	e := entry{name: name, kind: f.Mode().Type(), file: f}
	if isDir {
		e.kind = fs.ModeDir
	}
	switch e.kind {
	case 0, fs.ModeSymlink:
		if name == "." {
			return entry{}, errBadZip()
		}
	case fs.ModeDir:
	default: // devices, pipes, sockets
		return entry{}, errBadZip()
	}
	e.perm = permissions(f, e.kind)
	return e, nil
}

// Systems that a zip may say it was made on (APPNOTE 4.4.2.2).
const (
	madeOnFAT  = 0
	madeOnUnix = 3
	madeOnNTFS = 10
	madeOnVFAT = 14
	madeOnMac  = 19
)

// permissions are those of the zip, less set-user-id, set-group-id and sticky.
// The bits that let everybody read are always there: the code runs as another
// user than the tree's owner, and many libraries write zips whose files only
// their owner may read.
func permissions(f *zip.File, kind fs.FileMode) fs.FileMode {
	perm := f.Mode().Perm()
	if host := f.CreatorVersion >> 8; perm == 0 || host != madeOnUnix && host != madeOnMac {
		perm = 0o644
	}
	if kind == fs.ModeDir {
		return perm | 0o755
	}
	return perm | 0o444
}

// cleanName gives an entry's place in the tree; ok is false if it has none there.
func cleanName(f *zip.File, l Limits) (name string, isDir, ok bool) {
	raw := f.Name
	slashed := strings.ReplaceAll(raw, `\`, "/")
	// Whatever wrote a backslash, it is not used to climb.
	if raw == "" || len(raw) > maxName || strings.ContainsRune(raw, 0) || !filepath.IsLocal(slashed) {
		return "", false, false
	}
	switch f.CreatorVersion >> 8 {
	case madeOnFAT, madeOnNTFS, madeOnVFAT:
		if !strings.Contains(raw, "/") {
			raw = slashed
		}
	}
	isDir = strings.HasSuffix(raw, "/")
	name = path.Clean(raw)
	elements := strings.Split(name, "/")
	if len(elements) > l.Depth {
		return "", false, false
	}
	for _, e := range elements {
		if len(e) > maxElement {
			return "", false, false
		}
	}
	return name, isDir, true
}
