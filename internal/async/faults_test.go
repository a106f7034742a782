package async_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/async"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
	"thaw/internal/telemetry"
)

// brittle is a queue of a store whose disk is full while broken is set: it gives,
// and takes nothing.
type brittle struct {
	store.Queue
	broken *atomic.Bool
}

var errDisk = errors.New("no space left on device")

func (q brittle) EnqueueBatch(ctx context.Context, events []store.Event) error {
	if q.broken.Load() {
		return errDisk
	}
	return q.Queue.EnqueueBatch(ctx, events)
}

func (q brittle) Ack(ctx context.Context, l store.Leased) error {
	if q.broken.Load() {
		return errDisk
	}
	return q.Queue.Ack(ctx, l)
}

func (q brittle) RetryAt(ctx context.Context, l store.Leased, body []byte, due time.Time) error {
	if q.broken.Load() {
		return errDisk
	}
	return q.Queue.RetryAt(ctx, l, body, due)
}

// brittleStore is a store of such queues.
type brittleStore struct {
	store.Store
	broken atomic.Bool
}

func (s *brittleStore) Queue(name string) store.Queue { return brittle{s.Store.Queue(name), &s.broken} }

// TestFullDisk: while nothing can be written, no event is taken, and none that has
// been run is run again; then all go on where they were.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		disk := &brittleStore{Store: memory.New()}
		s.store = disk
		s.functions["g"] = function("g")
		s.set(lambda.EventInvokeConfig{OnSuccess: "arn:aws:sqs:us-east-1:000000000000:q"})
		s.invoke = func(e *async.Event) (lambda.Result, error) {
			disk.broken.Store(true)
			if e.Function == "g" {
				return fail(e)
			}
			return succeed(e)
		}
		s.open()
		s.enqueue(async.Event{})
		s.enqueue(async.Event{Function: "g"})
		rest(20 * time.Minute)
		if len(s.attempts) != 2 || len(s.deliveries) != 0 {
			t.Errorf("%d attempts, %d deliveries while nothing is written", len(s.attempts), len(s.deliveries))
		}
		if err := s.engine.Enqueue(t.Context(), async.Event{RequestID: "late", Function: "f"}); !errors.Is(err, errDisk) {
			t.Errorf("enqueued with %v", err)
		}
		disk.broken.Store(false)
		s.play(succeed)
		rest(10 * time.Minute)
		s.close(t.Context())
		if len(s.attempts) != 3 || len(s.deliveries) != 1 || s.left() != 0 {
			t.Errorf("%d attempts, %d deliveries, %d left", len(s.attempts), len(s.deliveries), s.left())
		}
	})
}

// TestClosesOnAFullDisk: an end that cannot be written does not hold up the
// server's; the event is there at the next start.
func TestClosesOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		disk := &brittleStore{Store: memory.New()}
		s.store = disk
		s.open()
		s.enqueue(async.Event{})
		disk.broken.Store(true)
		rest(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		s.close(ctx)
		if took := time.Since(began); took > 6*time.Second || s.left() != 1 {
			t.Errorf("closed after %v, %d left", took, s.left())
		}
		disk.broken.Store(false)
		s.open()
		rest(10 * time.Minute)
		s.close(t.Context())
		if len(s.attempts) != 2 || s.left() != 0 {
			t.Errorf("%d attempts, %d left", len(s.attempts), s.left())
		}
	})
}

// TestFullQueue: who cannot be taken is told to come again.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.store = fullStore{s.store}
		s.open()
		err := s.engine.Enqueue(t.Context(), async.Event{RequestID: "id", Function: "f"})
		var told *lambda.Error
		if !errors.As(err, &told) || told.Code != lambda.CodeTooManyRequests || told.Message != "Rate Exceeded." || told.RetryAfter == 0 {
			t.Errorf("full: %v", err)
		}
		if s.measured[telemetry.MetricAsyncEventsReceived] != 0 {
			t.Error("counted")
		}
		s.close(t.Context())
	})
}

// fullStore is a store whose queues take nothing more.
type fullStore struct{ store.Store }

func (s fullStore) Queue(name string) store.Queue { return fullQueue{s.Store.Queue(name)} }

type fullQueue struct{ store.Queue }

func (fullQueue) EnqueueBatch(context.Context, []store.Event) error { return store.ErrFull }
