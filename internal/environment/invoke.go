package environment

import (
	"context"
	"errors"
	"fmt"
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
}

// Invoke runs one invocation and returns as soon as the runtime has responded;
// with tail set, when the environment is free, because the log ends only then. A
// function's failure is a result; an error means that the platform failed.
//
// ctx does not end an invocation: the service runs on when its caller hangs up.
func (e *Environment) Invoke(ctx context.Context, inv lambda.Invocation, tail bool, watch Watch) (lambda.Result, error) {
	r := &run{env: e, inv: &inv, tail: tail, watch: watch, began: time.Now()}
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
	initTook time.Duration
	attempt  *attempt
	exchange *runtimeapi.Exchange
	deadline *time.Timer
	late     chan struct{} // closed at the deadline
	// failed is how the runtime's answer was bad; nil if it was not.
	failed *failure

	stage atomic.Int32
	ended chan []byte // takes the log's tail, if somebody waits for it
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
	r.deadline = time.AfterFunc(time.Until(r.inv.Deadline), func() { r.expire(ctx) })
	failed, err := r.hand(ctx)
	if errors.Is(err, runtimeapi.ErrNotReady) {
		failed, err = r.handAgain(ctx)
	}
	if err != nil {
		r.deadline.Stop()
		if r.begun {
			r.close(r.report())
		}
		return lambda.Result{}, err
	}
	if failed == nil {
		failed = r.await()
	}
	if failed != nil {
		return r.fail(ctx, failed), nil
	}
	return r.respond(ctx), nil
}

