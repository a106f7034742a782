package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thaw/internal/iam"
	"thaw/internal/vault"
)

// TestPoliciesOfUsers: what the verbs write is what a server reads.
func TestPoliciesOfUsers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("THAW_DATA", dir)
	key := filepath.Join(dir, vault.FileName)
	if err := vault.Create(key); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Read(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := iam.Open(dir, v); err != nil {
		t.Fatal(err)
	}
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:*","Resource":"*"}]}`
	file := filepath.Join(t.TempDir(), "deploy.json")
	broken := filepath.Join(t.TempDir(), "broken.json")
	named := filepath.Join(t.TempDir(), "named.json")
	for path, text := range map[string]string{file: document + "\n", broken: "{}", named: strings.ReplaceAll(document, `"*"`, `"f"`)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"policy ls", exitOK, "USER  POLICY  BYTES\n", ""},
		{"policy put --user ci " + file, exitOK, "set policy deploy of user ci\n", ""},
		{"policy put --user ci --read-only --name eye --json", exitOK, `"PolicyName": "eye"`, ""},
		{"policy show --user ci deploy", exitOK, document + "\n", ""},
		{"policy ls --json", exitOK, `"PolicyName": "eye"`, ""},
		{"policy show --user ci none", exitUsage, "", "has no policy none"},
		{"policy rm --user other deploy", exitUsage, "", "has no policy deploy"},
		{"policy rm --user ci deploy", exitOK, "removed policy deploy of user ci\n", ""},
		{"policy put --user ci", exitUsage, "", "name a file with the policy"},
		{"policy put " + file, exitUsage, "", "name a user"},
		{"policy put --user ci --read-only " + file, exitUsage, "", "exclude one another"},
		{"policy put --user administrator --read-only", exitUsage, "", "may do everything"},
		{"policy put --user ci " + broken, exitLocal, "", "Statement is missing"},
		{"policy put --user ci " + named, exitLocal, "", `statement 1: Resource f must be in ARN format or "*"`},
		{"keys add --user Administrator", exitUsage, "", "names differ in more than their case"},
		{"keys add --user new", exitOK, "export AWS_ACCESS_KEY_ID", "may do nothing yet"},
		{"keys add --user ci", exitOK, "export AWS_ACCESS_KEY_ID", ""},
		{"keys add --user new --policy " + file, exitOK, "export AWS_ACCESS_KEY_ID", ""},
		{"keys add --policy " + file, exitUsage, "", "name another by --user"},
		{"policy show --user new deploy", exitOK, document + "\n", ""},
	} {
		stdout, stderr, code := runVerb(t, "", strings.Fields(step.args)...)
		if code != step.code || !strings.Contains(stdout, step.stdout) || !strings.Contains(stderr, step.stderr) || step.stderr == "" && stderr != "" {
			t.Errorf("%s: exit code %d\n%s%s", step.args, code, stdout, stderr)
		}
	}
}
