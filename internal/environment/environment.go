package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/logs"
)

// Options is what an environment is made to. All of it is fixed for its life.
type Options struct {
	Function string
	Version  *lambda.Version
	Scope    lambda.Scope
	Runtime  runtimes.Runtime
	CodeRoot string // host directory to be /var/task
	// Layers are the host directories of the function's layers in its order: they
	// are merged at /opt, the later one winning.
	Layers []string
	// InitType is why it is made, as telemetry names it; on demand if empty. An init
	// that nobody waits for may take longer.
	InitType string

	Driver sandbox.Driver
	Inside Inside // nil: nothing but the Runtime API
	Logs   logs.Sink
	// OldLogStyle writes text logs as they were before REPORT had a status.
	OldLogStyle bool
	// Observe, if set, is told every event; see logs.StreamOptions.
	Observe func(telemetry.Event)
	// Account, if set, is given the report of each invocation, and whether its caller
	// got a function error. It must not block.
	Account func(report telemetry.Report, failed bool)
	Logger  *slog.Logger
}

// Environment is one execution environment.
type Environment struct {
	opts          Options
	id            string
	metadataToken string
	table         transitions
	logger        *slog.Logger
	stream        *logs.Stream

	// running counts invocations until their environment is free, which is after
	// Invoke has returned: what follows a response and resets are part of them.
	running sync.WaitGroup
	// life is what runs now, or ran last; nil before the first init. It is read
	// where mu may be held.
	life atomic.Pointer[life]
	torn sync.Once // taken down

	mu      sync.Mutex
	state   State
	box     sandbox.Sandbox
	guest   Guest
	capture *logs.Capture
	pens    *pens
	// initTook is the length of an init that no invocation has reported yet.
	initTook time.Duration
}

// New makes an environment in which nothing runs yet.
func New(opts Options) *Environment {
	if opts.InitType == "" {
		opts.InitType = telemetry.OnDemand
	}
	id := lambda.NewUUID()
	v := opts.Version
	e := &Environment{
		opts:          opts,
		id:            id,
		metadataToken: lambda.NewUUID(),
		table:         lifeCycle,
		logger:        opts.Logger.With("environment", id, "function", opts.Function, "version", v.Number),
	}
	e.stream = logs.Open(logs.StreamOptions{
		Sink: opts.Logs, Group: v.Logging.Group, Name: logs.StreamName(time.Now(), v.Logging.Group, opts.Function, v.Number, id),
		Format: v.Logging.Format, SystemLevel: v.Logging.SystemLevel, ApplicationLevel: v.Logging.ApplicationLevel,
		OldStyle: opts.OldLogStyle, Observe: e.observe,
	})
	return e
}

// observe passes an event on to those who follow the environment. It is called
// under the stream's lock.
func (e *Environment) observe(ev telemetry.Event) {
	if e.opts.Observe != nil {
		e.opts.Observe(ev)
	}
	if l := e.life.Load(); l != nil {
		l.relay.Publish(ev)
	}
}

// ID names the environment in logs.
func (e *Environment) ID() string { return e.id }

// State is where the environment stands now.
func (e *Environment) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Ready tells that an invocation would begin at once: nothing has ended since the
// init, and none is needed.
func (e *Environment) Ready() bool {
	if state := e.State(); state != Idle && state != Frozen {
		return false
	}
	l := e.life.Load()
	return l != nil && !l.dead()
}

// to takes one step of the transition table.
func (e *Environment) to(ev event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	state, err := e.table.next(e.state, ev)
	if err != nil {
		return err
	}
	e.state = state
	return nil
}

