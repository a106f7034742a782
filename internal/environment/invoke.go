package environment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/runtimeapi"
	"thaw/internal/telemetry"
)

// Watch is how the owner of an environment follows one invocation.
type Watch struct {
	// Responded is called when the caller has its answer while the environment is
	// still busy. It is not called if both come together.
	Responded func()
	// Free is called exactly once, when the environment can take the next
	// invocation, or, with reusable false, when it has to be shut down.
	Free func(reusable bool)
	// Reported, if set, is given the report of the invocation, before Free, and
	// whether its caller was, or should have been, told of a failure.
	Reported func(report telemetry.Report, failed bool)
}

// Invoke runs one invocation and returns as soon as the runtime has responded;
// with tail set, when the environment is free, because the log ends only then. A
// function's failure is a result; an error means that the platform failed.
//
// ctx does not end an invocation: the service runs on when its caller hangs up.
func (e *Environment) Invoke(ctx context.Context, inv lambda.Invocation, tail bool, watch Watch) (lambda.Result, error) {
	r := &run{env: e, inv: &inv, tail: tail, watch: watch, began: time.Now()}
	if tail {
		r.over = make(chan struct{})
	}
	r.inv.Deadline = r.began.Add(e.opts.Version.Resources.Timeout)
	e.mu.Lock()
	down := e.state == Down
	if !down {
		e.running.Add(1)
	}
	e.mu.Unlock()
	if down {
		watch.Free(false)
		return lambda.Result{}, fmt.Errorf("%w: %w", ErrGone, errDown)
	}
	result, err := r.invoke(ctx)
	if err != nil {
		r.free(false)
		return lambda.Result{}, fmt.Errorf("invoke in environment %s: %w", e.id, err)
	}
	result.ExecutedVersion = e.opts.Version.Number
	return result, nil
}

// run is one invocation in one environment.
type run struct {
	env   *Environment
	inv   *lambda.Invocation
	tail  bool
	watch Watch
	began time.Time

	begun    bool // START is written
	tailed   bool // the tail is begun
	tracing  *telemetry.Tracing
	initTook time.Duration
	life     *life
	exchange *runtimeapi.Exchange
	deadline *time.Timer
	late     chan struct{} // closed at the deadline
	// failed is how the runtime's answer was bad; nil if it was not.
	failed *failure

	stage    atomic.Int32
	reported sync.Once     // of the runtime's part
	produced int           // bytes of its answer
	over     chan struct{} // with tail: closed when the log has its end
	logTail  []byte        // valid once over is closed
	reset    chan struct{} // valid then: closed after the reset; nil if there is none
}

// The stages of a run: until the answer somebody waits in Invoke, who also sees
// to failures; then nobody does, and whatever comes first ends the run.
const (
	stageWaiting = iota
	stageDraining
	stageEnded
)

func (r *run) invoke(ctx context.Context) (lambda.Result, error) {
	r.late = make(chan struct{})
	r.deadline = time.AfterFunc(time.Until(r.inv.Deadline), r.expire)
	failed, err := r.hand(ctx)
	if errors.Is(err, runtimeapi.ErrNotReady) {
		failed, err = r.handAgain(ctx)
	}
	if err != nil {
		r.deadline.Stop()
		if r.begun {
			r.close(r.report(time.Now()))
		}
		return lambda.Result{}, err
	}
	if failed == nil {
		failed = r.await()
	}
	if failed != nil {
		return r.fail(failed), nil
	}
	return r.respond(), nil
}

