package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"thaw/internal/store"
)

func testGetPutDelete(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	_, err := m.Get(ctx, "a/b")
	wantErr(t, err, store.ErrNotFound)
	rev, err := m.Put(ctx, "a/b", []byte("one"), 0)
	noErr(t, err)
	e, err := m.Get(ctx, "a/b")
	noErr(t, err)
	if e.Key != "a/b" || string(e.Value) != "one" || e.Revision != rev || rev == 0 {
		t.Errorf("got %+v at revision %d", e, rev)
	}
	noErr(t, m.Delete(ctx, "a/b", rev))
	_, err = m.Get(ctx, "a/b")
	wantErr(t, err, store.ErrNotFound)
	wantErr(t, m.Delete(ctx, "a/b", rev), store.ErrConflict)
}

func testCompareAndSwap(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	first, err := m.Put(ctx, "k", []byte("1"), 0)
	noErr(t, err)
	_, err = m.Put(ctx, "k", []byte("x"), 0)
	wantErr(t, err, store.ErrConflict)
	second, err := m.Put(ctx, "k", []byte("2"), first)
	noErr(t, err)
	if second <= first {
		t.Errorf("revision %d after %d", second, first)
	}
	_, err = m.Put(ctx, "k", []byte("x"), first)
	wantErr(t, err, store.ErrConflict)
	wantErr(t, m.Delete(ctx, "k", first), store.ErrConflict)
	wantErr(t, m.Delete(ctx, "k", 0), store.ErrConflict)
	_, err = m.Put(ctx, "other", []byte("x"), second)
	wantErr(t, err, store.ErrConflict)
	if e, err := m.Get(ctx, "k"); err != nil || string(e.Value) != "2" {
		t.Errorf("value %q, %v after lost races", e.Value, err)
	}
}

func testCreateAfterDelete(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	var last store.Revision
	for range 3 {
		rev, err := m.Put(ctx, "k", []byte("v"), 0)
		noErr(t, err)
		if rev <= last {
			t.Errorf("revision %d after %d: not growing over a deletion", rev, last)
		}
		last = rev
		noErr(t, m.Delete(ctx, "k", rev))
		_, err = m.Put(ctx, "k", []byte("v"), rev)
		wantErr(t, err, store.ErrConflict)
	}
}

func testConcurrentPuts(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	for round := range 3 {
		key := fmt.Sprintf("k%d", round)
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				_, err := m.Put(ctx, key, fmt.Appendf(nil, "%d", i), 0)
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d writers won the creation of one key", won.Load())
		}
	}
}

func testKeys(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	for _, key := range []string{
		"a", "a/b/c", "function/My-Function_1", "a.b", "a.b/c.d", ".a", "a.", "a..b", "=", strings.Repeat("k", 300),
	} {
		rev, err := m.Put(ctx, key, []byte(key), 0)
		if err != nil {
			t.Errorf("put %q: %v", key, err)
			continue
		}
		if e, err := m.Get(ctx, key); err != nil || e.Key != key || e.Revision != rev {
			t.Errorf("get %q: %+v, %v", key, e, err)
		}
	}
	for _, key := range []string{"", "/", "a/", "/a", "a//b", "a b", "a*", "a>", "ä", "a\x00", strings.Repeat("k", 513)} {
		if _, err := m.Put(ctx, key, nil, 0); err == nil {
			t.Errorf("put %q: no error", key)
		}
		if _, err := m.Get(ctx, key); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("get %q: %v", key, err)
		}
	}
}

func testNewest(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	want := func(want store.Revision) {
		t.Helper()
		got, err := m.Newest(ctx)
		noErr(t, err)
		if got != want {
			t.Errorf("newest revision %d, want %d", got, want)
		}
	}
	want(0)
	first, err := m.Put(ctx, "a", nil, 0)
	noErr(t, err)
	want(first)
	second, err := m.Put(ctx, "b", nil, 0)
	noErr(t, err)
	want(second)
	if second != first+1 {
		t.Errorf("revision %d after %d", second, first)
	}
	noErr(t, m.Delete(ctx, "a", first))
	want(second + 1)
	_, err = m.Put(ctx, "b", nil, first)
	wantErr(t, err, store.ErrConflict)
	want(second + 1)
	third, err := m.Put(ctx, "a", nil, 0)
	noErr(t, err)
	want(third)
}

func testValueLimit(t *testing.T, m store.Metadata, limit int) {
	ctx := testContext(t)
	whole := bytes.Repeat([]byte("v"), limit)
	_, err := m.Put(ctx, "k", whole, 0)
	noErr(t, err)
	if e, err := m.Get(ctx, "k"); err != nil || !bytes.Equal(e.Value, whole) {
		t.Errorf("%d bytes, %v", len(e.Value), err)
	}
	_, err = m.Put(ctx, "k2", append(whole, 'v'), 0)
	wantErr(t, err, store.ErrTooLarge)
	_, err = m.Put(ctx, "empty", nil, 0)
	noErr(t, err)
}

func testValueIsNotShared(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	value := []byte("value")
	_, err := m.Put(ctx, "k", value, 0)
	noErr(t, err)
	value[0] = 'X'
	e, err := m.Get(ctx, "k")
	noErr(t, err)
	e.Value[1] = 'X'
	if e, err := m.Get(ctx, "k"); err != nil || string(e.Value) != "value" {
		t.Errorf("value %q, %v: shared with a caller", e.Value, err)
	}
}

func testCancelledContextPuts(t *testing.T, m store.Metadata) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Put(ctx, "k", nil, 0); err == nil {
		t.Error("put with an ended context: no error")
	}
}

