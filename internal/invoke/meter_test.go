package invoke_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/environment"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/telemetry"
)

// meter keeps what it is told, in short.
type meter struct {
	mu   sync.Mutex
	told []string
	at   []time.Time
}

func (m *meter) Measure(one telemetry.Measure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, fmt.Sprintf("%s %s:%s(%s) %g", one.Metric, one.Function, one.Qualifier, one.ExecutedVersion, one.Value))
	m.at = append(m.at, one.At)
}

// reporting answers with a report, after Invoke has returned, as environments do when
// extensions go on.
type reporting struct {
	env
	report telemetry.Report
	failed bool
	err    error
	ended  sync.WaitGroup
}

func (e *reporting) Invoke(_ context.Context, inv lambda.Invocation, _ bool, w environment.Watch) (lambda.Result, error) {
	if e.err != nil {
		w.Free(false)
		return lambda.Result{}, e.err
	}
	e.ended.Go(func() {
		w.Reported(e.report, e.failed)
		w.Free(true)
	})
	return lambda.Result{Payload: inv.Payload}, nil
}

// TestMetering: what is measured of an invocation, and what is not.
func TestMetering(t *testing.T) {
	took := telemetry.ReportMetrics{DurationMs: telemetry.Milliseconds(1500 * time.Microsecond)}
	for name, c := range map[string]struct {
		env  *reporting
		ref  lambda.Ref
		dry  bool
		want []string
	}{
		"well": {
			&reporting{report: telemetry.Report{Metrics: took}}, lambda.Ref{Name: "f"}, false,
			[]string{"Duration f:($LATEST) 1.5", "Errors f:($LATEST) 0", "Invocations f:($LATEST) 1", "Throttles f:($LATEST) 0"},
		},
		"failed": {
			&reporting{report: telemetry.Report{Metrics: took}, failed: true}, lambda.Ref{Name: "f", Qualifier: lambda.Latest}, false,
			[]string{"Duration f:$LATEST($LATEST) 1.5", "Errors f:$LATEST($LATEST) 1", "Invocations f:$LATEST($LATEST) 1", "Throttles f:$LATEST($LATEST) 0"},
		},
		"with extensions": {
			&reporting{report: telemetry.Report{Metrics: took, Spans: []telemetry.Span{telemetry.NewSpan("extensionOverhead", time.Now(), 250*time.Microsecond)}}},
			lambda.Ref{Name: "f"}, false,
			[]string{
				"Duration f:($LATEST) 1.5", "Errors f:($LATEST) 0", "Invocations f:($LATEST) 1",
				"PostRuntimeExtensionsDuration f:($LATEST) 0.25", "Throttles f:($LATEST) 0",
			},
		},
		"no function":        {&reporting{}, lambda.Ref{Name: "none"}, false, nil},
		"a dry run":          {&reporting{}, lambda.Ref{Name: "f"}, true, nil},
		"the platform fails": {&reporting{err: errors.New("no sandbox")}, lambda.Ref{Name: "f"}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, &env{seen: func(lambda.Invocation) error { return nil }})
			pools := pool.New(pool.Options{
				New:    func(context.Context, string, *lambda.Version, string) (pool.Environment, error) { return c.env, nil },
				Logger: slog.New(slog.DiscardHandler),
			})
			defer pools.Close(context.Background())
			var m meter
			s := invoke.New(invoke.Options{Catalog: f.catalog, Pools: pools, Scope: lambda.DefaultScope, Meter: &m})
			began := time.Now()
			_, _ = s.Invoke(t.Context(), invoke.Request{Ref: c.ref, DryRun: c.dry}) // what it answers is tested elsewhere
			c.env.ended.Wait()
			slices.Sort(m.told)
			if diff := cmp.Diff(c.want, m.told); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, at := range m.at {
				if at.Before(began) || at.After(time.Now()) || !at.Equal(m.at[0]) {
					t.Errorf("measured at %v, begun at %v", m.at, began)
				}
			}
		})
	}
}

// TestThrottlesAreMeasured: a refused invocation is a throttle and nothing else.
func TestThrottlesAreMeasured(t *testing.T) {
	f := open(t, &env{seen: func(lambda.Invocation) error { return nil }})
	entered, release := make(chan struct{}), make(chan struct{})
	pools := pool.New(pool.Options{
		AccountLimit: 1, Logger: slog.New(slog.DiscardHandler),
		New: func(context.Context, string, *lambda.Version, string) (pool.Environment, error) {
			return &env{seen: func(lambda.Invocation) error { close(entered); <-release; return nil }}, nil
		},
	})
	defer pools.Close(context.Background())
	var m meter
	s := invoke.New(invoke.Options{Catalog: f.catalog, Pools: pools, Scope: lambda.DefaultScope, Meter: &m})
	var running sync.WaitGroup
	running.Go(func() { _, _ = s.Invoke(context.Background(), invoke.Request{Ref: lambda.Ref{Name: "f"}}) })
	<-entered
	_, err := s.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f"}})
	if told := new(lambda.Error); !errors.As(err, &told) || told.Code != lambda.CodeTooManyRequests {
		t.Errorf("the second is answered with %v", err)
	}
	close(release)
	running.Wait()
	if diff := cmp.Diff([]string{"Throttles f:($LATEST) 1"}, m.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
