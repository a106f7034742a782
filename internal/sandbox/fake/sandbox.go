package fake

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"

	"thaw/internal/sandbox"
)

// Sandbox is one box in memory. Besides the sandbox's roles it has what tests
// steer it with: Die, SetUsage, and the views Spec, Mounts, Frozen, Processes.
type Sandbox struct {
	driver  *Driver
	spec    sandbox.Spec
	network *network
	gate    *gate
	done    chan struct{}

	mu        sync.Mutex
	mounts    []sandbox.Mount
	processes map[*Process]struct{}
	usage     sandbox.Usage
	freezes   int
	dead      bool
}

var _ sandbox.Sandbox = (*Sandbox)(nil)

func newSandbox(d *Driver, spec sandbox.Spec) *Sandbox {
	return &Sandbox{
		driver:    d,
		spec:      spec,
		network:   newNetwork(),
		gate:      newGate(),
		done:      make(chan struct{}),
		processes: map[*Process]struct{}{},
	}
}

// ID returns the name that the sandbox was created with.
func (s *Sandbox) ID() string { return s.spec.ID }

// Spec returns what the sandbox was created with.
func (s *Sandbox) Spec() sandbox.Spec { return s.spec }

// Mounts returns what was attached.
func (s *Sandbox) Mounts() []sandbox.Mount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mounts)
}

// Frozen tells whether the sandbox is frozen now.
func (s *Sandbox) Frozen() bool { return s.gate.shut() }

// Freezes counts the transitions from thawed to frozen.
func (s *Sandbox) Freezes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freezes
}

// Processes counts the programs that run.
func (s *Sandbox) Processes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.processes)
}

// SetUsage sets what Usage returns, its OOMKills excepted: those are counted.
func (s *Sandbox) SetUsage(u sandbox.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.OOMKills = s.usage.OOMKills
	s.usage = u
}

// Die ends the sandbox as the death of its PID 1 does: all programs are killed
// and Done is closed; Destroy is still due.
func (s *Sandbox) Die() {
	s.mu.Lock()
	if s.dead {
		s.mu.Unlock()
		return
	}
	s.dead = true
	s.mu.Unlock()
	s.kill()
	s.network.close()
	close(s.done)
}

// Attach records the mounts.
func (s *Sandbox) Attach(_ context.Context, mounts ...sandbox.Mount) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return fmt.Errorf("attach: %w", sandbox.ErrDestroyed)
	}
	s.mounts = append(s.mounts, mounts...)
	return nil
}

// Start runs the program whose path is spec's.
func (s *Sandbox) Start(ctx context.Context, spec sandbox.Process) (sandbox.Running, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %q: %w", spec.Path, err)
	}
	program, found := s.driver.options.Programs[spec.Path]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, fmt.Errorf("start %q: %w", spec.Path, sandbox.ErrDestroyed)
	}
	if errno, refused := s.driver.options.ExecErrors[spec.Path]; refused {
		return nil, sandbox.ExecError(errno)
	}
	if !found {
		return nil, sandbox.ExecError(syscall.ENOENT)
	}
	p, err := newProcess(s, spec, s.usage.OOMKills)
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", spec.Path, err)
	}
	s.processes[p] = struct{}{}
	go p.run(program)
	return p, nil
}

// Pipe returns an in-memory pipe that holds up to 64 KiB, as the kernel's does.
func (s *Sandbox) Pipe() (sandbox.PipeReader, io.WriteCloser, error) {
	r, w := newPipe()
	return r, w, nil
}

// Listen accepts what programs dial.
func (s *Sandbox) Listen(_ context.Context, network, address string) (net.Listener, error) {
	return s.network.listen(network, address)
}

// Dial connects to what a program listens at.
func (s *Sandbox) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.network.dial(ctx, network, address)
}

// Freeze holds every program at its next step.
func (s *Sandbox) Freeze() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return fmt.Errorf("freeze: %w", sandbox.ErrDestroyed)
	}
	if s.gate.close() {
		s.freezes++
	}
	return nil
}

// Thaw lets them go on.
func (s *Sandbox) Thaw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return fmt.Errorf("thaw: %w", sandbox.ErrDestroyed)
	}
	s.gate.open()
	return nil
}

// Usage returns what SetUsage has set.
func (s *Sandbox) Usage() (sandbox.Usage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return sandbox.Usage{}, fmt.Errorf("usage: %w", sandbox.ErrDestroyed)
	}
	return s.usage, nil
}

// MemoryPeak returns what SetUsage has set.
func (s *Sandbox) MemoryPeak() (int64, error) {
	u, err := s.Usage()
	return u.MemoryPeakBytes, err
}

// LimitCPU records the share; Spec shows it.
func (s *Sandbox) LimitCPU(milli int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return fmt.Errorf("limit cpu: %w", sandbox.ErrDestroyed)
	}
	s.spec.Limits.CPUMilli = milli
	return nil
}

// Reset kills the programs, waits for them and thaws.
func (s *Sandbox) Reset(ctx context.Context) error {
	s.mu.Lock()
	dead := s.dead
	s.mu.Unlock()
	if dead {
		return fmt.Errorf("reset: %w", sandbox.ErrDestroyed)
	}
	if err := s.await(ctx, s.kill()); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	s.gate.open()
	return nil
}

// Destroy kills the programs and waits for them.
func (s *Sandbox) Destroy(ctx context.Context) error {
	s.Die()
	s.driver.forget(s)
	if err := s.await(ctx, s.kill()); err != nil {
		return fmt.Errorf("destroy: %w", err)
	}
	return nil
}

// Done is closed by Die and Destroy.
func (s *Sandbox) Done() <-chan struct{} { return s.done }

// kill sends SIGKILL to all programs and returns those it has found.
func (s *Sandbox) kill() []*Process {
	s.mu.Lock()
	var found []*Process
	for p := range s.processes {
		found = append(found, p)
	}
	s.mu.Unlock()
	for _, p := range found {
		p.kill(syscall.SIGKILL)
	}
	return found
}

func (s *Sandbox) await(ctx context.Context, processes []*Process) error {
	for _, p := range processes {
		select {
		case <-p.exited:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// gate is what frozen programs wait at.
type gate struct {
	mu   sync.Mutex
	pass chan struct{} // closed while open
}

func newGate() *gate {
	g := &gate{pass: make(chan struct{})}
	close(g.pass)
	return g
}

func (g *gate) shut() bool {
	select {
	case <-g.passage():
		return false
	default:
		return true
	}
}

func (g *gate) passage() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pass
}

// close reports whether the gate was open.
func (g *gate) close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.pass:
		g.pass = make(chan struct{})
		return true
	default:
		return false
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.pass:
	default:
		close(g.pass)
	}
}

// wait returns once the gate is open, or ctx's error.
func (g *gate) wait(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		pass := g.passage()
		select {
		case <-pass:
			return nil
		case <-ctx.Done():
		}
	}
}
