package code_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thaw/internal/code"
	"thaw/internal/lambda"
)

// FuzzAdd holds that whatever is uploaded is either unpacked within the limits,
// with nothing outside the tree and no way out of it, or refused as the user's
// mistake, with nothing left behind.
func FuzzAdd(f *testing.F) {
	const link = fs.ModeSymlink | 0o777
	f.Add(makeZip(f, file{name: "a/b", body: "hello", mode: 0o755}, file{name: "a/l", body: "b", mode: link}))
	f.Add(makeZip(f, file{name: "../a", body: "hello"}, file{name: `w\x`, body: "y"}))
	f.Add(makeZip(f, file{name: "d/", mode: fs.ModeDir | 0o700}, file{name: "z", body: strings.Repeat("z", 5000)}))
	f.Add(makeZip(f, file{name: "x/p", body: "..", mode: link}, file{name: "e", body: "x/p/..", mode: link}))
	f.Add(overlapped(f))
	limits := code.Limits{Zipped: 64 << 10, Unzipped: 64 << 10, Entries: 50, Depth: 10}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		p := open(t, filepath.Join(dir, "code"), newBlobs(), limits)
		c, err := p.Add(t.Context(), data)
		if err != nil {
			if _, ok := errors.AsType[*lambda.Error](err); !ok {
				t.Fatalf("not the user's mistake: %v", err)
			}
			if n := len(list(t, dir)); n != 4 {
				t.Fatalf("%d names are left, want 4", n)
			}
			return
		}
		root, err := p.Root(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		checkTree(t, root, limits)
		outside := len(list(t, dir)) - len(list(t, root))
		if outside != 4 {
			t.Fatalf("%d names outside the tree, want 4", outside)
		}
	})
}

func checkTree(t *testing.T, dir string, l code.Limits) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var size int64
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		switch info.Mode().Type() {
		case 0:
			size += info.Size()
		case fs.ModeDir:
		case fs.ModeSymlink:
			if _, err := root.Stat(rel); err != nil && bytes.Contains([]byte(err.Error()), []byte("escapes")) {
				t.Errorf("link %q: %v", rel, err)
			}
		default:
			t.Errorf("%q is a %s", rel, info.Mode())
		}
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
			t.Errorf("%q has mode %s", rel, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > l.Unzipped {
		t.Errorf("%d bytes unpacked, limit %d", size, l.Unzipped)
	}
}
