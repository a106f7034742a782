package queue_test

import (
	"context"
	"testing"
	"time"

	"thaw/internal/queue"
	"thaw/internal/store"
)

// slow is a queue of the store that tells when it is called, and goes on when it is
// let.
type slow struct {
	store.Queue
	entered, proceed chan struct{}
	enqueues, purges bool // which are slow
}

func (s *slow) wait(is bool) {
	if is {
		s.entered <- struct{}{}
		<-s.proceed
	}
}

func (s *slow) EnqueueBatch(ctx context.Context, events []store.Event) error {
	s.wait(s.enqueues)
	return s.Queue.EnqueueBatch(ctx, events)
}

func (s *slow) Purge(ctx context.Context) error {
	s.wait(s.purges)
	return s.Queue.Purge(ctx)
}

// chance is how long what must not happen is given to happen.
const chance = 50 * time.Millisecond

// TestDeletionMeetsSenders: a message on its way when the queue is deleted goes with
// it, or is refused; none is left without a queue.
func TestDeletionMeetsSenders(t *testing.T) {
	for _, sendsFirst := range []bool{true, false} {
		b := newBench(t)
		t.Cleanup(b.close)
		s := &slow{entered: make(chan struct{}), proceed: make(chan struct{}), enqueues: sendsFirst, purges: !sendsFirst}
		b.events = func(name string) store.Queue {
			s.Queue = b.store.Queue(name)
			return s
		}
		b.restart()
		b.create("q", nil)
		record, _ := b.catalog.Queue("q")
		sent, deleted := make(chan error, 1), make(chan error, 1)
		send := func() {
			_, err := b.Send(context.Background(), "q", queue.Outgoing{Body: "m"})
			sent <- err
		}
		remove := func() { deleted <- b.Service.Delete(context.Background(), "q") }
		first, second := send, remove
		if !sendsFirst {
			first, second = remove, send
		}
		go first()
		<-s.entered
		go second()
		select {
		case err := <-deleted:
			t.Errorf("deleted while a message was on its way: %v", err)
			deleted <- err
		case err := <-sent:
			t.Errorf("sent while the queue was being deleted: %v", err)
			sent <- err
		case <-time.After(chance):
		}
		s.proceed <- struct{}{}
		if err := <-deleted; err != nil {
			t.Error(err)
		}
		if err := <-sent; sendsFirst != (err == nil) {
			t.Errorf("sent first: %t, and then %v", sendsFirst, err)
		}
		b.orphans(record.Queue.ID)
	}
}

// TestDeletionMeetsDeletion: one of two is told that there is no queue.
func TestDeletionMeetsDeletion(t *testing.T) {
	b := newBench(t)
	t.Cleanup(b.close)
	s := &slow{entered: make(chan struct{}), proceed: make(chan struct{}), purges: true}
	b.events = func(name string) store.Queue {
		s.Queue = b.store.Queue(name)
		return s
	}
	b.restart()
	b.create("q", nil)
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- b.Service.Delete(context.Background(), "q") }()
	}
	<-s.entered
	select {
	case <-s.entered:
		t.Error("both end the messages")
		s.proceed <- struct{}{}
	case <-time.After(chance):
	}
	s.proceed <- struct{}{}
	one, other := <-done, <-done
	if (one == nil) == (other == nil) {
		t.Errorf("deleted: %v and %v", one, other)
	}
}
