package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/async"
	"thaw/internal/concurrency"
	"thaw/internal/destination"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/store"
	"thaw/internal/telemetry/trace"
)

// retrying is how asynchronous events are tried again.
type retrying struct{ Delays []time.Duration }

const (
	leastRetryDelay = 10 * time.Millisecond
	mostRetryDelay  = time.Hour
	// mostRetryDelays is the service's most retries.
	mostRetryDelays = 2
)

func (r *retrying) flags(cmd *cobra.Command) {
	r.Delays = async.DefaultDelays()
	cmd.Flags().Var((*delays)(&r.Delays), "async-retry-delays", "`durations` before the first and the second retry of an asynchronous event whose function failed; the service's own, unless for tests")
}

// delays is a flag of one or two lengths of time.
type delays []time.Duration

func (d *delays) Set(text string) error {
	var list delays
	for part := range strings.SplitSeq(text, ",") {
		one, err := time.ParseDuration(part)
		if err != nil || one < leastRetryDelay || one > mostRetryDelay || len(list) == mostRetryDelays {
			return fmt.Errorf("it must be one or two lengths of time such as 1m,2m, each %v to %v", leastRetryDelay, mostRetryDelay)
		}
		list = append(list, one)
	}
	*d = list
	return nil
}

func (d *delays) String() string {
	texts := make([]string, len(*d))
	for i, one := range *d {
		texts[i] = one.String()
	}
	return strings.Join(texts, ",")
}

func (d *delays) Type() string { return "durations" }

// openEventsEnd has the last of the events' goroutines waited for when the
// environments that they wait for have ended.
func (s *server) openEventsEnd(context.Context) error {
	s.onClose(func(context.Context) error {
		if s.events != nil {
			s.events.Wait()
		}
		return nil
	})
	return nil
}

// openEvents opens what runs invocations, and the asynchronous ones on top of it.
func (s *server) openEvents(ctx context.Context) error {
	s.invoker = invoke.New(invoke.Options{Catalog: s.catalog, Pools: s.pools, Scope: s.config.Scope, Meter: s.metrics})
	var queues destination.Queues
	if s.queues != nil {
		queues = ownQueues{s.queues, s.roleID}
	}
	opened := make(chan struct{}) // a delivery of an earlier run may be made while s.events is set
	deliverer, err := s.deliverer(ctx, func(ctx context.Context, e destination.Event) error {
		select {
		case <-opened:
			return s.enqueueFor(ctx, e)
		case <-ctx.Done():
			return ctx.Err()
		}
	}, queues)
	if err != nil {
		return err
	}
	s.events, err = async.Open(async.Options{
		Events: s.store.Queue(async.EventQueue), Deliveries: s.store.Queue(async.DeliveryQueue),
		Invoker: attempts{s}, Deliverer: deliverer, Function: s.functionNamed, Scope: s.config.Scope,
		Concurrency: hands(min(s.config.AccountConcurrency, s.config.MaxEnvironments)), Delays: s.config.Retrying.Delays,
		Meter: s.metrics, Logger: s.logger,
	})
	if err != nil {
		return err
	}
	close(opened)
	s.onClose(func(context.Context) error {
		ended, cancel := context.WithCancel(context.Background())
		cancel() // drain has waited
		if err := s.events.Close(ended); err != nil {
			s.logger.Info("events are left to the next start", slog.Any("cause", err))
		}
		return nil
	})
	return nil
}

// functionNamed is the newest record of a function, or nil.
func (s *server) functionNamed(name string) *lambda.Function {
	record, ok := s.catalog.Function(name)
	if !ok {
		return nil
	}
	return record.Function
}

// drainEvents takes no more events and lets those in hand finish.
func (s *server) drainEvents(ctx context.Context) {
	if err := s.events.Close(ctx); err != nil {
		s.logger.Warn("events were cut off, and will be run again", slog.Any("cause", err))
	}
}

// attempts runs events by the walk of every invocation.
type attempts struct{ *server }

// headroom is the share, one part in ten, of the account's unreserved concurrency
// and of the environments that may exist which events leave to those who wait for
// an answer.
const headroom = 10

