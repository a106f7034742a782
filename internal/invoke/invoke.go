// Package invoke is the walk of one invocation: from a function's name and
// qualifier to the environment that runs it. Synchronous, asynchronous and
// polled events all come through here.
//
// It owns no state. What it needs to know it reads from the catalogue's read
// model, so that a warm invocation touches neither disk nor store.
package invoke

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/trace"
)

// Request is one event for one function.
type Request struct {
	// Ref names the function; its qualifier is the caller's, wherever he wrote it.
	Ref           lambda.Ref
	RequestID     string
	Payload       []byte
	ContentType   string
	ClientContext string // decoded JSON
	Trace         trace.Accepted
	// LogTail asks for the end of the log with the answer.
	LogTail bool
	// DryRun checks everything and runs nothing.
	DryRun bool
	// Event tells that it can come again later: it waits for no room on the host, but
	// is answered with pool.ErrBusy.
	Event bool
}

// Options is what a Service works with.
type Options struct {
	Catalog *catalog.Catalog
	Pools   *pool.Pools
	Scope   lambda.Scope
	// Sampler decides about traces that callers leave open; nil is one that goes by
	// the clock.
	Sampler *trace.Sampler
	// Random draws the version of an alias that has two: a number from 0 to below 1,
	// for many at the same time. Nil is the program's own source.
	Random func() float64
	// Meter counts invocations; nil means that nobody does.
	Meter telemetry.Meter
}

// Service runs invocations.
type Service struct {
	opts Options
}

// New makes a Service.
func New(opts Options) *Service {
	if opts.Sampler == nil {
		opts.Sampler = trace.NewSampler(time.Now, rand.Float64)
	}
	if opts.Random == nil {
		opts.Random = rand.Float64
	}
	return &Service{opts: opts}
}

// maxTries bounds how often an event goes to another environment because the one
// it was meant for was gone.
const maxTries = 3

// Invoke runs one invocation to its answer. Errors are *lambda.Error where the
// caller is to know; a function's own failure is a result. An invocation that was
// begun ends even if its caller hangs up.
func (s *Service) Invoke(ctx context.Context, req Request) (lambda.Result, error) {
	ctx = context.WithoutCancel(ctx)
	lot := lot{random: s.opts.Random}
	m := s.metering(&req)
	for try := 1; ; try++ {
		v, err := s.resolve(req.Ref, &lot)
		if err != nil {
			return lambda.Result{}, err
		}
		if req.DryRun {
			return lambda.Result{ExecutedVersion: v.Number}, nil
		}
		if err := s.unlooped(&req, m); err != nil {
			return lambda.Result{}, err
		}
		result, err := s.run(ctx, v, &req, m)
		again := errors.Is(err, pool.ErrRetired) || errors.Is(err, pool.ErrGone)
		if !again || try == maxTries {
			return result, err
		}
	}
}

// run gives the event to an environment of the version.
func (s *Service) run(ctx context.Context, v *lambda.Version, req *Request, m metering) (lambda.Result, error) {
	m.ExecutedVersion = v.Number
	acquire := s.opts.Pools.Acquire
	if req.Event {
		acquire = s.opts.Pools.TryAcquire
	}
	lease, err := acquire(ctx, req.Ref.Name, v)
	if err != nil {
		m.refused(err)
		return lambda.Result{}, err
	}
	m.admitted(lease)
	inv := lambda.Invocation{
		RequestID:     req.RequestID,
		ARN:           s.opts.Scope.FunctionARN(req.Ref.Name, req.Ref.Qualifier),
		TraceID:       req.Trace.Header,
		ClientContext: req.ClientContext,
		ContentType:   req.ContentType,
		Payload:       req.Payload,
	}
	traced := false
	if v.Tracing == lambda.TracingActive {
		var segment trace.Segment
		if segment, traced = trace.Activate(req.Trace, s.opts.Sampler); traced {
			inv.TraceID, inv.SegmentID, inv.CallerTraceID = segment.Runtime, segment.ID, segment.Caller
		}
	}
	result, err := lease.Invoke(ctx, inv, req.LogTail)
	if traced {
		result.TraceID = inv.TraceID
	}
	return result, err
}

// lot is what chance says about one invocation: the same, however often its
// version is looked up.
type lot struct {
	random func() float64
	drawn  bool
	value  float64
}

func (l *lot) draw() float64 {
	if !l.drawn {
		l.value, l.drawn = l.random(), true
	}
	return l.value
}

// resolve finds the version that runs.
func (s *Service) resolve(ref lambda.Ref, l *lot) (*lambda.Version, error) {
	record, ok := s.opts.Catalog.Function(ref.Name)
	if !ok {
		return nil, s.notFound(ref)
	}
	f := record.Function
	v := f.Version(ref.Qualifier)
	if v == nil {
		if a := f.Alias(ref.Qualifier); a != nil {
			v = f.Version(a.Route(l.draw))
		}
	}
	if v == nil {
		return nil, s.notFound(ref)
	}
	switch v.Status.State {
	case lambda.StatePending, lambda.StateFailed:
		return nil, lambda.Errorf(lambda.CodeResourceConflict,
			"The operation cannot be performed at this time. The function is currently in the following state: %s", v.Status.State)
	}
	return v, nil
}

// notFound names the function qualified, as Invoke always does.
func (s *Service) notFound(ref lambda.Ref) *lambda.Error {
	qualifier := ref.Qualifier
	if qualifier == "" {
		qualifier = lambda.Latest
	}
	return lambda.Errorf(lambda.CodeResourceNotFound, "Function not found: %s", s.opts.Scope.FunctionARN(ref.Name, qualifier))
}