// hand gives the event to the runtime, after another init where one is needed.
// An error that matches ErrGone leaves the event to another environment.
func (r *run) hand(ctx context.Context) (*failure, error) {
	if err := r.revive(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	if r.env.State() == Uninitialised {
		failed, err := r.env.suppressedInit(ctx, r.inv.Deadline)
		if failed != nil || err != nil {
			r.begin()
			return failed, err
		}
	}
	return nil, r.deliver()
}

// handAgain is hand after the runtime went away although it had asked for an
// event; or after it has let the deadline pass without reading the event.
func (r *run) handAgain(ctx context.Context) (*failure, error) {
	select {
	case <-r.late:
		return timedOut(r.env.opts.Version.Resources.Timeout), nil
	default:
	}
	if err := r.env.reset(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	return r.hand(ctx)
}

// begin writes START, once.
func (r *run) begin() {
	if !r.begun {
		if r.tail {
			r.env.stream.BeginTail()
		}
		r.env.stream.Emit(telemetry.Start{RequestID: r.inv.RequestID, Version: r.env.opts.Version.Number})
		r.begun = true
	}
}

// close writes END and REPORT, and returns the tail, if it was asked for.
func (r *run) close(report telemetry.Report) []byte {
	r.env.stream.Emit(telemetry.End{RequestID: r.inv.RequestID})
	r.env.stream.Emit(report)
	return r.env.stream.Tail()
}

// free lets the environment go.
func (r *run) free(reusable bool) {
	r.env.running.Done()
	r.watch.Free(reusable)
}

// revive resets an environment whose runtime ended while it was idle.
func (r *run) revive(ctx context.Context) error {
	e := r.env
	e.mu.Lock()
	a := e.runtime
	ready := (e.state == Idle || e.state == Frozen) && a != nil
	e.mu.Unlock()
	if !ready {
		return nil
	}
	select {
	case <-a.process.Exited():
		e.logger.Debug("runtime ended while idle")
		return e.reset(ctx)
	default:
		return nil
	}
}

// deliver hands the event to the runtime.
func (r *run) deliver() error {
	var err error
	if r.attempt, r.initTook, err = r.env.occupy(); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	r.begin()
	x, err := r.attempt.api.Deliver(*r.inv)
	if err != nil {
		return err
	}
	r.exchange = x
	return nil
}

// await waits for the runtime's answer, until the deadline or its end.
func (r *run) await() *failure {
	responded := r.exchange.Responded()
	select {
	case <-responded:
		return nil
	case <-r.attempt.process.Exited():
		settle(responded)
		select {
		case <-responded:
			return nil
		default:
			return exited(r.attempt.process.Status())
		}
	case <-r.late:
		return timedOut(r.env.opts.Version.Resources.Timeout)
	}
}

// expire is the deadline. It frees an invoker that is stuck with an event which
// the runtime does not read.
func (r *run) expire(ctx context.Context) {
	close(r.late)
	if r.stage.Load() == stageWaiting {
		r.env.mu.Lock()
		a := r.env.runtime
		r.env.mu.Unlock()
		if a != nil {
			a.api.Cut()
		}
	}
	r.conclude(ctx, timedOut(r.env.opts.Version.Resources.Timeout))
}

// respond makes the result of an invocation that the runtime has answered. What
// comes after goes on behind the caller's back, unless the caller wants the log.
func (r *run) respond(ctx context.Context) lambda.Result {
	result := r.result(r.exchange.Outcome())
	if r.tail {
		r.ended = make(chan []byte, 1)
	} else {
		r.watch.Responded()
	}
	r.drain(ctx)
	if r.tail {
		result.LogTail = <-r.ended
	}
	return result
}

// drain lets the run end by itself: when the runtime asks for the next event, at
// the deadline, or with the runtime's process.
func (r *run) drain(ctx context.Context) {
	r.attempt.draining.Store(r)
	r.stage.Store(stageDraining)
	select { // what came before the stage was changed has found nothing to do
	case <-r.late:
		r.conclude(ctx, timedOut(r.env.opts.Version.Resources.Timeout))
	case <-r.attempt.process.Exited():
		r.abandon()
	default:
	}
	r.exchange.WhenIdle(func() { r.conclude(ctx, nil) })
}

// abandon ends a run whose runtime has ended after its answer, unless its request
// for the next event is still on its way to us.
func (r *run) abandon() {
	time.AfterFunc(settleTime, func() {
		r.conclude(context.Background(), exited(r.attempt.process.Status()))
	})
}

// conclude ends a draining run, once.
func (r *run) conclude(ctx context.Context, failed *failure) {
	if !r.stage.CompareAndSwap(stageDraining, stageEnded) {
		return
	}
	r.attempt.draining.Store(nil) // or the event would be kept until the next one
	var tail []byte
	if failed != nil {
		if r.failed != nil && r.failed.body == nil {
			failed = r.failed // the first failure counts: a runtime may exit for its sake
		}
		tail = r.end(ctx, failed)
	} else {
		tail = r.finish()
	}
	if r.ended != nil {
		r.ended <- tail
	}
}

// result turns what the runtime posted into what the caller gets.
func (r *run) result(o runtimeapi.Outcome) lambda.Result {
	switch {
	case o.Failure != nil:
		r.failed = posted(o.Failure)
	case o.TooLarge > 0:
		r.failed = &failure{errorType: typeTooLarge, status: statusError, message: fmt.Sprintf(
			"Response payload size exceeded maximum allowed payload size (%d bytes).", lambda.MaxResponsePayload)}
	case o.Truncated:
		r.failed = &failure{errorType: typeTruncated, status: statusError, message: "Response was truncated"}
	case o.BadMode:
		r.failed = &failure{errorType: typeBadMode, status: statusError, message: "Invalid response mode header"}
	default:
		return lambda.Result{Payload: o.Payload}
	}
	return lambda.Result{
		Payload:       r.failed.payload(r.inv.RequestID),
		FunctionError: lambda.Unhandled,
		ErrorType:     r.failed.errorType,
	}
}

// finish writes the end of the log and lets the environment go.
func (r *run) finish() []byte {
	e := r.env
	r.deadline.Stop()
	report := r.report()
	if failed := r.failed; failed != nil && failed.body == nil {
		// What the function itself reports is no failure of its environment, and
		// REPORT does not show it.
		report.Status, report.ErrorType = failed.status, failed.errorType
	}
	e.capture.Flush()
	tail := r.close(report)
	err := e.to(invokeEnds)
	r.free(err == nil)
	return tail
}

// fail ends an invocation that the runtime did not answer.
func (r *run) fail(ctx context.Context, f *failure) lambda.Result {
	return lambda.Result{
		LogTail:       r.end(ctx, f),
		Payload:       f.payload(r.inv.RequestID),
		FunctionError: lambda.Unhandled,
		ErrorType:     f.errorType,
	}
}

// resetGrace is how long the caller of a failed invocation waits for the reset,
// which usually takes milliseconds. So his next invocation finds this environment
// free, with what it has in /tmp, and no other one is started beside it.
const resetGrace = time.Second

// end writes the end of a failed invocation's log and resets the environment; a
// reset that takes long goes on behind the caller's back.
func (r *run) end(ctx context.Context, f *failure) []byte {
	e := r.env
	e.capture.Flush()
	if record := f.record(r.inv.RequestID); record != nil {
		e.stream.Emit(record)
	}
	report := r.report()
	report.Status = f.status
	if f.status != statusTimeout {
		report.ErrorType = f.errorType
	}
	tail := r.close(report)
	r.deadline.Stop()
	done := make(chan struct{})
	go func() { // ends before running does
		defer close(done)
		err := e.reset(ctx)
		if err != nil {
			e.logger.Debug("environment not reset", "error", err)
		}
		r.free(err == nil)
	}()
	grace := time.NewTimer(resetGrace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
	}
	return tail
}

func (r *run) report() telemetry.Report {
	e := r.env
	var peak int64
	if bytes, err := e.box.MemoryPeak(); err == nil {
		peak = bytes
	}
	v := e.opts.Version.Resources
	return telemetry.Report{
		RequestID: r.inv.RequestID,
		Status:    telemetry.Success,
		Metrics:   telemetry.NewReportMetrics(time.Since(r.began), r.initTook, v.Timeout, v.MemoryMB, peak),
	}
}
