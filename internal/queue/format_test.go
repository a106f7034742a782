package queue_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/queue"
)

func fullMessage() *queue.Message {
	return &queue.Message{
		Body: "body", Trace: "Root=1", Sender: "AIDA", Group: "g", Deduplication: "d", Source: prefix + "q",
		SentAt: time.UnixMilli(1_767_323_045_678), ReceiveCount: 3, FirstReceivedAt: time.UnixMilli(1_767_323_046_000),
		Attributes: map[string]queue.Attribute{"b": {Type: "Binary", Value: []byte{0, 255}}, "a": {Type: "String", Value: []byte("v")}},
	}
}

const goldenMessage = "01ae9ea6e5b73303f0a0a6e5b73306526f6f743d310441494441016701642461726e3a6177733a7371733a75732d656173742d313a3132333435363738393031323a7104626f647902016106537472696e67017601620642696e6172790200ff"

// TestStoredFormatOfMessages holds the bytes of docs/file-formats.md.
func TestStoredFormatOfMessages(t *testing.T) {
	got := hex.EncodeToString(queue.AppendMessage(nil, fullMessage()))
	if got != goldenMessage {
		t.Errorf("stored format changed: messages of older servers would be misread\n got %s\nwant %s", got, goldenMessage)
	}
	m, err := queue.ReadMessage(queue.AppendMessage(nil, fullMessage()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullMessage(), m); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func FuzzReadMessage(f *testing.F) {
	whole := queue.AppendMessage(nil, fullMessage())
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte{1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := queue.ReadMessage(b)
		if err != nil {
			return
		}
		again, err := queue.ReadMessage(queue.AppendMessage(nil, m))
		if err != nil {
			t.Fatalf("%+v is read, but not what it is written as: %v", m, err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Errorf("written and read again:\n%s", diff)
		}
	})
}

// TestHandlesAreAuthenticated: one changed bit, or another queue's key, and nothing is
// named.
func TestHandlesAreAuthenticated(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		record, _ := b.catalog.Queue("q")
		id := b.send("q", "m")
		handle := b.one("q", time.Minute).Receipt
		if got, ok := queue.ReadReceipt(record.Queue.Key, handle); !ok || got != id {
			t.Errorf("read %q, %t", got, ok)
		}
		if _, ok := queue.ReadReceipt(bytes.Repeat([]byte{1}, 32), handle); ok {
			t.Error("another key reads it")
		}
		for i := range handle {
			changed := []byte(handle)
			if changed[i]++; changed[i] == '=' || handle[i] == '=' {
				continue
			}
			if got, ok := queue.ReadReceipt(record.Queue.Key, string(changed)); ok && (got != id || i < len(handle)-2) {
				t.Errorf("changed at %d it names %q", i, got)
			}
		}
		for _, other := range []string{"", "AQ==", strings.Repeat("A", 44), handle + handle} {
			if _, ok := queue.ReadReceipt(record.Queue.Key, other); ok {
				t.Errorf("%q is a handle", other)
			}
		}
	})
}

func TestSeals(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	if same, err := queue.SealAndOpen(key, "a", "a", []byte("text")); err != nil || !same {
		t.Errorf("opened as itself: %t, %v", same, err)
	}
	if _, err := queue.SealAndOpen(key, "a", "b", []byte("text")); err == nil {
		t.Error("opened as another message")
	}
}

func TestNewID(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	if a, b := queue.NewID(at, "k"), queue.NewID(at, "k"); a != b || !strings.HasPrefix(a, "019b7ca9-8f2e-") || a[14] != '7' || len(a) != 36 {
		t.Errorf("IDs %s and %s", a, b)
	}
	if a, b := queue.NewID(at, ""), queue.NewID(at, ""); a == b || a == queue.NewID(at, "k") {
		t.Errorf("IDs %s and %s", a, b)
	}
}

// TestAtOnce: senders, receivers and who deletes the queue, all at the same time. What
// was acknowledged before the queue was deleted was received or went with it; the new
// queue of its name has none of it.
func TestAtOnce(t *testing.T) {
	b := newBench(t)
	t.Cleanup(b.close)
	b.create("q", nil)
	var mu sync.Mutex
	sent, received := map[string]bool{}, map[string]int{}
	var workers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		workers.Go(func() {
			for range 200 {
				id, err := b.Send(t.Context(), "q", queue.Outgoing{Body: "m"})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				sent[id.ID] = true
				mu.Unlock()
			}
		})
	}
	var receivers sync.WaitGroup
	for range 3 {
		receivers.Go(func() {
			for {
				list, err := b.Receive(t.Context(), "q", queue.Want{Max: 7, Wait: new(time.Second)})
				if err != nil {
					t.Error(err)
					return
				}
				for _, m := range list {
					mu.Lock()
					received[m.ID]++
					mu.Unlock()
					if err := b.DeleteMessage(t.Context(), "q", m.Receipt); err != nil {
						t.Error(err)
					}
				}
				select {
				case <-stop:
					if len(list) == 0 {
						return
					}
				default:
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	receivers.Wait()
	for id := range sent {
		if received[id] != 1 {
			t.Errorf("%s was received %d times", id, received[id])
		}
	}
	if len(sent) != 800 || len(received) != 800 {
		t.Errorf("%d sent, %d received", len(sent), len(received))
	}
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for range 50 {
				_, _ = b.Send(t.Context(), "q", queue.Outgoing{Body: "m"}) // there may be no queue
			}
		})
	}
	var ids []string
	for range 20 {
		record, _ := b.catalog.Queue("q")
		ids = append(ids, record.Queue.ID)
		b.must(b.Service.Delete(t.Context(), "q"))
		b.create("q", nil)
	}
	senders.Wait()
	for _, id := range ids {
		b.orphans(id)
	}
	b.must(b.Service.Delete(t.Context(), "q"))
	b.create("q", nil)
	b.none("q")
}
