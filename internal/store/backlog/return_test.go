package backlog_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
)

// TestReturn: what could not be ended is in the hands that it was in, and due when it
// was.
func TestReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backlog.New(10)
		now := time.Now()
		b.Add(backlog.Item{ID: "leased", Due: now, Place: 2}, backlog.Item{ID: "delayed", Due: now.Add(time.Hour), Place: 2})
		grant := take(t, b, 1, time.Minute)[0]
		whole := store.Count{Leased: 1, Delayed: 1}
		item, err := b.Remove(grant.Token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Remove(grant.Token); !errors.Is(err, store.ErrConflict) {
			t.Errorf("removed twice: %v", err)
		}
		b.Return(item)
		if got := b.Count(); got != whole {
			t.Errorf("%+v, want %+v", got, whole)
		}
		if err := b.Extend(grant.Token, now.Add(2*time.Minute)); err != nil {
			t.Errorf("the token of what was returned: %v", err)
		}
		taken := b.Take([]string{"leased", "delayed"})
		b.Return(taken...)
		if got := b.Count(); len(taken) != 2 || got != whole {
			t.Errorf("%d taken; %+v, want %+v", len(taken), got, whole)
		}
		time.Sleep(2 * time.Minute)
		again := take(t, b, 2, time.Minute)
		if len(again) != 1 || again[0].ID != "leased" {
			t.Fatalf("handed out %+v", again)
		}
		if item, err = b.Remove(again[0].Token); err != nil {
			t.Fatal(err)
		}
		b.Clear(3)
		b.Return(item)
		if got := b.Count(); got != (store.Count{}) || b.Len() != 0 {
			t.Errorf("%+v and %d IDs are left of what was cleared", got, b.Len())
		}
	})
}
