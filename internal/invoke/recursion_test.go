package invoke_test

import (
	"errors"
	"fmt"
	"testing"

	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/trace"
)

// counted remembers what was measured.
type counted map[telemetry.Metric]float64

func (c counted) Measure(m telemetry.Measure) { c[m.Metric] += m.Value }

func TestRecursion(t *testing.T) {
	ran := 0
	f := open(t, &env{seen: func(lambda.Invocation) error { ran++; return nil }})
	for name, c := range map[string]struct {
		hops    int
		loop    string
		refused bool
	}{
		"the first":         {0, "", false},
		"the sixteenth":     {15, "", false},
		"the seventeenth":   {16, "", true},
		"far more":          {30_000, lambda.RecursiveLoopTerminate, true},
		"allowed":           {16, lambda.RecursiveLoopAllow, false},
		"allowed for hours": {30_000, lambda.RecursiveLoopAllow, false},
	} {
		t.Run(name, func(t *testing.T) {
			fn := *f.record.Function
			fn.Configs.RecursiveLoop = c.loop
			var err error
			if f.record, err = f.catalog.PutFunction(t.Context(), &fn, f.record.Revision); err != nil {
				t.Fatal(err)
			}
			measured := counted{}
			service := invoke.New(invoke.Options{Catalog: f.catalog, Pools: f.pools, Scope: lambda.DefaultScope, Meter: measured})
			ran = 0
			_, err = service.Invoke(t.Context(), invoke.Request{
				Ref: lambda.Ref{Name: "f"}, RequestID: "id", Payload: []byte("1"),
				Trace: trace.Accepted{Header: fmt.Sprintf("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0;Lineage=1:a1b2c3d4:%d", c.hops)},
			})
			var told *lambda.Error
			refused := errors.As(err, &told) && told.Code == lambda.CodeRecursiveInvocation
			if refused != c.refused || !refused && err != nil || (ran == 0) != c.refused || (measured[telemetry.MetricRecursiveInvocationsDropped] == 1) != c.refused {
				t.Errorf("%v; ran %d times, measured %v", err, ran, measured)
			}
		})
	}
}
