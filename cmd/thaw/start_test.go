package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"testing"

	"thaw/internal/control"
	"thaw/internal/vault"
)

// TestStartDecodesNothing starts what a server keeps over functions of which the
// summary can be read and nothing else: whoever wanted more of any of them would
// say so. Decoding thousands of them would be most of a start.
func TestStartDecodesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openServerState(t, dir)
	for _, name := range []string{"a", "b"} {
		// Version 2, a settled function without anything; its JSON is none.
		if _, err := s.records.Put(t.Context(), "function/"+name, []byte("\x02\x04\x00\x00\x00\x00\x02{]"), 0); err != nil {
			t.Fatal(err)
		}
	}
	closeServerState(t, s)
	var log bytes.Buffer
	s = &server{config: Config{Data: dir, KeyFile: filepath.Join(dir, vault.FileName)}, logger: slog.New(slog.NewTextHandler(&log, nil))}
	if err := s.openState(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer closeServerState(t, s)
	c, err := control.Open(t.Context(), control.Options{Catalog: s.catalog, Code: s.code, Logger: s.logger})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.claim()
	account, err := c.Account(t.Context())
	if err != nil || account.Functions != 2 {
		t.Errorf("%d functions, %v", account.Functions, err)
	}
	if log.Len() > 0 {
		t.Errorf("functions are decoded:\n%s", &log)
	}
	if _, ok := s.catalog.Function("a"); ok || log.Len() == 0 {
		t.Error("a function that cannot be decoded is decoded")
	}
}
