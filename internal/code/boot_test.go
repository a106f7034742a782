package code_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thaw/internal/code"
	"thaw/internal/lambda"
)

// booted opens a directory as in another life of the kernel.
func booted(t *testing.T, dir string, b code.Blobs, boot string) *code.Packages {
	t.Helper()
	p, err := code.Open(code.Options{Dir: dir, Blobs: b, Boot: boot})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func content(t *testing.T, p *code.Packages, c lambda.Code) (root, text string) {
	t.Helper()
	root, err := p.Root(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, "a"))
	if err != nil {
		t.Fatal(err)
	}
	return root, string(data)
}

func trees(t *testing.T, dir string) int {
	t.Helper()
	found, err := os.ReadDir(filepath.Join(dir, "trees"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// TestTreesOfAnEarlierBoot: a power cut may have emptied files of a tree that has
// its name. No function ever sees them.
func TestTreesOfAnEarlierBoot(t *testing.T) {
	for name, damage := range map[string]func(root string) error{
		"emptied":      func(root string) error { return os.Truncate(filepath.Join(root, "a"), 0) },
		"lost":         func(root string) error { return os.Remove(filepath.Join(root, "a")) },
		"tree is gone": os.RemoveAll,
		"whole":        func(string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir, store := t.TempDir(), newBlobs()
			before := booted(t, dir, store, "first")
			c, err := before.Add(t.Context(), makeZip(t, file{name: "a", body: "text", mode: 0o644}))
			if err != nil {
				t.Fatal(err)
			}
			old, _ := content(t, before, c)
			if err := damage(old); err != nil {
				t.Fatal(err)
			}
			for _, boot := range []string{"second", "second", "third"} {
				p := booted(t, dir, store, boot)
				if root, text := content(t, p, c); text != "text" || root == old {
					t.Errorf("%q in %s", text, root)
				}
				if n := trees(t, dir); n != 1 {
					t.Errorf("%d trees", n)
				}
			}
		})
	}
}

// TestTreesOutliveTheServer: the kernel that has written a tree is trusted with it.
func TestTreesOutliveTheServer(t *testing.T) {
	dir, store := t.TempDir(), newBlobs()
	c, err := booted(t, dir, store, "first").Add(t.Context(), makeZip(t, file{name: "a", body: "text", mode: 0o644}))
	if err != nil {
		t.Fatal(err)
	}
	root, _ := content(t, booted(t, dir, store, "first"), c)
	if err := os.WriteFile(filepath.Join(root, "mark"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	root, _ = content(t, booted(t, dir, store, "first"), c)
	if _, err := os.Stat(filepath.Join(root, "mark")); err != nil {
		t.Errorf("the tree was made anew: %v", err)
	}
}

// TestUnusedTreesOfAnEarlierBoot: what nobody uses is found by the trees of earlier
// boots too, also if there is one of this boot.
func TestUnusedTreesOfAnEarlierBoot(t *testing.T) {
	for _, again := range []bool{false, true} {
		dir, store := t.TempDir(), newBlobs()
		c, err := booted(t, dir, store, "first").Add(t.Context(), makeZip(t, file{name: "a", body: "text", mode: 0o644}))
		if err != nil {
			t.Fatal(err)
		}
		if again { // as if the server had died before it could remove the old one
			root, _ := content(t, booted(t, dir, store, "first"), c)
			if err := os.CopyFS(strings.TrimSuffix(root, "first")+"second", os.DirFS(root)); err != nil {
				t.Fatal(err)
			}
		}
		p := booted(t, dir, store, "second")
		if held, err := p.Collect(t.Context(), func() func(string) bool { return func(string) bool { return false } }); held != 0 || err != nil {
			t.Errorf("Collect = %d, %v", held, err)
		}
		if n := trees(t, dir); n != 0 || len(store.byHex) != 0 {
			t.Errorf("%d trees and %d blobs are left", n, len(store.byHex))
		}
	}
}

// TestKernelsBoot: a server knows its kernel.
func TestKernelsBoot(t *testing.T) {
	dir, store := t.TempDir(), newBlobs()
	c, err := booted(t, dir, store, "").Add(t.Context(), makeZip(t, file{name: "a", body: "text", mode: 0o644}))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := content(t, booted(t, dir, store, ""), c)
	second, _ := content(t, booted(t, dir, store, ""), c)
	if first != second {
		t.Errorf("two servers of one boot have trees at %s and %s", first, second)
	}
}
