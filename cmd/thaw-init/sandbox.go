package main

import (
	"io"
	"sync"
	"syscall"

	"thaw/internal/linux/pid1"

	"golang.org/x/sys/unix"
)

// box is PID 1's state.
type box struct {
	socket   *pid1.Socket
	launcher *launcher

	mu      sync.Mutex
	changed *sync.Cond
	running map[int]struct{} // started and not yet reaped
	forks   int              // since birth
	idle    bool             // there is no child at all
	bare    bool             // privileges are dropped
}

func runSandbox(socket *pid1.Socket) {
	b := &box{socket: socket, running: map[int]struct{}{}, idle: true}
	b.changed = sync.NewCond(&b.mu)
	if err := b.prepare(); err != nil {
		_ = socket.Send(failed(err)) // if this fails too, the daemon sees the end of the stream
		unix.Exit(exitFault)
	}
	go b.reap()
	for {
		m, files, err := socket.Receive()
		if err == io.EOF || err == unix.ECONNRESET {
			unix.Exit(exitOrphan) // the end of PID 1 ends everything in its namespaces
		}
		if err != nil {
			unix.Exit(exitFault)
		}
		switch m := m.(type) {
		case pid1.Start:
			b.start(m, files)
		case pid1.Signal:
			b.signal(m)
		case pid1.Kind:
			if m == pid1.KindReset {
				b.reset()
			}
		}
		closeAll(files)
	}
}

// prepare enters the root and readies what the first Start needs.
func (b *box) prepare() error {
	// Nobody inside may look into or trace this process.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return wrap("undumpable", err)
	}
	unix.Umask(0o022)
	m, files, err := b.socket.Receive()
	closeAll(files)
	if err == io.EOF {
		unix.Exit(exitOrphan)
	}
	order, ok := m.(pid1.Prepare)
	if err != nil || !ok {
		return &fault{"receive preparation", unix.EBADMSG}
	}
	network, err := unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return wrap("open network namespace", err)
	}
	defer unix.Close(network)
	if err := enterTree(); err != nil {
		return err
	}
	preference, err := openPreference()
	if err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(order.Hostname)); err != nil {
		return wrap("sethostname", err)
	}
	if err := nullStandardFiles(); err != nil {
		return wrap("reopen standard files", err)
	}
	if b.launcher, err = newLauncher(order, preference); err != nil {
		return err
	}
	return wrap("send", b.socket.Send(pid1.KindReady, network))
}

// nullStandardFiles lets go of the last references to the host's mounts.
func nullStandardFiles() error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	for fd := range 3 {
		if err := unix.Dup3(null, fd, 0); err != nil {
			return err
		}
	}
	return nil
}

// start makes the mounts and starts the process. Its lock is held until the
// answer is sent, so that the answer is always before the news of the end.
func (b *box) start(m pid1.Start, files []int) {
	b.mu.Lock()
	pid, err := b.launch(m, files)
	if err != nil {
		answer := failed(err)
		answer.Exec = answer.Operation == operationExec
		_ = b.socket.Send(answer) // the next Receive tells if the daemon is gone
		b.mu.Unlock()
		return
	}
	b.running[pid] = struct{}{}
	b.forks++
	b.idle = false
	_ = b.socket.Send(pid1.Started{PID: pid})
	b.changed.Broadcast()
	bare := b.bare
	b.bare = true
	b.mu.Unlock()
	if !bare {
		// After the answer, for it takes a millisecond of signals to all threads.
		dropPrivileges()
	}
}

func (b *box) launch(m pid1.Start, files []int) (int, error) {
	given := 0
	for _, present := range m.Present {
		if present {
			given++
		}
	}
	mounts := len(m.Targets)
	if m.Root {
		mounts++
	}
	if len(files) != mounts+given {
		return 0, &fault{"count descriptors", unix.EBADMSG}
	}
	rest := files
	if m.Root {
		if err := replaceRoot(rest[0]); err != nil {
			return 0, err
		}
		rest = rest[1:]
	}
	for i, target := range m.Targets {
		if err := unix.MoveMount(rest[i], "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return 0, &fault{"mount at " + target, err}
		}
	}
	for _, l := range m.Limits {
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: l.Value, Max: l.Value}); err != nil {
			return 0, &fault{"set resource limit", err}
		}
	}
	return b.launcher.start(m, rest[len(m.Targets):])
}

// signal reaches the group of a process that is not reaped yet: after that its
// number may be another's.
func (b *box) signal(m pid1.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, found := b.running[m.PID]; found {
		_ = unix.Kill(-m.PID, unix.Signal(m.Number)) // it may have ended just now
	}
}

// reset kills every process but this one, and removes what they shared and the
// kernel would keep without them. The kernel sends to all of them under
// the lock that a fork needs, so that none slips through.
func (b *box) reset() {
	_ = unix.Kill(-1, unix.SIGKILL) // an error means that there is none
	b.mu.Lock()
	for !b.idle {
		b.changed.Wait()
	}
	b.mu.Unlock()
	if err := removeIPC(b.launcher.uid); err != nil {
		_ = b.socket.Send(failed(err))
		return
	}
	_ = b.socket.Send(pid1.KindDone)
}

// reap waits for children, adopted ones too, and tells of those that were
// started.
func (b *box) reap() {
	for {
		b.mu.Lock()
		for b.idle {
			b.changed.Wait()
		}
		forks := b.forks
		b.mu.Unlock()
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		b.mu.Lock()
		if err == unix.ECHILD && forks == b.forks {
			b.idle = true
			b.changed.Broadcast()
		}
		if _, found := b.running[pid]; err == nil && found {
			delete(b.running, pid)
			_ = b.socket.Send(pid1.Exited{PID: pid, Status: uint32(status)})
		}
		b.mu.Unlock()
	}
}
