package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRolesAndPoliciesByBoto3: roles, managed policies, a function with the
// credentials of its role, assumed roles, and a function's own policy.
func TestRolesAndPoliciesByBoto3(t *testing.T) {
	s := start(t)
	program := client(t, "python")
	script, err := filepath.Abs("testdata/clients/identity.py")
	if err != nil {
		t.Fatal(err)
	}
	out := s.run(t, t.TempDir(), program, script, python(t))
	const golden = "testdata/clients/identity.json"
	if *update {
		if err := os.WriteFile(golden, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what boto3 saw (-want +got):\n%s", diff)
	}
}
