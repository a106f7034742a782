package iam_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/vault"
)

func newVault(t *testing.T) *vault.Vault {
	t.Helper()
	path := filepath.Join(t.TempDir(), vault.FileName)
	if err := vault.Create(path); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func open(t *testing.T, dir string, v *vault.Vault) *iam.Keyring {
	t.Helper()
	ring, err := iam.Open(dir, v)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// add puts a key into the file.
func add(t *testing.T, dir string, v *vault.Vault, key iam.Key) {
	t.Helper()
	err := iam.Change(dir, v, func(keys []iam.Key) ([]iam.Key, error) { return append(keys, key), nil })
	if err != nil {
		t.Fatal(err)
	}
}

func TestFirstOpenMakesOneKey(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	if _, err := iam.Read(dir, v); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Read of an empty directory: %v, want fs.ErrNotExist", err)
	}
	key := open(t, dir, v).First()
	if len(key.ID) != 20 || len(key.Secret) != 40 || key.User != iam.Administrator {
		t.Errorf("key has an ID of %d, a secret of %d characters, user %q", len(key.ID), len(key.Secret), key.User)
	}
	info, err := os.Stat(filepath.Join(dir, iam.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
	if open(t, dir, v).First() != key {
		t.Error("the second Open shows another key")
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("directory holds %v, want the keyring only", names)
	}
}

func TestSecret(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	ring := open(t, dir, v)
	permanent := ring.First()
	session, token := iam.NewSession("user", time.Hour)
	disabled := iam.NewKey("user")
	disabled.Disabled = true
	add(t, dir, v, session)
	add(t, dir, v, disabled)
	ring = open(t, dir, v)
	const invalid, expired = lambda.CodeUnrecognizedClient, "ExpiredTokenException"
	tests := []struct {
		name, id, token string
		after           time.Duration
		secret, code    string
	}{
		{"permanent", permanent.ID, "", 0, permanent.Secret, ""},
		{"permanent, years later", permanent.ID, "", 1e5 * time.Hour, permanent.Secret, ""},
		{"permanent with a session token", permanent.ID, token, 0, "", invalid},
		{"unknown", "AKIAUNKNOWN", "", 0, "", invalid},
		{"none", "", "", 0, "", invalid},
		{"disabled", disabled.ID, "", 0, "", invalid},
		{"temporary", session.ID, token, 0, session.Secret, ""},
		{"temporary, at its last second", session.ID, token, time.Hour - time.Second, session.Secret, ""},
		{"temporary, expired", session.ID, token, time.Hour, "", expired},
		{"temporary, expired, other token", session.ID, "x" + token, time.Hour, "", invalid},
		{"temporary without its token", session.ID, "", 0, "", invalid},
		{"temporary with another token", session.ID, token[1:], 0, "", invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			secret, err := ring.Secret(tt.id, tt.token, session.CreatedAt.Add(tt.after))
			var refused *lambda.Error
			errors.As(err, &refused)
			if secret != tt.secret || (tt.code == "") != (err == nil) || tt.code != "" && (refused == nil || refused.Code != tt.code) {
				t.Errorf("Secret = %d characters, %v, want %d, %q", len(secret), err, len(tt.secret), tt.code)
			}
		})
	}
}

func TestFileHasNoSecret(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	ring := open(t, dir, v)
	session, token := iam.NewSession("user", time.Hour)
	add(t, dir, v, session)
	content, err := os.ReadFile(filepath.Join(dir, iam.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"first secret": ring.First().Secret, "second secret": session.Secret, "session token": token} {
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("the file holds the %s", name)
		}
	}
	if _, err := iam.Read(dir, newVault(t)); !errors.Is(err, vault.ErrNoKey) {
		t.Errorf("read with another master key: %v", err)
	}
	moved := strings.Replace(string(content), ring.First().ID, "AKIAOTHER", 1)
	if err := os.WriteFile(filepath.Join(dir, iam.FileName), []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := iam.Read(dir, v); !errors.Is(err, vault.ErrBroken) {
		t.Errorf("a secret under another key's ID: %v", err)
	}
}

// TestPlainFile reads the format of before and leaves the present one.
func TestPlainFile(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	path := filepath.Join(dir, iam.FileName)
	if err := os.WriteFile(path, []byte(`{"version":1,"keys":[{"id":"AKIAOLD","secret":"old-secret","user":"u","created_at":"2026-01-02T03:04:05Z"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	want := iam.Key{ID: "AKIAOLD", Secret: "old-secret", User: "u", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for range 2 {
		if diff := cmp.Diff(want, open(t, dir, v).First()); diff != "" {
			t.Errorf("key (-want +got):\n%s", diff)
		}
	}
	if content, err := os.ReadFile(path); err != nil || bytes.Contains(content, []byte("old-secret")) {
		t.Errorf("the file still holds the secret, %v", err)
	}
}

func TestRefusedFiles(t *testing.T) {
	const good = `{"version":1,"keys":[{"id":"A","secret":"s","user":"u"}]}`
	tests := []struct {
		name, content string
		mode          fs.FileMode
		want          string
	}{
		{"read by others", good, 0o644, "chmod 600"},
		{"read by the group", good, 0o640, "chmod 600"},
		{"not JSON", "keys", 0o600, "invalid character"},
		{"newer format", `{"version":5,"keys":[]}`, 0o600, "format version 5"},
		{"no keys", `{"version":1,"keys":[]}`, 0o600, "no keys"},
		{"none but a disabled one", `{"version":1,"keys":[{"id":"A","secret":"s","disabled":true}]}`, 0o600, "no keys"},
		{"no secret", `{"version":1,"keys":[{"id":"A"}]}`, 0o600, "no secret"},
		{"twice", `{"version":1,"keys":[{"id":"A","secret":"s"},{"id":"A","secret":"t"}]}`, 0o600, "twice"},
		{"no user", `{"version":3,"keys":[{"id":"A","secret":"s"}]}`, 0o600, "no user"},
		{"a broken policy", `{"version":3,"keys":[{"id":"A","secret":"s","user":"u"}],"users":[{"name":"u","policies":[{"name":"p","document":"{}"}]}]}`, 0o600, "Statement is missing"},
		{"broken seal", `{"version":2,"keys":[{"id":"A","sealed_secret":"AAAA"}]}`, 0o600, "changed or moved"},
		{"too large", strings.Repeat(" ", 1<<20) + good, 0o600, "more than"},
	}
	v := newVault(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, iam.FileName)
			if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := iam.Open(dir, v); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %v, want an error that says %q", err, tt.want)
			}
			if content, err := os.ReadFile(path); err != nil || string(content) != tt.content {
				t.Errorf("a file that is refused was changed, %v", err)
			}
		})
	}
}

func TestConcurrentFirstOpen(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	keys := make([]iam.Key, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			ring, err := iam.Open(dir, v)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = ring.First()
		})
	}
	wg.Wait()
	for _, key := range keys {
		if key != keys[0] {
			t.Errorf("two keys, %q and %q, for one directory", key.ID, keys[0].ID)
		}
	}
}

func TestConcurrentChangesLoseNone(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	open(t, dir, v)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() { add(t, dir, v, iam.NewKey(fmt.Sprint("user", i))) })
	}
	wg.Wait()
	if n := len(open(t, dir, v).Keys()); n != 17 {
		t.Errorf("%d keys, want 17", n)
	}
}

func TestLastKeyStays(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	first := open(t, dir, v).First()
	session, _ := iam.NewSession("user", time.Hour)
	add(t, dir, v, session)
	err := iam.Change(dir, v, func(keys []iam.Key) ([]iam.Key, error) { return keys[1:], nil })
	if err == nil || open(t, dir, v).First() != first {
		t.Errorf("the last permanent key could be removed: %v", err)
	}
}

// TestFileIsNotMadeTooLarge: what is written can be read.
func TestFileIsNotMadeTooLarge(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	open(t, dir, v)
	err := iam.Change(dir, v, func(keys []iam.Key) ([]iam.Key, error) {
		return append(keys, iam.NewKey(strings.Repeat("u", 1<<20))), nil
	})
	if err == nil || len(open(t, dir, v).Keys()) != 1 {
		t.Errorf("a file that nobody can read was made: %v", err)
	}
}

// TestNewKeysAreKnownAtOnce: whoever has just made a key may use it.
func TestNewKeysAreKnownAtOnce(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	synctest.Test(t, func(t *testing.T) {
		ring := open(t, dir, v)
		key := iam.NewKey("new")
		if _, err := ring.Secret(key.ID, "", time.Now()); err == nil {
			t.Fatal("a key that is not there is known")
		}
		add(t, dir, v, key)
		time.Sleep(20 * time.Millisecond) // of the virtual clock: strangers make it look no sooner
		if _, err := ring.Secret(key.ID, "", time.Now()); err != nil {
			t.Error(err)
		}
	})
}

// TestFollow: a running server's keys are those of the file, half a second later.
func TestFollow(t *testing.T) {
	dir, v := t.TempDir(), newVault(t)
	synctest.Test(t, func(t *testing.T) {
		ring := open(t, dir, v)
		first := ring.First()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		var log bytes.Buffer
		go func() {
			defer close(done)
			ring.Follow(ctx, slog.New(slog.NewTextHandler(&log, nil)))
		}()
		pass := func() {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		known := func(key iam.Key, want bool) {
			t.Helper()
			if _, err := ring.Secret(key.ID, "", time.Now()); (err == nil) != want {
				t.Errorf("key %q is known: %v, want %v", key.User, err == nil, want)
			}
		}
		second := iam.NewKey("second")
		add(t, dir, v, second)
		pass()
		known(second, true)
		remove := func(keys []iam.Key) ([]iam.Key, error) { return keys[:1], nil }
		if err := iam.Change(dir, v, remove); err != nil {
			t.Fatal(err)
		}
		pass()
		known(second, false)
		known(first, true)
		if err := os.WriteFile(filepath.Join(dir, iam.FileName), []byte("{broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		pass()
		pass()
		known(first, true)
		cancel()
		<-done
		if n := strings.Count(log.String(), "not usable"); n != 1 {
			t.Errorf("the broken file was told %d times:\n%s", n, &log)
		}
	})
}
