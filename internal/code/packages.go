package code

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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
	// Boot names the life of the kernel; empty means what the kernel says.
	Boot   string
	Logger *slog.Logger
}

// Packages is the set of packages of one server.
type Packages struct {
	boot   string // part of the trees' names
	trees  string
	tmp    string
	blobs  Blobs
	limits Limits
	log    *slog.Logger
	slots  chan struct{} // held while a tree is made

	mu sync.Mutex
	// busy has the digests whose tree is being made or removed; closed when the
	// one who does it is through.
	busy map[string]chan struct{}
	held map[string]int // by digest: how many hold the package
	// old are the names of trees of earlier boots, by digest.
	old map[string][]string
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
		boot:   cmp.Or(o.Boot, kernelBoot()),
		trees:  filepath.Join(dir, "trees"),
		tmp:    filepath.Join(dir, "tmp"),
		blobs:  o.Blobs,
		limits: limits,
		log:    o.Logger,
		slots:  make(chan struct{}, limits.Parallel),
		busy:   make(map[string]chan struct{}),
		held:   make(map[string]int),
		old:    make(map[string][]string),
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
	return p, p.findOld()
}

// kernelBoot is the kernel's own name of its present life; without one, every
// server's trees are its own.
func kernelBoot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return strings.ToLower(rand.Text())
	}
	return strings.ReplaceAll(strings.TrimSpace(string(id)), "-", "")
}

// findOld remembers the trees of earlier boots, which nobody may mount: their
// bytes may never have come to the disk.
func (p *Packages) findOld() error {
	entries, err := os.ReadDir(p.trees)
	if err != nil {
		return fmt.Errorf("list trees: %w", err)
	}
	for _, e := range entries {
		digest, boot, _ := strings.Cut(e.Name(), ".")
		if boot != p.boot {
			p.old[digest] = append(p.old[digest], e.Name())
		}
	}
	return nil
}

// Add checks and unpacks a zip and keeps both. What is wrong with the zip is
// told as *lambda.Error. When it returns, the zip is durable, and both are held
// until Release: so the caller has the time to name the package somewhere.
func (p *Packages) Add(ctx context.Context, zip []byte) (lambda.Code, error) {
	if int64(len(zip)) > p.limits.Zipped {
		return lambda.Code{}, p.limits.errZipped()
	}
	return p.add(ctx, bytes.NewReader(zip), int64(len(zip)))
}

// AddFetched is Add for a zip that did not come in a request: it may be as large
// as what it unpacks to. It must not change meanwhile.
func (p *Packages) AddFetched(ctx context.Context, zip io.ReaderAt, size int64) (lambda.Code, error) {
	if size > p.limits.Unzipped {
		return lambda.Code{}, p.limits.errUnzipped()
	}
	return p.add(ctx, zip, size)
}

func (p *Packages) add(ctx context.Context, zip io.ReaderAt, size int64) (_ lambda.Code, err error) {
	if size == 0 {
		return lambda.Code{}, errEmptyZip()
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(zip, 0, size)); err != nil {
		return lambda.Code{}, fmt.Errorf("read package: %w", err)
	}
	sum := hash.Sum(nil)
	digest := hex.EncodeToString(sum)
	from := func(context.Context) (archive, error) {
		return archive{ReaderAt: zip, size: size}, nil
	}
	p.hold(digest)
	defer func() {
		if err != nil {
			p.release(digest)
		}
	}()
	if err := p.ensure(ctx, digest, from); err != nil {
		return lambda.Code{}, err
	}
	if _, _, err := p.blobs.Put(ctx, io.NewSectionReader(zip, 0, size)); err != nil {
		return lambda.Code{}, fmt.Errorf("keep package %s: %w", digest, err)
	}
	unzipped, err := unzippedSize(zip, size, p.limits)
	if err != nil {
		return lambda.Code{}, fmt.Errorf("measure package %s: %w", digest, err)
	}
	return lambda.Code{SHA256: base64.StdEncoding.EncodeToString(sum), Size: size, Unzipped: unzipped}, nil
}

// Root is the absolute path of a package's tree, made again from the zip if it
// is missing. It stays valid while something names the package.
func (p *Packages) Root(ctx context.Context, c lambda.Code) (string, error) {
	dir, err := p.Acquire(ctx, c)
	if err != nil {
		return "", err
	}
	p.Release(c)
	return dir, nil
}

// Acquire is Root for whoever mounts the tree: it stays until Release is called
// as often as Acquire, whatever happens to those who name the package. Removing
// it sooner would empty the mount.
func (p *Packages) Acquire(ctx context.Context, c lambda.Code) (string, error) {
	digest, err := digestOf(c)
	if err != nil {
		return "", err
	}
	p.hold(digest)
	if err := p.ensure(ctx, digest, p.stored(digest)); err != nil {
		p.release(digest)
		return "", err
	}
	return p.tree(digest), nil
}

// Release ends one hold of Add or Acquire.
func (p *Packages) Release(c lambda.Code) {
	if digest, err := digestOf(c); err == nil {
		p.release(digest)
	}
}

func (p *Packages) hold(digest string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[digest]++
}

func (p *Packages) release(digest string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[digest]--; p.held[digest] <= 0 {
		delete(p.held, digest)
	}
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

func (p *Packages) tree(digest string) string {
	return filepath.Join(p.trees, digest+"."+p.boot)
}

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
// works and the others wait; should it give up, the next one tries. The caller
// holds the package, so that a tree which is there stays.
func (p *Packages) ensure(ctx context.Context, digest string, from func(context.Context) (archive, error)) error {
	for {
		busy := p.busyWith(digest)
		if busy == nil {
			if _, err := os.Lstat(p.tree(digest)); err == nil {
				return nil
			} else if !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("look for tree: %w", err)
			}
			var mine bool
			if busy, mine = p.claim(digest); mine {
				err := p.make(ctx, digest, from)
				p.yield(digest)
				return err
			}
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// busyWith is closed when a digest's tree is made or removed; nil if nobody is
// at it.
func (p *Packages) busyWith(digest string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy[digest]
}

func (p *Packages) claim(digest string) (busy chan struct{}, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.busy[digest]; ok {
		return c, false
	}
	c := make(chan struct{})
	p.busy[digest] = c
	return c, true
}

func (p *Packages) yield(digest string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.busy[digest])
	delete(p.busy, digest)
}

// make unpacks into a directory of its own and gives it its name when it is whole.
// The name is on the disk then; the files come there in their own time.
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
	if err := p.removeOld(digest); err != nil {
		return err
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
