package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/runtimeapi"
	"thaw/internal/sandbox"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/logs"
	"thaw/internal/telemetry/relay"
)

// life is all that runs in the sandbox from an init to the reset or shutdown that
// ends it: the runtime, the extensions, and their side of the API. The next init
// makes another.
type life struct {
	env   *Environment
	phase string // of its init
	began time.Time
	api   *runtimeapi.Server
	relay *relay.Relay

	// What is started by init and read by others once init is over; mu is held while
	// something starts, which may speak before we know its process.
	mu         sync.Mutex
	runtime    sandbox.Running
	extensions []*extension
	initDone   bool // the runtime's part of init has been reported
	// told is set if extensions are told of invocations.
	told bool
	// followed is set if somebody may read what the log in text does not show.
	followed bool

	telling sync.Mutex
	toldOf  []string // extensions whose end has been told; guarded by telling

	// over is closed with the first failure, which names what befell the
	// environment: whatever follows is its consequence.
	over  chan struct{}
	fault *failure // valid once over is closed
	first sync.Once
	// ended is closed when the processes are being ended: their exits mean nothing
	// from then on.
	ended  chan struct{}
	ending atomic.Bool
	// draining is the run that has had its answer and is not over.
	draining atomic.Pointer[run]

	served sync.WaitGroup // the goroutines that serve the API and watch processes
	closed sync.Once
}

// extension is an external extension's process and what it prints.
type extension struct {
	name    string
	process sandbox.Running
	capture *logs.Capture
}