// build makes the sandbox and puts the code in it.
func (e *Environment) build(ctx context.Context) error {
	r := e.opts.Version.Resources
	box, err := e.opts.Driver.Create(ctx, sandbox.Spec{ID: e.id, Root: e.opts.Runtime.Root, Limits: sandbox.Limits{
		MemoryBytes: int64(r.MemoryMB) << 20,
		CPUMilli:    e.burst(),
		TmpBytes:    int64(r.EphemeralStorageMB) << 20,
		OpenFiles:   lambda.MaxOpenFiles,
		Processes:   lambda.MaxProcesses,
	}})
	if err != nil {
		return err
	}
	guest, err := e.openInside(ctx, box)
	if err != nil {
		return errors.Join(err, box.Destroy(ctx))
	}
	capture, pens, err := e.openLog(box)
	if err != nil {
		return errors.Join(err, box.Destroy(ctx), guest.Close())
	}
	mounts := []sandbox.Mount{{Sources: []string{e.opts.CodeRoot}, Target: "/var/task", Own: true}}
	if len(e.opts.Layers) > 0 {
		layers := slices.Clone(e.opts.Layers)
		slices.Reverse(layers) // of a mount's sources the first wins
		mounts = append(mounts, sandbox.Mount{Sources: layers, Target: "/opt", Own: true})
	}
	for _, m := range e.opts.Runtime.Mounts {
		mounts = append(mounts, sandbox.Mount{Sources: []string{m.Source}, Target: m.Target})
	}
	if err := box.Attach(ctx, mounts...); err != nil {
		return errors.Join(err, pens.Close(), capture.Close(), box.Destroy(ctx), guest.Close())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state == Down { // shut down while it was being built
		return errors.Join(errDown, pens.Close(), capture.Close(), box.Destroy(ctx), guest.Close())
	}
	e.box, e.guest, e.capture, e.pens = box, guest, capture, pens
	return nil
}

// openLog opens the two pipes that what runs inside writes to.
func (e *Environment) openLog(box sandbox.Sandbox) (*logs.Capture, *pens, error) {
	outputReader, output, err := box.Pipe()
	if err != nil {
		return nil, nil, err
	}
	framesReader, frames, err := box.Pipe()
	if err != nil {
		outputReader.Close()
		output.Close()
		return nil, nil, err
	}
	return e.stream.Capture(outputReader, framesReader), &pens{output, frames}, nil
}

// pens are the writing ends of the log's pipes. They are kept open so that a
// runtime can be started again after a reset.
type pens struct {
	output, frames io.WriteCloser
}

func (p *pens) Close() error {
	return errors.Join(p.output.Close(), p.frames.Close())
}

// cpuMilli is the CPU share that goes with a function's memory.
func cpuMilli(memoryMB int) int { return memoryMB * 1000 / lambda.MemoryPerCPU }

// initCPUMilli is the share of the init phase, whatever the memory: the service
// lets functions start with a burst, so that a small one does not start slowly.
const initCPUMilli = 2000

// burst is the CPU share of an init, a suppressed one too: at the share of 128 MB
// a runtime that starts in half a second would not start within a timeout of three.
func (e *Environment) burst() int {
	return max(cpuMilli(e.opts.Version.Resources.MemoryMB), initCPUMilli)
}

// ErrGone is matched by errors of Invoke that came before the event was given to
// the runtime, because the sandbox is no more: it can go to another environment.
var ErrGone = errors.New("environment is gone")

var errDown = errors.New("environment is shut down")

// reset ends everything inside, as o has it, and makes the environment ready for
// another init. On an error the environment is of no further use.
func (e *Environment) reset(ctx context.Context, o occasion) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	e.mu.Lock()
	e.wake()
	e.initTook = 0
	e.mu.Unlock()
	if err := e.to(fails); err != nil {
		return err
	}
	l := e.life.Load()
	l.bid(ctx, o)
	err := e.box.Reset(ctx)
	l.close(ctx)
	if err != nil {
		return fmt.Errorf("reset environment %s: %w", e.id, err)
	}
	e.capture.Cut()
	return e.to(resets)
}

// cleanupTimeout bounds what must be done after a failure.
const cleanupTimeout = 10 * time.Second

// Shutdown ends the environment and frees what it had. What runs is given the time
// that the plan of farewells has for it; an invocation that runs ends as if the
// runtime had been killed.
func (e *Environment) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	e.mu.Lock()
	before := e.state
	state, err := e.table.next(before, shutsDown)
	if err == nil {
		e.wake()
		e.state = state
	}
	built := e.box != nil
	e.mu.Unlock()
	if err != nil || before == Down || !built {
		return err
	}
	e.torn.Do(func() { err = e.end(ctx) })
	if err != nil {
		return fmt.Errorf("shut down environment %s: %w", e.id, err)
	}
	return nil
}

// end takes down what build has made.
func (e *Environment) end(ctx context.Context) error {
	l := e.life.Load()
	if l != nil {
		l.bid(ctx, spindown)
	}
	err := e.box.Destroy(ctx)
	if l != nil {
		l.fail(killed()) // who still waits for an init or an answer waits in vain
	}
	e.running.Wait()
	l.close(ctx)
	return errors.Join(err, e.guest.Close(), e.pens.Close(), e.capture.Close())
}
