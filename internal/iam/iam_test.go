package iam_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"thaw/internal/iam"
)

func TestFirstOpenMakesOneKey(t *testing.T) {
	dir := t.TempDir()
	if _, err := iam.Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Read of an empty directory: %v, want fs.ErrNotExist", err)
	}
	ring, err := iam.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	key := ring.First()
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
	again, err := iam.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.First() != key {
		t.Error("the second Open shows another key")
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("directory holds %v, want the keyring only", names)
	}
}

func TestSecret(t *testing.T) {
	ring, err := iam.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key := ring.First()
	tests := []struct {
		name, id, token string
		ok              bool
	}{
		{"the key", key.ID, "", true},
		{"an unknown key", "AKIAUNKNOWN", "", false},
		{"no key", "", "", false},
		{"the key with a session token", key.ID, "token", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			secret, ok := ring.Secret(tt.id, tt.token)
			if ok != tt.ok || ok && secret != key.Secret {
				t.Errorf("Secret = %q, %v, want ok %v", secret, ok, tt.ok)
			}
		})
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
		{"newer format", `{"version":2,"keys":[]}`, 0o600, "format version 2"},
		{"no keys", `{"version":1,"keys":[]}`, 0o600, "no keys"},
		{"no secret", `{"version":1,"keys":[{"id":"A"}]}`, 0o600, "no secret"},
		{"twice", `{"version":1,"keys":[{"id":"A","secret":"s"},{"id":"A","secret":"t"}]}`, 0o600, "twice"},
		{"too large", strings.Repeat(" ", 1<<20) + good, 0o600, "more than"},
	}
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
			if _, err := iam.Open(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %v, want an error that says %q", err, tt.want)
			}
		})
	}
}

func TestConcurrentFirstOpen(t *testing.T) {
	dir := t.TempDir()
	keys := make([]iam.Key, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			ring, err := iam.Open(dir)
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
