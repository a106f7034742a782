package queue

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"
)

// Attribute is an attribute of a message. Type is String, Number or Binary, perhaps
// with a dot and a label behind it.
type Attribute struct {
	Type  string
	Value []byte
}

// Outgoing is a message to be sent.
type Outgoing struct {
	Body       string
	Attributes map[string]Attribute
	// Trace is the trace header that travels with it.
	Trace string
	// Sender is the ID of who sends it.
	Sender string
	// Group is the tenant that it belongs to: those with messages take turns.
	Group string
	// Deduplication is shown to receivers, and has no effect in a standard queue.
	Deduplication string
	// Delay is until when nobody receives it; nil is the queue's.
	Delay *time.Duration
	// ID makes it the same message at every try, see NewID. Empty is a new one.
	ID string
}

// Message is one that was received.
type Message struct {
	ID            string
	Receipt       string // the handle
	Body          string
	Attributes    map[string]Attribute
	Trace         string
	Sender        string
	Group         string
	Deduplication string
	SentAt        time.Time
	// ReceiveCount is how often it was received, of all queues that it was in;
	// FirstReceivedAt is when first.
	ReceiveCount    int
	FirstReceivedAt time.Time
	// Source is the ARN of the queue that it was moved from, if this is a dead-letter
	// queue and it was.
	Source string
}

// messageFormat is the first byte of a stored message.
const messageFormat = 1

// appendMessage is the stored form: what is not in the event itself. The receipts
// are those of other queues.
func appendMessage(b []byte, m *Message) []byte {
	b = append(b, messageFormat)
	b = binary.AppendUvarint(b, uint64(m.SentAt.UnixMilli()))
	b = binary.AppendUvarint(b, uint64(m.ReceiveCount))
	var first uint64
	if !m.FirstReceivedAt.IsZero() {
		first = uint64(m.FirstReceivedAt.UnixMilli())
	}
	b = binary.AppendUvarint(b, first)
	for _, text := range []string{m.Trace, m.Sender, m.Group, m.Deduplication, m.Source, m.Body} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Attributes)))
	for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
		a := m.Attributes[name]
		b = appendText(appendText(appendText(b, name), a.Type), string(a.Value))
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

var errMessage = errors.New("not a message of this format")

// readMessage reads what appendMessage wrote.
func readMessage(b []byte) (*Message, error) {
	if len(b) == 0 || b[0] != messageFormat {
		return nil, errMessage
	}
	d := decoder{rest: b[1:]}
	m := &Message{SentAt: time.UnixMilli(int64(d.number())), ReceiveCount: int(d.number())}
	if first := d.number(); first > 0 {
		m.FirstReceivedAt = time.UnixMilli(int64(first))
	}
	for _, text := range []*string{&m.Trace, &m.Sender, &m.Group, &m.Deduplication, &m.Source, &m.Body} {
		*text = d.text()
	}
	for n := d.number(); n > 0 && !d.broken; n-- {
		if m.Attributes == nil {
			m.Attributes = map[string]Attribute{}
		}
		name := d.text()
		m.Attributes[name] = Attribute{Type: d.text(), Value: []byte(d.text())}
	}
	if d.broken || len(d.rest) > 0 {
		return nil, errMessage
	}
	return m, nil
}

// decoder reads numbers and texts until something is broken.
type decoder struct {
	rest   []byte
	broken bool
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.broken, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.broken, d.rest = true, nil
		return ""
	}
	text := string(d.rest[:n])
	d.rest = d.rest[n:]
	return text
}
