package lambda_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/lambda"
)

func TestQualifiedLists(t *testing.T) {
	scaled := func(qualifiers ...string) (list []lambda.ScalingConfig) {
		for _, q := range qualifiers {
			list = lambda.With(list, lambda.ScalingConfig{Qualifier: q})
		}
		return list
	}
	names := func(list []lambda.ScalingConfig) (qualifiers []string) {
		for _, c := range list {
			qualifiers = append(qualifiers, c.Qualifier)
		}
		return qualifiers
	}
	list := scaled("live", "1", lambda.Latest, "1", "10")
	if diff := cmp.Diff([]string{lambda.Latest, "1", "10", "live"}, names(list)); diff != "" {
		t.Errorf("sorted (-want +got):\n%s", diff)
	}
	replaced := lambda.With(list, lambda.ScalingConfig{Qualifier: "10", Max: new(7)})
	if at, ok := lambda.Find(replaced, "10"); !ok || *replaced[at].Max != 7 || len(replaced) != 4 {
		t.Errorf("replaced %+v", replaced)
	}
	rest := lambda.Without(list, "1")
	if diff := cmp.Diff([]string{lambda.Latest, "10", "live"}, names(rest)); diff != "" {
		t.Errorf("without (-want +got):\n%s", diff)
	}
	if _, ok := lambda.Find(rest, "1"); ok {
		t.Error("what was taken away is found")
	}
	if diff := cmp.Diff([]string{lambda.Latest, "1", "10", "live"}, names(list)); diff != "" || list[2].Max != nil {
		t.Errorf("the list itself has changed: %+v", list)
	}
}

func TestDropKeepsURLs(t *testing.T) {
	c := lambda.Configs{
		EventInvoke: []lambda.EventInvokeConfig{{Qualifier: "1"}, {Qualifier: "live"}},
		URLs:        []lambda.URLConfig{{Qualifier: "live"}},
		Provisioned: []lambda.ProvisionedConcurrency{{Qualifier: "live", Requested: 2}},
		Runtimes:    []lambda.RuntimeManagement{{Qualifier: "1"}},
		Scaling:     []lambda.ScalingConfig{{Qualifier: "1"}},
	}
	c.Drop("live")
	if len(c.EventInvoke) != 1 || len(c.URLs) != 1 || len(c.Provisioned) != 0 || len(c.Runtimes) != 1 || len(c.Scaling) != 1 {
		t.Errorf("after an alias is gone: %+v", c)
	}
	c.Drop("1")
	if len(c.EventInvoke)+len(c.Runtimes)+len(c.Scaling) != 0 {
		t.Errorf("after a version is gone: %+v", c)
	}
}

func TestClaim(t *testing.T) {
	f := lambda.Function{Configs: lambda.Configs{Provisioned: []lambda.ProvisionedConcurrency{{Requested: 2}, {Requested: 3}}}}
	if got := f.Claim(); got != 5 {
		t.Errorf("claim %d, want 5", got)
	}
	f.Reserved = new(9)
	if got := f.Claim(); got != 9 {
		t.Errorf("claim with a reservation %d, want 9", got)
	}
}
