package jetstream

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"thaw/internal/store"
	"thaw/internal/store/backlog"
)

// errClosed is what a store answers after Close.
var errClosed = errors.New("store is closed")

const (
	eventStream  = "events"
	eventSubject = "event."
	// maxEvents bounds the events that wait. Each costs about 500 bytes of memory
	// here and in the engine.
	maxEvents = 1_000_000

	// Headers of a stored event; the message's data is the body.
	headerPartition = "Thaw-Partition" // base64
	headerDue       = "Thaw-Due"       // Unix time in nanoseconds
	headerAttempts  = "Thaw-Attempts"
)

// queue keeps each event as the last message of its own subject: a retry
// replaces it in one write, an ack removes it. Which one is due next is known
// in memory only, by package backlog; the due time is data in the message, so
// that one key's retries occupy nothing of the engine's.
type queue struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	index  *backlog.Backlog
	writer *writer

	ctx    context.Context // ends with the store
	cancel context.CancelFunc
	leases sync.WaitGroup
}

func openQueue(ctx context.Context, conn *nats.Conn, js jetstream.JetStream) (*queue, error) {
	stream, err := js.Stream(ctx, eventStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name:               eventStream,
			Description:        "events to be worked off",
			Subjects:           []string{eventSubject + "*"},
			Storage:            jetstream.FileStorage,
			MaxMsgsPerSubject:  1,
			MaxMsgSize:         maxPayload,
			AllowDirect:        true,
			AllowAtomicPublish: true,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	q := &queue{js: js, stream: stream, index: backlog.New(maxEvents)}
	if err := q.load(ctx); err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.writer = startWriter(conn)
	return q, nil
}

func (q *queue) close() {
	q.cancel()
	q.writer.close()
	q.leases.Wait()
}

// load reads the headers of all waiting events into the index.
func (q *queue) load(ctx context.Context) error {
	info, err := q.stream.Info(ctx)
	if err != nil || info.State.Msgs == 0 {
		return err
	}
	consumer, err := q.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(4096))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		item, err := decodeItem(m.Subject(), m.Headers(), meta.Sequence.Stream)
		if err != nil {
			return err
		}
		q.index.Add(item)
		if meta.Sequence.Stream >= info.State.LastSeq || meta.NumPending == 0 {
			return nil
		}
	}
}

func (q *queue) EnqueueBatch(ctx context.Context, events []store.Event) error {
	if err := store.CheckEvents(events); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil || len(events) == 0 {
		return err
	}
	if err := q.index.Reserve(events); err != nil {
		return err
	}
	messages := make([]*nats.Msg, len(events))
	for i := range events {
		e := &events[i]
		messages[i] = encodeItem(backlog.Item{ID: e.ID, Partition: e.Partition, Due: e.Due}, e.Body)
	}
	first, err := q.writer.write(messages)
	if err != nil {
		q.index.Forget(events)
		return fmt.Errorf("enqueue %d events: %w", len(events), err)
	}
	items := make([]backlog.Item, len(events))
	for i := range events {
		e := &events[i]
		items[i] = backlog.Item{ID: e.ID, Partition: e.Partition, Due: e.Due, Place: first + uint64(i)}
	}
	q.index.Add(items...)
	return nil
}

func (q *queue) Lease(ctx context.Context, limit int, visibility time.Duration) ([]store.Leased, error) {
	if q.ctx.Err() != nil {
		return nil, errClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.ctx, cancel)()
	grants, err := q.index.Lease(ctx, limit, visibility)
	if err != nil {
		return nil, err
	}
	leased := make([]store.Leased, 0, len(grants))
	for _, g := range grants {
		m, err := q.stream.GetMsg(ctx, g.Place)
		if err != nil {
			// The leases of the others run out by themselves.
			return nil, fmt.Errorf("read event %q: %w", g.ID, err)
		}
		leased = append(leased, store.Leased{
			Event:    store.Event{ID: g.ID, Partition: g.Partition, Body: m.Data, Due: g.Due},
			Token:    g.Token,
			Attempts: g.Attempts,
		})
	}
	return leased, nil
}

func (q *queue) Ack(ctx context.Context, l store.Leased) error {
	item, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	if err := q.stream.DeleteMsg(ctx, item.Place); err != nil {
		q.index.Add(item)
		return fmt.Errorf("ack event %q: %w", item.ID, err)
	}
	q.index.Forget([]store.Event{l.Event})
	return nil
}

func (q *queue) RetryAt(ctx context.Context, l store.Leased, body []byte, due time.Time) error {
	retry := store.Event{ID: l.ID, Partition: l.Partition, Body: body, Due: due}
	if err := store.CheckEvents([]store.Event{retry}); err != nil {
		return err
	}
	item, err := q.index.Remove(l.Token)
	if err != nil {
		return err
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	next := item
	next.Due = due
	ack, err := q.js.PublishMsg(ctx, encodeItem(next, body), jetstream.WithExpectLastSequencePerSubject(item.Place))
	if err != nil {
		q.index.Add(item)
		return fmt.Errorf("retry event %q: %w", item.ID, err)
	}
	next.Place = ack.Sequence
	q.index.Add(next)
	return nil
}

func encodeItem(item backlog.Item, body []byte) *nats.Msg {
	return &nats.Msg{
		Subject: eventSubject + base64.RawURLEncoding.EncodeToString([]byte(item.ID)),
		Header: nats.Header{
			headerPartition: {base64.RawURLEncoding.EncodeToString([]byte(item.Partition))},
			headerDue:       {strconv.FormatInt(item.Due.UnixNano(), 10)},
			headerAttempts:  {strconv.Itoa(item.Attempts)},
		},
		Data: body,
	}
}

func decodeItem(subject string, header nats.Header, sequence uint64) (backlog.Item, error) {
	id, err1 := base64.RawURLEncoding.DecodeString(subject[len(eventSubject):])
	partition, err2 := base64.RawURLEncoding.DecodeString(header.Get(headerPartition))
	due, err3 := strconv.ParseInt(header.Get(headerDue), 10, 64)
	attempts, err4 := strconv.Atoi(header.Get(headerAttempts))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return backlog.Item{}, fmt.Errorf("event at %d: %w", sequence, err)
	}
	return backlog.Item{
		ID:        string(id),
		Partition: string(partition),
		Due:       time.Unix(0, due),
		Attempts:  attempts,
		Place:     sequence,
	}, nil
}
