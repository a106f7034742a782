package jetstream

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

const (
	// groupSize is how many messages share one sync of the disk. A call's own
	// messages are never parted, so a group may be larger by one call.
	groupSize = 64
	// groupBytes bounds a group likewise.
	groupBytes = 8 << 20
	// worthGrouping is the size from which a group is faster than its messages one
	// by one: the server stages a batch in files of its own first, which costs as
	// much as several syncs.
	worthGrouping = 8

	// Headers of an atomic batch, from the server's architecture decision 50.
	headerBatchID       = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

// writer makes messages durable in groups: while one group is on its way to the
// disk, the next one gathers.
type writer struct {
	conn  *nats.Conn
	calls chan *write
	done  chan struct{} // closed when the writer is to end
	ended sync.WaitGroup
}

// write is one call: its messages, and then its result.
type write struct {
	messages []*nats.Msg
	bytes    int
	first    uint64 // sequence of the first message
	err      error
	ready    chan struct{}
}

func startWriter(conn *nats.Conn) *writer {
	w := &writer{conn: conn, calls: make(chan *write), done: make(chan struct{})}
	w.ended.Go(w.run)
	return w
}

func (w *writer) close() {
	close(w.done)
	w.ended.Wait()
}

// write returns the sequence of the first message; the others follow it. It has
// no context: once handed over, the outcome is to be known.
func (w *writer) write(messages []*nats.Msg) (first uint64, err error) {
	c := &write{messages: messages, ready: make(chan struct{})}
	for _, m := range messages {
		c.bytes += len(m.Data)
	}
	select {
	case w.calls <- c:
	case <-w.done:
		return 0, errClosed
	}
	<-c.ready
	return c.first, c.err
}

func (w *writer) run() {
	for {
		select {
		case c := <-w.calls:
			group := w.gather(c)
			w.commit(group)
		case <-w.done:
			return
		}
	}
}

// gather takes the calls that are waiting at this moment.
func (w *writer) gather(first *write) []*write {
	group := []*write{first}
	messages, bytes := len(first.messages), first.bytes
	for messages < groupSize && bytes < groupBytes {
		select {
		case c := <-w.calls:
			group = append(group, c)
			messages += len(c.messages)
			bytes += c.bytes
		default:
			return group
		}
	}
	return group
}

func (w *writer) commit(group []*write) {
	var messages []*nats.Msg
	for _, c := range group {
		messages = append(messages, c.messages...)
	}
	if len(messages) < worthGrouping && len(messages) == len(group) {
		for _, c := range group {
			c.first, c.err = w.publish(c.messages)
			close(c.ready)
		}
		return
	}
	last, err := w.publish(messages)
	next := last - uint64(len(messages)) + 1
	for _, c := range group {
		c.first, c.err = next, err
		next += uint64(len(c.messages))
		close(c.ready)
	}
}

// publish makes all messages durable, or none, and returns the last sequence.
func (w *writer) publish(messages []*nats.Msg) (last uint64, err error) {
	final := len(messages) - 1
	if final > 0 {
		batch := nuid.Next()
		for i, m := range messages {
			m.Header[headerBatchID] = []string{batch}
			m.Header[headerBatchSequence] = []string{strconv.Itoa(i + 1)}
		}
		messages[final].Header[headerBatchCommit] = []string{"1"}
	}
	for _, m := range messages[:final] {
		if err := w.conn.PublishMsg(m); err != nil {
			return 0, err
		}
	}
	reply, err := w.conn.RequestMsg(messages[final], callTimeout)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Sequence uint64              `json:"seq"`
		Error    *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return 0, fmt.Errorf("decode the engine's answer: %w", err)
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	return ack.Sequence, nil
}
