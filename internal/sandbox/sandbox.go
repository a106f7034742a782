// Package sandbox defines the box in which a function's code runs, and the
// small roles that the layers above need of it. Drivers are below it: native
// (namespaces, cgroups and seccomp of this host) and fake (in memory, for the
// tests of the layers above). sandboxtest is the suite that every driver passes.
//
// Vocabulary. A sandbox is created empty: a root file system, namespaces of its
// own, limits, and a first process (PID 1) that belongs to the driver. Code is
// attached to it, processes are started in it, and it is destroyed once. While
// it is frozen nothing in it runs. A reset kills every process but PID 1 and
// keeps /tmp.
//
// A driver may keep paused sandboxes ready, so that Create costs a claim and
// not a construction; nobody above can tell, save by the time it takes.
//
// Concurrency: a Driver's methods may be called from many goroutines. Of one
// Sandbox, Destroy and the reading methods may be called at any time; Attach,
// Start, Freeze, Thaw and Reset are called one at a time.
package sandbox

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Driver makes sandboxes.
type Driver interface {
	// Create returns an empty sandbox with the given limits.
	Create(ctx context.Context, spec Spec) (Sandbox, error)
	// Recover destroys whatever an earlier process, that had the same state
	// directory and died, has left: processes, cgroups, mounts, interfaces,
	// loop devices, directories. It is called once, before the first Create.
	Recover(ctx context.Context) (Leftovers, error)
	// Close destroys the paused sandboxes and waits for the driver's goroutines.
	// Sandboxes that were handed out are destroyed by their owners before.
	Close() error
}

// Leftovers counts what Recover has removed.
type Leftovers struct {
	Processes, Cgroups, Mounts, Interfaces, LoopDevices, Directories int
}

// Spec is what a sandbox is made to. The zero value of a limit means the
// driver's default.
type Spec struct {
	// ID names the sandbox in logs; unique among the living ones.
	ID     string
	Limits Limits
	// Root is a host directory to be the root file system, read-only; empty means
	// the driver's own: the host's /usr by allow-list with a generated /etc.
	Root string
}

// Limits bounds what all processes of one sandbox together may use.
type Limits struct {
	MemoryBytes int64
	// CPUMilli is the CPU share in thousandths of one core; 0 is no limit.
	CPUMilli  int
	TmpBytes  int64 // size of /tmp, which is disk and not memory
	OpenFiles int   // per process
	Processes int   // processes and threads together
}

// Sandbox is one box. The roles it is composed of are what callers take.
type Sandbox interface {
	ID() string
	Attacher
	Starter
	Network
	Freezer
	Meter
	// Reset kills every process but PID 1 and waits until they are gone, empties
	// /dev/shm and keeps /tmp. It works on a frozen sandbox and leaves it thawed.
	Reset(ctx context.Context) error
	// Destroy ends the sandbox and frees all that it had: processes, listener,
	// mounts, namespaces, cgroups, disk. Safe to call twice, and at any time.
	Destroy(ctx context.Context) error
	// Done is closed when the sandbox has died: destroyed, or its PID 1 ended.
	Done() <-chan struct{}
}

// Attacher puts host directories into a sandbox.
type Attacher interface {
	// Attach mounts each source read-only, nosuid and nodev at its target. It is
	// called before the first Start. A target is one of the driver's mount
	// points: /var/task, /var/runtime, /var/lang, /opt.
	Attach(ctx context.Context, mounts ...Mount) error
}

// Mount is one read-only directory of the host inside a sandbox. With more than
// one source they are merged, the first winning.
type Mount struct {
	Sources []string
	Target  string
	// Own shows what belongs to the host's root as the sandbox's root's, where the
	// host can do so; otherwise it belongs to nobody inside.
	Own bool
}

// Starter runs programs in a sandbox.
type Starter interface {
	// Start starts a process as the sandbox's unprivileged user. An error that
	// matches ErrExec means that the program itself could not be executed: its
	// text is the kernel's ("no such file or directory").
	Start(ctx context.Context, spec Process) (Running, error)
	// Pipe makes a pipe whose write end can be given to a process of this
	// sandbox. The caller closes both ends.
	Pipe() (r PipeReader, w io.WriteCloser, err error)
}

// PipeReader is the reading end of a Pipe. Beside the blocking Read it can tell
// what is there at this moment, so that all that a process wrote before it did
// something else can be read before that something else is acted on.
type PipeReader interface {
	io.ReadCloser
	// TryRead reads what is there: 0 and nil if the pipe is empty, io.EOF once no
	// writer is left.
	TryRead(p []byte) (int, error)
	// Wait blocks until TryRead has something to say, or the reader is closed.
	Wait() error
}

// Process is one program to start.
type Process struct {
	Path string // absolute, inside
	Args []string
	Env  []string
	Dir  string
	// Stdout and Stderr become descriptors 1 and 2; Files become 3, 4, …; nil is
	// the null device. Each is the write end of a Pipe or an *os.File: a driver
	// refuses what it cannot hand on. The caller keeps its own copies and closes
	// them.
	Stdout, Stderr io.WriteCloser
	Files          []io.WriteCloser
}

// Running is a process that was started.
type Running interface {
	// Exited is closed when the process has ended; Status is valid then.
	Exited() <-chan struct{}
	Status() ExitStatus
	// Signal sends a signal to the process's whole group. A process that has
	// ended is not an error.
	Signal(sig os.Signal) error
}

// ExecError returns the error of Start for a program that the kernel refused to
// execute. It matches ErrExec and errno, and its text is the kernel's.
func ExecError(errno syscall.Errno) error { return execError{errno} }

type execError struct{ errno syscall.Errno }

func (e execError) Error() string   { return e.errno.Error() }
func (e execError) Unwrap() []error { return []error{ErrExec, e.errno} }

// ExitStatus tells how a process ended.
type ExitStatus struct {
	Code int // exit code, when Signal is 0
	// Signal is the number of the signal that ended it.
	Signal int
	// OutOfMemory is set when the kernel killed a process of this sandbox for its
	// memory limit before this one ended.
	OutOfMemory bool
}

// Network opens sockets in a sandbox's own network namespace. What they carry
// is served by the caller, outside.
type Network interface {
	// Listen accepts connections from inside. Destroy closes the listener.
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// Dial connects to something that listens inside.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// Freezer stops time for everything inside.
type Freezer interface {
	// Freeze returns once the order is given; nothing inside runs from a moment
	// later on. Freezing a frozen sandbox does nothing, and so does thawing a
	// thawed one.
	Freeze() error
	Thaw() error
}

// Meter reads what a sandbox uses, and changes what it may use.
type Meter interface {
	Usage() (Usage, error)
	// MemoryPeak is Usage's MemoryPeakBytes alone, and cheap.
	MemoryPeak() (int64, error)
	// LimitCPU changes the CPU share, in thousandths of one core; 0 is no limit.
	LimitCPU(milli int) error
}

// Usage is a reading of a sandbox's meters. Files in /tmp are not memory.
type Usage struct {
	MemoryBytes     int64
	MemoryPeakBytes int64
	CPU             time.Duration
	OOMKills        int64
}

var (
	// ErrExec marks an error of Start that came from executing the program.
	ErrExec = errors.New("exec")
	// ErrDestroyed is returned by every method of a sandbox that is no more.
	ErrDestroyed = errors.New("sandbox destroyed")
)
