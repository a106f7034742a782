// Command thaw-init is the small helper that the native sandbox driver carries
// inside itself: the spawner, which starts sandboxes for the daemon, and PID 1
// of each of them. Package pid1 tells what they say to the daemon; people do not
// run it.
//
// It is static and light, for it lives in every sandbox: no fmt, no os. It is
// also what stands between a function's code and the privileges with which a
// sandbox is set up, so it keeps none longer than it needs (see privilege.go).
package main

import (
	"syscall"
	"unsafe"

	"thaw/internal/linux/pid1"

	"golang.org/x/sys/unix"
)

// control is the descriptor of the socket to the daemon, in both lives.
const control = 3

// exitOrphan is the exit code when the daemon is gone, and exitFault when what
// the daemon asked for cannot be understood.
const (
	exitOrphan = 0
	exitFault  = 3
)

func main() {
	// Neither the control socket nor what was inherited by mistake ever reaches a
	// function.
	if unix.CloseRange(control, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC) != nil {
		unix.Exit(exitFault)
	}
	socket := pid1.NewSocket(control)
	switch life, _ := syscall.Getenv("THAW_INIT"); life {
	case "spawner":
		setName("thaw-spawner\x00")
		runSpawner(socket)
	case "sandbox":
		setName("thaw-init\x00")
		heedSignals()
		runSandbox(socket)
	}
	unix.Exit(exitFault)
}

// setName is for people who look at the host's processes: executed from a
// descriptor, the program's name would be a number.
func setName(name string) {
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(unsafe.StringData(name))), 0, 0, 0)
}

// fault is an error of a named operation.
type fault struct {
	operation string
	err       error
}

func (f *fault) Error() string { return f.operation + ": " + f.err.Error() }

// wrap returns nil for nil.
func wrap(operation string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := err.(*fault); ok {
		return f
	}
	return &fault{operation, err}
}

// failed returns the message that tells of an error.
func failed(err error) pid1.Failed {
	m := pid1.Failed{Operation: "unknown", Errno: uint32(unix.EIO)}
	if f, ok := err.(*fault); ok {
		m.Operation, err = f.operation, f.err
	}
	if errno, ok := err.(unix.Errno); ok {
		m.Errno = uint32(errno)
	}
	return m
}

func closeAll(files []int) {
	for _, f := range files {
		unix.Close(f)
	}
}
