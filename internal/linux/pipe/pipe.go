// Package pipe opens pipes whose reading end is polled, so that a goroutine
// waits without holding a thread, and can be emptied without blocking. The
// writing end blocks, as programs expect of their standard output.
package pipe

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Reader is the reading end. Its methods may be called from many goroutines.
type Reader struct {
	file *os.File
}

// Open makes a pipe, close-on-exec at both ends.
func Open() (*Reader, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("open pipe: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("open pipe: %w", err)
	}
	return &Reader{os.NewFile(uintptr(fds[0]), "pipe")}, os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// Read blocks until there is something.
func (r *Reader) Read(p []byte) (int, error) { return r.file.Read(p) }

// Close makes Read and Wait return.
func (r *Reader) Close() error { return r.file.Close() }

// TryRead reads what is there: 0 and nil if the pipe is empty, io.EOF once no
// writer is left.
func (r *Reader) TryRead(p []byte) (n int, err error) {
	conn, err := r.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := conn.Control(func(fd uintptr) {
		for {
			n, err = unix.Read(int(fd), p)
			if !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case controlErr != nil:
		return 0, controlErr
	case errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read pipe: %w", err)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Wait blocks until the pipe has something, has ended, or is closed.
func (r *Reader) Wait() error {
	conn, err := r.file.SyscallConn()
	if err != nil {
		return err
	}
	err = conn.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return err == nil && n > 0
	})
	if err != nil { // the poller's only reason
		return fmt.Errorf("wait for pipe: %w", os.ErrClosed)
	}
	return nil
}