// newLife begins a life, unless the environment has been shut down: nobody would
// end it.
func (e *Environment) newLife(phase string, extensions []string) (*life, error) {
	l := &life{env: e, phase: phase, began: time.Now(), over: make(chan struct{}), ended: make(chan struct{})}
	l.relay = relay.New(relay.Options{Dial: e.box.Dial, Emit: e.stream.Emit, Logger: e.logger})
	v := e.opts.Version
	l.api = runtimeapi.New(runtimeapi.Options{
		Function: runtimeapi.FunctionInfo{
			Name: e.opts.Function, Version: v.Number, Handler: v.Handler, AccountID: e.opts.Scope.Account,
		},
		Extensions:     extensions,
		Subscriptions:  l.relay,
		OnExtension:    func(x telemetry.Extension) { e.stream.Emit(x) },
		OnSubscription: e.stream.Emit,
		Metadata:       runtimeapi.Metadata{Token: e.metadataToken, AvailabilityZoneID: zoneID(e.opts.Scope.Region)},
		Logger:         e.logger,
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state == Down {
		return nil, errDown
	}
	e.life.Store(l)
	return l, nil
}

// processes are what runs, as far as it is started.
func (l *life) processes() (runtime sandbox.Running, extensions []*extension) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runtime, l.extensions
}

// fail names what befell the environment, unless something has before, and ends
// the run that waits for nobody's answer any more.
func (l *life) fail(f *failure) {
	l.first.Do(func() {
		l.fault = f
		close(l.over)
	})
	if r := l.draining.Load(); r != nil {
		r.conclude(l.fault)
	}
}

// failure is the first failure; nil if there is none. One that was reported is
// waited for, because its process may end by itself first.
func (l *life) failure() *failure {
	if isClosed(l.api.Failed()) {
		<-l.over
	}
	if isClosed(l.over) {
		return l.fault
	}
	return nil
}

// dead tells whether something has ended that should not have.
func (l *life) dead() bool {
	runtime, extensions := l.processes()
	if isClosed(l.api.Failed()) || isClosed(l.over) || isClosed(runtime.Exited()) {
		return true
	}
	for _, x := range extensions {
		if isClosed(x.process.Exited()) {
			return true
		}
	}
	return false
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// watchReports makes a failure of what the API is told. Who reports that he cannot
// go on has to exit, and is given the time for it: he may have last words.
func (l *life) watchReports() {
	select {
	case <-l.api.Failed():
	case <-l.ended:
	}
	if !isClosed(l.api.Failed()) {
		return
	}
	fault := l.api.Fault()
	f := reported(fault)
	f.at = time.Now()
	settle := time.NewTimer(settleTime)
	defer settle.Stop()
	select {
	case <-l.processOf(fault.Source):
	case <-settle.C:
	case <-l.ended:
	}
	l.fail(f)
}

// processOf is closed when the process of the one who reports has exited; nil for
// an extension that lives in the runtime.
func (l *life) processOf(source string) <-chan struct{} {
	runtime, extensions := l.processes()
	if source == runtimeapi.SourceRuntime && runtime != nil {
		return runtime.Exited()
	}
	for _, x := range extensions {
		if x.name == source {
			return x.process.Exited()
		}
	}
	return nil
}

// settleTime is how long bytes that a process sent before it ended may still be
// on their way to us.
const settleTime = 50 * time.Millisecond

// watch makes a failure of the end of a process. What it sent before it ended is
// heard first: its answer, or its own report of why it ends.
// extension is the name of one, empty for the runtime.
func (l *life) watch(p sandbox.Running, meaning func(sandbox.ExitStatus) *failure, extension string) {
	select {
	case <-p.Exited():
	case <-l.ended:
		return
	}
	f := meaning(p.Status())
	f.at = time.Now()
	settle := time.NewTimer(settleTime)
	defer settle.Stop()
	select {
	case <-settle.C:
		if extension != "" && !isClosed(l.over) && !isClosed(l.api.Failed()) {
			l.tell(extension, stateExited, f.errorType)
		}
		l.fail(f)
	case <-l.ended:
	}
}

// startExtension starts an external extension with a pipe of its own.
func (l *life) startExtension(ctx context.Context, name string) (*failure, error) {
	reader, pen, err := l.env.box.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe of extension %q: %w", name, err)
	}
	defer pen.Close() // the process has its own
	capture := l.env.stream.CaptureExtension(reader)
	path := extensionsDir + "/" + name
	l.mu.Lock()
	defer l.mu.Unlock()
	process, err := l.env.box.Start(ctx, sandbox.Process{
		Path: path, Args: []string{path}, Env: l.env.extensionEnviron(), Dir: "/", Stdout: pen, Stderr: pen,
	})
	if err != nil {
		err = errors.Join(err, capture.Close())
		if f := notLaunched(path, err); f != nil {
			l.tell(name, stateLaunchError, launchError(err))
			return f, nil
		}
		return nil, fmt.Errorf("start extension %q in environment %s: %w", name, l.env.id, err)
	}
	l.extensions = append(l.extensions, &extension{name: name, process: process, capture: capture})
	l.served.Go(func() { l.watch(process, extensionExited, name) })
	return nil, nil
}

// startRuntime starts the runtime's process.
func (l *life) startRuntime(ctx context.Context) (*failure, error) {
	path, failed := l.env.bootstrap()
	if failed != nil {
		return failed, nil
	}
	pens := l.env.pens
	l.mu.Lock()
	defer l.mu.Unlock()
	process, err := l.env.box.Start(ctx, sandbox.Process{
		Path: path, Args: []string{path}, Env: l.env.environ(), Dir: taskDir,
		Stdout: pens.output, Stderr: pens.output, Files: []io.WriteCloser{pens.frames},
	})
	if err != nil {
		if f := notStarted(path, err); f != nil {
			return f, nil
		}
		return nil, fmt.Errorf("start runtime in environment %s: %w", l.env.id, err)
	}
	l.runtime = process
	l.served.Go(func() { l.watch(process, exited, "") })
	return nil, nil
}

// The states of extensions that the API does not know of: its own are Registered,
// Ready, InitError and ExitError.
const (
	stateLaunchError = "LaunchError"
	stateExited      = "Exited"
)

// tellExtensions tells, at the end of an init, how far the extensions have come
// whose end or failure has not been told.
func (l *life) tellExtensions() {
	l.telling.Lock()
	told := slices.Clone(l.toldOf)
	l.telling.Unlock()
	for _, x := range l.api.Extensions() {
		switch x.State {
		case "Registered", "Ready":
			if !slices.Contains(told, x.Name) {
				l.env.stream.Emit(telemetry.Extension{Name: x.Name, State: x.State, Events: x.Events})
			}
		}
	}
}

// tell tells of the state that an extension has come to, and will not leave.
func (l *life) tell(name, state, errorType string) {
	l.telling.Lock()
	l.toldOf = append(l.toldOf, name)
	l.telling.Unlock()
	events := []string{}
	for _, x := range l.api.Extensions() {
		if x.External && x.Name == name {
			events = x.Events
		}
	}
	l.env.stream.Emit(telemetry.Extension{Name: name, State: state, Events: events, ErrorType: errorType})
}

// flush takes what has been printed so far into the log.
func (l *life) flush() {
	l.env.capture.Flush()
	_, extensions := l.processes()
	for _, x := range extensions {
		x.capture.Flush()
	}
}

// close ends the API's side. All processes are dead by then.
func (l *life) close(ctx context.Context) {
	if l == nil {
		return
	}
	l.closed.Do(func() {
		if l.ending.CompareAndSwap(false, true) {
			close(l.ended)
		}
		l.relay.Close(ctx)
		if err := l.api.Close(); err != nil {
			l.env.logger.Debug("close runtime api", "error", err)
		}
		_, extensions := l.processes()
		for _, x := range extensions {
			if err := x.capture.Close(); err != nil {
				l.env.logger.Debug("close extension's log", "extension", x.name, "error", err)
			}
		}
		l.served.Wait()
	})
}
