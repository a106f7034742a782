package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"thaw/internal/store"
)

const (
	journalStream  = "events"
	journalSubject = "events.journal"

	// groupRecords is how many records share one message, and so one sync of the
	// disk. A call's own records are never parted, so a group may be larger by one
	// call.
	groupRecords = 64
	// groupBytes bounds a message; the rest of maxPayload is for its headers.
	groupBytes = maxPayload - 64<<10

	// trimMessages and trimBytes are how much is dead at the journal's front before
	// it is cut off: each cut syncs the disk too.
	trimMessages = 256
	trimBytes    = 32 << 20
	// defaultSlack is how many bytes may be dead in all, beyond what lives: from
	// there on old live records are written anew, so that the front can be cut off.
	defaultSlack = 64 << 20
)

// journal is the queue's memory on the disk: a log of groups of records. What
// concurrent callers write goes into one message, which is durable as a whole or
// not at all; while one is on its way to the disk, the next one gathers.
//
// One goroutine writes. It also cuts off what is dead at the front, and moves
// what keeps it from doing so to the end.
type journal struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	logger *slog.Logger
	slack  int // bytes
	calls  chan *call
	done   chan struct{} // closed when the goroutine is to end
	ended  sync.WaitGroup

	// Of the writing goroutine, and of open before it:
	held    *call // taken from calls, but of the next group
	extent  extent
	trimmed uint64 // messages before it have been cut off

	mu    sync.Mutex
	spots map[string]map[string]spot // of the live events, by queue and ID
}

// spot is where an event's record lies.
type spot struct {
	sequence uint64 // of the message
	index    int    // in its group
	size     int    // bytes
}

// call is one caller's records, and then their outcome.
type call struct {
	records []record
	size    int
	last    uint64 // sequence of their message
	err     error
	ready   chan struct{}
}

func openJournal(ctx context.Context, js jetstream.JetStream, logger *slog.Logger) (*journal, []record, error) {
	stream, err := js.Stream(ctx, journalStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name:        journalStream,
			Description: "journal of the events to be worked off",
			Subjects:    []string{journalSubject},
			Storage:     jetstream.FileStorage,
			MaxMsgSize:  maxPayload,
			AllowDirect: true,
		})
	}
	if err != nil {
		return nil, nil, err
	}
	j := &journal{
		js:     js,
		stream: stream,
		logger: logger,
		slack:  defaultSlack,
		calls:  make(chan *call),
		done:   make(chan struct{}),
		spots:  make(map[string]map[string]spot),
	}
	live, err := j.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	j.ended.Go(j.run)
	return j, live, nil
}

func (j *journal) close() {
	close(j.done)
	j.ended.Wait()
}

// load replays the journal and returns the records that live, without bodies.
func (j *journal) load(ctx context.Context) ([]record, error) {
	info, err := j.stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	j.trimmed = info.State.FirstSeq
	if info.State.Msgs == 0 {
		return nil, nil
	}
	consumer, err := j.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	live := make(map[string]map[string]record) // by queue and ID
	for more := true; more; {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		records, err := decodeGroup(m.Data())
		if err != nil {
			return nil, fmt.Errorf("journal message %d: %w", meta.Sequence.Stream, err)
		}
		j.apply(meta.Sequence.Stream, len(m.Data()), records)
		for _, r := range records {
			switch r.op {
			case opPut:
				r.event.Body = nil
				if live[r.queue] == nil {
					live[r.queue] = make(map[string]record)
				}
				live[r.queue][r.id] = r
			case opDone:
				delete(live[r.queue], r.id)
			case opPurge:
				delete(live, r.queue)
			}
		}
		more = meta.NumPending > 0
	}
	var list []record
	for _, queue := range live {
		list = slices.AppendSeq(list, maps.Values(queue))
	}
	return list, nil
}

// write makes the records durable, all or none, and returns the sequence of
// their message. It has no context: once handed over, the outcome is to be known.
func (j *journal) write(records ...record) (sequence uint64, err error) {
	c := &call{records: records, ready: make(chan struct{})}
	for _, r := range records {
		c.size += r.size
	}
	select {
	case j.calls <- c:
	case <-j.done:
		return 0, errClosed
	}
	<-c.ready
	return c.last, c.err
}

