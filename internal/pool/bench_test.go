package pool_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/pool"
)

// instant is an environment that takes no time.
type instant struct{}

func (instant) Init(context.Context) error     { return nil }
func (instant) Ready() bool                    { return true }
func (instant) Freeze() error                  { return nil }
func (instant) Shutdown(context.Context) error { return nil }
func (instant) Invoke(_ context.Context, inv lambda.Invocation, _ bool, w environment.Watch) (lambda.Result, error) {
	w.Responded()
	w.Free(true)
	return lambda.Result{}, nil
}

// draining is an environment that is free a little after its answer.
type draining struct{ instant }

func (draining) Invoke(_ context.Context, inv lambda.Invocation, _ bool, w environment.Watch) (lambda.Result, error) {
	w.Responded()
	go w.Free(true)
	return lambda.Result{}, nil
}

// BenchmarkWarm is what a warm invocation costs in the pool.
func BenchmarkWarm(b *testing.B) { warm(b, instant{}, 1) }

// BenchmarkCrowd is what it costs where sixteen callers for each CPU find
// environments that are about to be free.
func BenchmarkCrowd(b *testing.B) { warm(b, draining{}, 16) }

func warm(b *testing.B, env pool.Environment, callers int) {
	p := pool.New(pool.Options{
		New: func(context.Context, string, *lambda.Version, string) (pool.Environment, error) {
			return env, nil
		},
		RequestRate: 1 << 20, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	defer p.Close(context.Background())
	v := &lambda.Version{Number: lambda.Latest, LastModified: time.Now()}
	b.SetParallelism(callers)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l, err := p.Acquire(b.Context(), "f", v)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := l.Invoke(b.Context(), lambda.Invocation{}, false); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
