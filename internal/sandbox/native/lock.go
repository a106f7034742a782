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
// It is parted into ranges, one per sandbox, and these are taken from the host's
// other servers in blocks, as many as are needed.
const (
	firstSandboxID = 0x70000000
	idsPerSandbox  = 1 << 16
	rangesPerBlock = 64
	idBlocks       = 63 // the last one would reach systemd's range for foreign images
	idLockDir      = "/run/thaw"
)

// idRanges gives each living sandbox user ids of its own.
type idRanges struct {
	mu    sync.Mutex
	locks []*os.File // one per block
	free  []uint32   // first ids; those that were given back are the last
}

func openIDRanges() (*idRanges, error) {
	r := &idRanges{}
	if err := os.MkdirAll(idLockDir, 0o700); err != nil {
		return nil, fmt.Errorf("make lock directory: %w", err)
	}
	return r, r.addBlock()
}

// addBlock takes a block that no other server has. This one's own are locked for
// it too.
func (r *idRanges) addBlock() error {
	for block := range uint32(idBlocks) {
		lock, err := lockFile(context.Background(), filepath.Join(idLockDir, fmt.Sprintf("ids-%d", block)), 0)
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return fmt.Errorf("lock user ids: %w", err)
		}
		r.locks = append(r.locks, lock)
		for i := range uint32(rangesPerBlock) {
			r.free = append(r.free, firstSandboxID+(block*rangesPerBlock+i)*idsPerSandbox)
		}
		return nil
	}
	return fmt.Errorf("all %d ranges of user ids on this host are taken", idBlocks*rangesPerBlock)
}

// take returns the first id of a range.
func (r *idRanges) take() (uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) == 0 {
		if err := r.addBlock(); err != nil {
			return 0, err
		}
	}
	first := r.free[0]
	r.free = r.free[1:]
	return first, nil
}

func (r *idRanges) put(first uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = append(r.free, first)
}

func (r *idRanges) close() error {
	var errs []error
	for _, lock := range r.locks {
		errs = append(errs, lock.Close())
	}
	return errors.Join(errs...)
}
