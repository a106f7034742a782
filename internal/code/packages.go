package code

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"thaw/internal/lambda"
)

// Blobs keeps the zips, under the lower-case hex of their SHA-256.
type Blobs interface {
	Put(ctx context.Context, r io.Reader) (digest string, size int64, err error)
	Open(ctx context.Context, digest string) (io.ReadSeekCloser, error)
	Delete(ctx context.Context, digest string) error
}

// Options is what Open needs.
type Options struct {
	// Dir is this package's own directory; made if it is missing.
	Dir    string
	Blobs  Blobs
	Limits Limits
	Logger *slog.Logger
}

// Packages is the set of packages of one server.
type Packages struct {
	trees  string
	tmp    string
	blobs  Blobs
	limits Limits
	log    *slog.Logger
	slots  chan struct{} // held while a tree is made

	mu     sync.Mutex
	making map[string]chan struct{} // by digest; closed when the maker is through
}

// Open prepares the directory and removes what a crash has left half-made.
func Open(o Options) (*Packages, error) {
	if o.Dir == "" || o.Blobs == nil {
		return nil, errors.New("code: a directory and a blob store are needed")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", o.Dir, err)
	}
	limits := o.Limits.withDefaults()
	p := &Packages{
		trees:  filepath.Join(dir, "trees"),
		tmp:    filepath.Join(dir, "tmp"),
		blobs:  o.Blobs,
		limits: limits,
		log:    o.Logger,
		slots:  make(chan struct{}, limits.Parallel),
		making: make(map[string]chan struct{}),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if err := os.RemoveAll(p.tmp); err != nil {
		return nil, fmt.Errorf("remove half-made trees: %w", err)
	}
	for _, d := range []string{p.trees, p.tmp} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make package directory: %w", err)
		}
	}
	return p, nil
}

// Add checks and unpacks a zip and keeps both. What is wrong with the zip is
// told as *lambda.Error. When it returns, zip and tree are durable.
func (p *Packages) Add(ctx context.Context, zip []byte) (lambda.Code, error) {
	if len(zip) == 0 {
		return lambda.Code{}, errEmptyZip()
	}
	if int64(len(zip)) > p.limits.Zipped {
		return lambda.Code{}, p.limits.errZipped()
	}
	sum := sha256.Sum256(zip)
	digest := hex.EncodeToString(sum[:])
	from := func(context.Context) (archive, error) {
		return archive{ReaderAt: bytes.NewReader(zip), size: int64(len(zip))}, nil
	}
	if err := p.ensure(ctx, digest, from); err != nil {
		return lambda.Code{}, err
	}
	if _, _, err := p.blobs.Put(ctx, bytes.NewReader(zip)); err != nil {
		return lambda.Code{}, fmt.Errorf("keep package %s: %w", digest, err)
	}
	return lambda.Code{SHA256: base64.StdEncoding.EncodeToString(sum[:]), Size: int64(len(zip))}, nil
}

// Root is the absolute path of a package's tree, made again from the zip if it
// is missing. It stays valid until the next Sweep.
func (p *Packages) Root(ctx context.Context, c lambda.Code) (string, error) {
	digest, err := digestOf(c)
	if err != nil {
		return "", err
	}
	if err := p.ensure(ctx, digest, p.stored(digest)); err != nil {
		return "", err
	}
	return p.tree(digest), nil
}

// Open returns the zip of a package.
func (p *Packages) Open(ctx context.Context, c lambda.Code) (io.ReadSeekCloser, error) {
	digest, err := digestOf(c)
	if err != nil {
		return nil, err
	}
	r, err := p.blobs.Open(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("open package %s: %w", digest, err)
	}
	return r, nil
}

