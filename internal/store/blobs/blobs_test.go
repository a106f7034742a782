package blobs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thaw/internal/store/blobs"
)

func TestOpenClearsUnfinishedWrites(t *testing.T) {
	dir := t.TempDir()
	d, err := blobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := d.Put(t.Context(), strings.NewReader("kept"))
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "tmp", "put-123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err = blobs.Open(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the unfinished write is still there: %v", err)
	}
	if list, err := d.List(t.Context()); err != nil || len(list) != 1 || list[0] != digest {
		t.Errorf("blobs: %v, %v", list, err)
	}
}

func TestNothingIsLeftInTmp(t *testing.T) {
	dir := t.TempDir()
	d, err := blobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := d.Put(t.Context(), strings.NewReader("blob")); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil || len(entries) != 0 {
		t.Errorf("tmp holds %v, %v", entries, err)
	}
}

func TestBlobsAreReadOnly(t *testing.T) {
	dir := t.TempDir()
	d, err := blobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := d.Put(t.Context(), strings.NewReader("blob"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, digest[:2], digest))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o400 {
		t.Errorf("mode %v", mode)
	}
}
