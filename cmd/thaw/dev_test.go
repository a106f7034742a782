package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestAwaitSave: changes that come one after the other are one save, and one that
// does not end is taken as it is.
func TestAwaitSave(t *testing.T) {
	tests := []struct {
		name  string
		gaps  []time.Duration // between changes
		after time.Duration   // from the first change on
	}{
		{"one change", nil, quiet},
		{"an editor's burst", []time.Duration{time.Millisecond, 8 * time.Millisecond}, 9*time.Millisecond + quiet},
		{"without end", repeated(5*time.Millisecond, 200), longestSave},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				changes := make(chan struct{}, 1)
				changes <- struct{}{}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					for _, gap := range test.gaps {
						select {
						case <-ctx.Done():
							return
						case <-time.After(gap):
						}
						select {
						case changes <- struct{}{}:
						default:
						}
					}
				}()
				start := time.Now()
				if err := awaitSave(ctx, changes); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != test.after {
					t.Errorf("took %v, want %v", took, test.after)
				}
			})
		})
	}
}

func repeated(d time.Duration, n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = d
	}
	return all
}

// TestWatcher saves files in the ways that editors do, and in directories that
// come later.
func TestWatcher(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "app.py"), "1")
	writeFile(t, filepath.Join(dir, "lib", "part.py"), "1")
	w, err := openWatcher(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	path := func(name string) string { return filepath.Join(dir, name) }
	tests := []struct {
		name string
		save func() error
	}{
		{"in place", func() error { return os.WriteFile(path("app.py"), []byte("2"), 0o644) }},
		{"below", func() error { return os.WriteFile(path("lib/part.py"), []byte("2"), 0o644) }},
		{"renamed over it", func() error {
			if err := os.WriteFile(path("app.py~"), []byte("3"), 0o644); err != nil {
				return err
			}
			return os.Rename(path("app.py~"), path("app.py"))
		}},
		{"a new directory", func() error { return os.MkdirAll(path("new"), 0o755) }},
		{"removed", func() error { return os.Remove(path("lib/part.py")) }},
	}
	for _, test := range tests {
		if err := test.save(); err != nil {
			t.Fatal(err)
		}
		if !changed(w) {
			t.Errorf("%s makes no change", test.name)
		}
	}
	// Its watch is set once the new directory's event was read.
	writeFile(t, path("new/file.py"), "1")
	if !changed(w) {
		t.Error("a file in a new directory makes no change")
	}
}

// TestParseInotify: what is not deployed makes no change, and what the kernel has
// dropped does.
func TestParseInotify(t *testing.T) {
	event := func(mask uint32, name string) []byte {
		padded := append([]byte(name), make([]byte, 16-len(name)%16)...)
		if name == "" {
			padded = nil
		}
		var b []byte
		for _, n := range []uint32{1, mask, 0, uint32(len(padded))} {
			b = binary.NativeEndian.AppendUint32(b, n)
		}
		return append(b, padded...)
	}
	tests := []struct {
		name                  string
		events                [][]byte
		relevant, directories bool
	}{
		{"a file", [][]byte{event(unix.IN_CLOSE_WRITE, "app.py")}, true, false},
		{"compiled by Python", [][]byte{event(unix.IN_CLOSE_WRITE, "app.pyc"), event(unix.IN_CREATE|unix.IN_ISDIR, "__pycache__")}, false, true},
		{"beside a file", [][]byte{event(unix.IN_CREATE, ".app.py.swp"), event(unix.IN_MOVED_TO, "app.py")}, true, false},
		{"scratch files", [][]byte{event(unix.IN_CREATE, "4913"), event(unix.IN_CREATE, "app.py~"), event(unix.IN_CREATE, ".#app.py")}, false, false},
		{"a directory", [][]byte{event(unix.IN_CREATE|unix.IN_ISDIR, "lib")}, true, true},
		{"an end of a watch", [][]byte{event(unix.IN_IGNORED, "")}, false, false},
		{"too many", [][]byte{event(unix.IN_Q_OVERFLOW, "")}, true, false},
		{"cut short", [][]byte{event(unix.IN_CLOSE_WRITE, "app.py")[:20]}, false, false},
	}
	for _, test := range tests {
		relevant, directories := parseInotify(bytes.Join(test.events, nil))
		if relevant != test.relevant || directories != test.directories {
			t.Errorf("%s: %v, %v", test.name, relevant, directories)
		}
	}
}

// changed waits for a signal, and for those that belong to the same save.
func changed(w *watcher) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return awaitSave(ctx, w.changes) == nil
}

// TestDev runs dev against the fake server: it deploys, deploys again after a
// save, and tells of code that cannot be deployed.
func TestDev(t *testing.T) {
	dataDir := isolate(t)
	startFake(t, dataDir)
	dir := filepath.Join(t.TempDir(), "hello")
	writeFile(t, filepath.Join(dir, "index.mjs"), "export const handler = async () => 1;\n")
	conn := &connection{data: dataDir}
	d := deployment{source: dir, wait: time.Minute}
	if err := d.complete(nil); err != nil {
		t.Fatal(err)
	}
	errs := &lines{}
	run := developer{conn: conn, deployment: d, out: &lines{}, errs: errs}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run.run(ctx) }()
	errs.await(t, "deployed hello")
	writeFile(t, filepath.Join(dir, "index.mjs"), "export const handler = async () => 2;\n")
	errs.await(t, "reloaded hello in ")
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	errs.await(t, "not deployed: ", `the link "link" leads out of the directory`)
	if err := os.Remove(filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	errs.await(t, "reloaded hello in ")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lines is a writer that can be waited on.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return l.text.Write(p)
}

// await waits until all the parts were written since the last one that was
// waited for.
func (l *lines) await(t *testing.T, parts ...string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		text, found := l.text.String(), true
		for _, part := range parts {
			found = found && strings.Contains(text, part)
		}
		if found {
			l.text.Reset()
			l.mu.Unlock()
			return
		}
		if l.more == nil {
			l.more = make(chan struct{})
		}
		more := l.more
		l.mu.Unlock()
		select {
		case <-more:
		case <-limit:
			t.Fatalf("no %q in %q", parts, text)
		}
	}
}
