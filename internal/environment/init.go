package environment

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"thaw/internal/runtimeapi"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/telemetry"
)

// runtimeAPIAddress is where code inside finds the Runtime API.
const runtimeAPIAddress = "169.254.100.1:9001"

// init starts the runtime and waits until it asks for its first event, until ctx
// ends. failed tells why it did not; err, that the sandbox is at fault.
func (e *Environment) init(ctx context.Context) (failed *failure, err error) {
	if err := e.to(initBegins); err != nil {
		return nil, err
	}
	a, failed, err := e.launch(ctx)
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return failed, nil
	}
	select {
	case <-a.api.Started():
	case <-a.process.Exited():
		// The process may have posted its error and exited within one breath.
		settle(a.api.Started())
	case <-ctx.Done():
		return &failure{errorType: typeUnknown, status: statusTimeout}, nil
	}
	if f := a.api.InitFailure(); f != nil {
		return posted(f), nil
	}
	select {
	case <-a.process.Exited():
		return exited(a.process.Status()), nil
	default:
	}
	return nil, e.to(initEnds)
}

// settleTime is how long bytes that a process sent before it ended may still be
// on their way to us.
const settleTime = 50 * time.Millisecond

// settle waits for a channel that is about to be closed, but not for long.
func settle(c <-chan struct{}) {
	t := time.NewTimer(settleTime)
	defer t.Stop()
	select {
	case <-c:
	case <-t.C:
	}
}

// launch opens the Runtime API inside and starts the runtime's process.
func (e *Environment) launch(ctx context.Context) (*attempt, *failure, error) {
	path, failed := e.bootstrap()
	if failed != nil {
		return nil, failed, nil
	}
	listener, err := e.box.Listen(ctx, "tcp4", runtimeAPIAddress)
	if err != nil {
		return nil, nil, fmt.Errorf("listen in environment %s: %w", e.id, err)
	}
	a := &attempt{api: runtimeapi.New(runtimeapi.Options{Logger: e.logger})}
	e.mu.Lock()
	e.runtime = a
	e.mu.Unlock()
	a.served.Go(func() { a.api.Serve(listener) })
	a.process, err = e.box.Start(ctx, sandbox.Process{
		Path:   path,
		Args:   []string{path},
		Env:    e.environ(),
		Dir:    "/var/task",
		Stdout: e.pens.output,
		Stderr: e.pens.output,
		Files:  []io.WriteCloser{e.pens.frames},
	})
	if err != nil {
		if failed := notStarted(path, err); failed != nil {
			return nil, failed, nil
		}
		return nil, nil, fmt.Errorf("start runtime in environment %s: %w", e.id, err)
	}
	a.served.Go(a.watch)
	return a, nil, nil
}

// framesFD is the descriptor of the framed log pipe inside: the first after the
// standard three.
const framesFD = 3

// framesVariable tells runtime clients of it; they take it out of the
// environment before a function sees it.
const framesVariable = "_LAMBDA_TELEMETRY_LOG_FD"

func (e *Environment) environ() []string {
	v := e.opts.Version
	env := e.opts.Runtime.Environ(runtimes.FunctionContext{
		Function:            e.opts.Function,
		Version:             v.Number,
		MemoryMB:            v.Resources.MemoryMB,
		Handler:             v.Handler,
		Region:              e.opts.Scope.Region,
		LogGroup:            v.Logging.Group,
		LogStream:           e.stream.Name(),
		LogFormat:           v.Logging.Format,
		ApplicationLogLevel: v.Logging.ApplicationLevel,
		RuntimeAPI:          runtimeAPIAddress,
		InitType:            "on-demand",
		Variables:           v.Environment,
		Services:            e.guest.Variables,
		Credentials:         e.guest.Credentials,
	})
	return append(env, framesVariable+"="+strconv.Itoa(framesFD))
}

// bootstrap finds the program to start: the first of the runtime's candidates
// that is there. The candidates are paths inside; they are looked for in the
// directories that are mounted there.
func (e *Environment) bootstrap() (string, *failure) {
	candidates := e.opts.Runtime.Bootstrap
	for _, path := range candidates {
		if root, rel, ok := e.hostPath(path); ok && existsIn(root, rel) {
			return path, nil
		}
	}
	return "", &failure{
		errorType: typeInvalidEntrypoint,
		message:   "Couldn't find valid bootstrap(s): [" + strings.Join(candidates, " ") + "]",
		status:    statusError,
	}
}

func (e *Environment) hostPath(inside string) (root, rel string, ok bool) {
	if rel, err := filepath.Rel("/var/task", inside); err == nil && filepath.IsLocal(rel) {
		return e.opts.CodeRoot, rel, true
	}
	for _, m := range e.opts.Runtime.Mounts {
		if rel, err := filepath.Rel(m.Target, inside); err == nil && filepath.IsLocal(rel) {
			return m.Source, rel, true
		}
	}
	if root := e.opts.Runtime.Root; root != "" {
		return root, strings.TrimPrefix(inside, "/"), true
	}
	return "", "", false
}

// existsIn looks for a file below root without leaving it: the tree is made by
// strangers, and a link in it may point anywhere.
func existsIn(root, rel string) bool {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.Lstat(rel)
	return err == nil
}

// logInit writes the line of an init that failed.
func (e *Environment) logInit(took time.Duration, phase string, f *failure) {
	e.capture.Flush()
	errorType := f.errorType
	if f.status == statusTimeout {
		errorType = ""
	}
	e.stream.Emit(telemetry.InitReport{
		InitializationType: telemetry.OnDemand, Phase: phase, Status: f.status, ErrorType: errorType,
		Metrics: telemetry.InitMetrics{DurationMs: telemetry.Milliseconds(took)},
	})
}

// suppressedInit runs the init again inside an invocation, bounded by the
// function's own deadline.
func (e *Environment) suppressedInit(ctx context.Context, deadline time.Time) (*failure, error) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	began := time.Now()
	failed, err := e.init(ctx)
	if err != nil && ctx.Err() != nil { // the time was up before the sandbox was ready
		failed, err = &failure{status: statusTimeout}, nil
	}
	if failed == nil {
		return nil, err
	}
	if failed.status == statusTimeout {
		failed = timedOut(e.opts.Version.Resources.Timeout)
	}
	e.logInit(time.Since(began), telemetry.PhaseInvoke, failed)
	return failed, nil
}
