package environment

import (
	"context"
	"time"

	"thaw/internal/runtimeapi"
	"thaw/internal/telemetry"
)

// begin writes START, once.
func (r *run) begin() {
	if r.begun {
		return
	}
	r.begun = true
	r.tracing = telemetry.NewTracing(r.inv.TraceID)
	if r.inv.SegmentID != "" {
		r.tracing = telemetry.NewTracing(r.inv.CallerTraceID)
		r.tracing.SpanID = r.inv.SegmentID
	}
	r.beginTail()
	r.env.stream.Emit(telemetry.Start{
		RequestID: r.inv.RequestID, Version: r.env.opts.Version.Number, FunctionARN: r.inv.ARN, Tracing: r.tracing,
	})
}

// beginTail keeps what is written from here on for the caller, if he asked for it:
// from START on, or from an init that runs before it within the invocation.
func (r *run) beginTail() {
	if r.tail && !r.tailed {
		r.tailed = true
		r.env.stream.BeginTail()
	}
}

// close writes END and REPORT, and returns the tail, if it was asked for.
func (r *run) close(report telemetry.Report) []byte {
	r.env.stream.Emit(telemetry.End{RequestID: r.inv.RequestID})
	r.env.stream.Emit(report)
	failed := r.failed != nil || report.Status != telemetry.Success
	for _, tell := range []func(telemetry.Report, bool){r.env.opts.Account, r.watch.Reported} {
		if tell != nil {
			tell(report, failed)
		}
	}
	return r.env.stream.Tail()
}

// logEnds lets the caller who waits for the log's tail go on.
func (r *run) logEnds() {
	if r.over != nil {
		close(r.over)
	}
}

// end writes the end of a failed invocation's log and resets the environment
// behind its back.
func (r *run) end(f *failure) {
	e := r.env
	r.deadline.Stop()
	if l := e.life.Load(); l != nil {
		l.flush()
	}
	if record := f.record(r.inv.RequestID); record != nil {
		e.stream.Emit(record)
	}
	r.runtimeDone(f)
	report := r.report(f.moment())
	report.Status, report.ErrorType = f.status, f.cause()
	r.logTail, r.reset = r.close(report), make(chan struct{})
	r.logEnds()
	go func() { // ends before running does
		defer close(r.reset)
		err := e.reset(context.Background(), f.ends())
		if err != nil {
			e.logger.Debug("environment not reset", "error", err)
		}
		r.free(err == nil)
	}()
}

// resetGrace is how long the caller of a failed invocation waits for the reset,
// which usually takes milliseconds. So his next invocation finds this environment
// free, with what it has in /tmp, and no other one is started beside it.
const resetGrace = time.Second

// awaitReset waits for the reset, if there is one, but not for long.
func (r *run) awaitReset() {
	if r.reset == nil {
		return
	}
	grace := time.NewTimer(resetGrace)
	defer grace.Stop()
	select {
	case <-r.reset:
	case <-grace.C:
	}
}

// runtimeDone tells, once, that the runtime's part is over: with f set, how it
// failed.
func (r *run) runtimeDone(f *failure) {
	if r.life != nil && !r.life.followed {
		return
	}
	r.reported.Do(func() {
		record := telemetry.RuntimeDone{RequestID: r.inv.RequestID, Status: telemetry.Success, Tracing: r.tracing}
		times := runtimeapi.Times{}
		if r.exchange != nil {
			times = r.exchange.Times()
		}
		produced := int64(r.produced)
		if f == nil {
			f = r.failed
			if f != nil && f.body != nil { // the runtime has done well: the handler has not
				record.FunctionError, produced, f = f.errorType, 0, nil
			}
		}
		if f != nil {
			record.Status, record.ErrorType = f.status, f.cause()
		}
		from, to := times.Delivered, times.RuntimeDone
		if to.IsZero() {
			to = f.moment()
		}
		if !from.IsZero() {
			record.Metrics.DurationMs = telemetry.Milliseconds(to.Sub(from))
		}
		if !times.Responded.IsZero() {
			record.Metrics.ProducedBytes = &produced
			record.Spans = []telemetry.Span{
				telemetry.NewSpan("responseLatency", from, times.Responding.Sub(from)),
				telemetry.NewSpan("responseDuration", times.Responding, times.Responded.Sub(times.Responding)),
				telemetry.NewSpan("runtimeOverhead", times.Responded, to.Sub(times.Responded)),
			}
		}
		r.env.stream.Emit(record)
	})
}

// report measures an invocation that ended at the given moment.
func (r *run) report(at time.Time) telemetry.Report {
	e := r.env
	var peak int64
	if bytes, err := e.box.MemoryPeak(); err == nil {
		peak = bytes
	}
	v := e.opts.Version.Resources
	report := telemetry.Report{
		RequestID: r.inv.RequestID,
		Status:    telemetry.Success,
		Metrics:   telemetry.NewReportMetrics(at.Sub(r.began), r.initTook, v.Timeout, v.MemoryMB, peak),
		Tracing:   r.tracing,
	}
	if r.life != nil && r.life.told && r.exchange != nil {
		if done := r.exchange.Times().RuntimeDone; !done.IsZero() {
			report.Spans = []telemetry.Span{telemetry.NewSpan("extensionOverhead", done, at.Sub(done))}
		}
	}
	return report
}
