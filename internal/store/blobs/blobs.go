// Package blobs keeps immutable bytes as local files named by their SHA-256:
// the store.Blobs port of a single machine, and the near copy of a remote one.
//
// Below the directory, "tmp" holds what is being written and "ab" the blobs
// whose digest starts with ab. A blob appears by rename when its bytes are on
// the disk, so that a file with a digest for a name is always whole; Open
// removes what a dead process left in tmp.
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

	"thaw/internal/store"
)

// Directory is a store.Blobs over one directory.
type Directory struct {
	root string
	tmp  string
}

var _ store.Blobs = (*Directory)(nil)

// Open makes the directory if it is missing and clears unfinished writes.
func Open(root string) (*Directory, error) {
	d := &Directory{root: root, tmp: filepath.Join(root, "tmp")}
	if err := os.RemoveAll(d.tmp); err != nil {
		return nil, fmt.Errorf("clear unfinished blobs: %w", err)
	}
	if err := os.MkdirAll(d.tmp, 0o700); err != nil {
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

// commit makes the written file durable under its digest. A blob that is there
// already was made durable by whoever put it, its directory entry included.
func (d *Directory) commit(f *os.File, digest string) error {
	path := d.path(digest)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := f.Chmod(0o400); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		if err := syncDirectory(d.root); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDirectory(dir)
}

// Open returns the blob's file.
func (d *Directory) Open(_ context.Context, digest string) (io.ReadSeekCloser, error) {
	if err := store.CheckDigest(digest); err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	f, err := os.Open(d.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob %s: %w", digest, store.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
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
