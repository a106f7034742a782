package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"thaw/internal/sandbox"
)

// Process is a program's view of itself, and its starter's handle.
type Process struct {
	Args []string
	Env  []string
	Dir  string
	// Stdout, Stderr and Files are the given ones behind the freezer's gate;
	// what was not given swallows everything.
	Stdout, Stderr io.Writer
	Files          []io.Writer

	box       *Sandbox
	ctx       context.Context
	cancel    context.CancelFunc
	signals   chan os.Signal
	exited    chan struct{}
	outputs   []io.Closer // of this process's own
	oomBefore int64       // the sandbox's OOM kills when it started

	mu      sync.Mutex
	handles map[os.Signal]bool
	killed  syscall.Signal // 0 while it was not
	conns   map[net.Conn]struct{}
	status  sandbox.ExitStatus // valid once exited is closed
}

var _ sandbox.Running = (*Process)(nil)

// errKilled is what a killed program's calls return.
var errKilled = errors.New("process killed")

func newProcess(s *Sandbox, spec sandbox.Process, oomBefore int64) (*Process, error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Process{
		Args: spec.Args, Env: spec.Env, Dir: spec.Dir,
		box: s, ctx: ctx, cancel: cancel, oomBefore: oomBefore,
		signals: make(chan os.Signal, 16),
		exited:  make(chan struct{}),
		handles: map[os.Signal]bool{},
		conns:   map[net.Conn]struct{}{},
	}
	var err error
	take := func(w io.WriteCloser) io.Writer {
		own, derr := duplicate(w)
		if derr != nil {
			err = derr
			return nil
		}
		p.outputs = append(p.outputs, own)
		return gatedWriter{p, own}
	}
	p.Stdout, p.Stderr = take(spec.Stdout), take(spec.Stderr)
	for _, f := range spec.Files {
		p.Files = append(p.Files, take(f))
	}
	if err != nil {
		cancel()
		p.closeOutputs()
		return nil, err
	}
	return p, nil
}

// duplicate returns a descriptor of the program's own, as a fork makes it: the
// caller may close his.
func duplicate(w io.WriteCloser) (io.WriteCloser, error) {
	switch w := w.(type) {
	case nil:
		return discard{}, nil
	case *pipeWriter:
		return w.dup(), nil
	case *os.File:
		fd, err := syscall.Dup(int(w.Fd()))
		if err != nil {
			return nil, fmt.Errorf("duplicate descriptor: %w", err)
		}
		return os.NewFile(uintptr(fd), w.Name()), nil
	default:
		return nil, fmt.Errorf("descriptor of type %T: %w", w, errors.ErrUnsupported)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }

func (p *Process) closeOutputs() {
	for _, w := range p.outputs {
		w.Close()
	}
}

func (p *Process) run(program Program) {
	code := 0
	if p.Wait() == nil {
		code = program(p.ctx, p)
	}
	p.cancel()
	p.cut()
	p.closeOutputs()
	s := p.box
	s.mu.Lock()
	delete(s.processes, p)
	oom := s.usage.OOMKills > p.oomBefore
	s.mu.Unlock()
	p.mu.Lock()
	p.status = sandbox.ExitStatus{Code: code, OutOfMemory: oom}
	if p.killed != 0 {
		p.status.Code, p.status.Signal = 0, int(p.killed)
	}
	p.mu.Unlock()
	close(p.exited)
}

// Wait returns at once unless the sandbox is frozen; then when it is thawed. Its
// error says that the program was killed.
func (p *Process) Wait() error {
	if p.box.gate.wait(p.ctx) != nil {
		return errKilled
	}
	return nil
}

// Dial connects to a listener of the same sandbox, the driver's user's or a
// program's.
func (p *Process) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := p.Wait(); err != nil {
		return nil, err
	}
	conn, err := p.box.network.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return p.own(conn)
}

// Listen accepts connections from programs of the same sandbox and from its
// Dial. The listener is the program's to close.
func (p *Process) Listen(network, address string) (net.Listener, error) {
	if err := p.Wait(); err != nil {
		return nil, err
	}
	return p.box.network.listen(network, address)
}

// Notify makes the given signals arrive on the channel instead of ending the
// program, as a signal handler does. SIGKILL cannot be caught.
func (p *Process) Notify(signals ...os.Signal) <-chan os.Signal {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range signals {
		p.handles[s] = s != syscall.SIGKILL
	}
	return p.signals
}

// RunOutOfMemory is the kernel killing this program for its sandbox's memory
// limit. The program must return then.
func (p *Process) RunOutOfMemory() {
	p.box.mu.Lock()
	p.box.usage.OOMKills++
	p.box.mu.Unlock()
	p.kill(syscall.SIGKILL)
}

// Exited is closed when the program has returned.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Status tells how it ended.
func (p *Process) Status() sandbox.ExitStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Signal delivers to Notify's channel, or kills. A program that is slow to take
// its signals loses those beyond sixteen.
func (p *Process) Signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signal %v: %w", sig, errors.ErrUnsupported)
	}
	p.mu.Lock()
	handled := p.handles[sig]
	p.mu.Unlock()
	if !handled {
		p.kill(s)
		return nil
	}
	select {
	case p.signals <- sig:
	default:
	}
	return nil
}

func (p *Process) kill(sig syscall.Signal) {
	p.mu.Lock()
	if p.killed == 0 && p.ctx.Err() == nil {
		p.killed = sig
	}
	p.mu.Unlock()
	p.cancel()
	p.cut()
}

// own wraps a connection so that it dies with the program and stops at the gate.
func (p *Process) own(conn net.Conn) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		conn.Close()
		return nil, errKilled
	}
	p.conns[conn] = struct{}{}
	return &gatedConn{Conn: conn, p: p}, nil
}

func (p *Process) disown(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

// cut closes the connections that are left.
func (p *Process) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
	clear(p.conns)
}

type gatedWriter struct {
	p *Process
	w io.Writer
}

func (g gatedWriter) Write(b []byte) (int, error) {
	if err := g.p.Wait(); err != nil {
		return 0, err
	}
	return g.w.Write(b)
}

type gatedConn struct {
	net.Conn
	p *Process
}

// Read waits at the gate after the data came, so that bytes sent to a frozen
// program are seen when it is thawed.
func (c *gatedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if gerr := c.p.Wait(); gerr != nil {
		return 0, gerr
	}
	return n, err
}

func (c *gatedConn) Write(b []byte) (int, error) {
	if err := c.p.Wait(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *gatedConn) Close() error {
	c.p.disown(c.Conn)
	return c.Conn.Close()
}
