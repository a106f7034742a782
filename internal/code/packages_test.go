package code_test

import (
	"archive/zip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/code"
	"thaw/internal/lambda"
)

const (
	badZip   = "InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again."
	emptyZip = "InvalidParameterValueException: Uploaded file must be a non-empty zip"
)

func open(t testing.TB, dir string, b code.Blobs, l code.Limits) *code.Packages {
	t.Helper()
	p, err := code.Open(code.Options{Dir: dir, Blobs: b, Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// list describes a tree: one line for each file, directory and link.
func list(t testing.TB, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		line := fmt.Sprintf("%s %s", info.Mode(), rel)
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", data)
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			line = fmt.Sprintf("link %s -> %s", rel, to)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestAddKeepsFilesModesAndLinks(t *testing.T) {
	const unix, mac = 3, 19
	data := makeZip(t,
		file{name: "bin/run.sh", body: "#!/bin/sh\n", mode: 0o755},
		file{name: "bin/", mode: fs.ModeDir | 0o700},
		file{name: "handler.py", body: "pass", mode: 0o600},
		file{name: "setuid", body: "x", mode: fs.ModeSetuid | fs.ModeSetgid | 0o755},
		file{name: "plain", body: "x"},
		file{name: `win\sub\a.txt`, body: "w"},
		file{name: `un\ix`, body: "u", mode: 0o644},
		file{name: "mac", body: "m", mode: 0o640, host: mac},
		file{name: "README", body: "A", mode: 0o644},
		file{name: "readme", body: "a", mode: 0o644},
		file{name: "twice", body: "old", mode: 0o644},
		file{name: "twice", body: "new", mode: 0o644},
		file{name: "./deep//er/x", body: "", mode: 0o644},
		file{name: "empty/", mode: fs.ModeDir | 0o755},
		file{name: "lib/current", body: "v1", mode: fs.ModeSymlink | 0o777},
		file{name: "lib/v1/so", body: "elf", mode: 0o644, host: unix},
		file{name: "lib/top", body: "..", mode: fs.ModeSymlink | 0o777},
		file{name: "dangling", body: "not/there", mode: fs.ModeSymlink | 0o777},
		file{name: "via", body: "lib/current/so", mode: fs.ModeSymlink | 0o777},
	)
	p := open(t, t.TempDir(), newBlobs(), code.Limits{})
	c, err := p.Add(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	root, err := p.Root(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"drwxr-xr-x .",
		`-rw-r--r-- README "A"`,
		"drwxr-xr-x bin",
		`-rwxr-xr-x bin/run.sh "#!/bin/sh\n"`,
		"link dangling -> not/there",
		"drwxr-xr-x deep",
		"drwxr-xr-x deep/er",
		`-rw-r--r-- deep/er/x ""`,
		"drwxr-xr-x empty",
		`-rw-r--r-- handler.py "pass"`,
		"drwxr-xr-x lib",
		"link lib/current -> v1",
		"link lib/top -> ..",
		"drwxr-xr-x lib/v1",
		`-rw-r--r-- lib/v1/so "elf"`,
		`-rw-r--r-- mac "m"`,
		`-rw-r--r-- plain "x"`,
		`-rw-r--r-- readme "a"`,
		`-rwxr-xr-x setuid "x"`,
		`-rw-r--r-- twice "new"`,
		`-rw-r--r-- un\ix "u"`,
		"link via -> lib/current/so",
		"drwxr-xr-x win",
		"drwxr-xr-x win/sub",
		`-rw-r--r-- win/sub/a.txt "w"`,
	}
	if diff := cmp.Diff(want, list(t, root)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}

func TestAddKeepsTimes(t *testing.T) {
	when := time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC)
	data := makeZip(t,
		file{name: "d/", mode: fs.ModeDir | 0o755, time: when},
		file{name: "d/f", body: "x", mode: 0o644, time: when.Add(time.Hour)},
		file{name: "never", body: "x", mode: 0o644},
	)
	p := open(t, t.TempDir(), newBlobs(), code.Limits{})
	c, err := p.Add(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	root, err := p.Root(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Time{
		"d": when, "d/f": when.Add(time.Hour), "never": time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !info.ModTime().Equal(want) {
			t.Errorf("%s: modified %v, want %v", name, info.ModTime(), want)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	const link = fs.ModeSymlink | 0o777
	small := code.Limits{Unzipped: 10_000, Zipped: 5_000, Entries: 20, Depth: 4, Ratio: 1100}
	raw := func(tune func(*zip.FileHeader)) []byte {
		return makeZip(t, file{name: "ok", body: "ok", mode: 0o644},
			file{name: "a", body: strings.Repeat("a", 100), mode: 0o644, tune: tune})
	}
	good := makeZip(t, file{name: "a", body: "hello", mode: 0o644})
	tests := []struct {
		name   string
		zip    []byte
		limits code.Limits
		want   string
	}{
		{"nothing", nil, small, emptyZip},
		{"no entries", makeZip(t), small, emptyZip},
		{"garbage", []byte(strings.Repeat("garbage ", 100)), small, badZip},
		{"truncated", good[:len(good)-8], small, badZip},
		{"tail only", good[20:], small, badZip},
		{"climbs", makeZip(t, file{name: "../evil", body: "x", mode: 0o644}), small, badZip},
		{"climbs inside", makeZip(t, file{name: "a/../../evil", body: "x", mode: 0o644}), small, badZip},
		{"absolute", makeZip(t, file{name: "/etc/evil", body: "x", mode: 0o644}), small, badZip},
		{"backslash climbs", makeZip(t, file{name: `..\evil`, body: "x"}), small, badZip},
		{"backslash climbs on Unix", makeZip(t, file{name: `..\evil`, body: "x", mode: 0o644}), small, badZip},
		{"backslash absolute", makeZip(t, file{name: `\evil`, body: "x"}), small, badZip},
		{"nul", makeZip(t, file{name: "a\x00b", body: "x", mode: 0o644}), small, badZip},
		{"the root as a file", makeZip(t, file{name: ".", body: "x", mode: 0o644}), small, badZip},
		{"long element", makeZip(t, file{name: strings.Repeat("n", 256), mode: 0o644}), small, badZip},
		{"long name", makeZip(t, file{name: strings.Repeat("n/", 2000) + "x", mode: 0o644}), code.Limits{Depth: 9999}, badZip},
		{"deep", makeZip(t, file{name: "1/2/3/4/5", mode: 0o644}), small, badZip},
		{"device", makeZip(t, file{name: "dev", mode: fs.ModeDevice | 0o644}), small, badZip},
		{"character device", makeZip(t, file{name: "dev", mode: fs.ModeDevice | fs.ModeCharDevice | 0o644}), small, badZip},
		{"pipe", makeZip(t, file{name: "fifo", mode: fs.ModeNamedPipe | 0o644}), small, badZip},
		{"socket", makeZip(t, file{name: "sock", mode: fs.ModeSocket | 0o644}), small, badZip},
		{"link climbs", makeZip(t, file{name: "l", body: "../x", mode: link}), small, badZip},
		{"link absolute", makeZip(t, file{name: "l", body: "/etc/passwd", mode: link}), small, badZip},
		{"link to nothing", makeZip(t, file{name: "l", mode: link}), small, badZip},
		{"link with nul", makeZip(t, file{name: "l", body: "a\x00b", mode: link}), small, badZip},
		{"long link", makeZip(t, file{name: "l", body: strings.Repeat("./", 3000), mode: link}), small, badZip},
		{"link climbs through a link", makeZip(t,
			file{name: "x/y/p", body: "../..", mode: link}, file{name: "e", body: "x/y/p/..", mode: link}), small, badZip},
		{"link climbs through a later link", makeZip(t,
			file{name: "e", body: "x/y/p/..", mode: link}, file{name: "x/y/p", body: "../..", mode: link}), small, badZip},
		{"link circle", makeZip(t, file{name: "a", body: "b", mode: link}, file{name: "b", body: "a", mode: link}), small, badZip},
		{"through a link", makeZip(t,
			file{name: "d", body: "e", mode: link}, file{name: "e/", mode: fs.ModeDir | 0o755},
			file{name: "d/f", body: "x", mode: 0o644}), small, badZip},
		{"through a file", makeZip(t, file{name: "d", body: "e", mode: 0o644}, file{name: "d/f", body: "x", mode: 0o644}), small, badZip},
		{"file and link", makeZip(t, file{name: "d", body: "e", mode: 0o644}, file{name: "d", body: "e", mode: link}), small, badZip},
		{"file and directory", makeZip(t, file{name: "d", mode: 0o644}, file{name: "d/", mode: fs.ModeDir | 0o755}), small, badZip},
		{"overlap", overlapped(t), small, badZip},
		{"encrypted", raw(func(h *zip.FileHeader) { h.Flags |= 1 }), small, badZip},
		{"unknown method", raw(func(h *zip.FileHeader) { h.Method = 12 }), small, badZip},
		{"checksum", raw(func(h *zip.FileHeader) { h.CRC32++ }), small, badZip},
		{"says less than it is", raw(func(h *zip.FileHeader) { h.UncompressedSize64 = 10 }), small, badZip},
		{"says more than it is", raw(func(h *zip.FileHeader) { h.UncompressedSize64 = 1000 }), small, badZip},
		{"says far too much", raw(func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 62 }), small,
			"InvalidParameterValueException: Unzipped size must be smaller than 10000 bytes"},
		{"compressed beyond the end", raw(func(h *zip.FileHeader) { h.CompressedSize64 = 1 << 50 }), small, badZip},
		{"too many entries", manyEntries(t, 21), small, badZip},
		{"too many implied directories", makeZip(t,
			file{name: "a/b/c/1", mode: 0o644}, file{name: "d/e/f/2", mode: 0o644}, file{name: "g/h/i/3", mode: 0o644},
			file{name: "j/k/l/4", mode: 0o644}, file{name: "m/n/o/5", mode: 0o644}, file{name: "p", mode: 0o644}), small, badZip},
		{"large directory", manyEntries(t, 20_000), code.Limits{Directory: 1, Zipped: 1 << 30}, badZip},
		{"zipped size", make([]byte, 5_001), small,
			"RequestEntityTooLargeException: Zipped size must be smaller than 5000 bytes"},
		{"zipped size of the service", make([]byte, lambda.MaxZip+1), code.Limits{},
			"RequestEntityTooLargeException: Zipped size must be smaller than 52428800 bytes"},
		{"unzipped size", makeZip(t,
			file{name: "a", body: strings.Repeat("a", 6_000), mode: 0o644},
			file{name: "b", body: strings.Repeat("b", 6_000), mode: 0o644}), small,
			"InvalidParameterValueException: Unzipped size must be smaller than 10000 bytes"},
		{"ratio", makeZip(t, file{name: "a", body: strings.Repeat("a", 3<<20), mode: 0o644}), code.Limits{Ratio: 100}, badZip},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			store := newBlobs()
			p := open(t, filepath.Join(dir, "code"), store, tt.limits)
			_, err := p.Add(t.Context(), tt.zip)
			if _, ok := errors.AsType[*lambda.Error](err); !ok || err.Error() != tt.want {
				t.Errorf("Add: %v\nwant %s", err, tt.want)
			}
			want := []string{"drwxr-xr-x .", "drwx------ code", "drwx------ code/tmp", "drwx------ code/trees"}
			got := list(t, dir)
			got[0] = want[0]
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("left behind (-want +got):\n%s", diff)
			}
			if len(store.byHex) != 0 {
				t.Error("the refused zip was kept")
			}
		})
	}
}

// The service accepts a package that is one long run of the same byte.
func TestAddTakesWhatDeflateCanDo(t *testing.T) {
	p := open(t, t.TempDir(), newBlobs(), code.Limits{})
	data := makeZip(t, file{name: "handler.py", body: strings.Repeat("#", 64<<20), mode: 0o644})
	if _, err := p.Add(t.Context(), data); err != nil {
		t.Error(err)
	}
}

func TestRootUnpacksAgain(t *testing.T) {
	dir := t.TempDir()
	store := newBlobs()
	p := open(t, dir, store, code.Limits{})
	data := makeZip(t, file{name: "a/b", body: "hello", mode: 0o644})
	c, err := p.Add(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	root, err := p.Root(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if store.opens != 0 {
		t.Error("Root read the blob of a tree that was there")
	}
	want := list(t, root)
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	p = open(t, dir, store, code.Limits{})
	again, err := p.Root(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if again != root {
		t.Errorf("Root = %q, before %q", again, root)
	}
	if diff := cmp.Diff(want, list(t, again)); diff != "" {
		t.Errorf("tree made again (-want +got):\n%s", diff)
	}
	r, err := p.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != string(data) {
		t.Errorf("Open gave %d bytes (%v), want the zip", len(got), err)
	}
}

func TestRootErrorsAreNotTheUsers(t *testing.T) {
	store := newBlobs()
	p := open(t, t.TempDir(), store, code.Limits{})
	c, err := p.Add(t.Context(), makeZip(t, file{name: "a", body: "hello", mode: 0o644}))
	if err != nil {
		t.Fatal(err)
	}
	root, err := p.Root(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	errDisk := errors.New("disk is on fire")
	store.bad = errDisk
	if _, err := p.Root(t.Context(), c); !errors.Is(err, errDisk) {
		t.Errorf("Root over a broken disk: %v, want %v", err, errDisk)
	}
	missing := lambda.Code{SHA256: base64.StdEncoding.EncodeToString(make([]byte, 32))}
	if _, err := p.Root(t.Context(), missing); !errors.Is(err, errNoBlob) {
		t.Errorf("Root of an unknown package: %v, want %v", err, errNoBlob)
	}
	for _, digest := range []string{"", "x", "../../etc", "aGVsbG8="} {
		if _, err := p.Root(t.Context(), lambda.Code{SHA256: digest}); err == nil {
			t.Errorf("Root took the digest %q", digest)
		}
		if _, err := p.Open(t.Context(), lambda.Code{SHA256: digest}); err == nil {
			t.Errorf("Open took the digest %q", digest)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	store := newBlobs()
	p := open(t, t.TempDir(), store, code.Limits{Parallel: 2})
	zips := [][]byte{
		makeZip(t, file{name: "a", body: strings.Repeat("a", 100_000), mode: 0o644}),
		makeZip(t, file{name: "b", body: strings.Repeat("b", 100_000), mode: 0o644}),
		manyEntries(t, 200),
	}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			c, err := p.Add(t.Context(), zips[i%len(zips)])
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := p.Root(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(store.byHex) != len(zips) {
		t.Errorf("%d blobs, want %d", len(store.byHex), len(zips))
	}
}

func TestAddStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := open(t, t.TempDir(), newBlobs(), code.Limits{})
	data := makeZip(t, file{name: "a", body: "a", mode: 0o644})
	if _, err := p.Add(ctx, data); !errors.Is(err, context.Canceled) {
		t.Errorf("Add = %v, want %v", err, context.Canceled)
	}
	// What was given up is no obstacle.
	if _, err := p.Add(t.Context(), data); err != nil {
		t.Error(err)
	}
}

func TestOpenRemovesHalfMadeTrees(t *testing.T) {
	dir := t.TempDir()
	store := newBlobs()
	p := open(t, dir, store, code.Limits{})
	c, err := p.Add(t.Context(), makeZip(t, file{name: "a", body: "a", mode: 0o644}))
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "tmp", "0123-half", "sub")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	p = open(t, dir, store, code.Limits{})
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half-made tree: %v, want it removed", err)
	}
	root, err := p.Root(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "a")); err != nil {
		t.Error(err)
	}
}

func TestSweepKeepsWhatIsInUse(t *testing.T) {
	dir := t.TempDir()
	store := newBlobs()
	p := open(t, dir, store, code.Limits{})
	var codes []lambda.Code
	for _, body := range []string{"one", "two", "three"} {
		c, err := p.Add(t.Context(), makeZip(t, file{name: "a", body: body, mode: 0o644}))
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, c)
	}
	foreign, _, err := store.Put(t.Context(), strings.NewReader("somebody else's"))
	if err != nil {
		t.Fatal(err)
	}
	p = open(t, dir, store, code.Limits{})
	if err := p.Sweep(t.Context(), func(sum string) bool { return sum == codes[1].SHA256 }); err != nil {
		t.Fatal(err)
	}
	trees, err := os.ReadDir(filepath.Join(dir, "trees"))
	if err != nil {
		t.Fatal(err)
	}
	if len(trees) != 1 || len(store.byHex) != 2 || store.byHex[foreign] == nil {
		t.Errorf("%d trees and %d blobs are left, want 1, and 2 with the foreign one", len(trees), len(store.byHex))
	}
	if _, err := p.Root(t.Context(), codes[1]); err != nil {
		t.Error(err)
	}
	if _, err := p.Root(t.Context(), codes[0]); !errors.Is(err, errNoBlob) {
		t.Errorf("Root of a swept package: %v, want %v", err, errNoBlob)
	}
}

// Directories that names share count once.
func TestImpliedDirectoriesCountOnce(t *testing.T) {
	p := open(t, t.TempDir(), newBlobs(), code.Limits{Entries: 8})
	data := makeZip(t, file{name: "a/b/1", mode: 0o644}, file{name: "a/b/2", mode: 0o644},
		file{name: "a/b/c/3", mode: 0o644}, file{name: "a/", mode: fs.ModeDir | 0o755}, file{name: "a/b/c/4", mode: 0o644})
	if _, err := p.Add(t.Context(), data); err != nil {
		t.Errorf("5 entries and 2 implied directories: %v", err)
	}
}

// TestAddMeasures adds a package twice: the second time its tree is there.
func TestAddMeasures(t *testing.T) {
	data := makeZip(t,
		file{name: "a", body: strings.Repeat("a", 1000), mode: 0o644},
		file{name: "d/b", body: strings.Repeat("b", 24), mode: 0o644},
		file{name: "empty/", mode: fs.ModeDir | 0o755})
	p := open(t, t.TempDir(), newBlobs(), code.Limits{})
	for range 2 {
		c, err := p.Add(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		if c.Size != int64(len(data)) || c.Unzipped != 1024 {
			t.Errorf("%d bytes zipped, %d unzipped; want %d and 1024", c.Size, c.Unzipped, len(data))
		}
	}
}
