package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfigsByBoto3 sets all that can be set for a function beside its code, as
// boto3 reads the answers.
func TestConfigsByBoto3(t *testing.T) {
	s := shared(t)
	script, err := filepath.Abs("testdata/clients/configs.py")
	if err != nil {
		t.Fatal(err)
	}
	sp := goEcho(t)
	path := filepath.Join(t.TempDir(), "function.zip")
	if err := os.WriteFile(path, sp.zip, 0o600); err != nil {
		t.Fatal(err)
	}
	out := s.run(t, filepath.Dir(path), client(t, "python"), script, "configs-boto3", sp.runtime, sp.handler, path)
	var seen map[string]any
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cors := map[string]any{"AllowOrigins": []any{"*"}}
	refused := func(status float64, exception string) []any { return []any{status, exception} }
	want := map[string]any{
		"reserve":               []any{200.0, 7.0},
		"reserved":              []any{200.0, 7.0},
		"reserve too much":      refused(400, "InvalidParameterValueException"),
		"taken":                 7.0,
		"provision too much":    refused(400, "InvalidParameterValueException"),
		"provision":             []any{202.0, 2.0, 0.0, "IN_PROGRESS"},
		"provision the version": refused(409, "ResourceConflictException"),
		"provisioned":           []any{true},
		"provision nothing":     []any{204.0},
		"get provisioned":       refused(404, "ProvisionedConcurrencyConfigNotFoundException"),
		"release":               []any{204.0},
		"asynchronous":          []any{200.0, 0.0, map[string]any{"OnSuccess": map[string]any{}, "OnFailure": map[string]any{}}},
		"merged":                []any{200.0, 1.0, 60.0, true},
		"all asynchronous":      []any{":$LATEST", ":live"},
		"forget asynchronous":   []any{204.0},
		"get asynchronous":      refused(404, "ResourceNotFoundException"),
		"url":                   []any{201.0, "NONE", cors, nil},
		"url again":             refused(409, "ResourceConflictException"),
		"change url":            []any{200.0, "NONE", cors, "RESPONSE_STREAM"},
		"urls":                  []any{true},
		"delete url":            []any{204.0},
		"get url":               refused(404, "ResourceNotFoundException"),
		"tags":                  []any{map[string]any{"team": "blue"}, map[string]any{"team": "blue"}},
		"tags of a version":     refused(400, "InvalidParameterValueException"),
		"loop":                  []any{"Terminate", "Allow"},
		"runtime":               []any{"Auto", "FunctionUpdate"},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("configurations (-want +got):\n%s", diff)
	}
}