// hand gives the event to the runtime, after another init where one is needed.
// An error that matches ErrGone leaves the event to another environment.
func (r *run) hand(ctx context.Context) (*failure, error) {
	if err := r.revive(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	if r.env.State() == Uninitialised {
		r.beginTail()
		failed, err := r.env.suppressedInit(ctx, r.inv.Deadline)
		if failed != nil || err != nil {
			r.begin()
			return failed, err
		}
	}
	return nil, r.deliver()
}

// handAgain is hand after the runtime or an extension went away although it had
// asked for an event; or after it has let the deadline pass without reading it.
func (r *run) handAgain(ctx context.Context) (*failure, error) {
	if isClosed(r.late) {
		return r.timedOut(), nil
	}
	if err := r.env.reset(ctx, afterFailure); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	return r.hand(ctx)
}

func (r *run) timedOut() *failure {
	f := timedOut(r.env.opts.Version.Resources.Timeout)
	f.at = r.inv.Deadline
	return f
}

// free lets the environment go.
func (r *run) free(reusable bool) {
	r.env.running.Done()
	r.watch.Free(reusable)
}

// revive resets an environment in which something ended while it was idle.
func (r *run) revive(ctx context.Context) error {
	e := r.env
	if state := e.State(); state != Idle && state != Frozen {
		return nil
	}
	if !e.life.Load().dead() {
		return nil
	}
	e.logger.Debug("process ended while idle")
	return e.reset(ctx, afterFailure)
}

// deliver hands the event to the runtime.
func (r *run) deliver() error {
	var err error
	if r.life, r.initTook, err = r.env.occupy(); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	r.begin()
	x, err := r.life.api.Deliver(*r.inv)
	if err != nil {
		return err
	}
	r.exchange = x
	return nil
}

// await waits for the runtime's answer, until the deadline or a failure.
func (r *run) await() *failure {
	responded := r.exchange.Responded()
	select {
	case <-responded:
		return nil
	case <-r.life.over:
	case <-r.late:
	}
	switch {
	case isClosed(responded): // it came first, or at the same moment
		return nil
	case isClosed(r.life.over):
		return r.life.fault
	default:
		return r.timedOut()
	}
}

// expire is the deadline. It frees an invoker that is stuck with an event which
// the runtime does not read.
func (r *run) expire() {
	close(r.late)
	if r.stage.Load() == stageWaiting {
		if l := r.env.life.Load(); l != nil {
			l.api.Cut()
		}
	}
	r.conclude(r.timedOut())
}

// respond makes the result of an invocation that the runtime has answered. What
// comes after goes on behind the caller's back, unless the caller wants the log.
func (r *run) respond() lambda.Result {
	outcome := r.exchange.Outcome()
	result := r.result(outcome)
	r.produced = len(outcome.Payload)
	if outcome.Failure != nil {
		r.produced = len(outcome.Failure.Body)
	}
	if !r.tail {
		r.watch.Responded()
	}
	r.drain()
	if r.tail {
		<-r.over
		result.LogTail = r.logTail
		r.awaitReset()
	}
	return result
}

// drain lets the run end by itself: when the runtime and the extensions have asked
// for the next event, at the deadline, or with the first failure.
func (r *run) drain() {
	r.life.draining.Store(r)
	r.stage.Store(stageDraining)
	// What came before the stage was changed has found nothing to do.
	switch {
	case isClosed(r.late):
		r.conclude(r.timedOut())
	case isClosed(r.life.over):
		r.conclude(r.life.fault)
	}
	if r.life.told {
		r.exchange.WhenRuntimeDone(func() {
			r.life.flush()
			r.runtimeDone(nil)
		})
	}
	r.exchange.WhenIdle(func() { r.conclude(nil) })
}

// conclude ends a draining run, once.
func (r *run) conclude(failed *failure) {
	if !r.stage.CompareAndSwap(stageDraining, stageEnded) {
		return
	}
	r.life.draining.Store(nil) // or the event would be kept until the next one
	if failed == nil {
		r.finish()
		return
	}
	if r.failed != nil && r.failed.body == nil {
		first := *r.failed // it counts: a runtime may exit for its sake
		first.at = failed.at
		failed = &first
	}
	r.end(failed)
}

// result turns what the runtime posted into what the caller gets.
func (r *run) result(o runtimeapi.Outcome) lambda.Result {
	switch {
	case o.Failure != nil:
		r.failed = posted(o.Failure)
	case o.TooLarge > 0:
		r.failed = &failure{errorType: typeTooLarge, status: telemetry.Error, message: fmt.Sprintf(
			"Response payload size exceeded maximum allowed payload size (%d bytes).", lambda.MaxResponsePayload)}
	case o.Truncated:
		r.failed = &failure{errorType: typeTruncated, status: telemetry.Error, message: "Response was truncated"}
	case o.BadMode:
		r.failed = &failure{errorType: typeBadMode, status: telemetry.Error, message: "Invalid response mode header"}
	default:
		return lambda.Result{Payload: o.Payload}
	}
	return r.answer(r.failed)
}

// answer is what the caller of a failed invocation gets.
func (r *run) answer(f *failure) lambda.Result {
	return lambda.Result{
		Payload:       f.payload(r.inv.RequestID),
		FunctionError: lambda.Unhandled,
		ErrorType:     f.errorType,
	}
}

// finish writes the end of the log and lets the environment go.
func (r *run) finish() {
	e := r.env
	r.deadline.Stop()
	r.life.flush()
	r.runtimeDone(nil)
	report := r.report(time.Now())
	if failed := r.failed; failed != nil && failed.body == nil {
		// What the function itself reports is no failure of its environment, and
		// REPORT does not show it.
		report.Status, report.ErrorType = failed.status, failed.errorType
	}
	r.logTail = r.close(report)
	err := e.to(invokeEnds)
	r.logEnds()
	r.free(err == nil)
}

// fail ends an invocation that the runtime did not answer.
func (r *run) fail(f *failure) lambda.Result {
	r.end(f)
	result := r.answer(f)
	result.LogTail = r.logTail
	r.awaitReset()
	return result
}
