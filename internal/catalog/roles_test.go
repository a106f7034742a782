package catalog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/store/memory"
)

// TestRolesAndPoliciesAreKept: what was written is read by the next catalog.
func TestRolesAndPoliciesAreKept(t *testing.T) {
	engine := memory.New()
	t.Cleanup(func() { engine.Close() })
	first := open(t, engine.Metadata())
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	role := &catalog.Role{Name: "A,b@c", Path: "/x/", ID: "AROA1", CreatedAt: at, Trust: "{}", MaxSessionSeconds: 3600,
		Policies: []catalog.Document{{Name: "p", Text: `{"a":"<"}`}}, AttachedPolicyARNs: []string{"arn:p"}, Tags: map[string]string{"k": "v"}}
	policy := &catalog.ManagedPolicy{Name: "p+q", Path: "/", ID: "ANPA1", CreatedAt: at, UpdatedAt: at, Default: "v1", LastVersion: 1,
		Versions: []catalog.DocumentVersion{{ID: "v1", Text: "{}", CreatedAt: at}}}
	r, err := first.PutRole(t.Context(), role, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := first.PutPolicy(t.Context(), policy, 0)
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, engine.Metadata())
	if got, ok := second.Role("a,B@C"); !ok || cmp.Diff(role, got.Role) != "" {
		t.Errorf("role %+v, %v", got, ok)
	}
	if got, ok := second.Policy("P+Q"); !ok || cmp.Diff(policy, got.Policy) != "" {
		t.Errorf("policy %+v, %v", got, ok)
	}
	if err := first.DeleteRole(t.Context(), "A,b@c", r.Revision); err != nil || len(first.Roles()) != 0 {
		t.Errorf("after its deletion: %d roles, %v", len(first.Roles()), err)
	}
	if err := first.DeletePolicy(t.Context(), "p+q", p.Revision); err != nil || len(first.Policies()) != 0 {
		t.Errorf("after its deletion: %d policies, %v", len(first.Policies()), err)
	}
}