// spot finds a live event's record.
func (j *journal) spot(queue, id string) (spot, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, ok := j.spots[queue][id]
	return s, ok
}

func (j *journal) run() {
	for {
		c := j.held
		j.held = nil
		if c == nil {
			select {
			case c = <-j.calls:
			case <-j.done:
				return
			}
		}
		j.commit(j.gather(c))
		if err := j.tidy(); err != nil {
			j.logger.Warn("journal of events not tidied", slog.Any("error", err))
		}
	}
}

// gather takes the calls that are waiting at this moment. A purge is a group by
// itself: what is of an earlier message than it is ended, and nothing else.
func (j *journal) gather(first *call) []*call {
	group := []*call{first}
	if first.isPurge() {
		return group
	}
	records, size := len(first.records), first.size
	for records < groupRecords {
		select {
		case c := <-j.calls:
			if size+c.size > groupBytes || c.isPurge() {
				j.held = c
				return group
			}
			group = append(group, c)
			records += len(c.records)
			size += c.size
		default:
			return group
		}
	}
	return group
}

func (c *call) isPurge() bool { return c.records[0].op == opPurge }

func (j *journal) commit(group []*call) {
	var records []record
	for _, c := range group {
		for _, r := range c.records {
			if _, there := j.spot(r.queue, r.id); r.retry && !there {
				c.err = fmt.Errorf("event %q was purged: %w", r.id, store.ErrConflict)
			}
		}
		if c.err == nil {
			records = append(records, c.records...)
		}
	}
	var sequence uint64
	var err error
	if len(records) > 0 {
		sequence, err = j.publish(records)
	}
	for _, c := range group {
		if c.err == nil {
			c.last, c.err = sequence, err
		}
		close(c.ready)
	}
}

// publish writes one message and takes note of it.
func (j *journal) publish(records []record) (sequence uint64, err error) {
	size := 0
	for _, r := range records {
		size += r.size
	}
	data := make([]byte, 0, size)
	for _, r := range records {
		data = r.append(data)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	ack, err := j.js.Publish(ctx, journalSubject, data)
	if err != nil {
		return 0, err
	}
	j.apply(ack.Sequence, size, records)
	return ack.Sequence, nil
}

// apply is what a message's records do to the state in memory.
func (j *journal) apply(sequence uint64, size int, records []record) {
	j.extent.add(sequence, size)
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, r := range records {
		spots := j.spots[r.queue]
		if r.op == opPurge {
			for _, old := range spots {
				j.extent.kill(old)
			}
			delete(j.spots, r.queue)
			continue
		}
		if old, ok := spots[r.id]; ok {
			j.extent.kill(old)
			delete(spots, r.id)
		}
		if r.op == opPut {
			if spots == nil {
				spots = make(map[string]spot)
				j.spots[r.queue] = spots
			}
			s := spot{sequence: sequence, index: i, size: r.size}
			spots[r.id] = s
			j.extent.enliven(s)
		}
	}
}

// tidy moves a live group from the front to the end, if too much behind it is
// dead, and cuts off the dead front.
func (j *journal) tidy() error {
	if j.extent.bytes > 2*j.extent.liveBytes+j.slack {
		if err := j.move(j.extent.first); err != nil {
			return err
		}
	}
	j.extent.trim()
	if j.extent.first-j.trimmed < trimMessages && j.extent.trimmedBytes < trimBytes {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if err := j.stream.Purge(ctx, jetstream.WithPurgeSequence(j.extent.first)); err != nil {
		return fmt.Errorf("cut off dead messages: %w", err)
	}
	j.trimmed, j.extent.trimmedBytes = j.extent.first, 0
	return nil
}

// move writes the live records of a message anew.
func (j *journal) move(sequence uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	m, err := j.stream.GetMsg(ctx, sequence)
	if err != nil {
		return fmt.Errorf("read message %d: %w", sequence, err)
	}
	records, err := decodeGroup(m.Data)
	if err != nil {
		return fmt.Errorf("read message %d: %w", sequence, err)
	}
	var live []record
	for i, r := range records {
		if s, ok := j.spot(r.queue, r.id); ok && s.sequence == sequence && s.index == i {
			live = append(live, r)
		}
	}
	if len(live) == 0 {
		return nil
	}
	_, err = j.publish(live)
	return err
}