func (a attempts) Invoke(ctx context.Context, e *async.Event) (lambda.Result, error) {
	f := a.functionNamed(e.Function)
	ownShare := f != nil && (f.Reserved != nil || len(f.Configs.Provisioned) > 0)
	if !ownShare && crowded(a.config.AccountConcurrency, a.pools.Usage()) {
		return lambda.Result{}, async.ErrBusy
	}
	result, err := a.invoker.Invoke(ctx, invoke.Request{
		Ref: lambda.Ref{Name: e.Function, Qualifier: e.Qualifier}, RequestID: e.RequestID, Payload: e.Payload,
		ContentType: "application/json", ClientContext: e.ClientContext, Trace: e.Trace, Event: true,
	})
	if errors.Is(err, pool.ErrBusy) {
		err = async.ErrBusy
	}
	return result, err
}

// hands is how many events run at one time where there is room for so many
// invocations.
func hands(room int) int { return room - room/headroom }

// crowded tells whether the last part of what is nobody's own is begun.
func crowded(account int, u concurrency.Usage) bool {
	shared := account - (u.Claimed - u.Unreserved)
	return shared-u.Unreserved <= shared/headroom
}

// enqueueFor takes an event whose function is another's destination.
func (s *server) enqueueFor(ctx context.Context, e destination.Event) error {
	accepted := trace.Accept(e.Trace, time.Now())
	_, err := s.invoker.Invoke(ctx, invoke.Request{Ref: e.Function, RequestID: e.ID, Trace: accepted, DryRun: true})
	if told := new(lambda.Error); errors.As(err, &told) && told.Code == lambda.CodeResourceNotFound {
		return fmt.Errorf("%w: %w", async.ErrUndeliverable, err)
	} else if err != nil {
		return err
	}
	err = s.events.Enqueue(ctx, async.Event{
		RequestID: e.ID, Function: e.Function.Name, Qualifier: e.Function.Qualifier, Payload: e.Payload, Trace: accepted,
	})
	if errors.Is(err, store.ErrConflict) {
		return nil // an earlier try waits
	}
	return err
}

// asyncPath is Thaw's own endpoint of asynchronous events: GET tells what waits,
// DELETE ends the events of a function.
const asyncPath = "/_thaw/async"

// waitingEvents is what the endpoint answers.
type waitingEvents struct {
	Functions []waitingCount `json:"functions"`
	// Deliveries are by their targets.
	Deliveries []waitingCount `json:"deliveries"`
}

type waitingCount struct {
	Name    string `json:"name"`
	Waiting int    `json:"waiting"`
	Running int    `json:"running"`
	Delayed int    `json:"delayed"`
}

func (s *server) serveAsync() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		var err error
		name := r.URL.Query().Get("function")
		switch {
		case r.Method == http.MethodGet:
			answer, err = s.waiting(r.Context(), name)
		case r.Method == http.MethodDelete && name != "":
			var ended int
			ended, err = s.events.Purge(r.Context(), name)
			answer = map[string]int{"purged": ended}
		default:
			refuseOwn(w, http.StatusBadRequest, lambda.CodeInvalidParameterValue, "Events are counted by GET, and ended by DELETE for a function.")
			return
		}
		if err != nil {
			s.logger.Error("asynchronous events cannot be counted or ended", slog.Any("error", err))
			refuseOwn(w, http.StatusInternalServerError, lambda.CodeService, "The events cannot be counted or ended.")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			s.logger.Debug("asynchronous events not sent", slog.Any("error", err))
		}
	})
}

// waiting counts events, of one function unless the name is empty.
func (s *server) waiting(ctx context.Context, function string) (waitingEvents, error) {
	status, err := s.events.Status(ctx)
	w := waitingEvents{Functions: []waitingCount{}, Deliveries: []waitingCount{}}
	for _, b := range status.Events {
		if function == "" || b.Name == function {
			w.Functions = append(w.Functions, waitingCount(b))
		}
	}
	for _, b := range status.Deliveries {
		if function == "" { // they are of whatever functions
			w.Deliveries = append(w.Deliveries, waitingCount(b))
		}
	}
	return w, err
}
