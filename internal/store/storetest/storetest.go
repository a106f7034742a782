// Package storetest is the suite that every store engine passes. An engine's
// own test calls Run; what the ports promise is written down here as checks.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"thaw/internal/store"
)

// Engine is what is tested.
type Engine struct {
	// Open opens the store in a directory; the suite closes it.
	Open func(t *testing.T, dir string) store.Store
	// Durable is set for engines whose contents survive Close.
	Durable bool
	// Overhead is how many bytes of a value the engine needs for itself.
	Overhead int
}

// limit bounds every wait of the suite: long enough for a slow disk under load.
const limit = 30 * time.Second

// Run checks one engine.
func Run(t *testing.T, engine Engine) {
	metadata := map[string]func(*testing.T, store.Metadata){
		"GetPutDelete":         testGetPutDelete,
		"CompareAndSwap":       testCompareAndSwap,
		"CreateAfterDelete":    testCreateAfterDelete,
		"ConcurrentPuts":       testConcurrentPuts,
		"Keys":                 testKeys,
		"ValueLimit":           func(t *testing.T, m store.Metadata) { testValueLimit(t, m, store.MaxValue-engine.Overhead) },
		"Newest":               testNewest,
		"Watch":                testWatch,
		"WatchPrefix":          testWatchPrefix,
		"WatchEnds":            testWatchEnds,
		"SlowWatcher":          testSlowWatcher,
		"WatchDuringWrites":    testWatchDuringWrites,
		"ValueIsNotShared":     testValueIsNotShared,
		"CancelledContextPuts": testCancelledContextPuts,
	}
	for name, test := range metadata {
		t.Run("Metadata/"+name, func(t *testing.T) { test(t, open(t, engine).Metadata()) })
	}
	blobs := map[string]func(*testing.T, store.Blobs){
		"PutOpenDelete": testPutOpenDelete,
		"BrokenReader":  testBrokenReader,
		"BadDigest":     testBadDigest,
		"ParallelPuts":  testParallelPuts,
	}
	for name, test := range blobs {
		t.Run("Blobs/"+name, func(t *testing.T) { test(t, open(t, engine).Blobs()) })
	}
	queue := map[string]func(*testing.T, store.Queue){
		"EnqueueLeaseAck": testEnqueueLeaseAck,
		"DueTimes":        testDueTimes,
		"LeaseExpires":    testLeaseExpires,
		"LateAck":         testLateAck,
		"RetryAt":         testRetryAt,
		"AllOrNone":       testAllOrNone,
		"LargeEvent":      testLargeEvent,
		"Fairness":        testFairness,
		"LeaseEnds":       testLeaseEnds,
		"ManyWorkers":     testManyWorkers,
		"EventLimits":     testEventLimits,
		"Extend":          testExtend,
		"Count":           testCount,
		"Purge":           testPurge,
		"PurgeAtWork":     testPurgeAtWork,
		"End":             testEnd,
		"Hold":            testHold,
		"EndedContext":    testEndedContext,
	}
	for name, test := range queue {
		t.Run("Queue/"+name, func(t *testing.T) { test(t, open(t, engine).Queue("async")) })
	}
	t.Run("Queue/Names", func(t *testing.T) { testQueueNames(t, open(t, engine)) })
	t.Run("Close", func(t *testing.T) { testClose(t, engine) })
	if engine.Durable {
		t.Run("Restart", func(t *testing.T) { testRestart(t, engine) })
	}
}

func open(t *testing.T, engine Engine) store.Store {
	t.Helper()
	s := engine.Open(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// testContext is a context that fails the test's waits rather than hang.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error: %v, want %v", err, want)
	}
}

func noErr(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testClose(t *testing.T, engine Engine) {
	s := engine.Open(t, t.TempDir())
	ctx := testContext(t)
	watch, err := s.Metadata().Watch(ctx, "")
	noErr(t, err)
	leased := make(chan error, 1)
	go func() {
		_, err := s.Queue("async").Lease(ctx, 1, time.Minute)
		leased <- err
	}()
	noErr(t, s.Close())
	for range watch { // closed, sooner or later
	}
	select {
	case err := <-leased:
		if err == nil {
			t.Error("a lease without an event")
		}
	case <-ctx.Done():
		t.Error("lease outlives the store")
	}
}

func testRestart(t *testing.T, engine Engine) {
	dir := t.TempDir()
	ctx := testContext(t)
	s := engine.Open(t, dir)
	revisions := map[string]store.Revision{}
	for i := range 20 {
		key := fmt.Sprintf("function/f%d", i)
		rev, err := s.Metadata().Put(ctx, key, []byte(key), 0)
		noErr(t, err)
		revisions[key] = rev
	}
	noErr(t, s.Metadata().Delete(ctx, "function/f3", revisions["function/f3"]))
	delete(revisions, "function/f3")
	noErr(t, s.Queue("async").EnqueueBatch(ctx, events("a", 5)))
	leased, err := s.Queue("async").Lease(ctx, 2, time.Hour)
	noErr(t, err)
	noErr(t, s.Queue("async").Ack(ctx, leased[0]))
	noErr(t, s.Queue("async").RetryAt(ctx, leased[1], []byte("again"), time.Now()))
	for _, name := range []string{"sqs/kept", "sqs/purged"} {
		noErr(t, s.Queue(name).EnqueueBatch(ctx, events("a", 3)))
	}
	noErr(t, s.Queue("sqs/purged").Purge(ctx))
	noErr(t, s.Queue("sqs/purged").EnqueueBatch(ctx, events("b", 1)))
	digest, _, err := s.Blobs().Put(ctx, newReader("blob"))
	noErr(t, err)
	noErr(t, s.Close())

	s = engine.Open(t, dir)
	defer func() { noErr(t, s.Close()) }()
	got, err := snapshot(ctx, s.Metadata(), "")
	noErr(t, err)
	if len(got) != len(revisions) {
		t.Errorf("%d records after restart, want %d", len(got), len(revisions))
	}
	for key, rev := range revisions {
		if e := got[key]; e.Revision != rev || string(e.Value) != key {
			t.Errorf("%s is %q at %d, want revision %d", key, e.Value, e.Revision, rev)
		}
	}
	if _, err := s.Metadata().Put(ctx, "function/f3", nil, 0); err != nil {
		t.Errorf("create after delete and restart: %v", err)
	}
	rest, err := s.Queue("async").Lease(ctx, 10, time.Hour)
	noErr(t, err)
	if len(rest) != 4 {
		t.Errorf("%d events after restart, want 4", len(rest))
	}
	for _, l := range rest {
		if l.ID == leased[1].ID && (string(l.Body) != "again" || l.Attempts != 2) {
			t.Errorf("retried event: body %q, attempt %d", l.Body, l.Attempts)
		}
	}
	wantCount(t, s.Queue("sqs/kept"), store.Count{Waiting: 3})
	wantCount(t, s.Queue("sqs/purged"), store.Count{Waiting: 1})
	if digests, err := s.Blobs().List(ctx); err != nil || len(digests) != 1 || digests[0] != digest {
		t.Errorf("blobs after restart: %v, %v", digests, err)
	}
}
