package iam_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/iam"
	"thaw/internal/lambda"
)

const listing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:List*","Resource":"*"}]}`

// TestUsersHaveNothingByDefault, and what their policies say from the moment that
// they have them, and no longer.
func TestUsersHaveNothingByDefault(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	open(t, dir, v)
	key := iam.NewKey("ann")
	add(t, dir, v, key)
	may := func(action string) string {
		t.Helper()
		a, err := iam.NewAccess(iam.AccessOptions{Keyring: open(t, dir, v), Scope: scope, Allowed: []string{"lambda:*"}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Caller(key.ID)
		if err != nil || c.User != "ann" || c.Administrator() {
			t.Fatalf("caller %+v, %v", c, err)
		}
		return code(a.Authorise(c, iam.Question{Action: action, Resource: "*"}))
	}
	if got := may("lambda:ListFunctions"); got != lambda.CodeAccessDenied {
		t.Errorf("by default: %s", got)
	}
	err := iam.Edit(dir, v, func(c *iam.Contents) error {
		c.Set("bob", iam.NamedPolicy{Name: "all", Document: iam.FullAccess})
		c.Set("ann", iam.NamedPolicy{Name: "list", Document: iam.FullAccess})
		c.Set("ann", iam.NamedPolicy{Name: "list", Document: listing})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if may("lambda:ListFunctions") != "" || may("lambda:DeleteFunction") != lambda.CodeAccessDenied {
		t.Error("the policy does not decide")
	}
	want := []iam.User{{Name: "ann", Policies: []iam.NamedPolicy{{Name: "list", Document: listing}}}, {Name: "bob", Policies: []iam.NamedPolicy{{Name: "all", Document: iam.FullAccess}}}}
	if diff := cmp.Diff(want, open(t, dir, v).Users()); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	err = iam.Edit(dir, v, func(c *iam.Contents) error {
		if c.Remove("ann", "other") || !c.Remove("ann", "list") {
			t.Error("Remove tells what was not")
		}
		return nil
	})
	if err != nil || may("lambda:ListFunctions") != lambda.CodeAccessDenied {
		t.Errorf("after its removal: %v", err)
	}
}

// TestRefusedUsers: what cannot be evaluated is not written.
func TestRefusedUsers(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	open(t, dir, v)
	for name, user := range map[string]iam.User{
		"a broken document": {Name: "ann", Policies: []iam.NamedPolicy{{Name: "p", Document: "{}"}}},
		"the administrator": {Name: iam.Administrator, Policies: []iam.NamedPolicy{{Name: "p", Document: listing}}},
		"nobody":            {Policies: []iam.NamedPolicy{{Name: "p", Document: listing}}},
	} {
		err := iam.Edit(dir, v, func(c *iam.Contents) error {
			c.Users = []iam.User{user}
			return nil
		})
		if err == nil || len(open(t, dir, v).Users()) > 0 {
			t.Errorf("%s is taken: %v", name, err)
		}
	}
}

// TestFileWithoutUsers: where every key could do everything, it still can, by a
// policy that is seen.
func TestFileWithoutUsers(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	file := `{"version":1,"keys":[{"id":"AKIAOLD","secret":"s","user":"administrator"},{"id":"AKIACI","secret":"s","user":"ci"},{"id":"AKIANONE","secret":"s"}]}`
	if err := os.WriteFile(filepath.Join(dir, iam.FileName), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ring := open(t, dir, v)
		if got := ring.Users(); len(got) != 1 || got[0].Name != "ci" || got[0].Policies[0].Document != iam.FullAccess {
			t.Errorf("users %v", got)
		}
		if key := ring.Keys()[2]; key.User != iam.Administrator {
			t.Errorf("key %+v", key)
		}
		// A key that comes later has nothing.
		late := iam.NewKey("late")
		add(t, dir, v, late)
		a, err := iam.NewAccess(iam.AccessOptions{Keyring: open(t, dir, v), Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]string{"AKIAOLD": "", "AKIACI": "", "AKIANONE": "", late.ID: lambda.CodeAccessDenied} {
			c, err := a.Caller(id)
			if err != nil {
				t.Fatal(err)
			}
			if got := code(a.Authorise(c, iam.Question{Action: "lambda:DeleteFunction", Resource: hello})); got != want {
				t.Errorf("%s: %q, want %q", id, got, want)
			}
		}
	}
}

// TestFileOfPolicies: a file of before users had more than policies gives nobody more
// than it did, and is written anew.
func TestFileOfPolicies(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	file := `{"version":3,"keys":[{"id":"AKIAOLD","secret":"s","user":"administrator"},{"id":"AKIACI","secret":"s","user":"ci"},{"id":"AKIAANN","secret":"s","user":"ann"}],` +
		`"users":[{"name":"ci","policies":[{"name":"p","document":"{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"lambda:ListFunctions\",\"Resource\":\"*\"}]}"}]}]}`
	if err := os.WriteFile(filepath.Join(dir, iam.FileName), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ring := open(t, dir, v)
		if got := ring.Users(); len(got) != 1 || got[0].Name != "ci" || len(got[0].Policies) != 1 {
			t.Errorf("users %v", got)
		}
		a, err := iam.NewAccess(iam.AccessOptions{Keyring: ring, Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]string{"AKIACI": "", "AKIAANN": lambda.CodeAccessDenied} {
			c, err := a.Caller(id)
			if err != nil {
				t.Fatal(err)
			}
			if got := code(a.Authorise(c, iam.Question{Action: "lambda:ListFunctions", Resource: "*"})); got != want {
				t.Errorf("%s: %q, want %q", id, got, want)
			}
		}
		written, err := os.ReadFile(filepath.Join(dir, iam.FileName))
		if err != nil || !strings.Contains(string(written), `"version": 4`) {
			t.Errorf("the file is %s, %v", written, err)
		}
	}
}

// TestUsersOfTheAPIAreKept: what is kept of a user is there after a restart, and
// survives the operator's verbs.
func TestUsersOfTheAPIAreKept(t *testing.T) {
	o := newOffice(t)
	o.WithUsers(o.keyring)
	made, err := o.CreateUser(iam.User{Name: "ann", Path: "/x/", Tags: map[string]string{"k": "v"}})
	o.do("create", "", err)
	o.do("attach", "", o.AttachToUser("ann", "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"))
	o.do("put", "", o.PutUserPolicy("ann", iam.NamedPolicy{Name: "p", Document: listing}))
	o.do("remove", "", o.DeleteUserPolicy("ann", "p"))
	ring := open(t, o.dir, o.vault)
	want := made
	want.AttachedPolicyARNs = []string{"arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"}
	if diff := cmp.Diff([]iam.User{want}, ring.Users()); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	for range 999 {
		_, err = o.CreateKey("ann")
		if err != nil {
			break
		}
	}
	o.do("many keys", iam.CodeLimitExceeded, err)
	o.do("a long policy", iam.CodeLimitExceeded, o.PutUserPolicy("ann", iam.NamedPolicy{Name: "q", Document: listing + strings.Repeat(" ", 2048)}))
	o.do("nobody", iam.CodeNoSuchEntity, o.TagUser("bob", nil, nil))
}

// TestLimitsOfSessions: a session's own policy grants nothing, and takes away.
func TestLimitsOfSessions(t *testing.T) {
	a := newAccess(t, "lambda:*")
	limited := session()
	limited.Policy, limited.StartedAt = listing, time.Now()
	key, _ := a.Open(limited)
	c, err := a.Caller(key.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"lambda:DeleteFunction", "logs:DeleteLogGroup"} {
		if got := code(a.Authorise(c, iam.Question{Action: action, Resource: "*"})); got != lambda.CodeAccessDenied {
			t.Errorf("%s: %q", action, got)
		}
	}
}
