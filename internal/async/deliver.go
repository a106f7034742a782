package async

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"thaw/internal/store"
	"thaw/internal/telemetry"
)

// deliver makes one try of a delivery and does what follows from it.
func (e *Engine) deliver(ctx context.Context, l store.Leased) reply {
	d, tries, err := decodeDelivery(l.Body)
	if err != nil {
		e.leave(ctx, e.opts.Deliveries, l, err)
		return taken
	}
	err = e.opts.Deliverer.Deliver(ctx, d)
	if e.left() && err != nil {
		return taken
	}
	tries++
	again := e.account(ctx, &d, tries, err)
	e.persist(ctx, "deliver", l.ID, func(ctx context.Context) error {
		if again.IsZero() {
			return e.opts.Deliveries.Ack(ctx, l)
		}
		body, err := encodeDelivery(&d, tries)
		if err != nil {
			return err
		}
		return e.opts.Deliveries.RetryAt(ctx, l, body, again)
	})
	if err != nil && !errors.Is(err, ErrUndeliverable) {
		return refused
	}
	return taken
}

// account counts and logs what became of a try, and tells when there will be
// another; zero means never.
func (e *Engine) account(ctx context.Context, d *Delivery, tries int, err error) (again time.Time) {
	if err == nil {
		return time.Time{}
	}
	now := e.now()
	age := now.Sub(d.At)
	delay := backoff(tries, e.opts.Random())
	final := errors.Is(err, ErrUndeliverable) || age+delay >= deliveryAge
	metric := telemetry.MetricDestinationDeliveryFailures
	if d.Kind == DeadLetter {
		metric = telemetry.MetricDeadLetterErrors
	}
	e.measure(metric, &Event{Function: d.Function.Name, Qualifier: d.Function.Qualifier}, 1)
	level, text := slog.LevelWarn, "delivery failed, and is tried again"
	if final {
		level, text = slog.LevelError, "delivery given up: what became of this event is told here only"
	}
	e.opts.Logger.LogAttrs(ctx, level, text, slog.String("delivery", d.ID), slog.String("kind", string(d.Kind)), slog.String("target", d.Target),
		slog.String("function", d.Function.Name), slog.Int("tries", tries), slog.Any("error", err))
	if final {
		return time.Time{}
	}
	return time.Now().Add(delay)
}

// directTries is how often a delivery that is too large for the store is tried.
const directTries = 3

// deliverNow delivers what is too large to be kept, at once or never. Only a
// target without a limit of its own would have taken it anyway.
func (e *Engine) deliverNow(ctx context.Context, d *Delivery) {
	for try := 1; ; try++ {
		err := e.opts.Deliverer.Deliver(ctx, *d)
		if err != nil && try == directTries {
			err = errors.Join(err, ErrUndeliverable)
		}
		again := e.account(ctx, d, try, err)
		if again.IsZero() {
			return
		}
		timer := time.NewTimer(time.Until(again))
		select {
		case <-timer.C:
		case <-e.abandoned:
			timer.Stop()
			return
		}
	}
}
