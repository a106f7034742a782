package sealed_test

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"thaw/internal/store"
	"thaw/internal/store/local"
	"thaw/internal/store/memory"
	"thaw/internal/store/sealed"
	"thaw/internal/store/storetest"
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

func open(t *testing.T, inner store.Metadata, v *vault.Vault) *sealed.Metadata {
	t.Helper()
	m, err := sealed.Open(t.Context(), sealed.Options{Metadata: inner, Vault: v, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// engine is an engine with its records sealed.
type engine struct {
	store.Store
	records *sealed.Metadata
}

func (e engine) Metadata() store.Metadata { return e.records }

func TestConformance(t *testing.T) {
	v := newVault(t)
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, storetest.Engine{Overhead: vault.Overhead, Open: func(t *testing.T, _ string) store.Store {
			s := memory.New()
			return engine{s, open(t, s.Metadata(), v)}
		}})
	})
	t.Run("jetstream", func(t *testing.T) {
		storetest.Run(t, storetest.Engine{Overhead: vault.Overhead, Durable: true, Open: func(t *testing.T, dir string) store.Store {
			s, err := local.Open(t.Context(), local.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return engine{s, open(t, s.Metadata(), v)}
		}})
	})
}

func put(t *testing.T, m store.Metadata, key, value string) store.Revision {
	t.Helper()
	revision, err := m.Put(t.Context(), key, []byte(value), 0)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func get(t *testing.T, m store.Metadata, key string) []byte {
	t.Helper()
	e, err := m.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return e.Value
}

func TestRecordsAreSealedInTheEngine(t *testing.T) {
	inner := memory.New()
	defer inner.Close()
	m := open(t, inner.Metadata(), newVault(t))
	put(t, m, "function/f", "secret value")
	if stored := get(t, inner.Metadata(), "function/f"); bytes.Contains(stored, []byte("secret")) {
		t.Errorf("the engine has %q", stored)
	}
	if got := get(t, m, "function/f"); string(got) != "secret value" {
		t.Errorf("read %q", got)
	}
}

func TestPlainRecordsAreSealedAtOpen(t *testing.T) {
	inner, v := memory.New(), newVault(t)
	defer inner.Close()
	before := put(t, inner.Metadata(), "function/f", `{"v":1,"function":{}}`)
	m := open(t, inner.Metadata(), v)
	if got := get(t, m, "function/f"); string(got) != `{"v":1,"function":{}}` {
		t.Errorf("read %q", got)
	}
	if stored := get(t, inner.Metadata(), "function/f"); !v.IsCurrent(stored) {
		t.Errorf("the engine still has %q", stored)
	}
	newest, err := m.Newest(t.Context())
	if err != nil || newest != before+1 {
		t.Errorf("newest revision %d, %v, want one more than %d", newest, err, before)
	}
	open(t, inner.Metadata(), v) // has nothing left to do
	if again, _ := m.Newest(t.Context()); again != newest {
		t.Errorf("the second Open wrote: revision %d after %d", again, newest)
	}
}

func TestAnotherKeyIsRefusedAtOpen(t *testing.T) {
	inner := memory.New()
	defer inner.Close()
	put(t, open(t, inner.Metadata(), newVault(t)), "function/f", "value")
	_, err := sealed.Open(t.Context(), sealed.Options{Metadata: inner.Metadata(), Vault: newVault(t), Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, vault.ErrNoKey) {
		t.Errorf("open with another key: %v, want vault.ErrNoKey", err)
	}
}

func TestSwappedRecordsAreRefused(t *testing.T) {
	inner, v := memory.New(), newVault(t)
	defer inner.Close()
	m := open(t, inner.Metadata(), v)
	put(t, m, "function/f", "value")
	put(t, inner.Metadata(), "function/g", string(get(t, inner.Metadata(), "function/f")))
	if _, err := m.Get(t.Context(), "function/g"); !errors.Is(err, vault.ErrBroken) {
		t.Errorf("get: %v, want vault.ErrBroken", err)
	}
	changes, err := m.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for c := range changes { // which ends by itself
		if c.Key == "function/g" || c.Synced {
			t.Errorf("watch shows %q, synced %v", c.Key, c.Synced)
		}
	}
}
