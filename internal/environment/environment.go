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
	"thaw/internal/runtimeapi"
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

	Driver sandbox.Driver
	Inside Inside // nil: nothing but the Runtime API
	Logs   logs.Sink
	Logger *slog.Logger
}

// Environment is one execution environment.
type Environment struct {
	opts   Options
	id     string
	logger *slog.Logger
	stream *logs.Stream

	// running counts invocations until their environment is free, which is after
	// Invoke has returned: what follows a response and resets are part of them.
	running sync.WaitGroup

	mu      sync.Mutex
	state   State
	box     sandbox.Sandbox
	guest   Guest
	capture *logs.Capture
	pens    *pens
	runtime *attempt
	// initTook is the length of an init that no invocation has reported yet.
	initTook time.Duration
}

// attempt is one life of the runtime: its process and its side of the API. A
// reset ends it; the next init makes another.
type attempt struct {
	api     *runtimeapi.Server
	process sandbox.Running
	// draining is the run that has had its answer and is not over.
	draining atomic.Pointer[run]
	// served counts the goroutines that serve the API and watch the process.
	served sync.WaitGroup
}

// watch ends the draining run with its process.
func (a *attempt) watch() {
	<-a.process.Exited()
	if r := a.draining.Load(); r != nil {
		r.abandon()
	}
}

// New makes an environment in which nothing runs yet.
func New(opts Options) *Environment {
	id := lambda.NewUUID()
	v := opts.Version
	return &Environment{
		opts:   opts,
		id:     id,
		logger: opts.Logger.With("environment", id, "function", opts.Function, "version", v.Number),
		stream: logs.Open(logs.StreamOptions{
			Sink: opts.Logs, Group: v.Logging.Group, Name: logs.StreamName(time.Now(), v.Number, id),
			Format: v.Logging.Format, SystemLevel: v.Logging.SystemLevel, ApplicationLevel: v.Logging.ApplicationLevel,
		}),
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

// to takes one step of the transition table.
func (e *Environment) to(ev event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	state, err := next(e.state, ev)
	if err != nil {
		return err
	}
	e.state = state
	return nil
}

// Init makes the sandbox and runs the init phase. An init that fails is not an
// error: it is logged, and run again by the first invocation, whose result it
// then is. An error means that no sandbox could be had; the environment is of no
// further use.
func (e *Environment) Init(ctx context.Context) error {
	if err := e.build(ctx); err != nil {
		return fmt.Errorf("build environment %s: %w", e.id, err)
	}
	ctx, cancel := context.WithTimeout(ctx, lambda.InitTimeout)
	defer cancel()
	e.stream.Emit(telemetry.InitStart{
		InitializationType: telemetry.OnDemand, Phase: telemetry.PhaseInit,
		RuntimeVersion: e.opts.Runtime.Version, RuntimeVersionARN: e.opts.Runtime.VersionARN,
		FunctionName: e.opts.Function, FunctionVersion: e.opts.Version.Number,
	})
	began := time.Now()
	failed, err := e.init(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if err := e.box.LimitCPU(cpuMilli(e.opts.Version.Resources.MemoryMB)); err != nil {
		return fmt.Errorf("end the burst of environment %s: %w", e.id, err)
	}
	if failed == nil {
		e.mu.Lock()
		e.initTook = took
		e.mu.Unlock()
		return nil
	}
	e.logInit(took, telemetry.PhaseInit, failed)
	return e.reset(ctx)
}

// build makes the sandbox and puts the code in it.
func (e *Environment) build(ctx context.Context) error {
	r := e.opts.Version.Resources
	box, err := e.opts.Driver.Create(ctx, sandbox.Spec{ID: e.id, Root: e.opts.Runtime.Root, Limits: sandbox.Limits{
		MemoryBytes: int64(r.MemoryMB) << 20,
		CPUMilli:    max(cpuMilli(r.MemoryMB), initCPUMilli),
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
	mounts := []sandbox.Mount{{Sources: []string{e.opts.CodeRoot}, Target: "/var/task"}}
	if len(e.opts.Layers) > 0 {
		layers := slices.Clone(e.opts.Layers)
		slices.Reverse(layers) // of a mount's sources the first wins
		mounts = append(mounts, sandbox.Mount{Sources: layers, Target: "/opt"})
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

// ErrGone is matched by errors of Invoke that came before the event was given to
// the runtime, because the sandbox is no more: it can go to another environment.
var ErrGone = errors.New("environment is gone")

var errDown = errors.New("environment is shut down")

// Freeze stops everything inside until Thaw. It is for an idle environment; one
// that is not idle any more is left as it is.
func (e *Environment) Freeze() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	state, err := next(e.state, freezes)
	if err != nil || state == e.state {
		return nil
	}
	if err := e.box.Freeze(); err != nil {
		return fmt.Errorf("freeze environment %s: %w", e.id, err)
	}
	e.state = state
	return nil
}

// occupy makes an idle environment busy, thawed if it was frozen: in one step, so
// that a freeze cannot come between.
func (e *Environment) occupy() (*attempt, time.Duration, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	state, err := next(e.state, invokeBegins)
	if err != nil {
		return nil, 0, err
	}
	if e.state == Frozen {
		if err := e.box.Thaw(); err != nil {
			return nil, 0, fmt.Errorf("thaw: %w", err)
		}
	}
	e.state = state
	took := e.initTook
	e.initTook = 0
	return e.runtime, took, nil
}

// reset kills everything inside and makes the environment ready for another
// init. On an error the environment is of no further use.
func (e *Environment) reset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	e.mu.Lock()
	a, box := e.runtime, e.box
	e.runtime = nil
	e.initTook = 0
	e.mu.Unlock()
	err := box.Reset(ctx)
	a.close()
	if err != nil {
		return fmt.Errorf("reset environment %s: %w", e.id, err)
	}
	e.capture.Cut()
	return e.to(resets)
}

// cleanupTimeout bounds what must be done after a failure.
const cleanupTimeout = 10 * time.Second

// Shutdown ends the environment and frees what it had. An invocation that runs
// ends as if the runtime had been killed. Without extensions the runtime has no
// time of its own to end: it is killed at once.
func (e *Environment) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	e.mu.Lock()
	state, err := next(e.state, shutsDown)
	first := e.state != Down
	e.state = state
	box, guest, capture, pens := e.box, e.guest, e.capture, e.pens
	e.mu.Unlock()
	if err != nil || !first {
		return err
	}
	if box != nil {
		err = box.Destroy(ctx)
	}
	e.running.Wait()
	e.mu.Lock()
	a := e.runtime
	e.runtime = nil
	e.mu.Unlock()
	a.close()
	if capture != nil {
		err = errors.Join(err, guest.Close(), pens.Close(), capture.Close())
	}
	if err != nil {
		return fmt.Errorf("shut down environment %s: %w", e.id, err)
	}
	return nil
}

func (a *attempt) close() {
	if a == nil {
		return
	}
	a.api.Close()
	a.served.Wait()
}
