package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/async"
	"thaw/internal/lambda"
	"thaw/internal/store/local"
)

const (
	drainEngine = "drain.engine"
	drainServer = "drain.go"
	// engineEvents and serverEvents are how many events wait in them.
	engineEvents = 20_000
	serverEvents = 5_000
	// drainCallers enqueue, drainLimit bounds all of it.
	drainCallers = 64
	drainLimit   = 2 * time.Minute
)

// drains measures how fast asynchronous events are worked off: by the engine with a
// function that takes no time, and by the whole server with the one in Go.
func (c config) drains(ctx context.Context, only *regexp.Regexp, fs []function, sides [2]side) (results []result, err error) {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	if only.MatchString(drainEngine) {
		fmt.Fprintln(os.Stderr, drainEngine)
		rate, err := c.drainEngine(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", drainEngine, err)
		}
		results = append(results, result{Scenario: drainEngine, Metric: "rps", Thaw: round(rate, 1)})
	}
	if only.MatchString(drainServer) {
		fmt.Fprintln(os.Stderr, drainServer)
		accepted, rate, err := sides[0].(*thawSide).drain(ctx, fs[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", drainServer, err)
		}
		results = append(results,
			result{Scenario: drainServer, Metric: "accepted_rps", Thaw: round(accepted, 1)},
			result{Scenario: drainServer, Metric: "rps", Thaw: round(rate, 1)})
	}
	return results, nil
}

// noWork is a function that does nothing, once it may begin.
type noWork struct {
	begin chan struct{}
	left  atomic.Int64
	done  chan struct{}
}

func (n *noWork) Invoke(context.Context, *async.Event) (lambda.Result, error) {
	<-n.begin
	if n.left.Add(-1) == 0 {
		close(n.done)
	}
	return lambda.Result{}, nil
}

func (*noWork) Deliver(context.Context, async.Delivery) error {
	return errors.New("nothing is to be delivered")
}

// drainEngine is the events per second of an engine over a store on the disk.
func (c config) drainEngine(ctx context.Context) (rate float64, err error) {
	dir := filepath.Join(c.work, drainEngine)
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logger := slog.New(slog.DiscardHandler)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	engine, err := local.Open(ctx, local.Options{Dir: dir, Logger: logger})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	work := &noWork{begin: make(chan struct{}), done: make(chan struct{})}
	work.left.Store(engineEvents)
	f := &lambda.Function{Name: "f", Latest: lambda.Version{Number: lambda.Latest}}
	events, err := async.Open(async.Options{
		Events: engine.Queue(async.EventQueue), Deliveries: engine.Queue(async.DeliveryQueue), Invoker: work, Deliverer: work,
		Function: func(string) *lambda.Function { return f }, Scope: lambda.DefaultScope, Logger: logger,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, events.Close(ctx)) }()
	err = together(drainCallers, engineEvents, func(_, i int) error {
		return events.Enqueue(ctx, async.Event{RequestID: strconv.Itoa(i), Function: f.Name, Payload: []byte(event)})
	})
	start := time.Now()
	close(work.begin)
	if err != nil {
		return 0, err
	}
	select {
	case <-work.done:
		return engineEvents / time.Since(start).Seconds(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%d events are left: %w", work.left.Load(), ctx.Err())
	}
}

// together calls a function n times in so many goroutines; it is told which of
// them, and the number of the call.
func together(goroutines, n int, call func(who, i int) error) error {
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, goroutines)
	for who := range goroutines {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && errs[who] == nil; i = next.Add(1) - 1 {
				errs[who] = call(who, int(i))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// drain sends events for a function; accepted is how many a second are, and rate
// how many are accepted and have run.
func (s *thawSide) drain(ctx context.Context, f function) (accepted, rate float64, err error) {
	if _, err := s.warm(ctx, f, 1); err != nil {
		return 0, 0, err
	}
	request, err := s.signed(ctx, http.MethodPost, "/2015-03-31/functions/"+f.name()+"/invocations", event, "X-Amz-Invocation-Type", "Event")
	if err != nil {
		return 0, 0, err
	}
	callers, err := open(s.address, drainCallers)
	if err != nil {
		return 0, 0, err
	}
	defer callers.close()
	before, err := s.invocations(ctx, f)
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	err = together(drainCallers, serverEvents, func(who, _ int) error {
		status, _, err := callers[who].exchange(request)
		if err == nil && status != http.StatusAccepted {
			err = fmt.Errorf("answered with %d: %.300s", status, callers[who].body)
		}
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	accepted = serverEvents / time.Since(start).Seconds()
	for {
		n, err := s.invocations(ctx, f)
		if err != nil {
			return 0, 0, err
		}
		if n-before >= serverEvents {
			return accepted, serverEvents / time.Since(start).Seconds(), nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, 0, fmt.Errorf("%v of %d events have run: %w", n-before, serverEvents, err)
		}
	}
}

// invocations is how often a function has run.
func (s *thawSide) invocations(ctx context.Context, f function) (n float64, err error) {
	text, err := s.metrics(ctx)
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line, ok := strings.CutPrefix(lines.Text(), "thaw_function_invocations_total{")
		labels, value, _ := strings.Cut(line, "} ")
		if !ok || !strings.Contains(labels, `function="`+f.name()+`"`) {
			continue
		}
		one, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metrics: %q: %w", line, err)
		}
		n += one
	}
	return n, nil
}
