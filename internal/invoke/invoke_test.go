package invoke_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/environment"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/store/memory"
	"thaw/internal/telemetry/trace"
)

// env answers with what it was given.
type env struct {
	seen func(lambda.Invocation) error
	init func()
}

func (e *env) Init(context.Context) error {
	if e.init != nil {
		e.init()
	}
	return nil
}
func (e *env) Ready() bool                    { return true }
func (e *env) Freeze() error                  { return nil }
func (e *env) Shutdown(context.Context) error { return nil }

func (e *env) Invoke(_ context.Context, inv lambda.Invocation, _ bool, w environment.Watch) (lambda.Result, error) {
	err := e.seen(inv)
	w.Free(err == nil)
	return lambda.Result{Payload: inv.Payload}, err
}

type fixture struct {
	catalog *catalog.Catalog
	service *invoke.Service
	record  catalog.Record
	pools   *pool.Pools
}

// with is a service that leaves chance to the test.
func (f *fixture) with(random func() float64) *invoke.Service {
	return invoke.New(invoke.Options{Catalog: f.catalog, Pools: f.pools, Scope: lambda.DefaultScope, Random: random})
}

func open(t *testing.T, e *env) *fixture {
	t.Helper()
	f := &fixture{}
	var err error
	if f.catalog, err = catalog.Open(t.Context(), memory.New().Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	pools := pool.New(pool.Options{
		New:    func(context.Context, string, *lambda.Version, string) (pool.Environment, error) { return e, nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	f.pools = pools
	cancel := f.catalog.Subscribe(func(r catalog.Record, deleted bool) {
		if deleted {
			pools.Changed(r.Function.Name, nil)
		}
	})
	t.Cleanup(func() {
		cancel()
		pools.Close(context.Background())
		f.catalog.Close()
	})
	f.service = invoke.New(invoke.Options{Catalog: f.catalog, Pools: pools, Scope: lambda.DefaultScope})
	active := lambda.Status{State: lambda.StateActive}
	f.record, err = f.catalog.PutFunction(t.Context(), &lambda.Function{
		Name:   "f",
		Latest: lambda.Version{Number: lambda.Latest, Status: active},
		Versions: []lambda.Version{{Number: "1", Status: active}, {Number: "2", Status: lambda.Status{State: lambda.StatePending}},
			{Number: "3", Status: active, Tracing: lambda.TracingActive}},
		Aliases: []lambda.Alias{{Name: "live", Version: "1"},
			{Name: "shifting", Version: "1", Additional: &lambda.WeightedVersion{Number: "3", Weight: 0.3}},
			{Name: "pending", Version: "1", Additional: &lambda.WeightedVersion{Number: "2", Weight: 0.5}}},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWalk(t *testing.T) {
	var got lambda.Invocation
	f := open(t, &env{seen: func(inv lambda.Invocation) error { got = inv; return nil }})
	_, err := f.service.Invoke(t.Context(), invoke.Request{
		Ref: lambda.Ref{Name: "f", Qualifier: "1"}, RequestID: "id", Payload: []byte("{}"),
		ContentType: "application/json", ClientContext: "{}", Trace: trace.Accepted{Header: "Root=1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := lambda.Invocation{
		RequestID: "id", ARN: "arn:aws:lambda:us-east-1:000000000000:function:f:1", TraceID: "Root=1",
		ClientContext: "{}", ContentType: "application/json", Payload: []byte("{}"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTracing: a function with active tracing has a segment of its own if the
// trace is sampled; others pass on what they are given.
func TestTracing(t *testing.T) {
	const root = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8"
	for name, test := range map[string]struct {
		version  string
		accepted trace.Accepted
		segment  bool
	}{
		"active, sampled":       {"3", trace.Accepted{Header: root + ";Sampled=1"}, true},
		"active, left open":     {"3", trace.Accepted{Header: root + ";Sampled=0", Undecided: true}, true}, // the first of its second
		"active, not sampled":   {"3", trace.Accepted{Header: root + ";Sampled=0"}, false},
		"passing, sampled":      {"1", trace.Accepted{Header: root + ";Sampled=1"}, false},
		"passing, left open":    {"1", trace.Accepted{Header: root + ";Sampled=0", Undecided: true}, false},
		"active, what is no id": {"3", trace.Accepted{Header: "Root=1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var got lambda.Invocation
			f := open(t, &env{seen: func(inv lambda.Invocation) error { got = inv; return nil }})
			r, err := f.service.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f", Qualifier: test.version}, Trace: test.accepted})
			if err != nil {
				t.Fatal(err)
			}
			if !test.segment {
				if got.TraceID != test.accepted.Header || got.SegmentID != "" || got.CallerTraceID != "" || r.TraceID != "" {
					t.Errorf("%+v, answered with %q; want what was given", got, r.TraceID)
				}
				return
			}
			h, ok := trace.Parse(got.TraceID)
			if !ok || h.Get(trace.Sampled) != "1" || h.Get(trace.Parent) != got.SegmentID || r.TraceID != got.TraceID {
				t.Errorf("the function gets %q, the caller %q, the segment is %q", got.TraceID, r.TraceID, got.SegmentID)
			}
			if got.CallerTraceID != root+";Sampled=1" {
				t.Errorf("the caller's is %q", got.CallerTraceID)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	f := open(t, &env{seen: func(lambda.Invocation) error { t.Error("invoked"); return nil }})
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:"
	for _, c := range []struct {
		ref           lambda.Ref
		code, message string
	}{
		{lambda.Ref{Name: "g"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "g:$LATEST"},
		{lambda.Ref{Name: "f", Qualifier: "7"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "f:7"},
		{lambda.Ref{Name: "f", Qualifier: "none"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "f:none"},
		{lambda.Ref{Name: "f", Qualifier: "2"}, lambda.CodeResourceConflict, ""},
	} {
		_, err := f.service.Invoke(t.Context(), invoke.Request{Ref: c.ref})
		var e *lambda.Error
		if !errors.As(err, &e) || e.Code != c.code || c.message != "" && e.Message != c.message {
			t.Errorf("%+v: %v, want %s %s", c.ref, err, c.code, c.message)
		}
	}
}

func TestDryRunRunsNothing(t *testing.T) {
	f := open(t, &env{seen: func(lambda.Invocation) error { t.Error("invoked"); return nil }})
	r, err := f.service.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f", Qualifier: "1"}, DryRun: true})
	if err != nil || r.ExecutedVersion != "1" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEventOfAnEnvironmentThatIsGoneGoesToAnother(t *testing.T) {
	tries := 0
	f := open(t, &env{seen: func(lambda.Invocation) error {
		if tries++; tries < 3 {
			return fmt.Errorf("%w: died", environment.ErrGone)
		}
		return nil
	}})
	if _, err := f.service.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f"}}); err != nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
	f = open(t, &env{seen: func(lambda.Invocation) error { return environment.ErrGone }})
	if _, err := f.service.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f"}}); !errors.Is(err, environment.ErrGone) {
		t.Errorf("an environment that is always gone: %v", err)
	}
}

func TestFunctionDeletedDuringItsStartIsNotFound(t *testing.T) {
	var f *fixture
	var e env
	e.seen = func(lambda.Invocation) error { t.Error("invoked"); return nil }
	e.init = func() {
		if err := f.catalog.DeleteFunction(context.Background(), "f", f.record.Revision); err != nil {
			t.Error(err)
		}
	}
	f = open(t, &e)
	_, err := f.service.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f"}})
	var told *lambda.Error
	if !errors.As(err, &told) || told.Code != lambda.CodeResourceNotFound {
		t.Errorf("Invoke: %v, want ResourceNotFoundException", err)
	}
}

func TestCallerWhoHangsUpCancelsNothing(t *testing.T) {
	var ran atomic.Bool
	ctx, hangUp := context.WithCancel(t.Context())
	f := open(t, &env{
		init: func() { hangUp(); time.Sleep(time.Millisecond) },
		seen: func(lambda.Invocation) error { ran.Store(true); return nil },
	})
	if _, err := f.service.Invoke(ctx, invoke.Request{Ref: lambda.Ref{Name: "f"}}); err != nil || !ran.Load() {
		t.Errorf("%v, ran: %v", err, ran.Load())
	}
}
