package async

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/telemetry"
)

// unreadableFor is how long what cannot be read is left alone.
const unreadableFor = time.Hour

// run makes one attempt of an event and does what follows from it.
func (e *Engine) run(ctx context.Context, l store.Leased) reply {
	ev, p, err := decodeEvent(l.Body)
	if err != nil {
		e.leave(ctx, e.opts.Events, l, err)
		return taken
	}
	f := e.opts.Function(ev.Function)
	policy := e.policy(f, ev.Qualifier)
	history := func() History {
		return History{EnqueuedAt: ev.EnqueuedAt, Attempts: p.Attempts, Refusals: p.Refusals}
	}
	switch {
	case f == nil:
		e.settle(ctx, l, &ev, &p, Step{})
		return taken
	case f.Reserved != nil && *f.Reserved == 0:
		p.Outcome, p.LastError = nil, ""
		e.settle(ctx, l, &ev, &p, Step{Condition: ConditionReserved})
		return taken
	case policy.Expired(history(), e.now()):
		e.settle(ctx, l, &ev, &p, Step{Condition: ConditionAge})
		return taken
	}
	age := e.now().Sub(ev.EnqueuedAt)
	result, err := e.opts.Invoker.Invoke(ctx, &ev)
	switch {
	case e.left():
		return taken // the end of the server may have been the end of this attempt
	case errors.Is(err, ErrBusy):
		return busy
	}
	e.measure(telemetry.MetricAsyncEventAge, &ev, float64(age.Milliseconds()))
	ended := p.note(&result, err)
	e.settle(ctx, l, &ev, &p, Decide(policy, history(), ended, e.now(), e.opts.Random()))
	if ended == Refused {
		return refused
	}
	return taken
}

func (e *Engine) left() bool {
	select {
	case <-e.abandoned:
		return true
	default:
		return false
	}
}

// leave lets alone what this program cannot read; another one may.
func (e *Engine) leave(ctx context.Context, q store.Queue, l store.Leased, err error) {
	e.opts.Logger.LogAttrs(ctx, slog.LevelError, "an event in the store cannot be read, and is left there", slog.String("event", l.ID),
		slog.String("partition", l.Partition), slog.Any("error", err))
	e.persist(ctx, "leave", l.ID, func(ctx context.Context) error {
		return q.RetryAt(ctx, l, l.Body, time.Now().Add(unreadableFor))
	})
}

// note takes the end of an attempt into the progress.
func (p *progress) note(result *lambda.Result, err error) Ending {
	var told *lambda.Error
	switch {
	case err == nil:
		p.Attempts++
		p.Outcome, p.LastError, p.LastStatus = result, "", 0
		if result.FunctionError != "" {
			return Failed
		}
		return Succeeded
	case !errors.As(err, &told):
		return p.refuse(err.Error(), http.StatusInternalServerError)
	}
	switch told.Code {
	case lambda.CodeTooManyRequests:
		return p.refuse(told.Message, http.StatusTooManyRequests)
	case lambda.CodeResourceNotFound:
		return Gone
	case lambda.CodeRecursiveInvocation:
		p.Outcome, p.LastError, p.LastStatus = nil, told.Message, http.StatusBadRequest
		return Recursive
	}
	return p.refuse(told.Message, http.StatusInternalServerError)
}

func (p *progress) refuse(text string, status int) Ending {
	p.Refusals++
	p.LastError, p.LastStatus = text, status
	return Refused
}

// policy is what is set for the events of a qualifier; the defaults without a
// function.
func (e *Engine) policy(f *lambda.Function, qualifier string) Policy {
	p := Policy{MaximumRetries: DefaultRetries, MaximumAge: DefaultAge, Delays: e.opts.Delays}
	if c := eventConfig(f, qualifier); c != nil {
		if c.MaximumRetries != nil {
			p.MaximumRetries = *c.MaximumRetries
		}
		if c.MaximumAgeSeconds != nil {
			p.MaximumAge = time.Duration(*c.MaximumAgeSeconds) * time.Second
		}
	}
	return p
}

// eventConfig is the configuration by the qualifier that the caller used, where
// none stands for $LATEST; nil if there is none.
func eventConfig(f *lambda.Function, qualifier string) *lambda.EventInvokeConfig {
	if f == nil {
		return nil
	}
	if at, found := lambda.Find(f.Configs.EventInvoke, orLatest(qualifier)); found {
		return &f.Configs.EventInvoke[at]
	}
	return nil
}

func orLatest(qualifier string) string {
	if qualifier == "" {
		return lambda.Latest
	}
	return qualifier
}

