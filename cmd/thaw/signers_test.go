package main

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thaw/internal/signing"
)

// TestSign signs a package in place and elsewhere, which needs no server.
func TestSign(t *testing.T) {
	isolate(t)
	dir := t.TempDir()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := zip.NewWriter(&packed).Close(); err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, path("key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	writeFile(t, path("a.zip"), packed.String())
	writeFile(t, path("text"), "no zip")
	for _, test := range []struct {
		name string
		args []string
		file string // that is signed then
		code int
		says string
	}{
		{"elsewhere", []string{"a.zip", "--key", path("key"), "--output", path("b.zip")}, "b.zip", 0, ""},
		{"in place", []string{"a.zip", "--key", path("key"), "--valid", "1h", "--json"}, "a.zip", 0, ""},
		{"no key", []string{"a.zip"}, "", exitUsage, "--key has to name a file"},
		{"a bad key", []string{"a.zip", "--key", path("text")}, "", exitUsage, "the key must be an ECDSA or Ed25519 key"},
		{"no zip", []string{"text", "--key", path("key")}, "", exitLocal, "not a zip"},
		{"no file", []string{"none.zip", "--key", path("key")}, "", exitLocal, "no such file"},
		{"for too long", []string{"a.zip", "--key", path("key"), "--valid", "999999h"}, "", exitUsage, "--valid"},
	} {
		test.args[0] = path(test.args[0])
		stdout, stderr, code := runVerb(t, "", append([]string{"sign"}, test.args...)...)
		if code != test.code || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: ends with %d: %s", test.name, code, stderr)
		}
		if test.file == "" {
			continue
		}
		content, err := os.ReadFile(path(test.file))
		if err != nil {
			t.Fatal(err)
		}
		s, err := signing.Read(bytes.NewReader(content), int64(len(content)))
		if err != nil || s == nil {
			t.Fatalf("%s: %v, %v", test.name, s, err)
		}
		statement, err := s.Verify(public)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		var told signing.Statement
		if slices.Contains(test.args, "--json") && (json.Unmarshal([]byte(stdout), &told) != nil || told != statement) {
			t.Errorf("%s: told %s, signed %+v", test.name, stdout, statement)
		}
	}
}
