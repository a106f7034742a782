package async_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/async"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/telemetry"
)

func TestRunsOnce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		id := s.enqueue(async.Event{Qualifier: "live", Payload: []byte(`[1]`), ClientContext: `{"c":1}`})
		rest(24 * time.Hour)
		if len(s.attempts) != 1 || s.left() != 0 || len(s.deliveries) != 0 {
			t.Fatalf("%d attempts, %d left, %d deliveries", len(s.attempts), s.left(), len(s.deliveries))
		}
		got := s.attempts[0].event
		if got.RequestID != id || got.Qualifier != "live" || string(got.Payload) != `[1]` || got.ClientContext != `{"c":1}` ||
			got.Trace.Header == "" || !got.Trace.Fresh {
			t.Errorf("ran %+v", got)
		}
		if s.measured[telemetry.MetricAsyncEventsReceived] != 1 || s.measured[telemetry.MetricAsyncEventsDropped] != 0 {
			t.Errorf("measured %v", s.measured)
		}
	})
}

func TestRetries(t *testing.T) {
	minutes := func(n ...int) (after []time.Duration) {
		for _, m := range n {
			after = append(after, time.Duration(m)*time.Minute)
		}
		return after
	}
	for name, c := range map[string]struct {
		config lambda.EventInvokeConfig
		delays []time.Duration
		want   []time.Duration
	}{
		"default":       {lambda.EventInvokeConfig{}, nil, minutes(0, 1, 3)},
		"one":           {lambda.EventInvokeConfig{MaximumRetries: number(1)}, nil, minutes(0, 1)},
		"none":          {lambda.EventInvokeConfig{MaximumRetries: number(0)}, nil, minutes(0)},
		"age of 60 s":   {lambda.EventInvokeConfig{MaximumAgeSeconds: number(60)}, nil, minutes(0)},
		"age of 120 s":  {lambda.EventInvokeConfig{MaximumAgeSeconds: number(120)}, nil, minutes(0, 1)},
		"other delays":  {lambda.EventInvokeConfig{}, []time.Duration{time.Second}, []time.Duration{0, time.Second, 2 * time.Second}},
		"age of 1000 s": {lambda.EventInvokeConfig{MaximumAgeSeconds: number(1000)}, nil, minutes(0, 1, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.invoke, s.opts.Delays = fail, c.delays
				s.set(c.config)
				s.open()
				s.enqueue(async.Event{})
				rest(24 * time.Hour)
				s.close(t.Context())
				if diff := cmp.Diff(c.want, s.tries()); diff != "" {
					t.Errorf("tries: %s", diff)
				}
				if s.left() != 0 || s.measured[telemetry.MetricAsyncEventsDropped] != 1 {
					t.Errorf("%d left, measured %v", s.left(), s.measured)
				}
				for _, a := range s.attempts {
					if a.event.RequestID != s.attempts[0].event.RequestID {
						t.Error("another request id")
					}
				}
			})
		})
	}
}

// TestRefusals: throttles and errors of the system are tried again at growing
// distances until the event is too old, and use no retries up.
func TestRefusals(t *testing.T) {
	for name, refuse := range map[string]func(*async.Event) (lambda.Result, error){"throttle": throttle, "system": broken} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.invoke = refuse
				s.enqueue(async.Event{})
				rest(24 * time.Hour)
				tries := s.tries()
				if len(tries) < 70 || len(tries) > 120 {
					t.Errorf("%d tries in six hours", len(tries))
				}
				for i := 1; i < len(tries); i++ {
					if d := tries[i] - tries[i-1]; d < 500*time.Millisecond || d > 5*time.Minute {
						t.Errorf("try %d after %v", i, d)
					}
				}
				if last := tries[len(tries)-1]; last >= 6*time.Hour || last < 6*time.Hour-time.Minute {
					t.Errorf("last try after %v", last)
				}
				if s.left() != 0 || s.measured[telemetry.MetricAsyncEventsDropped] != 1 {
					t.Errorf("%d left, measured %v", s.left(), s.measured)
				}
			})
		})
	}
}

