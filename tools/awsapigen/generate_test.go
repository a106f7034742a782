package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedCodeIsCurrent regenerates, if "make generate" has left the model
// in the build directory, and compares with what is committed.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	wheels, err := filepath.Glob("../../build/model/botocore-*.whl")
	if err != nil || len(wheels) == 0 {
		missing(t, "no model in build/model: tools/awsapigen/fetch.sh build/model fetches it")
	}
	wheel := pinned(t, wheels)
	for _, service := range []string{"cloudwatch", "lambda", "logs", "sqs"} {
		t.Run(service, func(t *testing.T) { current(t, wheel, service) })
	}
}

func current(t *testing.T, wheel, service string) {
	files, err := generate(wheel, service+".json")
	if err != nil {
		t.Fatal(err)
	}
	dir := "../../internal/awsapi/gen/" + service
	committed, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range committed {
		names = append(names, filepath.Base(path))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(files)), names); diff != "" {
		t.Errorf("files (-generated +committed):\n%s", diff)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != string(want) {
			t.Errorf("%s is not what the generator writes: run make generate", name)
		}
	}
}

// missing ends a test that lacks something: with a skip, or, where everything is
// to be there, as in "make test", with a failure.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("THAW_E2E_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// pinned chooses the wheel of the version in fetch.sh.
func pinned(t *testing.T, wheels []string) string {
	t.Helper()
	script, err := os.ReadFile("fetch.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(script), "version=")
	version, _, _ := strings.Cut(rest, "\n")
	for _, wheel := range wheels {
		if strings.HasPrefix(filepath.Base(wheel), "botocore-"+version+"-") {
			return wheel
		}
	}
	missing(t, "build/model lacks botocore %s", version)
	return ""
}

// TestOverlayShrinks: what the model has come to say must leave the overlay, and
// an entry about nothing is refused.
func TestOverlayShrinks(t *testing.T) {
	tests := []struct {
		name    string
		overlay overlay
		want    string // "" for accepted
	}{
		{"a new operation", overlay{Operations: map[string]*operation{"New": {}}}, ""},
		{"an operation that is there", overlay{Operations: map[string]*operation{"Get": {}}}, "operation Get now"},
		{"a shape that is there", overlay{Shapes: map[string]*shape{"Names": {}}}, "shape Names now"},
		{"an error that is there", overlay{Faults: map[string]fault{"GoneException": {}}}, "error GoneException now"},
		{"a flat list", overlay{Flat: map[string][]string{"Names": {"Name"}}}, ""},
		{"a flat list with keys", overlay{Flat: map[string][]string{"Names": {"Name", "Key", "Value"}}}, "one or three"},
		{"a flat structure", overlay{Flat: map[string][]string{"Input": {"Name"}}}, "no such list"},
		{"a code of awsQuery", overlay{Query: map[string]queryFault{"GoneException": {Code: "Gone"}}}, ""},
		{"a code of awsQuery for nothing", overlay{Query: map[string]queryFault{"Names": {Code: "Gone"}}}, "no such error"},
		{"another status", overlay{Status: map[string]int{"Get": 204}}, ""},
		{"the same status", overlay{Status: map[string]int{"Get": 200}}, "status 200 for Get now"},
		{"status of nothing", overlay{Status: map[string]int{"None": 204}}, "no such operation"},
		{"a sparse list", overlay{Sparse: []string{"Names"}}, ""},
		{"a sparse structure", overlay{Sparse: []string{"Input"}}, "no such list"},
		{"a member", overlay{ByService: []string{"Input.Name"}}, ""},
		{"a member of nothing", overlay{ByService: []string{"Input.Other"}}, "no such member"},
		{"another pattern", overlay{Patterns: map[string]string{"Word": "[b]"}}, ""},
		{"the same pattern", overlay{Patterns: map[string]string{"Word": "[a]"}}, "pattern of Word now"},
		{"a pattern of nothing", overlay{Patterns: map[string]string{"Name": "[a]"}}, "no such pattern"},
		{"another order", overlay{Enums: map[string][]string{"Choice": {"b", "a"}}}, ""},
		{"the same order", overlay{Enums: map[string][]string{"Choice": {"a", "b"}}}, "order of Choice now"},
		{"other values", overlay{Enums: map[string][]string{"Choice": {"b", "c"}}}, "has others"},
		{"an order of nothing", overlay{Enums: map[string][]string{"None": {"a"}}}, "has others"},
		{"a limit of nothing", overlay{MaxBody: map[string]int64{"None": 1}}, "no such operation"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := small().merge(&tt.overlay)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("merge: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("merge: %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// small is a model of one operation.
func small() *model {
	m := &model{source: "test 1", Operations: map[string]*operation{"Get": {Input: &ref{"Input"}}}, Shapes: map[string]*shape{
		"Input":         {Type: "structure", Members: members{{Name: "Name", Shape: "Names"}}},
		"Names":         {Type: "list", Member: &ref{"Name"}},
		"Name":          {Type: "string"},
		"Choice":        {Type: "string", Enum: []string{"a", "b"}},
		"Word":          {Type: "string", Pattern: "[a]"},
		"GoneException": {Type: "structure", Exception: true},
	}}
	m.name, m.Metadata.SigningName = "small", "small"
	m.Operations["Get"].HTTP.ResponseCode = 200
	return m
}

func TestEmitRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*model)
		want   string
	}{
		{"nothing wrong", func(*model) {}, ""},
		{"a pattern that cannot be matched", func(m *model) { m.Shapes["Name"].Pattern = "(?=a)" }, "shape Name: compile pattern"},
		{"a shape that is not there", func(m *model) { delete(m.Shapes, "Name") }, `no shape "Name"`},
		{"an unknown type", func(m *model) { m.Shapes["Name"].Type = "bigInteger" }, "unknown type"},
		{"another version of JSON", func(m *model) { m.Metadata.Protocol, m.Metadata.JSONVersion = "json", "1.2" }, "protocol json 1.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := small()
			tt.change(m)
			_, err := emit(m)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("emit: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("emit: %v, want an error with %q", err, tt.want)
			}
		})
	}
}
