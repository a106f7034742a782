// Package blobs keeps immutable bytes as local files named by their SHA-256:
// the store.Blobs port of a single machine, and the near copy of a remote one.
//
// Below the directory, "tmp" holds what is being written and "ab" the blobs
// whose digest starts with ab. A blob appears by rename when its bytes are on
// the disk, so that a file with a digest for a name is always whole; Open
// removes what a dead process left in tmp.
//
// Open hands out only bytes that have their digest; others are kept aside by Damaged
// and are as if they were not there, so that they may be put again.
//
// All methods may be called at the same time. One process owns a directory.
package blobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"thaw/internal/store"
)

// Directory is a store.Blobs over one directory.
type Directory struct {
	root string
	tmp  string

	// Damaged is told the path of a blob that is not what its name says, and may take
	// it away; it is set before the first use. Without it the file stays.
	Damaged func(path string) error

	shards sync.Map // those whose names are on the disk
}

var _ store.Blobs = (*Directory)(nil)

// Open makes the directory if it is missing and clears unfinished writes.
func Open(root string) (*Directory, error) {
	d := &Directory{root: root, tmp: filepath.Join(root, "tmp")}
	if err := os.MkdirAll(d.tmp, 0o700); err != nil {
		return nil, fmt.Errorf("make blob directory: %w", err)
	}
	unfinished, err := os.ReadDir(d.tmp)
	for _, e := range unfinished {
		err = errors.Join(err, os.RemoveAll(filepath.Join(d.tmp, e.Name())))
	}
	if err != nil {
		return nil, fmt.Errorf("clear unfinished blobs: %w", err)
	}
	if err := errors.Join(syncDirectory(root), syncDirectory(filepath.Dir(root))); err != nil {
		return nil, fmt.Errorf("make blob directory: %w", err)
	}
	return d, nil
}

// Put writes r's bytes to a temporary file, flushes it, and gives it its name.
func (d *Directory) Put(ctx context.Context, r io.Reader) (digest string, size int64, err error) {
	f, err := os.CreateTemp(d.tmp, "put-*")
	if err != nil {
		return "", 0, fmt.Errorf("put blob: %w", err)
	}
	defer func() {
		err = errors.Join(err, closeQuietly(f), removeQuietly(f.Name()))
	}()
	hash := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, hash), contextReader{ctx, r})
	if err != nil {
		return "", 0, fmt.Errorf("put blob: %w", err)
	}
	digest = hex.EncodeToString(hash.Sum(nil))
	if err := d.commit(f, digest); err != nil {
		return "", 0, fmt.Errorf("put blob %s: %w", digest, err)
	}
	return digest, size, nil
}

// commit makes the written file durable under its digest, unless it is there.
func (d *Directory) commit(f *os.File, digest string) error {
	path := d.path(digest)
	dir := filepath.Dir(path)
	switch old, err := d.open(digest); {
	case err == nil:
		// Whoever put it may not be done with making its name durable.
		return errors.Join(old.Close(), d.syncShard(dir))
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged):
		return err
	}
	if err := f.Chmod(0o400); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return d.syncShard(dir)
}

// syncShard makes a shard's names durable, and its own.
func (d *Directory) syncShard(dir string) error {
	if _, done := d.shards.Load(dir); !done {
		if err := syncDirectory(d.root); err != nil {
			return err
		}
		d.shards.Store(dir, true)
	}
	return syncDirectory(dir)
}

// ErrDamaged is what a blob answers whose bytes do not have its digest.
var ErrDamaged = errors.New("the file is damaged: its bytes have another digest")

// open opens a blob's file and reads it once.
func (d *Directory) open(digest string) (*os.File, error) {
	f, err := os.Open(d.path(digest))
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if hex.EncodeToString(hash.Sum(nil)) != digest {
		err := errors.Join(ErrDamaged, f.Close())
		if d.Damaged != nil {
			err = errors.Join(err, d.Damaged(f.Name()))
		}
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Open returns the blob's file, when it has read it once: ErrDamaged if its bytes
// are others.
func (d *Directory) Open(_ context.Context, digest string) (io.ReadSeekCloser, error) {
	if err := store.CheckDigest(digest); err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	f, err := d.open(digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob %s: %w", digest, store.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", digest, err)
	}
	return f, nil
}

// Delete unlinks the blob; who has it open keeps reading.
func (d *Directory) Delete(_ context.Context, digest string) error {
	if err := store.CheckDigest(digest); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	if err := removeQuietly(d.path(digest)); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	return nil
}

// List reads the names of all blobs.
func (d *Directory) List(ctx context.Context) ([]string, error) {
	shards, err := os.ReadDir(d.root)
	if err != nil {
		return nil, fmt.Errorf("list blobs: %w", err)
	}
	var digests []string
	for _, shard := range shards {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !shard.IsDir() || len(shard.Name()) != 2 {
			continue
		}
		files, err := os.ReadDir(filepath.Join(d.root, shard.Name()))
		if err != nil {
			return nil, fmt.Errorf("list blobs: %w", err)
		}
		for _, file := range files {
			if store.CheckDigest(file.Name()) == nil {
				digests = append(digests, file.Name())
			}
		}
	}
	slices.Sort(digests)
	return digests, nil
}

func (d *Directory) path(digest string) string {
	return filepath.Join(d.root, digest[:2], digest)
}

// contextReader ends a copy when its caller has gone.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func removeQuietly(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func closeQuietly(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
