package code_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"sync"
)

var errNoBlob = errors.New("no such blob")

// blobs is a blob store in memory.
type blobs struct {
	mu    sync.Mutex
	byHex map[string][]byte
	opens int
	// bad makes every blob fail to read from this error's place on.
	bad error
}

func newBlobs() *blobs { return &blobs{byHex: make(map[string][]byte)} }

func (b *blobs) Put(_ context.Context, r io.Reader) (string, int64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byHex[digest] = data
	return digest, int64(len(data)), nil
}

func (b *blobs) Open(_ context.Context, digest string) (io.ReadSeekCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opens++
	data, ok := b.byHex[digest]
	if !ok {
		return nil, errNoBlob
	}
	return &blob{Reader: bytes.NewReader(data), bad: b.bad}, nil
}

func (b *blobs) Delete(_ context.Context, digest string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.byHex, digest)
	return nil
}

// blob hides ReadAt, so that the reading by Seek and Read is tested.
type blob struct {
	*bytes.Reader
	bad error
}

func (b *blob) Read(p []byte) (int, error) {
	if b.bad != nil {
		return 0, b.bad
	}
	return b.Reader.Read(p)
}

// ReadAt has another shape than io.ReaderAt's and so hides it.
func (b *blob) ReadAt() {}

func (b *blob) Close() error { return nil }
