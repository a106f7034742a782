package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// errLocked is returned when another process has the lock.
var errLocked = errors.New("another process is using it")

// lockFile opens and locks a file, waiting a bounded time. The lock is the open
// file's: a child that inherits it keeps it.
func lockFile(ctx context.Context, path string, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if err != unix.EWOULDBLOCK {
			f.Close()
			return nil, fmt.Errorf("flock %q: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("flock %q: %w", path, errLocked)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// The user and group ids of sandboxes are in a part of the number space that
// systemd's table of well-known ranges leaves free (0x70000000 to 0x7fff0000).
// It is parted into blocks, one per server on the host, and a block into ranges,
// one per sandbox: range 0 of a block stays unused.
const (
	firstSandboxID = 0x70000000
	idsPerSandbox  = 1 << 16
	rangesPerBlock = 1 << 10
	idBlocks       = 4
	idLockDir      = "/run/thaw"
)

// idRanges gives each living sandbox user ids of its own.
type idRanges struct {
	lock  *os.File
	block uint32

	mu   sync.Mutex
	next uint32
	used map[uint32]struct{}
}

func openIDRanges() (*idRanges, error) {
	if err := os.MkdirAll(idLockDir, 0o700); err != nil {
		return nil, fmt.Errorf("make lock directory: %w", err)
	}
	for block := range uint32(idBlocks) {
		lock, err := lockFile(context.Background(), filepath.Join(idLockDir, fmt.Sprintf("ids-%d", block)), 0)
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lock user ids: %w", err)
		}
		return &idRanges{lock: lock, block: block, used: map[uint32]struct{}{}}, nil
	}
	return nil, fmt.Errorf("all %d blocks of user ids are taken by other servers on this host", idBlocks)
}

// take returns the first id of a range. A range that was given back is the last
// to be taken again.
func (r *idRanges) take() (uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range rangesPerBlock {
		r.next = (r.next + 1) % rangesPerBlock
		if _, taken := r.used[r.next]; r.next != 0 && !taken {
			r.used[r.next] = struct{}{}
			return firstSandboxID + (r.block*rangesPerBlock+r.next)*idsPerSandbox, nil
		}
	}
	return 0, fmt.Errorf("all %d ranges of user ids are in use", rangesPerBlock-1)
}

func (r *idRanges) put(first uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.used, (first-firstSandboxID)/idsPerSandbox%rangesPerBlock)
}

func (r *idRanges) close() error { return r.lock.Close() }
