package code_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"thaw/internal/code"
	"thaw/internal/lambda"
)

// names is who names packages, as versions of functions do.
type names struct {
	mu    sync.Mutex
	count map[string]int
	asked func() // called with each picture, before it is taken
}

func (n *names) add(sum string, by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count[sum] += by
}

func (n *names) picture() func(sha256 string) bool {
	if n.asked != nil {
		n.asked()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := map[string]bool{}
	for sum, count := range n.count {
		seen[sum] = count > 0
	}
	return func(sum string) bool { return seen[sum] }
}

func add(t *testing.T, p *code.Packages, body string) lambda.Code {
	t.Helper()
	c, err := p.Add(t.Context(), makeZip(t, file{name: "a", body: body, mode: 0o644}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func collect(t *testing.T, p *code.Packages, n *names, wantHeld int) {
	t.Helper()
	held, err := p.Collect(t.Context(), n.picture)
	if err != nil {
		t.Fatal(err)
	}
	if held != wantHeld {
		t.Errorf("Collect: %d held, want %d", held, wantHeld)
	}
}

func TestCollect(t *testing.T) {
	store, n := newBlobs(), &names{count: map[string]int{}}
	p := open(t, t.TempDir(), store, code.Limits{})
	c := add(t, p, "one")
	exists := func(want bool) {
		t.Helper()
		_, err := p.Root(t.Context(), c)
		if want && err != nil {
			t.Errorf("Root: %v", err)
		}
		if !want && !errors.Is(err, errNoBlob) {
			t.Errorf("Root of a collected package: %v, want %v", err, errNoBlob)
		}
	}
	collect(t, p, n, 1) // added, not yet named
	exists(true)
	n.add(c.SHA256, 1)
	p.Release(c)
	collect(t, p, n, 0)
	exists(true)

	dir, err := p.Acquire(t.Context(), c) // an environment mounts it
	if err != nil {
		t.Fatal(err)
	}
	n.add(c.SHA256, -1) // and its version is replaced
	collect(t, p, n, 1)
	if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
		t.Errorf("the held tree: %v", err)
	}
	p.Release(c)
	collect(t, p, n, 0)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || len(store.byHex) != 0 {
		t.Errorf("the tree: %v; %d blobs; want neither", err, len(store.byHex))
	}
	exists(false)
}

// A package that is named between the two looks stays.
func TestCollectLooksTwice(t *testing.T) {
	n := &names{count: map[string]int{}}
	p := open(t, t.TempDir(), newBlobs(), code.Limits{})
	c := add(t, p, "one")
	p.Release(c)
	looks := 0
	n.asked = func() {
		if looks++; looks == 2 {
			n.add(c.SHA256, 1)
		}
	}
	collect(t, p, n, 0)
	if _, err := p.Root(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// TestCollectBesideChanges replaces few packages from many sides while a
// collector is at work: what is named or held is there, always.
func TestCollectBesideChanges(t *testing.T) {
	n := &names{count: map[string]int{}}
	p := open(t, t.TempDir(), newBlobs(), code.Limits{Parallel: 4})
	var zips [3][]byte
	for i := range zips {
		zips[i] = makeZip(t, file{name: "a", body: fmt.Sprint(i), mode: 0o644})
	}
	done := make(chan struct{})
	var collector, changers sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := p.Collect(t.Context(), n.picture); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for side := range 4 {
		changers.Go(func() {
			for i := range 40 {
				if err := useOnce(t, p, n, zips[(side+i)%len(zips)]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	changers.Wait()
	close(done)
	collector.Wait()
}

// useOnce is the life of one version with one environment.
func useOnce(t *testing.T, p *code.Packages, n *names, zip []byte) error {
	c, err := p.Add(t.Context(), zip)
	if err != nil {
		return err
	}
	n.add(c.SHA256, 1)
	p.Release(c)
	dir, err := p.Acquire(t.Context(), c)
	if err != nil {
		return err
	}
	n.add(c.SHA256, -1)
	if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
		return fmt.Errorf("held tree: %w", err)
	}
	p.Release(c)
	return nil
}
