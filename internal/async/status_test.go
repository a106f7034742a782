package async_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/async"
	"thaw/internal/lambda"
)

func TestStatusAndPurge(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.functions["g"] = function("g")
		s.set(lambda.EventInvokeConfig{OnSuccess: "arn:aws:sqs:us-east-1:000000000000:slow"})
		s.deliver = func(*async.Delivery) error { time.Sleep(20 * time.Second); return nil }
		s.invoke = func(e *async.Event) (lambda.Result, error) {
			switch string(e.Payload) {
			case "1":
				time.Sleep(time.Hour)
			case "2":
				return fail(e)
			}
			return succeed(e)
		}
		s.enqueue(async.Event{Payload: []byte("0")})
		s.enqueue(async.Event{Payload: []byte("1")})
		s.enqueue(async.Event{Payload: []byte("2")})
		s.enqueue(async.Event{Function: "g", Payload: []byte("2")})
		rest(time.Second)
		s.engine.Stop()
		synctest.Wait()
		s.enqueue(async.Event{Payload: []byte("3")})
		got, err := s.engine.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := async.Status{
			Events:     []async.Backlog{{Name: "f", Waiting: 1, Running: 1, Delayed: 1}, {Name: "g", Delayed: 1}},
			Deliveries: []async.Backlog{{Name: "arn:aws:sqs:us-east-1:000000000000:slow", Running: 1}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("status: %s", diff)
		}
		n, err := s.engine.Purge(t.Context(), "f")
		if err != nil || n != 3 {
			t.Errorf("purged %d, %v", n, err)
		}
		if n, err = s.engine.Purge(t.Context()); err != nil || n != 0 {
			t.Errorf("purged %d of nothing, %v", n, err)
		}
		s.close(t.Context()) // what is under way is told of
		s.open()
		rest(2 * time.Hour)
		runs := map[string]int{}
		for _, a := range s.attempts {
			runs[a.event.Function+string(a.event.Payload)]++
		}
		if diff := cmp.Diff(map[string]int{"f0": 1, "f1": 1, "f2": 1, "g2": 3}, runs); diff != "" {
			t.Errorf("attempts: %s", diff)
		}
		if s.left() != 0 || len(s.deliveries) != 2 {
			t.Errorf("%d left, %d delivered", s.left(), len(s.deliveries))
		}
	})
}
