package queue_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"thaw/internal/queue"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

// memories are queues of a store that forgets its leases when it is opened again, as
// the one on the disk does.
type memories map[string]*remembered

type remembered struct {
	store.Queue
	events map[string]store.Event
}

func (m memories) queue(name string) store.Queue {
	if m[name] == nil {
		m[name] = &remembered{memory.New().Queue(name), map[string]store.Event{}}
	}
	return m[name]
}

// reopen is another process over another opening of the store.
func (m memories) reopen(t *testing.T, b *bench) {
	t.Helper()
	b.must(b.Close())
	for name, q := range m {
		q.Queue = memory.New().Queue(name)
		b.must(q.Queue.EnqueueBatch(t.Context(), slices.Collect(maps.Values(q.events))))
	}
	b.Service = b.open()
}

func (r *remembered) EnqueueBatch(ctx context.Context, events []store.Event) error {
	for _, e := range events {
		r.events[e.ID] = e
	}
	return r.Queue.EnqueueBatch(ctx, events)
}

func (r *remembered) Ack(ctx context.Context, l store.Leased) error {
	err := r.Queue.Ack(ctx, l)
	if err == nil {
		delete(r.events, l.ID)
	}
	return err
}

func (r *remembered) End(ctx context.Context, ids []string) error {
	for _, id := range ids {
		delete(r.events, id)
	}
	return r.Queue.End(ctx, ids)
}

// TestHandover: what was in flight when the server ended in good order stays so, its
// handle is as good as before, and receipts go on being counted.
func TestHandover(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.state = filepath.Join(b.dir, "queues.json")
		kept := memories{}
		b.events = kept.queue
		b.restart()
		b.create("dead", nil)
		b.create("q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + prefix + `dead","maxReceiveCount":2}`})
		for _, body := range []string{"ends", "lasts", "is deleted", "is given back"} {
			b.send("q", body)
		}
		old := map[string]queue.Message{}
		for _, m := range b.receive("q", time.Minute, 0) {
			old[m.Body] = m
		}
		kept.reopen(t, b)
		b.must(b.DeleteMessage(t.Context(), "q", old["is deleted"].Receipt))
		b.must(b.ChangeVisibility(t.Context(), "q", old["lasts"].Receipt, time.Hour))
		b.none("q")
		b.must(b.ChangeVisibility(t.Context(), "q", old["is given back"].Receipt, 0))
		if m := b.one("q", time.Hour); m.Body != "is given back" || m.ReceiveCount != 2 || m.FirstReceivedAt.UnixMilli() != old["is given back"].FirstReceivedAt.UnixMilli() {
			t.Errorf("received %+v", m)
		}
		refused(t, b.ChangeVisibility(t.Context(), "q", old["is given back"].Receipt, 0), queue.CodeInvalidValue, "not available")
		time.Sleep(59*time.Second + 999*time.Millisecond)
		b.none("q")
		time.Sleep(time.Second)
		if m := b.one("q", time.Second); m.Body != "ends" || m.ReceiveCount != 2 {
			t.Errorf("received %+v", m)
		}
		kept.reopen(t, b)
		time.Sleep(time.Second)
		b.none("q") // it was received twice
		if m := b.one("dead", time.Hour); m.Body != "ends" || m.ReceiveCount != 3 {
			t.Errorf("dead letter %+v", m)
		}
		b.must(b.DeleteMessage(t.Context(), "q", old["lasts"].Receipt))
		time.Sleep(2 * time.Hour)
		b.none("q")
		if m := b.receive("dead", time.Hour, 0); len(m) != 2 {
			t.Errorf("dead letters %+v", m)
		}
		// What cannot be read is as good as nothing.
		b.must(b.Close())
		b.must(os.WriteFile(b.state, []byte("{"), 0o600))
		b.Service = b.open()
		b.must(b.Close())
		b.Service = b.open()
	})
}
