package iam_test

import (
	"errors"
	"testing"
	"time"

	"thaw/internal/iam"
	"thaw/internal/lambda"
)

const (
	sessionARN = "arn:aws:sts::111111111111:assumed-role/worker/hello"
	roleARN    = "arn:aws:iam::111111111111:role/worker"
	hello      = "arn:aws:lambda:us-east-1:111111111111:function:hello"
)

func newAccess(t *testing.T, allowed ...string) *iam.Access {
	t.Helper()
	keyring, err := iam.Open(t.TempDir(), newVault(t))
	if err != nil {
		t.Fatal(err)
	}
	a, err := iam.NewAccess(iam.AccessOptions{Keyring: keyring, Scope: scope, Allowed: allowed})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var scope = lambda.Scope{Partition: "aws", Region: "us-east-1", Account: "111111111111"}

func session() iam.Session { return iam.Session{ARN: sessionARN, Role: roleARN, Function: hello} }

// code is the error's code for clients; empty for none.
func code(err error) string {
	var told *lambda.Error
	if errors.As(err, &told) {
		return told.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// A session's key lives from Open to Close, and speaks for the session only.
func TestSessionKeys(t *testing.T) {
	a := newAccess(t)
	key, token := a.Open(session())
	other, otherToken := a.Open(session())
	if key.ID == other.ID || key.Secret == other.Secret || token == otherToken {
		t.Fatal("two sessions share something")
	}
	now := time.Now()
	for name, wrong := range map[string]string{"no token": "", "another session's token": otherToken} {
		if _, err := a.Secret(key.ID, wrong, now); code(err) != lambda.CodeUnrecognizedClient {
			t.Errorf("%s: %v", name, err)
		}
	}
	if secret, err := a.Secret(key.ID, token, now.Add(1000*time.Hour)); err != nil || secret != key.Secret {
		t.Errorf("Secret = %q, %v", secret, err)
	}
	if c, err := a.Caller(key.ID); err != nil || c.Session == nil || c.Session.ARN != sessionARN {
		t.Errorf("Caller = %+v, %v", c, err)
	}
	a.Close(key.ID)
	a.Close(key.ID) // twice is as once
	if _, err := a.Secret(key.ID, token, now); code(err) != lambda.CodeUnrecognizedClient {
		t.Errorf("after Close: Secret = %v", err)
	}
	// Whoever was verified a moment before is not taken for a user.
	if c, err := a.Caller(key.ID); code(err) != lambda.CodeUnrecognizedClient {
		t.Errorf("after Close: Caller = %+v, %v", c, err)
	}
	if _, err := a.Secret(other.ID, otherToken, now); err != nil {
		t.Errorf("the other session: %v", err)
	}
}

// Users' keys, permanent and temporary, are users' still.
func TestUsersBesideSessions(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	keyring, err := iam.Open(dir, v)
	if err != nil {
		t.Fatal(err)
	}
	temporary, token := iam.NewSession(iam.Administrator, time.Hour)
	if err := iam.Change(dir, v, func(keys []iam.Key) ([]iam.Key, error) { return append(keys, temporary), nil }); err != nil {
		t.Fatal(err)
	}
	a, err := iam.NewAccess(iam.AccessOptions{Keyring: keyring, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	first := keyring.First()
	for _, k := range []struct{ id, token string }{{first.ID, ""}, {temporary.ID, token}} {
		if _, err := a.Secret(k.id, k.token, time.Now()); err != nil {
			t.Errorf("Secret of %s: %v", k.id, err)
		}
		c, err := a.Caller(k.id)
		if err != nil || c.Session != nil {
			t.Errorf("Caller of %s = %+v, %v", k.id, c, err)
		}
		if err := a.Authorise(c, iam.Question{Action: "lambda:DeleteFunction", Resource: "*"}); err != nil {
			t.Errorf("a user: %v", err)
		}
	}
}

func TestAuthorise(t *testing.T) {
	const all = "*"
	tests := []struct {
		name             string
		allowed          []string
		action, resource string
		granted          bool
	}{
		{"nothing by default", nil, "lambda:ListFunctions", all, false},
		{"what is named", []string{"lambda:ListFunctions"}, "lambda:ListFunctions", all, true},
		{"nothing else", []string{"lambda:ListFunctions"}, "lambda:ListAliases", all, false},
		{"not the beginning of a name", []string{"lambda:List"}, "lambda:ListFunctions", all, false},
		{"a pattern", []string{"lambda:List*"}, "lambda:ListFunctions", all, true},
		{"a pattern's middle", []string{"lambda:*Function"}, "lambda:InvokeFunction", all, true},
		{"a pattern that does not fit", []string{"lambda:*Function"}, "lambda:ListFunctions", all, false},
		{"two stars", []string{"lambda:*e*n"}, "lambda:DeleteFunction", all, true},
		{"one character", []string{"lambda:?istFunctions"}, "lambda:ListFunctions", all, true},
		{"a star for nothing", []string{"lambda:ListFunctions*"}, "lambda:ListFunctions", all, true},
		{"case does not count", []string{"Lambda:listfunctions"}, "lambda:ListFunctions", all, true},
		{"another service", []string{"logs:*"}, "lambda:ListFunctions", all, false},
		{"the second of two", []string{"logs:*", "lambda:*"}, "lambda:ListFunctions", all, true},
		{"not even its own log", nil, "logs:PutLogEvents", "arn:aws:logs:us-east-1:111111111111:log-group:/aws/lambda/hello:log-stream:x", false},
	}
	for _, test := range tests {
		a := newAccess(t, test.allowed...)
		key, _ := a.Open(session())
		c, err := a.Caller(key.ID)
		if err != nil {
			t.Fatal(err)
		}
		err = a.Authorise(c, iam.Question{Action: test.action, Resource: test.resource})
		if test.granted != (err == nil) {
			t.Errorf("%s: %v", test.name, err)
		}
		const want = "User: " + sessionARN + " is not authorized to perform: lambda:ListFunctions on resource: *" +
			" because no identity-based policy allows the lambda:ListFunctions action"
		if test.name == "nothing by default" && (code(err) != lambda.CodeAccessDenied || err.Error() != lambda.CodeAccessDenied+": "+want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestPatternsThatAreNone(t *testing.T) {
	keyring, err := iam.Open(t.TempDir(), newVault(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "*", "ListFunctions", "lambda:", ":ListFunctions", "lam*:x", "lambda:a b", "lambda:a:b"} {
		if _, err := iam.NewAccess(iam.AccessOptions{Keyring: keyring, Allowed: []string{text}}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// A caller is only who was put there.
func TestCallerOfAContext(t *testing.T) {
	if c, ok := iam.CallerOf(t.Context()); ok || c.Session != nil {
		t.Errorf("CallerOf = %+v, %v", c, ok)
	}
	s := session()
	if c, ok := iam.CallerOf(iam.WithCaller(t.Context(), iam.Caller{Session: &s})); !ok || c.Session != &s {
		t.Errorf("CallerOf = %+v, %v", c, ok)
	}
}
