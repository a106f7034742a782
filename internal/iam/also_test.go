package iam_test

import (
	"testing"

	"thaw/internal/iam"
	"thaw/internal/lambda"
)

// TestResourcesOfTwoNames: a policy may name a resource by either of its ARNs, to
// allow and to deny.
func TestResourcesOfTwoNames(t *testing.T) {
	const one, two = "arn:aws:logs:us-east-1:1:log-group:g:log-stream:", "arn:aws:logs:us-east-1:1:log-group:g"
	statement := func(effect, resource string) string {
		return `{"Effect":"` + effect + `","Action":"*","Resource":"` + resource + `"}`
	}
	for _, row := range []struct {
		name, statements string
		allowed          bool
	}{
		{"neither", statement("Allow", two+"x"), false},
		{"the first", statement("Allow", two+":*"), true},
		{"the second", statement("Allow", two), true},
		{"both", statement("Allow", two+"*"), true},
		{"the first denied", statement("Allow", "*") + "," + statement("Deny", two+":*"), false},
		{"the second denied", statement("Allow", "*") + "," + statement("Deny", two), false},
		{"the first allowed, the second denied", statement("Allow", two+":*") + "," + statement("Deny", two), false},
		{"the second allowed, the first denied", statement("Allow", two) + "," + statement("Deny", one), false},
	} {
		dir, v := t.TempDir(), newVault(t)
		open(t, dir, v)
		key := iam.NewKey("ann")
		add(t, dir, v, key)
		err := iam.Edit(dir, v, func(c *iam.Contents) error {
			c.Set("ann", iam.NamedPolicy{Name: "p", Document: `{"Version":"2012-10-17","Statement":[` + row.statements + `]}`})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		a, err := iam.NewAccess(iam.AccessOptions{Keyring: open(t, dir, v), Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Caller(key.ID)
		if err != nil {
			t.Fatal(err)
		}
		err = a.Authorise(c, iam.Question{Action: "logs:FilterLogEvents", Resource: one, Also: two})
		if (err == nil) != row.allowed || err != nil && code(err) != lambda.CodeAccessDenied {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
