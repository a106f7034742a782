package async

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/telemetry"
)

// Names of the queues in the store.
const (
	EventQueue    = "async"
	DeliveryQueue = "async/deliveries"
)

// Invoker runs an event once. An error is a *lambda.Error where the function did
// not run and the caller of a synchronous invocation would have been told so; one
// that matches ErrBusy is no attempt.
type Invoker interface {
	Invoke(ctx context.Context, e *Event) (lambda.Result, error)
}

// ErrBusy is that there is no room now for one that can wait.
var ErrBusy = errors.New("there is no room for an event now")

// Options configures an Engine.
type Options struct {
	// Events and Deliveries are the queues of the two names.
	Events, Deliveries store.Queue
	Invoker            Invoker
	Deliverer          Deliverer
	// Function is the newest record of a function; nil if there is none.
	Function func(name string) *lambda.Function
	Scope    lambda.Scope
	// Concurrency bounds the events that run at one time; 0 means the account's
	// default.
	Concurrency int
	// Delays are those before retries after function errors; none means
	// DefaultDelays.
	Delays []time.Duration
	Meter  telemetry.Meter // may be nil
	Logger *slog.Logger
	// Random is a source of numbers from 0 to below 1; nil is the program's own.
	Random func() float64
}

const (
	// deliveryHands bounds the deliveries at one time.
	deliveryHands = 64
	// deliveryAge is for how long a delivery is tried: the service's longest age of
	// an event.
	deliveryAge = DefaultAge
	// minPersist and maxPersist bound the distance of tries to write to the store.
	minPersist = 100 * time.Millisecond
	maxPersist = 30 * time.Second
)

// Engine runs asynchronous events. All methods may be called at the same time.
type Engine struct {
	opts       Options
	events     *consumer
	deliveries *consumer
	// began is a reading of both clocks: times of events go by it and the monotonic
	// clock, so that a clock that is set makes no event older or younger.
	began time.Time

	leasing    sync.WaitGroup // the goroutines of the consumers
	endLeasing context.CancelFunc
	// abandoned is closed when what is in hand is left to the next start.
	abandoned chan struct{}
	abandon   sync.Once
}

// Open makes an Engine that begins with what the queues hold.
func Open(o Options) (*Engine, error) {
	if o.Events == nil || o.Deliveries == nil || o.Invoker == nil || o.Deliverer == nil || o.Function == nil || o.Logger == nil {
		return nil, errors.New("open asynchronous invocation: Events, Deliveries, Invoker, Deliverer, Function and Logger are required")
	}
	if o.Concurrency <= 0 {
		o.Concurrency = lambda.DefaultAccountConcurrency
	}
	if len(o.Delays) == 0 {
		o.Delays = DefaultDelays()
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	e := &Engine{opts: o, began: time.Now(), abandoned: make(chan struct{})}
	e.events = newConsumer(o.Events, o.Concurrency, e.run, o.Logger)
	e.events.random = o.Random
	e.deliveries = newConsumer(o.Deliveries, deliveryHands, e.deliver, o.Logger)
	e.deliveries.random = o.Random
	ctx, cancel := context.WithCancel(context.Background())
	e.endLeasing = cancel
	e.leasing.Go(func() { e.events.consume(ctx) })
	e.leasing.Go(func() { e.deliveries.consume(ctx) })
	return e, nil
}

// now is the time by the clocks of the start.
func (e *Engine) now() time.Time { return e.began.Add(time.Since(e.began)) }

// Enqueue makes an event durable; then it is run at least once, or given up with
// a word to the function's dead-letter queue and destination. The caller has
// checked what the service checks before it answers.
func (e *Engine) Enqueue(ctx context.Context, ev Event) error {
	ev.EnqueuedAt = e.now()
	body, err := encodeEvent(&ev, &progress{})
	if err != nil {
		return fmt.Errorf("enqueue event: %w", err)
	}
	due := time.Now()
	err = e.opts.Events.EnqueueBatch(ctx, []store.Event{{ID: ev.RequestID, Partition: ev.Function, Body: body, Due: due}})
	if errors.Is(err, store.ErrFull) {
		full := lambda.Errorf(lambda.CodeTooManyRequests, throttled)
		full.Reason, full.RetryAfter = "CallerRateLimitExceeded", time.Second
		return full
	}
	if err != nil {
		return fmt.Errorf("enqueue event: %w", err)
	}
	e.measure(telemetry.MetricAsyncEventsReceived, &ev, 1)
	return nil
}

func (e *Engine) measure(metric telemetry.Metric, ev *Event, value float64) {
	if e.opts.Meter == nil {
		return
	}
	e.opts.Meter.Measure(telemetry.Measure{Metric: metric, Function: ev.Function, Qualifier: ev.Qualifier, Value: value, At: time.Now()})
}

// Stop ends the taking of events. Those in hand go on.
func (e *Engine) Stop() { e.endLeasing() }

// Close stops, and waits for what is in hand until ctx ends. What is still in hand
// then is left as it was stored, for the next start.
func (e *Engine) Close(ctx context.Context) error {
	e.endLeasing()
	e.leasing.Wait()
	err := errors.Join(e.events.wait(ctx), e.deliveries.wait(ctx))
	e.abandon.Do(func() { close(e.abandoned) })
	return err
}

// Wait waits for the goroutines of events that Close has left: those end when
// the environments do that they run in.
func (e *Engine) Wait() {
	e.events.working.Wait()
	e.deliveries.working.Wait()
}

// persist writes to the store, as often as it takes: what has happened is known
// here only, and an event that is let go of would happen again. A full disk so
// holds the hand, and with it the events that would come next.
func (e *Engine) persist(ctx context.Context, what, id string, write func(ctx context.Context) error) {
	for wait := minPersist; ; wait = min(2*wait, maxPersist) {
		select {
		case <-e.abandoned:
			return
		default:
		}
		err := write(ctx)
		switch {
		case err == nil:
			return
		case errors.Is(err, store.ErrConflict):
			// Its lease had run out and somebody else has it, or it was purged.
			e.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "event was in other hands meanwhile", slog.String("request_id", id), slog.String("step", what))
			return
		}
		e.opts.Logger.LogAttrs(ctx, slog.LevelError, "the state of an event cannot be written", slog.String("request_id", id),
			slog.String("step", what), slog.Any("error", err))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-e.abandoned:
			timer.Stop()
			return
		}
	}
}