// TestConditions compares records and dead letters with what the service sends.
func TestConditions(t *testing.T) {
	const (
		queue  = "arn:aws:sqs:us-east-1:000000000000:dead"
		onFail = "arn:aws:sqs:us-east-1:000000000000:failed"
		onGood = "arn:aws:sqs:us-east-1:000000000000:good"
	)
	failure := map[string]any{"errorMessage": "intentional failure", "errorType": "Exception", "requestId": "ID"}
	for name, c := range map[string]struct {
		invoke     func(*async.Event) (lambda.Result, error)
		config     lambda.EventInvokeConfig
		reserved   *int
		condition  string
		count      float64
		response   any // nil: no members of a response
		code, text string
	}{
		"success": {invoke: succeed, condition: "Success", count: 1, response: map[string]any{"ok": true}},
		"failure": {invoke: fail, config: lambda.EventInvokeConfig{MaximumRetries: number(0)}, condition: "RetriesExhausted", count: 1,
			response: failure, code: "200", text: "intentional failure"},
		"retries": {invoke: fail, condition: "RetriesExhausted", count: 3, response: failure, code: "200", text: "intentional failure"},
		"age": {invoke: fail, config: lambda.EventInvokeConfig{MaximumAgeSeconds: number(60)}, condition: "EventAgeExceeded", count: 1,
			response: failure, code: "200", text: "intentional failure"},
		"age of a throttled one": {invoke: throttle, config: lambda.EventInvokeConfig{MaximumAgeSeconds: number(60)}, condition: "EventAgeExceeded",
			code: "429", text: "Rate Exceeded."},
		"reserved 0": {invoke: succeed, reserved: number(0), condition: "ZeroReservedConcurrency", code: "429", text: "Rate Exceeded."},
		"a loop": {invoke: func(*async.Event) (lambda.Result, error) {
			return lambda.Result{}, lambda.Errorf(lambda.CodeRecursiveInvocation, "a loop")
		}, condition: "RecursiveLoop", code: "400", text: "a loop"},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.invoke = c.invoke
				c.config.OnFailure, c.config.OnSuccess = onFail, onGood
				s.set(c.config)
				s.functions["f"].Reserved = c.reserved
				s.functions["f"].Latest.Recorded = map[string][]byte{"DeadLetterConfig": []byte(`{"TargetArn":"` + queue + `"}`)}
				id := s.enqueue(async.Event{Payload: []byte(`{"a<b":1}`)})
				rest(24 * time.Hour)
				want := map[string]any{
					"version": "1.0", "timestamp": "TIME", "requestPayload": map[string]any{"a<b": 1.0},
					"requestContext": map[string]any{"requestId": "ID", "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
						"condition": c.condition, "approximateInvokeCount": c.count},
				}
				if c.response != nil {
					context := map[string]any{"statusCode": 200.0, "executedVersion": "$LATEST"}
					if c.code != "" {
						context["functionError"] = "Unhandled"
					}
					want["responseContext"], want["responsePayload"] = context, c.response
				}
				byKind := map[async.DeliveryKind]async.Delivery{}
				for _, d := range s.deliveries {
					byKind[d.Kind] = d
					if d.Function != (lambda.Ref{Name: "f"}) || d.Role != "arn:aws:iam::000000000000:role/r" || d.Trace == "" || d.At.IsZero() ||
						d.FunctionARN != "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST" || d.Success != (c.code == "") {
						t.Errorf("delivered %+v", d)
					}
				}
				kind, target, others := async.OnSuccess, onGood, 0
				if c.code != "" {
					kind, target, others = async.OnFailure, onFail, 1
					letter := byKind[async.DeadLetter]
					attributes := map[string]async.Attribute{"RequestID": {"String", id}, "ErrorCode": {"Number", c.code}, "ErrorMessage": {"String", c.text}}
					if diff := cmp.Diff(attributes, letter.Attributes); diff != "" || string(letter.Body) != `{"a<b":1}` || letter.Target != queue {
						t.Errorf("dead letter %+v: %s", letter, diff)
					}
				}
				if len(s.deliveries) != 1+others || byKind[kind].Target != target {
					t.Fatalf("delivered %+v", s.deliveries)
				}
				var got map[string]any
				text := strings.ReplaceAll(string(byKind[kind].Body), id, "ID")
				if err := json.Unmarshal([]byte(text), &got); err != nil {
					t.Fatal(err)
				}
				if at, err := time.Parse("2006-01-02T15:04:05.000Z", got["timestamp"].(string)); err != nil || at.After(time.Now()) {
					t.Errorf("timestamp %v: %v", got["timestamp"], err)
				}
				got["timestamp"] = "TIME"
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("record: %s", diff)
				}
				if s.left() != 0 {
					t.Errorf("%d left", s.left())
				}
			})
		})
	}
}

