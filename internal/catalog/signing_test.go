package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

func fullSigning() *lambda.SigningConfig {
	return &lambda.SigningConfig{
		ID: "csc-0123456789abcdefg", Description: "d", Publishers: []string{"arn:aws:signer:us-east-1:111111111111:/signing-profiles/p"},
		Policy: lambda.SigningEnforce, Tags: map[string]string{"k": "v"}, LastModified: time.Date(2026, 1, 2, 3, 4, 5, 6000000, time.UTC),
	}
}

func TestStoredFormatOfSigningConfigs(t *testing.T) {
	value, err := catalog.EncodeSigning(fullSigning())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"signing":{"id":"csc-0123456789abcdefg","description":"d","publishers":["arn:aws:signer:us-east-1:111111111111:/signing-profiles/p"],` +
		`"policy":"Enforce","tags":{"k":"v"},"modified":"2026-01-02T03:04:05.006Z"}}`
	if got := string(bytes.TrimSpace(value)); got != want || !json.Valid(value) {
		t.Errorf("stored as %s", got)
	}
	got, err := catalog.DecodeSigning(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullSigning(), got); diff != "" {
		t.Errorf("read again (-put +got):\n%s", diff)
	}
	if _, err := catalog.DecodeSigning([]byte(`{"v":1}`)); err == nil {
		t.Error("another record is read as a code signing configuration")
	}
}

func TestSigningConfigs(t *testing.T) {
	engine := memory.New()
	defer engine.Close()
	ctx := t.Context()
	reopen := func() *catalog.Catalog {
		c, err := catalog.Open(ctx, engine.Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := reopen()
	put, err := c.PutSigningConfig(ctx, fullSigning(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutSigningConfig(ctx, fullSigning(), 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("put again: %v", err)
	}
	if known, ok := reopen().SigningConfig(put.Config.ID); !ok || !cmp.Equal(known, put) {
		t.Errorf("opened again: %+v", known)
	}
	if err := c.DeleteSigningConfig(ctx, put.Config.ID, put.Revision); err != nil {
		t.Fatal(err)
	}
	if left := reopen().SigningConfigs(); len(left) > 0 {
		t.Errorf("deleted, and there is %v", left)
	}
}

func TestStoredFormatOfSigners(t *testing.T) {
	signer := &lambda.Signer{Name: "p", Versions: []lambda.SignerVersion{
		{Version: "abcdefghij", Key: []byte("key"), AddedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{Version: "bcdefghijk", Key: []byte("yek"), AddedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), RevokedAt: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)},
	}}
	value, err := catalog.EncodeSigner(signer)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"signer":{"name":"p","versions":[{"version":"abcdefghij","key":"a2V5","addedAt":"2026-01-02T03:04:05Z"},` +
		`{"version":"bcdefghijk","key":"eWVr","addedAt":"2026-01-02T03:04:05Z","revokedAt":"2026-01-02T03:04:06Z"}]}}`
	if got := string(bytes.TrimSpace(value)); got != want {
		t.Errorf("stored as %s", got)
	}
	got, err := catalog.DecodeSigner(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(signer, got); diff != "" {
		t.Errorf("read again (-put +got):\n%s", diff)
	}
	if _, err := catalog.DecodeSigner([]byte(`{"v":1}`)); err == nil {
		t.Error("another record is read as a signing profile")
	}
}

// TestSignedIsStored keeps who has signed code and layers.
func TestSignedIsStored(t *testing.T) {
	signed := lambda.Signed{Signer: "p", Version: "abcdefghij", Job: "j", ExpiresAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	broken := lambda.Signed{Broken: true}
	f := &lambda.Function{Name: "f", Configs: lambda.Configs{Signing: "csc-0123456789abcdefg"},
		Latest: lambda.Version{Number: lambda.Latest, Signed: signed, Layers: []lambda.AttachedLayer{{ARN: "l", Signed: broken}}}}
	value, err := catalog.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := catalog.Decode(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("function (-put +got):\n%s", diff)
	}
	engine := memory.New()
	defer engine.Close()
	c, err := catalog.Open(t.Context(), engine.Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	put, err := c.PutLayer(t.Context(), &lambda.Layer{Name: "l", Versions: []lambda.LayerVersion{{Number: 1, Signed: signed}}}, 0)
	if err != nil || put.Layer.Versions[0].Signed != signed {
		t.Errorf("layer %+v, %v", put.Layer, err)
	}
}