// next is the next change, or fails.
func next(t *testing.T, ctx context.Context, watch <-chan store.Change) store.Change {
	t.Helper()
	select {
	case c, ok := <-watch:
		if !ok {
			t.Fatal("watch ended")
		}
		return c
	case <-ctx.Done():
		t.Fatal("no change")
	}
	return store.Change{}
}

func testWatch(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	gone, err := m.Put(ctx, "gone", []byte("x"), 0)
	noErr(t, err)
	noErr(t, m.Delete(ctx, "gone", gone))
	old, err := m.Put(ctx, "k", []byte("0"), 0)
	noErr(t, err)
	first, err := m.Put(ctx, "k", []byte("1"), old)
	noErr(t, err)
	watch, err := m.Watch(ctx, "")
	noErr(t, err)
	if c := next(t, ctx, watch); c.Key != "k" || string(c.Value) != "1" || c.Revision != first || c.Deleted || c.Synced {
		t.Errorf("initial state: %+v", c)
	}
	if c := next(t, ctx, watch); !c.Synced || c.Key != "" {
		t.Errorf("%+v, want Synced", c)
	}
	second, err := m.Put(ctx, "k", []byte("2"), first)
	noErr(t, err)
	if c := next(t, ctx, watch); string(c.Value) != "2" || c.Revision != second {
		t.Errorf("%+v, want revision %d", c, second)
	}
	noErr(t, m.Delete(ctx, "k", second))
	if c := next(t, ctx, watch); !c.Deleted || c.Key != "k" || c.Revision <= second || len(c.Value) != 0 {
		t.Errorf("%+v, want a deletion", c)
	}
	third, err := m.Put(ctx, "k", []byte("3"), 0)
	noErr(t, err)
	if c := next(t, ctx, watch); c.Deleted || c.Revision != third {
		t.Errorf("%+v, want revision %d", c, third)
	}
}

func testWatchPrefix(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	for _, key := range []string{"a", "a/x", "a/xy", "a/y", "ab/x", "b/x"} {
		_, err := m.Put(ctx, key, nil, 0)
		noErr(t, err)
	}
	for prefix, want := range map[string]int{"": 6, "a": 5, "a/": 3, "a/x": 2, "ab": 1, "c/": 0} {
		got, err := snapshot(ctx, m, prefix)
		noErr(t, err)
		if len(got) != want {
			t.Errorf("prefix %q: %d keys, want %d", prefix, len(got), want)
		}
	}
	if _, err := m.Watch(ctx, "a*"); err == nil {
		t.Error("watch of a bad prefix: no error")
	}
}

func testWatchEnds(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	for i := range 600 { // more than any buffer in between
		_, err := m.Put(ctx, fmt.Sprintf("k%d", i), nil, 0)
		noErr(t, err)
	}
	short, cancel := context.WithCancel(ctx)
	watch, err := m.Watch(short, "")
	noErr(t, err)
	next(t, ctx, watch)
	cancel()
	for range watch {
	}
	if ctx.Err() != nil {
		t.Error("watch outlives its context")
	}
}

// snapshot is the state that a new watch begins with.
func snapshot(ctx context.Context, m store.Metadata, prefix string) (map[string]store.Entry, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := m.Watch(ctx, prefix)
	if err != nil {
		return nil, err
	}
	entries := make(map[string]store.Entry)
	for c := range watch {
		if c.Synced {
			return entries, nil
		}
		entries[c.Key] = c.Entry
	}
	return nil, errors.New("watch ended before it was synced")
}

// testSlowWatcher lets a reader fall behind thousands of writes: it may miss
// steps, but not the last state of any key.
func testSlowWatcher(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	watch, err := m.Watch(ctx, "")
	noErr(t, err)
	next(t, ctx, watch) // Synced
	const keys, rounds = 20, 60
	last := make(map[string]store.Revision)
	for range rounds {
		for i := range keys {
			key := fmt.Sprintf("k%d", i)
			last[key], err = m.Put(ctx, key, bytes.Repeat([]byte("v"), 1000), last[key])
			noErr(t, err)
		}
	}
	seen := make(map[string]store.Revision)
	var newest store.Revision
	for missing := keys; missing > 0; {
		c := next(t, ctx, watch)
		if c.Revision <= seen[c.Key] {
			t.Fatalf("%s: revision %d after %d", c.Key, c.Revision, seen[c.Key])
		}
		seen[c.Key] = c.Revision
		if c.Revision < newest {
			t.Fatalf("revision %d comes after %d", c.Revision, newest)
		}
		newest = c.Revision
		if c.Revision == last[c.Key] {
			missing--
		}
	}
}

// testWatchDuringWrites starts watches while a key is being written: whatever
// the moment, the last state arrives, before Synced or after.
func testWatchDuringWrites(t *testing.T, m store.Metadata) {
	ctx := testContext(t)
	const writes = 200
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		var rev store.Revision
		for i := range writes {
			var err error
			rev, err = m.Put(ctx, "k", fmt.Appendf(nil, "%d", i), rev)
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	final := fmt.Sprintf("%d", writes-1)
	for range 4 {
		wg.Go(func() {
			watch, err := m.Watch(ctx, "")
			if err != nil {
				t.Error(err)
				return
			}
			synced := false
			for value := ""; value != final || !synced; {
				c, ok := <-watch
				if !ok {
					t.Errorf("watch ended at %q, synced %t", value, synced)
					return
				}
				if c.Synced {
					synced = true
					continue
				}
				value = string(c.Value)
			}
		})
	}
}