// TestByQualifier: what is set for an alias is not what is set for the function.
func TestByQualifier(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.invoke = fail
		s.functions["f"].Aliases = []lambda.Alias{{Name: "live", Version: lambda.Latest}}
		s.functions["f"].Configs.EventInvoke = []lambda.EventInvokeConfig{
			{Qualifier: lambda.Latest, MaximumRetries: number(1)}, {Qualifier: "live", MaximumRetries: number(0)},
		}
		ids := map[string]int{s.enqueue(async.Event{}): 2, s.enqueue(async.Event{Qualifier: lambda.Latest}): 2, s.enqueue(async.Event{Qualifier: "live"}): 1}
		rest(time.Hour)
		for _, a := range s.attempts {
			ids[a.event.RequestID]--
		}
		for id, missing := range ids {
			if missing != 0 {
				t.Errorf("%s: %d attempts are missing", id, missing)
			}
		}
	})
}

func TestDeleted(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.invoke = func(e *async.Event) (lambda.Result, error) {
			s.mu.Lock()
			delete(s.functions, "f")
			s.mu.Unlock()
			return fail(e)
		}
		s.enqueue(async.Event{})
		rest(time.Hour)
		if len(s.attempts) != 1 || s.left() != 0 || s.measured[telemetry.MetricAsyncEventsDropped] != 1 {
			t.Errorf("%d attempts, %d left, measured %v", len(s.attempts), s.left(), s.measured)
		}
	})
}

// TestNeighbours: a function that is throttled, or slow, holds up no other.
func TestNeighbours(t *testing.T) {
	for name, hinder := range map[string]func(*async.Event) (lambda.Result, error){
		"throttled": throttle,
		"slow": func(e *async.Event) (lambda.Result, error) {
			time.Sleep(15 * time.Minute)
			return succeed(e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.opts.Concurrency = 16
				s.functions["g"] = function("g")
				var ran atomic.Int64
				s.invoke = func(e *async.Event) (lambda.Result, error) {
					if e.Function == "g" {
						ran.Add(1)
						return succeed(e)
					}
					return hinder(e)
				}
				s.open()
				for range 500 {
					s.enqueue(async.Event{})
				}
				rest(time.Second)
				for i := range 100 {
					s.enqueue(async.Event{Function: "g"})
					rest(10 * time.Millisecond)
					if ran.Load() != int64(i+1) {
						t.Fatalf("%d of %d have run", ran.Load(), i+1)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				s.close(ctx)
			})
		})
	}
}

