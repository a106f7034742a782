package memory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"thaw/internal/store"
)

type blobs struct {
	mu     sync.Mutex
	digest map[string][]byte
}

func newBlobs() *blobs { return &blobs{digest: make(map[string][]byte)} }

func (b *blobs) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	data, err := io.ReadAll(r)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return "", 0, fmt.Errorf("put blob: %w", err)
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.digest[digest] = data
	return digest, int64(len(data)), nil
}

func (b *blobs) Open(_ context.Context, digest string) (io.ReadSeekCloser, error) {
	if err := store.CheckDigest(digest); err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.digest[digest]
	if !ok {
		return nil, fmt.Errorf("open blob %s: %w", digest, store.ErrNotFound)
	}
	return reader{bytes.NewReader(data)}, nil
}

func (b *blobs) Delete(_ context.Context, digest string) error {
	if err := store.CheckDigest(digest); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.digest, digest)
	return nil
}

func (b *blobs) List(context.Context) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.digest)), nil
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }
