package main

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/lambda"
)

func writeTree(t *testing.T, dir string, files map[string]fs.FileMode) {
	t.Helper()
	for name, mode := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content of "+name), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBundleDir(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]fs.FileMode{
		"b.py": 0o600, "a/run": 0o700, "a/z.txt": 0o664,
		".git/config": 0o644, "__pycache__/b.pyc": 0o644, "old.pyc": 0o644,
	})
	if err := os.Symlink("../b.py", filepath.Join(dir, "a", "link")); err != nil {
		t.Fatal(err)
	}
	content, err := bundleDir(dir, compressed)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range reader.File {
		got = append(got, file.Mode().String()+" "+file.Name)
	}
	want := []string{"Lrwxrwxrwx a/link", "-rwxr-xr-x a/run", "-rw-r--r-- a/z.txt", "-rw-r--r-- b.py"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// endless is a file without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestBundleReadsNoMoreThanFits: a file of any size is refused in a time and a
// memory of no such size.
func TestBundleReadsNoMoreThanFits(t *testing.T) {
	b := bundler{zip: zip.NewWriter(io.Discard), method: stored}
	if err := b.write("a", 0o644, strings.NewReader("a")); err != nil {
		t.Fatal(err)
	}
	if err := b.write("b", 0o644, endless{}); err == nil || !strings.Contains(err.Error(), "that the service takes") {
		t.Errorf("write = %v", err)
	}
}

// TestZipThatIsTooLarge is not read at all.
func TestZipThatIsTooLarge(t *testing.T) {
	isolate(t)
	name := filepath.Join(t.TempDir(), "large.zip")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1<<40); err != nil { // it takes no place on the disk
		t.Skip(err)
	}
	if _, stderr, code := runVerb(t, "", "deploy", name); code != exitLocal || !strings.Contains(stderr, "the service takes 52428800") {
		t.Errorf("deploy: exit code %d, %s", code, stderr)
	}
}

// TestBundleIsDeterministic makes two directories with the same files, made in
// another order, at another time and with another umask.
func TestBundleIsDeterministic(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	writeTree(t, one, map[string]fs.FileMode{"a.py": 0o644, "lib/b.py": 0o644})
	writeTree(t, two, map[string]fs.FileMode{"lib/b.py": 0o600})
	writeTree(t, two, map[string]fs.FileMode{"a.py": 0o640})
	if err := os.Chtimes(filepath.Join(two, "a.py"), time.Time{}, time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	first, err := bundleDir(one, compressed)
	if err != nil {
		t.Fatal(err)
	}
	second, err := bundleDir(two, compressed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same files gave other bytes")
	}
}

func TestBundleRefuses(t *testing.T) {
	tests := []struct{ name, link, want string }{
		{"a link out", "../../etc/passwd", "leads out of the directory"},
		{"an absolute link", "/etc/passwd", "leads out of the directory"},
		{"an empty directory", "", "no file to deploy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if test.link != "" {
				if err := os.Symlink(test.link, filepath.Join(dir, "link")); err != nil {
					t.Fatal(err)
				}
			}
			_, err := bundleDir(dir, compressed)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// TestBundleStored: what dev stores as it is means the same, and what is too large
// that way is compressed after all.
func TestBundleStored(t *testing.T) {
	small, err := bundleFile("bootstrap", []byte("program"), stored)
	if err != nil || !bytes.Contains(small, []byte("program")) {
		t.Errorf("not stored as it is: %v", err)
	}
	large, err := bundleFile("bootstrap", make([]byte, lambda.MaxZip+1), stored)
	if err != nil || len(large) > lambda.MaxZip {
		t.Errorf("%d bytes: %v", len(large), err)
	}
}