// settle makes the next step durable.
func (e *Engine) settle(ctx context.Context, l store.Leased, ev *Event, p *progress, step Step) {
	if !step.Retry.IsZero() {
		e.persist(ctx, "retry", l.ID, func(ctx context.Context) error {
			body, err := encodeEvent(ev, p)
			if err != nil {
				return err
			}
			// By this process's clocks, as the queue's due times are.
			return e.opts.Events.RetryAt(ctx, l, body, time.Now().Add(step.Retry.Sub(e.now())))
		})
		return
	}
	if step.Condition != ConditionSuccess {
		e.measure(telemetry.MetricAsyncEventsDropped, ev, 1)
		e.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "event given up", slog.String("request_id", ev.RequestID), slog.String("function", ev.Function),
			slog.String("condition", string(step.Condition)), slog.Int("attempts", p.Attempts), slog.String("last_error", p.LastError))
	}
	if step.Condition != "" {
		e.pass(ctx, ev, p, step.Condition)
	}
	e.persist(ctx, "end", l.ID, func(ctx context.Context) error { return e.opts.Events.Ack(ctx, l) })
}

// pass hands the outcome on to whom it is to be told: to the queue of deliveries,
// which is where it is safe.
func (e *Engine) pass(ctx context.Context, ev *Event, p *progress, condition Condition) {
	deliveries := e.outcome(ctx, ev, p, condition)
	var events []store.Event
	for i := range deliveries {
		d := &deliveries[i]
		body, err := encodeDelivery(d, 0)
		if err != nil || len(body) > store.MaxEvent {
			e.deliverNow(ctx, d)
			continue
		}
		events = append(events, store.Event{ID: d.ID, Partition: d.Target, Body: body, Due: time.Now(), Urgent: true})
	}
	for _, one := range events { // each by itself: two of the largest are over what one write may be
		e.persist(ctx, "pass on", one.ID, func(ctx context.Context) error {
			err := e.opts.Deliveries.EnqueueBatch(ctx, []store.Event{one})
			if errors.Is(err, store.ErrConflict) {
				return nil // an earlier end of the same event is on its way already
			}
			return err
		})
	}
}

// outcome makes the deliveries of an event that has ended.
func (e *Engine) outcome(ctx context.Context, ev *Event, p *progress, condition Condition) (deliveries []Delivery) {
	f := e.opts.Function(ev.Function)
	if f == nil {
		return nil // deleted meanwhile, and its destinations with it
	}
	v := f.Resolve(ev.Qualifier)
	if p.Outcome != nil {
		if ran := f.Version(p.Outcome.ExecutedVersion); ran != nil {
			v = ran
		}
	}
	now := e.now().UTC()
	base := Delivery{
		Function: lambda.Ref{Name: ev.Function, Qualifier: ev.Qualifier}, FunctionARN: e.opts.Scope.FunctionARN(ev.Function, orLatest(ev.Qualifier)),
		Trace: ev.Trace.Header, At: now, Success: condition == ConditionSuccess,
	}
	if v != nil {
		base.Role = v.Role
	}
	target, kind := "", OnFailure
	if c := eventConfig(f, ev.Qualifier); c != nil {
		if target = c.OnFailure; base.Success {
			target, kind = c.OnSuccess, OnSuccess
		}
	}
	if target != "" {
		body, err := makeRecord(ev, p, base.FunctionARN, condition, now)
		if err != nil { // its parts are JSON by now
			e.opts.Logger.LogAttrs(ctx, slog.LevelError, "no record of an event", slog.String("request_id", ev.RequestID), slog.Any("error", err))
			e.measure(telemetry.MetricDestinationDeliveryFailures, ev, 1)
		} else {
			d := base
			d.Kind, d.Target, d.ID, d.Body = kind, target, ev.RequestID+"/"+string(kind), body
			deliveries = append(deliveries, d)
		}
	}
	if queue := deadLetterQueue(v); queue != "" && !base.Success {
		d := base
		d.Kind, d.Target, d.ID, d.Body = DeadLetter, queue, ev.RequestID+"/"+string(DeadLetter), ev.Payload
		d.Attributes = deadLetter(ev, p, condition)
		deliveries = append(deliveries, d)
	}
	return deliveries
}

// deadLetterQueue is the ARN of a version's dead-letter queue, or empty.
func deadLetterQueue(v *lambda.Version) string {
	if v == nil {
		return ""
	}
	var config struct{ TargetArn string }
	if raw := v.Recorded["DeadLetterConfig"]; len(raw) == 0 || json.Unmarshal(raw, &config) != nil {
		return ""
	}
	return config.TargetArn
}
