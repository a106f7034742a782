package signing_test

import (
	"archive/zip"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"thaw/internal/signing"
)

func packed(t testing.TB, comment string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("index.py")
	if err == nil {
		_, err = f.Write([]byte("print()"))
	}
	if err := errors.Join(err, w.SetComment(comment), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func ecdsaKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func read(t testing.TB, content []byte) *signing.Signature {
	t.Helper()
	s, err := signing.Read(bytes.NewReader(content), int64(len(content)))
	if err != nil || s == nil {
		t.Fatalf("signature %v, %v", s, err)
	}
	return s
}

var statement = signing.Statement{
	Job: "0b8e3c2a-0000-4000-8000-000000000000", SignedAt: time.Unix(1_700_000_000, 0).UTC(), ExpiresAt: time.Unix(1_800_000_000, 0).UTC(),
}

func TestSign(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ECDSA": ecdsaKey(t), "Ed25519": edwards} {
		for _, comment := range []string{"", "another comment"} {
			signed, err := signing.Sign(packed(t, comment), key, statement)
			if err != nil {
				t.Fatal(err)
			}
			signature := read(t, signed)
			if id, err := signing.KeyID(key.Public()); err != nil || signature.KeyID != id {
				t.Errorf("%s: key %s is said to have signed, it was %s", name, signature.KeyID, id)
			}
			if got, err := signature.Verify(key.Public()); err != nil || got != statement {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			if _, err := signature.Verify(ecdsaKey(t).Public()); !errors.Is(err, signing.ErrBroken) {
				t.Errorf("%s: another key: %v", name, err)
			}
			if r, err := zip.NewReader(bytes.NewReader(signed), int64(len(signed))); err != nil || len(r.File) != 1 {
				t.Errorf("%s: no zip any more: %v", name, err)
			}
			again, err := signing.Sign(signed, key, statement)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := read(t, again).Verify(key.Public()); err != nil {
				t.Errorf("%s: signed again: %v", name, err)
			}
		}
	}
}

// TestChangedPackages changes every byte of a signed package: none has a good
// signature any more.
func TestChangedPackages(t *testing.T) {
	key := ecdsaKey(t)
	signed, err := signing.Sign(packed(t, ""), key, statement)
	if err != nil {
		t.Fatal(err)
	}
	for i := range signed {
		changed := bytes.Clone(signed)
		changed[i] ^= 1
		s, err := signing.Read(bytes.NewReader(changed), int64(len(changed)))
		if err != nil || s == nil {
			continue
		}
		id, _ := signing.KeyID(key.Public())
		if got, err := s.Verify(key.Public()); err == nil && s.KeyID == id && got != statement {
			t.Errorf("with byte %d changed it is still good: %+v", i, got)
		} else if err == nil && i < len(packed(t, "")) {
			t.Errorf("byte %d of the package may be changed", i)
		}
	}
	// What hides another package behind the signature is no signed package.
	for name, content := range map[string][]byte{
		"before": append(packed(t, ""), signed...),
		"cut":    signed[:len(signed)-1],
		"longer": append(bytes.Clone(signed), 'x'),
		"behind": append(bytes.Clone(signed), packed(t, "")...),
	} {
		s, err := signing.Read(bytes.NewReader(content), int64(len(content)))
		if s == nil || err != nil {
			continue
		}
		if _, err := s.Verify(key.Public()); !errors.Is(err, signing.ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnsigned(t *testing.T) {
	const bundle = `"application/vnd.dev.sigstore.bundle.v0.3+json"`
	for _, test := range []struct {
		name    string
		content []byte
		want    error
	}{
		{"plain", packed(t, ""), nil},
		{"comment", packed(t, "{}"), nil},
		{"no zip", []byte("no zip"), nil},
		{"empty", nil, nil},
		{"no JSON", packed(t, bundle), signing.ErrBroken},
		{"no envelope", packed(t, `{"mediaType":`+bundle+`}`), signing.ErrBroken},
	} {
		s, err := signing.Read(bytes.NewReader(test.content), int64(len(test.content)))
		if s != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", test.name, s, err)
		}
	}
	if _, err := signing.Sign([]byte("no zip"), ecdsaKey(t), statement); err == nil {
		t.Error("what is no zip is signed")
	}
}

func TestKeys(t *testing.T) {
	key := ecdsaKey(t)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "KEY", Bytes: der}) }
	if got, err := signing.PrivateKey(text(private)); err != nil || !key.Equal(got) {
		t.Errorf("private: %v, %v", got, err)
	}
	if got, err := signing.PublicKey(text(public)); err != nil || !key.PublicKey.Equal(got) {
		t.Errorf("public: %v, %v", got, err)
	}
	rivest, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := x509.MarshalPKIXPublicKey(rivest.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"text": []byte("text"), "RSA": text(other), "junk": text([]byte("junk"))} {
		if _, err := signing.PublicKey(content); !errors.Is(err, signing.ErrKey) {
			t.Errorf("%s as a public key: %v", name, err)
		}
		if _, err := signing.PrivateKey(content); !errors.Is(err, signing.ErrKey) {
			t.Errorf("%s as a private key: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	key := ecdsaKey(f)
	signed, err := signing.Sign(packed(f, ""), key, statement)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(packed(f, ""))
	plain := len(packed(f, ""))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := signing.Read(bytes.NewReader(content), int64(len(content)))
		if err != nil || s == nil {
			return
		}
		if _, err := s.Verify(key.Public()); err == nil && !bytes.Equal(content[:plain-2], signed[:plain-2]) {
			t.Error("another package has a good signature")
		}
	})
}
