package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/pid1"
	"thaw/internal/sandbox"
)

// process is a program that was started.
type process struct {
	box      *box
	pid      int   // inside
	oomKills int64 // of the sandbox, when it was started
	exited   chan struct{}
	status   sandbox.ExitStatus // valid once exited is closed
}

var _ sandbox.Running = (*process)(nil)

// Exited is closed when the process has ended.
func (p *process) Exited() <-chan struct{} { return p.exited }

// Status tells how it ended.
func (p *process) Status() sandbox.ExitStatus { return p.status }

// Signal has PID 1 send a signal to the process's group. A frozen sandbox gets it
// when it is thawed.
func (p *process) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signal %v: %w", sig, errors.ErrUnsupported)
	}
	select {
	case <-p.exited:
		return nil
	default:
	}
	err := p.box.channel.send(pid1.Signal{PID: p.pid, Number: int(number)})
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, os.ErrClosed) {
		return nil // PID 1 is dead, and so is the process
	}
	if err != nil {
		return fmt.Errorf("signal %v: %w", sig, err)
	}
	return nil
}

func (p *process) end(status sandbox.ExitStatus) {
	p.status = status
	close(p.exited)
}

// Start passes the mounts, if it is the first, and the program to PID 1.
func (b *box) Start(ctx context.Context, spec sandbox.Process) (sandbox.Running, error) {
	files, present, err := b.descriptors(spec)
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", spec.Path, err)
	}
	p := &process{box: b, exited: make(chan struct{})}
	answer, err := b.ask(ctx, p, func() (any, []*os.File, error) {
		m, placements, err := b.startMessage(spec, present, p)
		return m, append(placements, files...), err
	})
	b.closePlaced()
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", spec.Path, err)
	}
	switch a := answer.(type) {
	case pid1.Started:
		return p, nil
	case pid1.Failed:
		if a.Exec {
			return nil, sandbox.ExecError(syscall.Errno(a.Errno))
		}
		return nil, fmt.Errorf("start %q: %w", spec.Path, remoteError(a))
	default:
		return nil, fmt.Errorf("start %q: %w", spec.Path, pid1.ErrMalformed)
	}
}

// startMessage composes the order. The first one takes the root and the mounts
// with it, which are the process's from then on, whether it starts or not.
func (b *box) startMessage(spec sandbox.Process, present []bool, p *process) (pid1.Start, []*os.File, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dying {
		return pid1.Start{}, nil, sandbox.ErrDestroyed
	}
	m := pid1.Start{
		Path: spec.Path, Args: spec.Args, Env: spec.Env, Dir: spec.Dir, Present: present,
		Limits: b.resources,
	}
	if b.started {
		kills, err := b.group.OOMKills()
		p.oomKills = kills
		return m, nil, err
	}
	var files []*os.File
	if b.root != nil {
		m.Root, files = true, append(files, b.root)
	}
	for _, place := range b.pending {
		m.Targets, files = append(m.Targets, place.target), append(files, place.mount)
	}
	if n := len(pid1.Encode(m)); n > pid1.MaxMessage {
		return m, nil, fmt.Errorf("arguments and environment of %d bytes: %w", n, unix.E2BIG)
	}
	b.started = true
	return m, files, nil
}

// closePlaced closes the mounts that have been passed on. The two that are the
// sandbox's own stay open.
func (b *box) closePlaced() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.started || b.pending == nil {
		return
	}
	for _, place := range b.pending {
		if place.mount != b.scratch.mount && place.mount != b.shm {
			place.mount.Close()
		}
	}
	b.pending = nil
	if b.root != nil {
		b.root.Close()
	}
}

// descriptors returns the files that a process gets and which of its numbers,
// from 1 on, they are for. Pipes are made its user's, or /dev/stdout could not
// be opened.
func (b *box) descriptors(spec sandbox.Process) (files []*os.File, present []bool, err error) {
	for _, w := range append([]io.WriteCloser{spec.Stdout, spec.Stderr}, spec.Files...) {
		present = append(present, w != nil)
		if w == nil {
			continue
		}
		f, ok := w.(*os.File)
		if !ok {
			return nil, nil, fmt.Errorf("descriptor of type %T: %w", w, errors.ErrUnsupported)
		}
		var stat unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
			return nil, nil, fmt.Errorf("look at descriptor: %w", err)
		}
		if stat.Mode&unix.S_IFMT == unix.S_IFIFO {
			if err := f.Chown(int(b.firstID+userID), int(b.firstID+groupID)); err != nil {
				return nil, nil, err
			}
		}
		files = append(files, f)
	}
	return files, present, nil
}

// question is a message that PID 1 answers.
type question struct {
	process   *process // of a Start
	answer    chan any
	abandoned bool // nobody waits any more
}

// ask sends what compose returns and waits for the answer, for PID 1's death or
// for ctx. One question is open at a time: an answer that nobody waits for any
// more is awaited by the next.
func (b *box) ask(ctx context.Context, p *process, compose func() (any, []*os.File, error)) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-b.turn:
	case <-b.done:
		return nil, sandbox.ErrDestroyed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q := &question{process: p, answer: make(chan any, 1)}
	if err := b.send(q, compose); err != nil {
		b.turn <- struct{}{}
		return nil, err
	}
	select {
	case a := <-q.answer:
		return a, nil
	case <-b.done:
		return nil, sandbox.ErrDestroyed
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		q.abandoned = true
		return nil, ctx.Err()
	}
}

func (b *box) send(q *question, compose func() (any, []*os.File, error)) error {
	m, files, err := compose()
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.question = q
	b.mu.Unlock()
	err = b.channel.send(m, files...)
	if err == nil {
		return nil
	}
	b.mu.Lock()
	b.question = nil
	b.mu.Unlock()
	if errors.Is(err, unix.E2BIG) {
		return err
	}
	return fmt.Errorf("%w: %w", sandbox.ErrDestroyed, err)
}

// answered hands an answer to who has asked. A process that nobody waits for any
// more is killed.
func (b *box) answered(m any) {
	b.mu.Lock()
	q := b.question
	b.question = nil
	if q == nil {
		b.mu.Unlock()
		return
	}
	started, isStart := m.(pid1.Started)
	if isStart && q.process != nil {
		q.process.pid = started.PID
		b.processes[started.PID] = q.process
	}
	abandoned := q.abandoned
	b.mu.Unlock()
	if abandoned && isStart {
		if err := q.process.Signal(syscall.SIGKILL); err != nil {
			b.driver.logger.Debug("kill abandoned process", "sandbox", b.id, "error", err)
		}
	}
	q.answer <- m
	b.turn <- struct{}{}
}

// exited ends a process that PID 1 has reaped.
func (b *box) exited(m pid1.Exited) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.processes[m.PID]
	if p == nil {
		return
	}
	delete(b.processes, m.PID)
	wait := syscall.WaitStatus(m.Status)
	status := sandbox.ExitStatus{OutOfMemory: b.outOfMemorySince(p)}
	if wait.Signaled() {
		status.Signal = int(wait.Signal())
	} else {
		status.Code = wait.ExitStatus()
	}
	p.end(status)
}

// outOfMemorySince tells whether the kernel has killed for the memory limit since
// a process was started.
func (b *box) outOfMemorySince(p *process) bool {
	kills, err := b.group.OOMKills()
	if err != nil {
		b.driver.logger.Debug("read out of memory kills", "sandbox", b.id, "error", err)
		return false
	}
	return kills > p.oomKills
}
