package vault_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"thaw/internal/vault"
)

func create(t testing.TB) (*vault.Vault, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), vault.FileName)
	if err := vault.Create(path); err != nil {
		t.Fatal(err)
	}
	return read(t, path), path
}

func read(t testing.TB, path string) *vault.Vault {
	t.Helper()
	v, err := vault.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func write(t *testing.T, keys ...byte) string {
	t.Helper()
	var list []string
	for _, k := range keys {
		list = append(list, fmt.Sprintf(`{"secret":%q}`, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{k}, 32))))
	}
	path := filepath.Join(t.TempDir(), vault.FileName)
	content := `{"version":1,"keys":[` + strings.Join(list, ",") + `]}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSealAndUnseal(t *testing.T) {
	v, path := create(t)
	for _, plain := range []string{"", "x", strings.Repeat("secret value ", 1000)} {
		sealed := v.Seal("function/f", []byte(plain))
		if len(sealed) != len(plain)+vault.Overhead || !vault.IsSealed(sealed) || !v.IsCurrent(sealed) {
			t.Errorf("%d bytes sealed are %d, sealed %v, current %v", len(plain), len(sealed), vault.IsSealed(sealed), v.IsCurrent(sealed))
		}
		if bytes.Contains(sealed, []byte("secret")) {
			t.Error("the plain text shows")
		}
		if bytes.Equal(sealed, v.Seal("function/f", []byte(plain))) {
			t.Error("sealing twice gives the same bytes")
		}
		got, err := read(t, path).Unseal("function/f", sealed)
		if err != nil || string(got) != plain {
			t.Errorf("unsealed %q, %v", got, err)
		}
	}
}

// TestChangedBytesAreRefused flips every bit of a sealed text.
func TestChangedBytesAreRefused(t *testing.T) {
	v, _ := create(t)
	sealed := v.Seal("place", []byte("value"))
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if plain, err := v.Unseal("place", changed); err == nil {
				t.Fatalf("bit %d of byte %d flipped: unseals to %q", bit, i, plain)
			}
		}
	}
	for n := range sealed {
		if _, err := v.Unseal("place", sealed[:n]); err == nil {
			t.Fatalf("the first %d bytes unseal", n)
		}
	}
	if _, err := v.Unseal("elsewhere", sealed); !errors.Is(err, vault.ErrBroken) {
		t.Errorf("moved to another place: %v", err)
	}
}

func TestReplacedKey(t *testing.T) {
	old, both, other := read(t, write(t, 'a')), read(t, write(t, 'b', 'a')), read(t, write(t, 'c'))
	sealed := old.Seal("place", []byte("value"))
	if plain, err := both.Unseal("place", sealed); err != nil || string(plain) != "value" || both.IsCurrent(sealed) {
		t.Errorf("with both keys: %q, %v, current %v", plain, err, both.IsCurrent(sealed))
	}
	if !both.Has(old.KeyID()) || !both.Has(both.KeyID()) || both.Has(other.KeyID()) || both.Has("") || both.Has(old.KeyID()+"00") {
		t.Errorf("of %s, %s and %s the vault of the first two has %v, %v and %v", old.KeyID(), both.KeyID(), other.KeyID(),
			both.Has(old.KeyID()), both.Has(both.KeyID()), both.Has(other.KeyID()))
	}
	if _, err := old.Unseal("place", both.Seal("place", []byte("value"))); !errors.Is(err, vault.ErrNoKey) {
		t.Errorf("the new key's seal with the old key only: %v", err)
	}
	_, err := other.Unseal("place", sealed)
	if !errors.Is(err, vault.ErrNoKey) || !strings.Contains(err.Error(), old.KeyID()) {
		t.Errorf("with another key: %v, want one that names %s", err, old.KeyID())
	}
}

func TestCreate(t *testing.T) {
	first, path := create(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := vault.Create(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if again := read(t, path); again.KeyID() != first.KeyID() {
		t.Error("a later Create has replaced the key")
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("directory holds %v, want the key file only", names)
	}
}

func TestRefusedKeyFiles(t *testing.T) {
	good := `{"version":1,"keys":[{"secret":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"}]}`
	tests := []struct {
		name, content string
		mode          fs.FileMode
		want          string
	}{
		{"good", good, 0o600, ""},
		{"read only", good, 0o400, ""},
		{"read by others", good, 0o604, "chmod 600"},
		{"written by the group", good, 0o620, "chmod 600"},
		{"not JSON", "key", 0o600, "invalid character"},
		{"newer format", `{"version":2,"keys":[]}`, 0o600, "format version 2"},
		{"no keys", `{"version":1}`, 0o600, "no keys"},
		{"short key", `{"version":1,"keys":[{"secret":"AAAA"}]}`, 0o600, "3 bytes"},
		{"too large", strings.Repeat(" ", 64<<10) + good, 0o600, "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), vault.FileName)
			if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := vault.Read(path)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Read: %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := vault.Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func FuzzUnseal(f *testing.F) {
	v, _ := create(f)
	f.Add("place", v.Seal("place", []byte("value")))
	f.Add("", []byte("{}"))
	f.Fuzz(func(t *testing.T, place string, sealed []byte) {
		plain, err := v.Unseal(place, sealed)
		if err == nil && !bytes.Equal(plain, []byte("value")) {
			t.Errorf("%x unseals to %q", sealed, plain)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	v, _ := create(b)
	plain := make([]byte, 4096)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		v.Seal("function/f", plain)
	}
}
