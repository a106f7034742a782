package invoke_test

import (
	"errors"
	"math"
	"testing"

	"thaw/internal/environment"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
)

// routes is the version that an invocation of an alias would run, for what chance says.
func (f *fixture) routes(t *testing.T, alias string, random func() float64) (string, error) {
	t.Helper()
	service := f.service
	if random != nil {
		service = f.with(random)
	}
	r, err := service.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f", Qualifier: alias}, DryRun: true})
	return r.ExecutedVersion, err
}

func TestAliasLeadsToItsVersion(t *testing.T) {
	var got lambda.Invocation
	f := open(t, &env{seen: func(inv lambda.Invocation) error { got = inv; return nil }})
	if _, err := f.service.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f", Qualifier: "live"}}); err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:lambda:us-east-1:000000000000:function:f:live"; got.ARN != want {
		t.Errorf("the function was called by %s, want %s", got.ARN, want)
	}
	for _, test := range []struct {
		alias  string
		random float64
		want   string
	}{
		{"live", 0, "1"}, {"shifting", 0, "3"}, {"shifting", 0.2999, "3"}, {"shifting", 0.3, "1"}, {"shifting", 0.9999, "1"}, {"pending", 0.5, "1"},
	} {
		if v, err := f.routes(t, test.alias, func() float64 { return test.random }); err != nil || v != test.want {
			t.Errorf("%s, %v: version %s, want %s (%v)", test.alias, test.random, v, test.want, err)
		}
	}
	var told *lambda.Error
	if _, err := f.routes(t, "pending", func() float64 { return 0 }); !errors.As(err, &told) || told.Code != lambda.CodeResourceConflict {
		t.Errorf("a version that is not ready: %v", err)
	}
}

// TestWeights counts. By Hoeffding's inequality the share of n invocations is off
// by more than t with a probability below 2·exp(-2·n·t²): here once in 10⁹ runs.
func TestWeights(t *testing.T) {
	const n, weight = 40_000, 0.3
	bound := math.Sqrt(math.Log(2e9) / (2 * n)) // 1.6 %
	f := open(t, &env{})
	count := 0
	for range n {
		v, err := f.routes(t, "shifting", nil)
		if err != nil {
			t.Fatal(err)
		}
		if v == "3" {
			count++
		}
	}
	if share := float64(count) / n; math.Abs(share-weight) > bound {
		t.Errorf("%v of the invocations went to the additional version, want %v ± %v", share, weight, bound)
	}
}

// TestChanceIsAskedOnce: an event whose environment is gone goes to another of
// the same version.
func TestChanceIsAskedOnce(t *testing.T) {
	tries := 0
	f := open(t, &env{seen: func(lambda.Invocation) error {
		if tries++; tries < 3 {
			return environment.ErrGone
		}
		return nil
	}})
	draws := 0
	service := f.with(func() float64 { draws++; return 0 })
	_, err := service.Invoke(t.Context(), invoke.Request{Ref: lambda.Ref{Name: "f", Qualifier: "shifting"}})
	if err != nil || tries != 3 || draws != 1 {
		t.Errorf("%d tries, %d draws, %v", tries, draws, err)
	}
}
