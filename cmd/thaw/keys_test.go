package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thaw/internal/iam"
	"thaw/internal/vault"
)

// TestKeys takes a key through its life.
func TestKeys(t *testing.T) {
	dir := isolate(t)
	first := openKeys(t, dir).First()
	run := func(want int, args ...string) string {
		t.Helper()
		stdout, stderr, code := runVerb(t, "", append([]string{"keys"}, args...)...)
		if code != want {
			t.Fatalf("thaw keys %v: exit code %d, want %d: %s", args, code, want, stderr)
		}
		return stdout + stderr
	}
	secret := func(id, token string) error {
		_, err := openKeys(t, dir).Secret(id, token, time.Now())
		return err
	}
	var made newCredentials
	if err := json.Unmarshal([]byte(run(exitOK, "add", "--user", "ci", "--session", "1h", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(made.Expiration); secret(made.AccessKeyID, made.SessionToken) != nil || left > time.Hour || left < 59*time.Minute {
		t.Errorf("session %q ends in %v and is known: %v", made.AccessKeyID, left, secret(made.AccessKeyID, made.SessionToken))
	}
	added := run(exitOK, "add", "--user", "ci")
	id, _, _ := strings.Cut(strings.TrimPrefix(added, "export AWS_ACCESS_KEY_ID="), "\n")
	if err := secret(id, ""); err != nil {
		t.Errorf("%v after\n%s", err, added)
	}
	if list := run(exitOK, "ls"); strings.Count(list, "Active") != 3 || strings.Contains(list, first.Secret) {
		t.Errorf("list:\n%s", list)
	}
	run(exitOK, "disable", id)
	if secret(id, "") == nil {
		t.Error("a disabled key is let in")
	}
	if got := run(exitOK, "ls", "--json"); !strings.Contains(got, `"Status": "Inactive"`) {
		t.Errorf("list: %s", got)
	}
	run(exitOK, "enable", id)
	if err := secret(id, ""); err != nil {
		t.Error(err)
	}
	run(exitOK, "rm", id, made.AccessKeyID)
	if secret(id, "") == nil || len(openKeys(t, dir).Keys()) != 1 {
		t.Error("a removed key is still there")
	}
	if got := run(exitLocal, "rm", first.ID); !strings.Contains(got, "must be there") {
		t.Errorf("the last key: %s", got)
	}
	if got := run(exitUsage, "rm", "AKIANONE"); !strings.Contains(got, "no access key AKIANONE") {
		t.Errorf("an unknown key: %s", got)
	}
}

// TestRefusedKeys: what is asked for is made, or nothing is.
func TestRefusedKeys(t *testing.T) {
	dir := isolate(t)
	openKeys(t, dir)
	for _, args := range [][]string{
		{"--session", "0s"}, // not a key for ever
		{"--session", "-1h"}, {"--session", "999ms"}, {"--session", "36h1s"},
		{"--user", ""}, {"--user", "two words"}, {"--user", "a\nb"}, {"--user", strings.Repeat("u", 65)},
	} {
		if stdout, stderr, code := runVerb(t, "", append([]string{"keys", "add"}, args...)...); code != exitUsage {
			t.Errorf("keys add %q: exit code %d, %s%s", args, code, stdout, stderr)
		}
	}
	if n := len(openKeys(t, dir).Keys()); n != 1 {
		t.Errorf("%d keys are there", n)
	}
}

// TestExpiredKeysGo: those that were disabled before, too.
func TestExpiredKeysGo(t *testing.T) {
	dir := isolate(t)
	openKeys(t, dir)
	box, err := openVault(dir, filepath.Join(dir, vault.FileName))
	if err != nil {
		t.Fatal(err)
	}
	err = iam.Change(dir, box, func(keys []iam.Key) ([]iam.Key, error) {
		for _, after := range []time.Duration{-keepExpired - time.Minute, -keepExpired + time.Minute, time.Hour} {
			key, _ := iam.NewSession("ci", time.Hour)
			key.ExpiresAt, key.Disabled = time.Now().Add(after), true
			keys = append(keys, key)
		}
		return keys, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runVerb(t, "", "keys", "add"); code != exitOK {
		t.Fatal(stderr)
	}
	if n := len(openKeys(t, dir).Keys()); n != 4 {
		t.Errorf("%d keys are there, want the first, the last and two that expired of late or have not", n)
	}
}

// TestLostKeyFile: a master key is made once; without it nothing is opened, and
// least of all a new one made.
func TestLostKeyFile(t *testing.T) {
	dir := isolate(t)
	openKeys(t, dir)
	path := filepath.Join(dir, vault.FileName)
	if err := os.Rename(path, path+".elsewhere"); err != nil {
		t.Fatal(err)
	}
	if _, err := openVault(dir, path); err == nil || !strings.Contains(err.Error(), "--key-file") {
		t.Errorf("open without the key file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a new key file was made")
	}
	if _, err := openVault(dir, path+".elsewhere"); err != nil {
		t.Error(err)
	}
	if _, stderr, code := runVerb(t, "", "keys", "ls"); code != exitLocal || !strings.Contains(stderr, "--key-file") {
		t.Errorf("keys ls: exit code %d, %s", code, stderr)
	}
	if _, stderr, code := runVerb(t, "", "keys", "ls", "--key-file", path+".elsewhere"); code != exitOK {
		t.Errorf("keys ls --key-file: exit code %d, %s", code, stderr)
	}
}

// TestOpenKeyFileIsRefused: one that others can read is no secret any more.
func TestOpenKeyFileIsRefused(t *testing.T) {
	dir := isolate(t)
	openKeys(t, dir)
	if err := os.Chmod(filepath.Join(dir, vault.FileName), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openVault(dir, filepath.Join(dir, vault.FileName)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("open a key file that others can read: %v", err)
	}
	if sealed, err := iam.Sealed(dir); err != nil || !sealed {
		t.Errorf("sealed: %v, %v", sealed, err)
	}
}
