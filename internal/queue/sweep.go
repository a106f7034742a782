package queue

import (
	"log/slog"
	"time"

	"thaw/internal/lambda"
)

// sweepPause is between two looks at the queues, and sweepShare the part of a
// queue's retention that passes at least before its messages are looked through
// again.
const (
	sweepPause = time.Minute
	sweepShare = 100
)

// sweep ends messages that are too old. Nobody receives them any more; what is left
// of them is space.
func (s *Service) sweep() {
	tick := time.NewTicker(sweepPause)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		for _, r := range s.catalog.Queues() {
			if err := s.sweepOne(r.Queue); err != nil && s.ctx.Err() == nil {
				s.logger.Error("old messages not ended", slog.String("queue", r.Queue.Name), slog.Any("error", err))
			}
		}
	}
}

func (s *Service) sweepOne(q *lambda.Queue) error {
	b, now := s.box(q), time.Now()
	if !b.due(q, now) {
		return nil
	}
	oldest, old, err := s.look(q, b, now)
	if err == nil {
		err = b.events.End(s.ctx, old)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.oldest = time.Time{}
		return err
	}
	for _, id := range old {
		delete(b.flights, id)
	}
	if oldest.Before(b.oldest) {
		b.oldest = oldest
	}
	return nil
}

// look finds the messages of a queue that are too old, and when the oldest of the
// others was sent.
func (s *Service) look(q *lambda.Queue, b *box, now time.Time) (oldest time.Time, old []string, err error) {
	ids, err := b.events.IDs(s.ctx)
	oldest = now
	for _, id := range ids {
		at, ok := sentAt(id)
		switch {
		case !ok:
		case now.Sub(at) >= q.Retention:
			old = append(old, id)
		case at.Before(oldest):
			oldest = at
		}
	}
	return oldest, old, err
}

// due tells whether there may be messages that are too old. If so, what is known of
// the oldest is forgotten: what comes in from now on tells its age itself.
func (b *box) due(q *lambda.Queue, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.swept) < q.Retention/sweepShare || now.Sub(b.oldest) < q.Retention {
		return false
	}
	b.swept, b.oldest = now, now
	return true
}
