package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

// fullQueue is a message queue with every field set.
func fullQueue() *lambda.Queue {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &lambda.Queue{
		Name: "q", ID: "000102030405060708090a0b0c0d0e0f", Key: []byte("0123456789abcdef0123456789abcdef"),
		Delay: 5 * time.Second, Visibility: 30 * time.Second, Retention: 96 * time.Hour, Wait: 20 * time.Second, MaximumMessageSize: 1 << 20,
		DeadLetter:     &lambda.DeadLetter{Target: "arn:aws:sqs:us-east-1:000000000000:dead", MaxReceives: 3},
		DeadLetterFrom: `{"redrivePermission":"allowAll"}`, Policy: `{"Statement":[]}`, Encrypted: true,
		Tags: map[string]string{"k": "v"}, CreatedAt: at, LastModified: at,
	}
}

func TestStoredFormatOfQueues(t *testing.T) {
	value, err := catalog.EncodeQueue(fullQueue())
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, value, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "queue.json")
	if *update {
		if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("stored format changed: records of older servers would be misread (-want +got):\n%s", diff)
	}
	got, err := catalog.DecodeQueue(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullQueue(), got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	if q, err := catalog.DecodeQueue([]byte(`{"v":1,"layer":{"name":"l"}}`)); err == nil {
		t.Errorf("a layer's record was read as the queue %+v", q)
	}
}

// TestQueuesAreKept writes and deletes, and looks here and after another start.
func TestQueuesAreKept(t *testing.T) {
	m := memory.New()
	defer m.Close()
	c := open(t, m.Metadata())
	first, err := c.PutQueue(t.Context(), fullQueue(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutQueue(t.Context(), fullQueue(), 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("second creation: %v", err)
	}
	for _, c := range []*catalog.Catalog{c, open(t, m.Metadata())} {
		r, ok := c.Queue("q")
		if !ok || r.Revision != first.Revision {
			t.Fatalf("record %+v, %t", r, ok)
		}
		if diff := cmp.Diff(fullQueue(), r.Queue); diff != "" {
			t.Errorf("queue (-want +got):\n%s", diff)
		}
	}
	if err := c.DeleteQueue(t.Context(), "q", first.Revision); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*catalog.Catalog{c, open(t, m.Metadata())} {
		if list := c.Queues(); len(list) != 0 {
			t.Errorf("after the deletion: %+v", list)
		}
	}
}
