package async_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/async"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/trace"
)

// stage is an engine over a store in memory, between an invoker, a deliverer and
// functions that tests play.
type stage struct {
	t      *testing.T
	store  store.Store
	engine *async.Engine

	// invoke and deliver play their parts; nil is what succeeds.
	invoke  func(e *async.Event) (lambda.Result, error)
	deliver func(d *async.Delivery) error
	opts    async.Options

	mu         sync.Mutex
	functions  map[string]*lambda.Function
	attempts   []attempt
	deliveries []async.Delivery
	measured   map[telemetry.Metric]float64
}

// attempt is one call of the invoker.
type attempt struct {
	event async.Event
	at    time.Time
}

var scope = lambda.Scope{Partition: "aws", Region: "us-east-1", Account: "000000000000"}

// onStage runs a test under a virtual clock with an open engine.
func onStage(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.open()
		test(t, s)
		s.close(context.Background())
	})
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, store: memory.New(), functions: map[string]*lambda.Function{}, measured: map[telemetry.Metric]float64{}}
	t.Cleanup(func() { s.store.Close() })
	s.functions["f"] = function("f")
	return s
}

func function(name string) *lambda.Function {
	return &lambda.Function{Name: name, Latest: lambda.Version{Number: lambda.Latest, Role: "arn:aws:iam::000000000000:role/r"}}
}

func (s *stage) open() {
	o := s.opts
	o.Events, o.Deliveries = s.store.Queue(async.EventQueue), s.store.Queue(async.DeliveryQueue)
	o.Invoker, o.Deliverer, o.Meter = s, s, s
	o.Function = func(name string) *lambda.Function {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.functions[name]
	}
	o.Scope, o.Logger = scope, slog.New(slog.DiscardHandler)
	var err error
	if s.engine, err = async.Open(o); err != nil {
		s.t.Fatal(err)
	}
}

// close ends the engine, and with an ended context leaves what is in hand.
func (s *stage) close(ctx context.Context) {
	s.engine.Close(ctx)
	s.engine.Wait()
}

func (s *stage) Invoke(_ context.Context, e *async.Event) (lambda.Result, error) {
	s.mu.Lock()
	s.attempts = append(s.attempts, attempt{*e, time.Now()})
	invoke := s.invoke
	s.mu.Unlock()
	if invoke == nil {
		return succeed(e)
	}
	return invoke(e)
}

// play changes how functions behave from now on.
func (s *stage) play(invoke func(e *async.Event) (lambda.Result, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invoke = invoke
}

func (s *stage) Deliver(_ context.Context, d async.Delivery) error {
	if s.deliver != nil {
		if err := s.deliver(&d); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(s.deliveries, d)
	return nil
}

func (s *stage) Measure(m telemetry.Measure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measured[m.Metric] += m.Value
}

// enqueue takes an event of f, or of what the given one says.
func (s *stage) enqueue(e async.Event) string {
	s.t.Helper()
	if e.RequestID == "" {
		e.RequestID = lambda.NewUUID()
	}
	if e.Function == "" {
		e.Function = "f"
	}
	if e.Payload == nil {
		e.Payload = []byte(`{"n":1}`)
	}
	e.Trace = trace.Accept("", time.Now())
	if err := s.engine.Enqueue(s.t.Context(), e); err != nil {
		s.t.Fatal(err)
	}
	return e.RequestID
}

// set changes what is set for f's events.
func (s *stage) set(c lambda.EventInvokeConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Qualifier = lambda.Latest
	s.functions["f"].Configs.EventInvoke = []lambda.EventInvokeConfig{c}
}

// tries lists at what times after the first the invoker was called.
func (s *stage) tries() (after []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.attempts {
		after = append(after, a.at.Sub(s.attempts[0].at))
	}
	return after
}

// left counts what the two queues hold.
func (s *stage) left() (n int) {
	for _, name := range []string{async.EventQueue, async.DeliveryQueue} {
		c, err := s.store.Queue(name).Count(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		n += c.Waiting + c.Leased + c.Delayed
	}
	return n
}

// rest lets everything happen that does so within a time.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func succeed(*async.Event) (lambda.Result, error) {
	return lambda.Result{ExecutedVersion: lambda.Latest, Payload: []byte(`{"ok":true}`)}, nil
}

func fail(e *async.Event) (lambda.Result, error) {
	body, err := json.Marshal(map[string]string{"errorMessage": "intentional failure", "errorType": "Exception", "requestId": e.RequestID})
	return lambda.Result{ExecutedVersion: lambda.Latest, FunctionError: lambda.Unhandled, Payload: body}, err
}

func throttle(*async.Event) (lambda.Result, error) {
	err := lambda.Errorf(lambda.CodeTooManyRequests, "Rate Exceeded.")
	err.Reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
	return lambda.Result{}, err
}

func broken(*async.Event) (lambda.Result, error) { return lambda.Result{}, errors.New("no sandbox") }

func number(n int) *int { return &n }
