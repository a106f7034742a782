package local_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/store"
	"thaw/internal/store/local"
)

var seed = flag.Uint64("seed", 0, "seed of the random histories; 0 takes one from the clock")

// naive is a store as maps.
type naive struct {
	records map[string]string // revision and value
	events  map[string]string // by queue and ID
}

// TestHistories compares random histories with maps, over restarts and with so little
// slack that what lives is moved all the time.
func TestHistories(t *testing.T) {
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	for i := range uint64(3) {
		t.Run(fmt.Sprint(first+i), func(t *testing.T) { history(t, rand.New(rand.NewPCG(first+i, 0))) })
	}
}

func history(t *testing.T, random *rand.Rand) {
	dir := t.TempDir()
	n := naive{map[string]string{}, map[string]string{}}
	for range 12 {
		var log bytes.Buffer
		s, err := local.Open(t.Context(), local.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil)), Slack: 1})
		if err != nil {
			t.Fatal(err)
		}
		n.compare(t, s)
		for range 60 {
			if err := n.step(t, s, random); err != nil {
				t.Fatal(err)
			}
		}
		n.compare(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if log.Len() > 0 {
			t.Fatalf("the log says %s", &log)
		}
	}
	// Each life has begun one.
	if segments, err := filepath.Glob(filepath.Join(dir, "journal", "*.log")); err != nil || len(segments) > 8 {
		t.Errorf("%d segments are left, %v", len(segments), err)
	}
}

func (n *naive) step(t *testing.T, s *local.Store, random *rand.Rand) error {
	ctx := t.Context()
	queue := fmt.Sprint("q", random.IntN(3))
	q := s.Queue(queue)
	switch random.IntN(8) {
	case 0, 1:
		return n.write(t, s, fmt.Sprint("k", random.IntN(30)), random)
	case 2, 3, 4:
		events := make([]store.Event, 1+random.IntN(4))
		for i := range events {
			id := fmt.Sprint(random.Uint64())
			events[i] = store.Event{ID: id, Body: fmt.Append(nil, id, string(make([]byte, random.IntN(20_000))))}
			n.events[queue+" "+id] = string(events[i].Body)
		}
		return q.EnqueueBatch(ctx, events)
	case 5, 6:
		if count, err := q.Count(ctx); err != nil || count.Waiting == 0 {
			return err
		}
		leased, err := q.Lease(ctx, 1+random.IntN(10), time.Hour)
		for _, l := range leased {
			key := queue + " " + l.ID
			if string(l.Body) != n.events[key] {
				return fmt.Errorf("%s has another body", key)
			}
			if random.IntN(3) > 0 {
				delete(n.events, key)
				err = errors.Join(err, q.Ack(ctx, l))
				continue
			}
			n.events[key] += "again"
			err = errors.Join(err, q.RetryAt(ctx, l, []byte(n.events[key]), time.Now()))
		}
		return err
	default:
		if random.IntN(10) > 0 {
			return nil
		}
		maps.DeleteFunc(n.events, func(key, _ string) bool { return key[:2] == queue })
		return q.Purge(ctx)
	}
}

// write puts a record, or deletes it.
func (n *naive) write(t *testing.T, s *local.Store, key string, random *rand.Rand) error {
	old, err := s.Metadata().Get(t.Context(), key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if old.Revision > 0 && random.IntN(3) == 0 {
		delete(n.records, key)
		return s.Metadata().Delete(t.Context(), key, old.Revision)
	}
	value := fmt.Sprint(random.Uint64(), string(make([]byte, random.IntN(3000))))
	revision, err := s.Metadata().Put(t.Context(), key, []byte(value), old.Revision)
	n.records[key] = fmt.Sprint(revision, " ", value)
	return err
}

// compare reads everything, without taking it.
func (n *naive) compare(t *testing.T, s *local.Store) {
	t.Helper()
	records := map[string]string{}
	for i := range 30 {
		key := fmt.Sprint("k", i)
		e, err := s.Metadata().Get(t.Context(), key)
		if err == nil {
			records[key] = fmt.Sprint(e.Revision, " ", string(e.Value))
		} else if !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	events := map[string]string{}
	for i := range 3 {
		name := fmt.Sprint("q", i)
		q := s.Queue(name)
		count, err := q.Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if count.Waiting == 0 {
			continue
		}
		leased, err := q.Lease(t.Context(), count.Waiting, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leased {
			events[name+" "+l.ID] = string(l.Body)
			if err := q.Extend(t.Context(), l, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(n.records, records); diff != "" {
		t.Fatalf("records (-want +got):\n%s", diff)
	}
	if !maps.Equal(n.events, events) {
		t.Fatalf("%d events, want %d", len(events), len(n.events))
	}
}