// TestNarrowLane: a backlog of a function that admits few at a time is not tried
// over and over, and is worked off at the pace that the function admits.
func TestNarrowLane(t *testing.T) {
	const events, admitted = 1000, 5
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var running, most, refused atomic.Int64
		s.invoke = func(e *async.Event) (lambda.Result, error) {
			if n := running.Add(1); n > admitted {
				running.Add(-1)
				refused.Add(1)
				return throttle(e)
			} else if n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(time.Second)
			return succeed(e)
		}
		s.open()
		for range events {
			s.enqueue(async.Event{})
		}
		began := time.Now()
		for s.left() > 0 {
			rest(time.Second)
		}
		took := time.Since(began)
		s.close(t.Context())
		if took > 10*time.Minute { // 200 s at best
			t.Errorf("took %v", took)
		}
		if most.Load() != admitted || refused.Load() > events {
			t.Errorf("%d at one time, %d refused", most.Load(), refused.Load())
		}
		t.Logf("took %v, %d refused", took, refused.Load())
	})
}

// TestLanesGrow: as many run as it takes, and not more.
func TestLanesGrow(t *testing.T) {
	for name, c := range map[string]struct {
		events int
		run    func(cpu chan struct{})
		within time.Duration
		most   int64
	}{
		"waiting": {500, func(chan struct{}) { time.Sleep(time.Second) }, 3 * time.Second, 500},
		"working": {5000, func(cpu chan struct{}) {
			cpu <- struct{}{}
			time.Sleep(time.Millisecond)
			<-cpu
		}, 2600 * time.Millisecond, 64},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				cpu := make(chan struct{}, 2)
				var running, most atomic.Int64
				s.invoke = func(e *async.Event) (lambda.Result, error) {
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					c.run(cpu)
					return succeed(e)
				}
				s.open()
				began := time.Now()
				for range c.events {
					s.enqueue(async.Event{})
				}
				for s.left() > 0 {
					rest(100 * time.Millisecond)
				}
				if took := time.Since(began); took > c.within || most.Load() > c.most {
					t.Errorf("took %v, %d at one time", took, most.Load())
				}
				s.close(t.Context())
			})
		})
	}
}

// TestBusy: while there is no room, nothing is counted against an event, and it is
// run soon after there is some.
func TestBusy(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		var room atomic.Bool
		s.invoke = func(e *async.Event) (lambda.Result, error) {
			if !room.Load() {
				return lambda.Result{}, fmt.Errorf("full: %w", async.ErrBusy)
			}
			return succeed(e)
		}
		for range 100 {
			s.enqueue(async.Event{})
		}
		rest(time.Hour)
		if n := len(s.attempts); n > 2000 || s.measured[telemetry.MetricAsyncEventAge] != 0 {
			t.Errorf("asked %d times in an hour; measured %v", n, s.measured)
		}
		room.Store(true)
		rest(10 * time.Second)
		if s.left() != 0 {
			t.Errorf("%d left", s.left())
		}
	})
}

// TestLongInvocation: the lease is prolonged while the function runs.
func TestLongInvocation(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.invoke = func(e *async.Event) (lambda.Result, error) {
			time.Sleep(15 * time.Minute)
			return succeed(e)
		}
		s.enqueue(async.Event{})
		rest(time.Hour)
		if len(s.attempts) != 1 || s.left() != 0 {
			t.Errorf("%d attempts, %d left", len(s.attempts), s.left())
		}
	})
}

// TestClose: what is in hand at the end is finished, or left to the next start.
func TestClose(t *testing.T) {
	for name, grace := range map[string]time.Duration{"finished": time.Minute, "left": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.invoke = func(e *async.Event) (lambda.Result, error) {
					time.Sleep(10 * time.Second)
					return fail(e) // as an environment that is shut down would
				}
				s.set(lambda.EventInvokeConfig{MaximumRetries: number(0)})
				s.open()
				s.enqueue(async.Event{})
				s.enqueue(async.Event{})
				rest(time.Millisecond)
				s.engine.Stop()
				s.enqueue(async.Event{})
				ctx, cancel := context.WithTimeout(t.Context(), grace)
				defer cancel()
				s.close(ctx)
				want := 1
				if grace < 10*time.Second {
					want = 3
				}
				if s.left() != want {
					t.Errorf("%d left, want %d", s.left(), want)
				}
				s.invoke = nil
				s.open()
				rest(time.Hour)
				s.close(t.Context())
				if s.left() != 0 || len(s.attempts) != 2+want {
					t.Errorf("%d left, %d attempts", s.left(), len(s.attempts))
				}
			})
		})
	}
}

