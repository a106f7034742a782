package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/local"
)

var (
	// ErrNotEmpty is for a directory that holds something already.
	ErrNotEmpty = errors.New("the directory is not empty")
	// ErrInUse is for a directory that a server has open. One that is ending has it
	// open until it has written everything.
	ErrInUse = errors.New("a server uses the directory")
)

// Target is where a backup is restored to.
type Target struct {
	Dir string // the data directory; it need not exist
	// Force restores over a directory that is not empty. What was in it is kept
	// beside it.
	Force bool
	// KeyFile is the file with the master key; nil means the backup's own, if it
	// has one.
	KeyFile []byte
	// Check, if set, is shown what the backup says of itself, before anything else
	// of it is read; its error ends the restoring.
	Check  func(Header) error
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// Restored tells what was restored.
type Restored struct {
	Header  Header
	Records int
	Blobs   int
	KeyFile bool   // the directory has a key file now
	Aside   string // where the directory's earlier contents are; empty if it had none
}

// Restore builds the data directory anew beside its place, compares all that it
// has written with the manifest, and only then puts it there.
func Restore(ctx context.Context, r io.Reader, t Target) (Restored, error) {
	full, err := checkEmpty(t)
	if err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	release, err := keepServersOut(t.Dir)
	if err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	defer release() // the process ends soon, and the lock with it

	staging, err := os.MkdirTemp(filepath.Dir(t.Dir), filepath.Base(t.Dir)+".restoring-*") // mode 0700
	if err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	defer os.RemoveAll(staging)
	s := &stage{dir: staging, sums: make(map[string]string)}
	err = s.fill(ctx, r, t)
	if err == nil {
		err = s.compare(ctx, t.Logger)
	}
	if err == nil && full {
		s.done.Aside, err = setAside(t)
	}
	if err == nil {
		if err = place(staging, t.Dir); err != nil && full {
			err = errors.Join(err, os.Rename(s.done.Aside, t.Dir)) // as it was
		}
	}
	if err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	return s.done, nil
}

func checkEmpty(t Target) (full bool, err error) {
	entries, err := os.ReadDir(t.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, os.MkdirAll(filepath.Dir(t.Dir), 0o755)
	}
	if err == nil && len(entries) > 0 && !t.Force {
		err = fmt.Errorf("%w: %s", ErrNotEmpty, t.Dir)
	}
	return len(entries) > 0, err
}

// keepServersOut has no server open what is going to be set aside.
func keepServersOut(dir string) (release func() error, err error) {
	release, err = local.Lock(storeDir(dir))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	return release, err
}

// storeDir is where a data directory has its store.
func storeDir(dir string) string { return filepath.Join(dir, "store") }

// maxAside bounds the directories that are set aside within one second.
const maxAside = 100

func setAside(t Target) (string, error) {
	now := time.Now
	if t.Now != nil {
		now = t.Now
	}
	first := t.Dir + ".before-" + now().UTC().Format("20060102T150405Z")
	aside := first
	for n := 2; n <= maxAside; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s-%d", first, n)
	}
	return aside, os.Rename(t.Dir, aside)
}

// place gives the new directory its name; an empty one gives way.
func place(staging, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(staging, dir); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(dir))
}

// stage is a data directory in the making.
type stage struct {
	dir  string
	sums map[string]string // digests of the records as the backup has them, by key
	keys bool              // keys.json is there
	done Restored
}

func (s *stage) open(ctx context.Context, logger *slog.Logger) (*local.Store, error) {
	return local.Open(ctx, local.Options{Dir: storeDir(s.dir), Logger: logger})
}

// fill writes every member to its place. read has checked all of them against
// the manifest when it returns.
func (s *stage) fill(ctx context.Context, r io.Reader, t Target) (err error) {
	engine, err := s.open(ctx, t.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	err = read(r, func(name string, size int64, content io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if digest, ok := strings.CutPrefix(name, blobPrefix); ok {
			return s.blob(ctx, engine, digest, content)
		}
		data, err := io.ReadAll(content) // at most maxSmall or store.MaxValue
		if err != nil {
			return err
		}
		if err := s.small(ctx, engine, name, data); err != nil || name != HeaderName || t.Check == nil {
			return err
		}
		return t.Check(s.done.Header)
	})
	if err == nil && !s.keys {
		err = errors.New("the backup has no " + KeysName)
	}
	if err == nil && t.KeyFile != nil {
		err = s.file(KeyFileName, t.KeyFile)
	}
	return err
}

func (s *stage) small(ctx context.Context, engine *local.Store, name string, data []byte) (err error) {
	if key, ok := strings.CutPrefix(name, recordPrefix); ok {
		s.sums[key] = sum(data)
		s.done.Records++
		_, err = engine.Metadata().Put(ctx, key, data, 0)
		return err
	}
	if name == HeaderName {
		s.done.Header, err = parseHeader(data)
		return err
	}
	return s.file(name, data)
}

// file writes keys.json or master.key; no other names pass the reader.
func (s *stage) file(name string, data []byte) error {
	s.done.KeyFile = s.done.KeyFile || name == KeyFileName
	s.keys = s.keys || name == KeysName
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func (s *stage) blob(ctx context.Context, engine *local.Store, digest string, content io.Reader) error {
	got, _, err := engine.Blobs().Put(ctx, content)
	if err == nil && got != digest {
		err = fmt.Errorf("blob %s: damaged: its bytes have another digest", digest)
	}
	s.done.Blobs++
	return err
}

// compare opens what was written, as a server would, and compares every byte of
// it by its digest.
func (s *stage) compare(ctx context.Context, logger *slog.Logger) (err error) {
	engine, err := s.open(ctx, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close(), syncDirectory(s.dir)) }()
	entries, err := records(ctx, engine.Metadata())
	if err != nil {
		return err
	}
	if len(entries) != len(s.sums) {
		return fmt.Errorf("%d records are there after %d were written", len(entries), len(s.sums))
	}
	for _, e := range entries {
		if sum(e.Value) != s.sums[e.Key] {
			return fmt.Errorf("record %q is not what was written", e.Key)
		}
	}
	digests, err := engine.Blobs().List(ctx)
	if err == nil && len(digests) != s.done.Blobs {
		err = fmt.Errorf("%d blobs are there after %d were written", len(digests), s.done.Blobs)
	}
	for _, digest := range digests {
		if err == nil {
			err = compareBlob(ctx, engine.Blobs(), digest)
		}
	}
	return err
}

func compareBlob(ctx context.Context, blobs store.Blobs, digest string) error {
	f, err := blobs.Open(ctx, digest)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return err
	}
	if hex.EncodeToString(hash.Sum(nil)) != digest {
		return fmt.Errorf("blob %s is not what was written", digest)
	}
	return nil
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