// Sweep removes the packages that are not in use; inUse is asked with a digest
// as lambda.Code has it. It is called once at start, before the first Add and
// Root: later it could take a tree away from under an environment.
func (p *Packages) Sweep(ctx context.Context, inUse func(sha256 string) bool) error {
	entries, err := os.ReadDir(p.trees)
	if err != nil {
		return fmt.Errorf("list trees: %w", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		sum, err := hex.DecodeString(e.Name())
		if err != nil || len(sum) != sha256.Size || inUse(base64.StdEncoding.EncodeToString(sum)) {
			continue
		}
		// The tree goes last: it is what an interrupted sweep is found again by.
		if err := p.blobs.Delete(ctx, e.Name()); err != nil {
			return fmt.Errorf("delete package %s: %w", e.Name(), err)
		}
		if err := p.removeTree(e.Name()); err != nil {
			return err
		}
		p.log.LogAttrs(ctx, slog.LevelDebug, "unused package removed", slog.String("sha256", e.Name()))
	}
	return nil
}

// removeTree takes a tree's name away before its files, so that no part of a
// tree ever stands under a name.
func (p *Packages) removeTree(digest string) error {
	doomed := filepath.Join(p.tmp, "removed-"+digest)
	if err := os.Rename(p.tree(digest), doomed); err != nil {
		return fmt.Errorf("remove tree %s: %w", digest, err)
	}
	if err := os.RemoveAll(doomed); err != nil {
		return fmt.Errorf("remove tree %s: %w", digest, err)
	}
	return nil
}

func (p *Packages) tree(digest string) string { return filepath.Join(p.trees, digest) }

func digestOf(c lambda.Code) (string, error) {
	sum, err := base64.StdEncoding.DecodeString(c.SHA256)
	if err != nil || len(sum) != sha256.Size {
		return "", fmt.Errorf("code: %q is not a SHA-256 in base64", c.SHA256)
	}
	return hex.EncodeToString(sum), nil
}

// archive is a zip that is open for reading.
type archive struct {
	io.ReaderAt
	size   int64
	closer io.Closer
}

func (a archive) close() {
	if a.closer != nil {
		a.closer.Close()
	}
}

// stored opens a package's zip from the blob store.
func (p *Packages) stored(digest string) func(context.Context) (archive, error) {
	return func(ctx context.Context) (archive, error) {
		r, err := p.blobs.Open(ctx, digest)
		if err != nil {
			return archive{}, fmt.Errorf("open package %s: %w", digest, err)
		}
		size, err := r.Seek(0, io.SeekEnd)
		if err != nil {
			r.Close()
			return archive{}, fmt.Errorf("measure package %s: %w", digest, err)
		}
		at, ok := r.(io.ReaderAt)
		if !ok {
			at = &seekReaderAt{r: r}
		}
		return archive{ReaderAt: at, size: size, closer: r}, nil
	}
}

// seekReaderAt gives a seeker the ReadAt that the zip reader asks for. One
// unpacking reads from one goroutine only.
type seekReaderAt struct{ r io.ReadSeeker }

func (s *seekReaderAt) ReadAt(b []byte, off int64) (int, error) {
	if _, err := s.r.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.r, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// ensure makes a tree unless it is there. Of several callers for one digest one
// works and the others wait; should it give up, the next one tries.
func (p *Packages) ensure(ctx context.Context, digest string, from func(context.Context) (archive, error)) error {
	for {
		if _, err := os.Lstat(p.tree(digest)); err == nil {
			return nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("look for tree: %w", err)
		}
		busy, mine := p.claim(digest)
		if mine {
			err := p.make(ctx, digest, from)
			p.yield(digest)
			return err
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *Packages) claim(digest string) (busy chan struct{}, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.making[digest]; ok {
		return c, false
	}
	c := make(chan struct{})
	p.making[digest] = c
	return c, true
}

func (p *Packages) yield(digest string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.making[digest])
	delete(p.making, digest)
}

// make unpacks into a directory of its own and gives it its name when all of it
// is on the disk.
func (p *Packages) make(ctx context.Context, digest string, from func(context.Context) (archive, error)) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// Another caller may have been through between the look and the claim.
	if _, err := os.Lstat(p.tree(digest)); err == nil {
		return nil
	}
	start := time.Now()
	src, err := from(ctx)
	if err != nil {
		return err
	}
	defer src.close()

	dir, err := os.MkdirTemp(p.tmp, digest[:12]+"-")
	if err != nil {
		return fmt.Errorf("unpack %s: %w", digest, err)
	}
	defer os.RemoveAll(dir) // of no effect once the tree has its name
	if err := unpack(ctx, src, dir, p.limits); err != nil {
		return wrapInternal(err, "unpack "+digest)
	}
	if err := os.Rename(dir, p.tree(digest)); err != nil {
		return fmt.Errorf("name tree: %w", err)
	}
	if err := syncDir(p.trees); err != nil {
		return fmt.Errorf("name tree: %w", err)
	}
	p.log.LogAttrs(ctx, slog.LevelDebug, "package unpacked",
		slog.String("sha256", digest), slog.Int64("zip_bytes", src.size), slog.Duration("took", time.Since(start)))
	return nil
}

// wrapInternal leaves an error alone that is meant for the user.
func wrapInternal(err error, doing string) error {
	if _, ok := errors.AsType[*lambda.Error](err); ok {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
