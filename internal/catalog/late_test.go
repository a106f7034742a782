package catalog_test

import (
	"context"
	"testing"
	"testing/synctest"

	"thaw/internal/store"
	"thaw/internal/store/memory"
)

// late is a store whose Put of one key tells its writer of it only when it may.
type late struct {
	store.Metadata
	key  string
	tell chan struct{}
}

func (l *late) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	revision, err := l.Metadata.Put(ctx, key, value, expect)
	if key == l.key {
		<-l.tell
	}
	return revision, err
}

// TestDeletedBeforeItsWriterKnows has the watch show a write, and somebody delete
// what it wrote, before the writer is told that it is done: the function is gone,
// and its name is free.
func TestDeletedBeforeItsWriterKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		slow := &late{Metadata: m.Metadata(), key: "function/f", tell: make(chan struct{})}
		c := open(t, slow)
		defer c.Close()
		written := make(chan error)
		go func() {
			_, err := c.PutFunction(t.Context(), function("f", "1"), 0)
			written <- err
		}()
		synctest.Wait() // until the watch has shown it
		r, ok := c.Function("f")
		if !ok {
			t.Fatal("the watch does not show the function")
		}
		if err := c.DeleteFunction(t.Context(), "f", r.Revision); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until it has shown the deletion
		close(slow.tell)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		if got := description(c, "f"); got != "-" || len(c.Functions()) != 0 {
			t.Errorf("the deleted function is there: %q", got)
		}
		if _, err := c.PutFunction(t.Context(), function("f", "2"), 0); err != nil {
			t.Error(err)
		}
		if got := description(c, "f"); got != "2" {
			t.Errorf("made anew it is %q", got)
		}
	})
}
