package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/logs"
)

// initLimit bounds the init phase. Where nobody waits for it, it may take as long
// as an invocation, and 130 seconds in any case.
func initLimit(initType string, timeout time.Duration) time.Duration {
	if initType == telemetry.OnDemand {
		return lambda.InitTimeout
	}
	return min(max(timeout, preparedInitTimeout), lambda.MaxTimeout)
}

const preparedInitTimeout = 130 * time.Second

// Init makes the sandbox and runs the init phase. An init that fails is not an
// error: it is logged, and run again by the first invocation, whose result it
// then is. An error means that no sandbox could be had; the environment is of no
// further use.
func (e *Environment) Init(ctx context.Context) error {
	if err := e.build(ctx); err != nil {
		return fmt.Errorf("build environment %s: %w", e.id, err)
	}
	ctx, cancel := context.WithTimeout(ctx, initLimit(e.opts.InitType, e.opts.Version.Resources.Timeout))
	defer cancel()
	failed, err := e.init(ctx, telemetry.PhaseInit)
	if err != nil {
		return err
	}
	if failed != nil {
		return e.reset(ctx, failedInit)
	}
	return nil
}

// suppressedInit runs the init again inside an invocation, bounded by the
// function's own deadline.
func (e *Environment) suppressedInit(ctx context.Context, deadline time.Time) (*failure, error) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	failed, err := e.init(ctx, telemetry.PhaseInvoke)
	if failed != nil && failed.status == telemetry.Timeout {
		failed = timedOut(e.opts.Version.Resources.Timeout)
		failed.at = deadline
	}
	return failed, err
}

// init runs one init, until ctx ends, and reports it. failed tells why it did not
// succeed; err, that the sandbox is at fault.
func (e *Environment) init(ctx context.Context, phase string) (failed *failure, err error) {
	if err := e.to(initBegins); err != nil {
		return nil, err
	}
	names := e.findExtensions()
	l, err := e.newLife(phase, names)
	if err != nil {
		return nil, err
	}
	e.stream.Emit(telemetry.InitStart{
		InitializationType: e.opts.InitType, Phase: phase,
		RuntimeVersion: e.opts.Runtime.Version, RuntimeVersionARN: e.opts.Runtime.VersionARN,
		FunctionName: e.opts.Function, FunctionVersion: e.opts.Version.Number,
		InstanceMaxMemory: int64(e.opts.Version.Resources.MemoryMB) << 20,
	})
	if phase == telemetry.PhaseInvoke { // the first one has it from the start
		if err := e.box.LimitCPU(e.burst()); err != nil {
			l.close(ctx)
			return nil, fmt.Errorf("begin the burst of environment %s: %w", e.id, err)
		}
	}
	failed, err = l.init(ctx, names)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		failed, err = initTimedOut(), nil // while the sandbox was at work
	}
	if err != nil {
		l.close(ctx)
		return nil, err
	}
	took := failed.moment().Sub(l.began)
	l.report(failed, took)
	if failed != nil {
		return failed, nil
	}
	if err := e.box.LimitCPU(cpuMilli(e.opts.Version.Resources.MemoryMB)); err != nil {
		return nil, fmt.Errorf("end the burst of environment %s: %w", e.id, err)
	}
	if phase == telemetry.PhaseInit && e.opts.InitType == telemetry.OnDemand {
		e.mu.Lock()
		e.initTook = took // for the REPORT of the first invocation
		e.mu.Unlock()
	}
	return nil, e.to(initEnds)
}

// init is the sequence of the init phase.
func (l *life) init(ctx context.Context, names []string) (*failure, error) {
	listener, err := l.env.box.Listen(ctx, "tcp4", RuntimeAPIAddress)
	if err != nil {
		return nil, fmt.Errorf("listen in environment %s: %w", l.env.id, err)
	}
	l.served.Go(func() { l.api.Serve(listener) })
	l.served.Go(l.watchReports)
	for _, step := range []func(context.Context) (*failure, error){
		func(ctx context.Context) (*failure, error) { return l.startExtensions(ctx, names) },
		l.awaiting(l.api.Registered()),
		l.startRuntime,
		l.awaiting(l.api.Started()),
		l.runtimeReady,
		l.awaiting(l.api.Ready()),
	} {
		if failed, err := step(ctx); failed != nil || err != nil {
			return failed, err
		}
	}
	extensions := l.api.Extensions()
	for _, x := range extensions {
		l.told = l.told || slices.Contains(x.Events, "INVOKE")
	}
	l.followed = len(extensions) > 0 || l.env.opts.Observe != nil || l.env.opts.Version.Logging.Format == logs.FormatJSON
	return nil, nil
}

// startExtensions starts them all; they run beside each other.
func (l *life) startExtensions(ctx context.Context, names []string) (*failure, error) {
	if len(names) > maxExtensions {
		for _, name := range names[maxExtensions:] {
			l.tell(name, stateLaunchError, "TooManyExtensions")
		}
		return tooMany(), nil
	}
	for _, name := range names {
		if failed, err := l.startExtension(ctx, name); failed != nil || err != nil {
			return failed, err
		}
	}
	return nil, nil
}

// awaiting makes the step that waits for a milestone, the first failure, or the
// end of the phase's time.
func (l *life) awaiting(milestone <-chan struct{}) func(context.Context) (*failure, error) {
	return func(ctx context.Context) (*failure, error) {
		select {
		case <-milestone:
		case <-l.over:
		case <-ctx.Done():
			if f := l.failure(); f != nil {
				return f, nil
			}
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, ctx.Err()
			}
			f := initTimedOut()
			f.at, _ = ctx.Deadline()
			return f, nil
		}
		return l.failure(), nil
	}
}

// runtimeReady tells that the runtime has done its part of the init.
func (l *life) runtimeReady(context.Context) (*failure, error) {
	l.initRuntimeDone(telemetry.Success, "")
	return nil, nil
}

func (l *life) initRuntimeDone(status, errorType string) {
	if l.initDone {
		return
	}
	l.initDone = true
	l.flush()
	l.env.stream.Emit(telemetry.InitRuntimeDone{
		InitializationType: l.env.opts.InitType, Phase: l.phase, Status: status, ErrorType: errorType,
	})
}

// report ends an init in logs and telemetry.
func (l *life) report(failed *failure, took time.Duration) {
	status, errorType := telemetry.Success, ""
	if failed != nil {
		status, errorType = failed.status, failed.errorType
		if l.runtime != nil {
			l.initRuntimeDone(status, errorType)
		}
	}
	l.flush()
	l.tellExtensions()
	l.env.stream.Emit(telemetry.InitReport{
		InitializationType: l.env.opts.InitType, Phase: l.phase, Status: status, ErrorType: errorType,
		Metrics: telemetry.InitMetrics{DurationMs: telemetry.Milliseconds(took)},
	})
}
