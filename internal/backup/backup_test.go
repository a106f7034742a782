package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/backup"
	"thaw/internal/store"
	"thaw/internal/store/local"
	"thaw/internal/store/memory"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// source is a store with some records and blobs.
func source(t *testing.T) backup.Source {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { s.Close() })
	for key, value := range map[string]string{"function/f": "sealed f", "function/g": "", "a": strings.Repeat("x", store.MaxValue)} {
		if _, err := s.Metadata().Put(t.Context(), key, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, blob := range []string{"", "zip", strings.Repeat("large ", 100_000)} {
		if _, _, err := s.Blobs().Put(t.Context(), strings.NewReader(blob)); err != nil {
			t.Fatal(err)
		}
	}
	return backup.Source{
		Header:   backup.Header{CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Thaw: "v1", KeyID: "0011"},
		Keys:     []byte(`{"version":2}`),
		Metadata: s.Metadata(), Blobs: s.Blobs(),
	}
}

func write(t *testing.T, s backup.Source) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := backup.Write(t.Context(), &b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// members reads a tar as any other program would.
func members(t *testing.T, data []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = string(content)
	}
}

// again backs up a restored directory.
func again(t *testing.T, dir string, header backup.Header) []byte {
	t.Helper()
	s, err := local.Open(t.Context(), local.Options{Dir: filepath.Join(dir, "store"), Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keys, err := os.ReadFile(filepath.Join(dir, backup.KeysName))
	if err != nil {
		t.Fatal(err)
	}
	return write(t, backup.Source{Header: header, Keys: keys, Metadata: s.Metadata(), Blobs: s.Blobs()})
}

// TestRoundTrip: what was restored gives the same backup, byte for byte.
func TestRoundTrip(t *testing.T) {
	s := source(t)
	whole := write(t, s)
	dir := filepath.Join(t.TempDir(), "sub", "data")
	done, err := backup.Restore(t.Context(), bytes.NewReader(whole), backup.Target{Dir: dir, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	if done.Records != 3 || done.Blobs != 3 || done.KeyFile || done.Aside != "" || done.Header.KeyID != "0011" {
		t.Errorf("restored %+v", done)
	}
	if got := again(t, dir, s.Header); !bytes.Equal(got, whole) {
		t.Errorf("the backup of what was restored differs (-want +got):\n%s", cmp.Diff(members(t, whole), members(t, got)))
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("left beside the directory: %v", left)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v, want 0700", info.Mode(), err)
	}
}

// TestWriteDuringChanges: a backup has the records of one moment, and every blob
// that they name.
func TestWriteDuringChanges(t *testing.T) {
	dir := t.TempDir()
	s, err := local.Open(t.Context(), local.Options{Dir: dir, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	started := make(chan struct{})
	writers.Go(func() {
		var revision store.Revision
		for i := 0; ctx.Err() == nil; i++ {
			digest, _, err := s.Blobs().Put(ctx, strings.NewReader(fmt.Sprint("code ", i)))
			if err == nil {
				revision, err = s.Metadata().Put(ctx, "function/f", []byte(digest), revision)
			}
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			if i == 0 {
				close(started)
			}
		}
	})
	<-started
	for range 20 {
		all := members(t, write(t, backup.Source{Keys: []byte("{}"), Metadata: s.Metadata(), Blobs: s.Blobs()}))
		if _, ok := all["blobs/"+all["records/function/f"]]; !ok {
			t.Errorf("blob %q is missing", all["records/function/f"])
		}
	}
	cancel()
	writers.Wait()
}

func TestCopyAddsTheKeyFile(t *testing.T) {
	whole := write(t, source(t))
	var with bytes.Buffer
	header, err := backup.Copy(&with, bytes.NewReader(whole), []byte("master key"))
	if err != nil || header.KeyID != "0011" {
		t.Fatalf("%+v, %v", header, err)
	}
	if got := members(t, with.Bytes())[backup.KeyFileName]; got != "master key" {
		t.Errorf("the key file is %q", got)
	}
	var without bytes.Buffer
	if _, err := backup.Copy(&without, bytes.NewReader(whole), nil); err != nil || !bytes.Equal(without.Bytes(), whole) {
		t.Errorf("a copy without the key file differs, %v", err)
	}
	for name, tt := range map[string]struct {
		given []byte
		want  string
	}{
		"from the backup": {nil, "master key"},
		"given":           {[]byte("other"), "other"},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		done, err := backup.Restore(t.Context(), bytes.NewReader(with.Bytes()), backup.Target{Dir: dir, KeyFile: tt.given, Logger: discard()})
		if err != nil || !done.KeyFile {
			t.Fatalf("%s: %+v, %v", name, done, err)
		}
		path := filepath.Join(dir, backup.KeyFileName)
		got, err := os.ReadFile(path)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: key file %q, %v", name, got, err)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
	}
}

func TestFullDirectories(t *testing.T) {
	whole := write(t, source(t))
	dir := filepath.Join(t.TempDir(), "data")
	restore := func(force bool) (backup.Restored, error) {
		return backup.Restore(t.Context(), bytes.NewReader(whole), backup.Target{Dir: dir, Force: force, Logger: discard()})
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(false); err != nil { // it is empty
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "mine")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(false); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("restore: %v, want backup.ErrNotEmpty", err)
	}
	if content, _ := os.ReadFile(mine); string(content) != "mine" {
		t.Errorf("a refused restore changed the directory")
	}
	done, err := restore(true)
	if err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(filepath.Join(done.Aside, "mine")); string(content) != "mine" {
		t.Errorf("what was there is not in %q", done.Aside)
	}
	if _, err := os.Stat(mine); err == nil {
		t.Error("what was there is still there")
	}
}

// TestRestoreThatFailsAtItsEnd: what was there is there again.
func TestRestoreThatFailsAtItsEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "mine")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Restore(t.Context(), bytes.NewReader(write(t, source(t))), backup.Target{
		Dir: dir, Force: true, Logger: discard(),
		Now: func() time.Time { // is asked when all is ready to be put in place
			made, err := filepath.Glob(dir + ".restoring-*")
			if err != nil || len(made) != 1 {
				t.Fatalf("%v, %v", made, err)
			}
			if err := os.RemoveAll(made[0]); err != nil {
				t.Fatal(err)
			}
			return time.Now()
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	if content, _ := os.ReadFile(mine); string(content) != "mine" {
		t.Errorf("after %v what was there is gone", err)
	}
}

// TestHeaderIsChecked: before anything of a backup is written.
func TestHeaderIsChecked(t *testing.T) {
	dir, refused := filepath.Join(t.TempDir(), "data"), errors.New("refused")
	var shown backup.Header
	s := source(t)
	_, err := backup.Restore(t.Context(), bytes.NewReader(write(t, s)), backup.Target{Dir: dir, Logger: discard(), Check: func(h backup.Header) error {
		shown = h
		return refused
	}})
	if !errors.Is(err, refused) || shown.KeyID != s.Header.KeyID {
		t.Errorf("Restore = %v, shown %+v", err, shown)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// rewrite makes a backup with members of one's own, and a manifest or none.
func rewrite(t *testing.T, header *tar.Header, content, manifest string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(h *tar.Header, content string) {
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if header.Name != "" {
		put(&tar.Header{Name: backup.HeaderName}, `{"format":1}`)
		put(header, content)
	}
	if manifest != "" {
		put(&tar.Header{Name: backup.ManifestName}, manifest)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRefusedBackups(t *testing.T) {
	whole := write(t, source(t))
	tests := []struct {
		name, want string
		data       []byte
	}{
		{"nothing", "no manifest", nil},
		{"cut off", "EOF", whole[:len(whole)/2]},
		{"not a tar", "invalid tar header", bytes.Repeat([]byte("x"), 1024)},
		{"another tar", "not a backup", rewrite(t, &tar.Header{}, "", "{}")},
		{"no manifest", "no manifest", rewrite(t, &tar.Header{Name: backup.KeysName}, "{}", "")},
		{"empty manifest", "manifest has 0 members", rewrite(t, &tar.Header{Name: backup.KeysName}, "{}", "{}")},
		{"other digest", "was changed", rewrite(t, &tar.Header{Name: backup.KeysName}, "{}", `{"members":[{},{}]}`)},
		{"unknown member", "unknown", rewrite(t, &tar.Header{Name: "passwd"}, "x", "{}")},
		{"path out of the directory", "unknown", rewrite(t, &tar.Header{Name: "../keys.json"}, "x", "{}")},
		{"path out of the blobs", "digest", rewrite(t, &tar.Header{Name: "blobs/../../x"}, "x", "{}")},
		{"bad key of a record", "character", rewrite(t, &tar.Header{Name: "records/a b"}, "x", "{}")},
		{"large keys", "at most", rewrite(t, &tar.Header{Name: backup.KeysName}, strings.Repeat("x", 1<<20+1), "{}")},
		{"header twice", "unknown", rewrite(t, &tar.Header{Name: backup.HeaderName}, `{"format":1}`, "{}")},
		{"a blob with another's name", "another digest", rewrite(t, &tar.Header{Name: "blobs/" + strings.Repeat("0", 64)}, "x", "{}")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			_, err := backup.Restore(t.Context(), bytes.NewReader(tt.data), backup.Target{Dir: filepath.Join(parent, "data"), Logger: discard()})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("restore: %v, want %q", err, tt.want)
			}
			if left, _ := os.ReadDir(parent); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestChangedBackups flips a bit in each of many bytes: the copy is refused, or
// has the same members.
func TestChangedBackups(t *testing.T) {
	s := memory.New()
	defer s.Close()
	if _, err := s.Metadata().Put(t.Context(), "function/f", []byte("value"), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Blobs().Put(t.Context(), strings.NewReader("blob")); err != nil {
		t.Fatal(err)
	}
	whole := write(t, backup.Source{Keys: []byte("{}"), Metadata: s.Metadata(), Blobs: s.Blobs()})
	want := members(t, whole)
	refused := 0
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1 << (i % 8)
		var got bytes.Buffer
		if _, err := backup.Copy(&got, bytes.NewReader(changed), nil); err != nil {
			refused++
		} else if diff := cmp.Diff(want, members(t, got.Bytes())); diff != "" {
			t.Fatalf("byte %d changed (-want +got):\n%s", i, diff)
		}
	}
	if refused == 0 {
		t.Error("no change was refused")
	}
}

func FuzzCopy(f *testing.F) {
	var empty bytes.Buffer
	s := memory.New()
	defer s.Close()
	if err := backup.Write(f.Context(), &empty, backup.Source{Keys: []byte("{}"), Metadata: s.Metadata(), Blobs: s.Blobs()}); err != nil {
		f.Fatal(err)
	}
	f.Add(empty.Bytes())
	f.Add(empty.Bytes()[:1024])
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := backup.Copy(io.Discard, bytes.NewReader(data), nil); err == nil && !bytes.Contains(data, []byte(backup.ManifestName)) {
			t.Error("a backup without a manifest passes")
		}
	})
}
