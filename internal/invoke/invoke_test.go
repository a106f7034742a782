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
}

func open(t *testing.T, e *env) *fixture {
	t.Helper()
	f := &fixture{}
	var err error
	if f.catalog, err = catalog.Open(t.Context(), memory.New().Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	pools := pool.New(pool.Options{
		New:    func(context.Context, string, *lambda.Version) (pool.Environment, error) { return e, nil },
		Logger: slog.New(slog.DiscardHandler),
	})
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
		Name:     "f",
		Latest:   lambda.Version{Number: lambda.Latest, Status: active},
		Versions: []lambda.Version{{Number: "1", Status: active}, {Number: "2", Status: lambda.Status{State: lambda.StatePending}}},
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
		ContentType: "application/json", ClientContext: "{}", TraceID: "Root=1",
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

func TestRefusals(t *testing.T) {
	f := open(t, &env{seen: func(lambda.Invocation) error { t.Error("invoked"); return nil }})
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:"
	for _, c := range []struct {
		ref           lambda.Ref
		code, message string
	}{
		{lambda.Ref{Name: "g"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "g:$LATEST"},
		{lambda.Ref{Name: "f", Qualifier: "7"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "f:7"},
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
