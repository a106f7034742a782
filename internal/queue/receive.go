package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

const (
	// MaxBatch is how many messages one request sends, receives, deletes or changes.
	MaxBatch = 10
	// maxInFlight is the service's limit for a standard queue.
	maxInFlight = 120_000
	// notAtAll is the visibility timeout of a message that is to wait on: without any
	// it would be in one answer twice.
	notAtAll = time.Millisecond
	// aside is for how long a message is left alone that cannot be read or ended.
	aside = time.Minute
)

// Want says what to receive; what is nil is the queue's.
type Want struct {
	Max        int            // messages, 1 to MaxBatch
	Visibility *time.Duration // until they wait again
	Wait       *time.Duration // for the first, 20 s at most
}

// Receive takes messages of a queue, by its name or ARN, waiting for the first of
// them. None is no error. It returns early, and without messages, when ctx ends.
func (s *Service) Receive(ctx context.Context, queue string, w Want) ([]Message, error) {
	q, b, err := s.find(queue)
	if err != nil {
		return nil, err
	}
	visibility, wait := q.Visibility, q.Wait
	if w.Visibility != nil {
		visibility = *w.Visibility
	}
	if w.Wait != nil {
		wait = *w.Wait
	}
	if w.Max < 1 || w.Max > MaxBatch {
		return nil, outside("MaxNumberOfMessages", w.Max, 1, MaxBatch)
	}
	if visibility < 0 || visibility > maxVisibility {
		return nil, outside("VisibilityTimeout", int(visibility/time.Second), 0, int(maxVisibility/time.Second))
	}
	if wait < 0 || wait > maxWait {
		return nil, outside("WaitTimeSeconds", int(wait/time.Second), 0, int(maxWait/time.Second))
	}
	if count, err := b.events.Count(ctx); err != nil {
		return nil, err
	} else if count.Leased >= maxInFlight {
		return nil, lambda.Errorf(codeOverLimit, "Too many messages are in flight: %d at most.", maxInFlight)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	return s.receive(ctx, waiting, q, b, w.Max, max(visibility, notAtAll))
}

// receive leases until there is something to hand out or waiting ends. What does not
// come to be handed out takes nobody's place.
func (s *Service) receive(ctx, waiting context.Context, q *lambda.Queue, b *box, limit int, visibility time.Duration) (messages []Message, err error) {
	// Messages that are taken off the queue on the way are taken off to the end.
	ctx = context.WithoutCancel(ctx)
	for {
		leased, err := b.events.Lease(waiting, limit-len(messages), visibility)
		switch {
		case err == nil:
		case len(messages) > 0:
			return messages, nil
		case b.ctx.Err() != nil && s.ctx.Err() == nil:
			return nil, errNoQueue()
		case waiting.Err() != nil && errors.Is(err, waiting.Err()) || s.ctx.Err() != nil:
			return nil, nil
		default:
			return nil, err
		}
		if r, ok := s.catalog.Queue(q.Name); ok && r.Queue.ID == q.ID {
			q = r.Queue // it may have been changed while this was waiting
		}
		handed := s.hand(ctx, q, b, leased, visibility)
		messages = append(messages, handed...)
		if len(messages) == limit || len(messages) > 0 && len(handed) == len(leased) {
			return messages, nil
		}
		if len(messages) > 0 {
			waiting = ended
		}
	}
}

// ended is for who takes what is there and does not wait.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// hand makes messages of leased events. Those that are too old end here, and those
// that were received too often go to the dead-letter queue.
func (s *Service) hand(ctx context.Context, q *lambda.Queue, b *box, leased []store.Leased, visibility time.Duration) []Message {
	now := time.Now()
	var messages []Message
	var old, dead []moved
	for _, l := range leased {
		m, err := b.load(l.Event)
		if err != nil {
			s.logger.Error("message not readable; it stays in its queue", slog.String("queue", q.Name), slog.String("message", l.ID), slog.Any("error", err))
			b.setAside(ctx, l)
			continue
		}
		if now.Sub(m.SentAt) >= q.Retention {
			old = append(old, moved{l, m})
			continue
		}
		f, handed := s.board(ctx, b, l, now, visibility)
		if !handed {
			continue
		}
		if m.ReceiveCount += f.receives; m.FirstReceivedAt.IsZero() {
			m.FirstReceivedAt = f.first
		}
		if q.DeadLetter != nil && f.receives > q.DeadLetter.MaxReceives {
			m.ReceiveCount-- // this one was none
			dead = append(dead, moved{l, m})
			continue
		}
		m.Receipt = receipt{id: l.ID, token: l.Token, boot: s.boot}.handle(q.Key)
		messages = append(messages, *m)
	}
	s.end(ctx, q, b, old)
	for _, kept := range s.bury(ctx, q, b, dead) {
		kept.message.ReceiveCount++
		kept.message.Receipt = receipt{id: kept.lease.ID, token: kept.lease.Token, boot: s.boot}.handle(q.Key)
		messages = append(messages, *kept.message)
	}
	return messages
}

// moved is a message on its way out of a queue.
type moved struct {
	lease   store.Leased
	message *Message
}

// setAside leaves a message alone for a while.
func (b *box) setAside(ctx context.Context, l store.Leased) {
	_ = b.events.Extend(ctx, l, time.Now().Add(aside)) // else it is met again sooner
}

// board notes that a message is in flight. handed is false for one that is so by the
// receipt of an earlier service, which the store has not known of.
func (s *Service) board(ctx context.Context, b *box, l store.Leased, now time.Time, visibility time.Duration) (f flight, handed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.flights[l.ID]
	switch {
	case !ok:
		f.first, f.receives = now, l.Attempts
	case f.boot != s.boot && f.until.After(now):
		f.lease = l.Token
		b.flights[l.ID] = f
		_ = b.events.Extend(ctx, l, f.until) // else it is met again sooner
		return f, false
	default:
		f.receives++
	}
	f.received, f.until, f.boot, f.token, f.lease = now, now.Add(visibility), s.boot, l.Token, l.Token
	b.flights[l.ID] = f
	return f, true
}

// end takes messages off a queue. One that cannot be is met again.
func (s *Service) end(ctx context.Context, q *lambda.Queue, b *box, list []moved) {
	if len(list) == 0 {
		return
	}
	ids := make([]string, len(list))
	for i, m := range list {
		ids[i] = m.lease.ID
	}
	if err := b.events.End(ctx, ids); err != nil {
		s.logger.Error("messages not taken off their queue", slog.String("queue", q.Name), slog.Any("error", err))
		for _, m := range list {
			b.setAside(ctx, m.lease)
		}
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		delete(b.flights, id)
	}
}

// bury moves messages to the dead-letter queue: first in, then out, so that a crash
// between the two leaves two, and not none. It returns those that stay, because
// the dead-letter queue takes none.
func (s *Service) bury(ctx context.Context, q *lambda.Queue, b *box, dead []moved) []moved {
	if len(dead) == 0 {
		return nil
	}
	grave, target, err := s.find(q.DeadLetter.Target)
	if err == nil {
		events := make([]store.Event, len(dead))
		for i, m := range dead {
			buried := *m.message
			buried.Source = s.scope.QueueARN(q.Name)
			if events[i], err = target.stored(grave, &buried, time.Now()); err != nil {
				break
			}
		}
		if err == nil {
			err = s.putAll(ctx, grave, target, events)
		}
	}
	if err != nil {
		s.logger.Warn("messages not moved to the dead-letter queue; they are received again", slog.String("queue", q.Name),
			slog.String("target", q.DeadLetter.Target), slog.Int("messages", len(dead)), slog.Any("error", err))
		return dead
	}
	s.end(ctx, q, b, dead)
	return nil
}

// putAll is put for as many events as there may be, in steps that the store takes.
func (s *Service) putAll(ctx context.Context, q *lambda.Queue, b *box, events []store.Event) error {
	for len(events) > 0 {
		n, size := 0, 0
		for n < len(events) && (n == 0 || size+len(events[n].Body) <= store.MaxBatchBytes) {
			size += len(events[n].Body)
			n++
		}
		if err := s.put(ctx, q, b, events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// DeleteMessage ends the message that a receipt handle stands for. If it has been
// received again since, it stays, and that is no error; nor is one that is gone.
func (s *Service) DeleteMessage(ctx context.Context, queue, handle string) error {
	q, b, err := s.find(queue)
	if err != nil {
		return err
	}
	r, err := readReceipt(q.Key, handle)
	if err != nil {
		return err
	}
	if r.boot != s.boot {
		err = b.deleteOld(ctx, r)
	} else {
		err = b.events.Ack(ctx, leaseOf(r.id, r.token))
	}
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.flights, r.id)
	}
	return err
}

// deleteOld is for a receipt of an earlier process: it counts unless the message has
// been received since.
func (b *box) deleteOld(ctx context.Context, r receipt) error {
	b.mu.Lock()
	f, known := b.flights[r.id]
	b.mu.Unlock()
	if known && (f.boot != r.boot || f.token != r.token) {
		return store.ErrConflict
	}
	return b.events.End(ctx, []string{r.id})
}

// leaseOf is a message as the store has leased it.
func leaseOf(id string, token uint64) store.Leased {
	return store.Leased{Event: store.Event{ID: id}, Token: token}
}

// ChangeVisibility makes a message in flight wait again after a time from now, 0 for
// at once.
func (s *Service) ChangeVisibility(ctx context.Context, queue, handle string, visibility time.Duration) error {
	q, b, err := s.find(queue)
	if err != nil {
		return err
	}
	if visibility < 0 || visibility > maxVisibility {
		return invalidValue("Value %s for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.", seconds(visibility))
	}
	r, err := readReceipt(q.Key, handle)
	if err != nil {
		return err
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.flights[r.id]
	if !ok || f.boot != r.boot || f.token != r.token || !f.until.After(now) {
		return errNotInFlight(handle)
	}
	if now.Add(visibility).Sub(f.received) > maxVisibility {
		return invalidValue("Value %s for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].", seconds(visibility))
	}
	until := now.Add(visibility)
	if f.lease != 0 {
		err = b.events.Extend(ctx, leaseOf(r.id, f.lease), until)
	}
	if errors.Is(err, store.ErrConflict) {
		return errNotInFlight(handle)
	}
	if err == nil {
		f.until = until
		b.flights[r.id] = f
	}
	return err
}

func errNotInFlight(handle string) error {
	return invalidValue("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", handle)
}

// Each does the same for several messages at one time, so that they share a sync of
// the disk.
func Each(n int, do func(i int) error) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errs
}