// TestDeliveryRetries: a delivery that fails is tried again, for hours, and given
// up only then or when it is told that no try will mend it.
func TestDeliveryRetries(t *testing.T) {
	const target = "arn:aws:sqs:us-east-1:000000000000:q"
	failing := func(n int, err error) func(*async.Delivery) error {
		return func(*async.Delivery) error {
			if n--; n >= 0 {
				return err
			}
			return nil
		}
	}
	unreachable := errors.New("connection refused")
	for name, c := range map[string]struct {
		deliver   func(*async.Delivery) error
		delivered int
		least     float64 // failures counted
		most      float64
	}{
		"at once":         {nil, 1, 0, 0},
		"at the third":    {failing(2, unreachable), 1, 2, 2},
		"final":           {failing(1, fmt.Errorf("no such queue: %w", async.ErrUndeliverable)), 0, 1, 1},
		"never reachable": {failing(1e6, unreachable), 0, 70, 120},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.deliver = c.deliver
				s.set(lambda.EventInvokeConfig{OnSuccess: target})
				s.enqueue(async.Event{})
				rest(24 * time.Hour)
				failures := s.measured[telemetry.MetricDestinationDeliveryFailures]
				if len(s.attempts) != 1 || len(s.deliveries) != c.delivered || failures < c.least || failures > c.most || s.left() != 0 {
					t.Errorf("%d attempts, %d delivered, %v failures, %d left", len(s.attempts), len(s.deliveries), failures, s.left())
				}
			})
		})
	}
}

// TestLargest: an event of the largest payload can be kept with all that may be
// with it, and its outcome passed on even if that cannot be kept.
func TestLargest(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		large := []byte(`"` + strings.Repeat("x", 1<<20-2) + `"`)
		s.invoke = func(e *async.Event) (lambda.Result, error) {
			r, err := fail(e)
			r.Payload = large
			return r, err
		}
		s.set(lambda.EventInvokeConfig{OnFailure: "arn:aws:s3:::b"})
		s.functions["f"].Latest.Recorded = map[string][]byte{"DeadLetterConfig": []byte(`{"TargetArn":"arn:aws:sqs:us-east-1:000000000000:q"}`)}
		s.enqueue(async.Event{Payload: large, ClientContext: `"` + strings.Repeat("\n", 2600) + `"`})
		rest(time.Hour)
		if len(s.attempts) != 3 || len(s.deliveries) != 2 || s.left() != 0 {
			t.Fatalf("%d attempts, %d deliveries, %d left", len(s.attempts), len(s.deliveries), s.left())
		}
		for _, d := range s.deliveries {
			if d.Kind == async.OnFailure && len(d.Body) < 2<<20 || d.Kind == async.DeadLetter && !slices.Equal(d.Body, large) {
				t.Errorf("%s: %d bytes", d.Kind, len(d.Body))
			}
		}
	})
}

// TestUnreadable: what another program has stored is left alone, and holds up
// nothing.
func TestUnreadable(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		events := []store.Event{{ID: "newer", Partition: "f", Body: []byte{99, 1}}, {ID: "cut", Partition: "f", Body: []byte{1, 200}}, {ID: "none", Partition: "f"}}
		if err := s.store.Queue(async.EventQueue).EnqueueBatch(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		s.enqueue(async.Event{})
		rest(24 * time.Hour)
		if len(s.attempts) != 1 || s.left() != 3 {
			t.Errorf("%d attempts, %d left", len(s.attempts), s.left())
		}
	})
}
