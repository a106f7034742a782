package lambda_test

import (
	"testing"

	"thaw/internal/lambda"
)

func TestResolve(t *testing.T) {
	f := &lambda.Function{
		Latest:   lambda.Version{Number: lambda.Latest},
		Versions: []lambda.Version{{Number: "2"}, {Number: "10"}},
		Aliases: []lambda.Alias{
			{Name: "live", Version: "2", Additional: &lambda.WeightedVersion{Number: "10", Weight: 0.9}},
			{Name: "next", Version: lambda.Latest},
			{Name: "lost", Version: "1"},
		},
	}
	for qualifier, want := range map[string]string{
		"": lambda.Latest, lambda.Latest: lambda.Latest, "2": "2", "10": "10", "live": "2", "next": lambda.Latest,
		"1": "", "lost": "", "nobody": "", "$LATEST.PUBLISHED": "",
	} {
		got := ""
		if v := f.Resolve(qualifier); v != nil {
			got = v.Number
		}
		if got != want {
			t.Errorf("%q names version %q, want %q", qualifier, got, want)
		}
	}
}

func TestRoute(t *testing.T) {
	shifting := func(weight float64) *lambda.Alias {
		return &lambda.Alias{Version: "1", Additional: &lambda.WeightedVersion{Number: "2", Weight: weight}}
	}
	for _, test := range []struct {
		alias  *lambda.Alias
		random float64
		want   string
	}{
		{shifting(0.25), 0, "2"},
		{shifting(0.25), 0.2499, "2"},
		{shifting(0.25), 0.25, "1"},
		{shifting(0.25), 0.9999, "1"},
		{shifting(0), 0, "1"},
		{shifting(1), 0.9999, "2"},
	} {
		if got := test.alias.Route(func() float64 { return test.random }); got != test.want {
			t.Errorf("weight %v, random %v: version %s, want %s", test.alias.Additional.Weight, test.random, got, test.want)
		}
	}
	single := lambda.Alias{Version: "1"}
	if got := single.Route(func() float64 { t.Error("chance is asked about one version"); return 0 }); got != "1" {
		t.Errorf("version %s", got)
	}
}
