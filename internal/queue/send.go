package queue

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// Sent is a message as its sender sees it.
type Sent struct {
	ID               string
	DigestBody       string
	DigestAttributes string
}

// Result is what became of one message of a batch.
type Result struct {
	Sent Sent
	Err  error // a *lambda.Error, or an internal one
}

// Send puts a message into the queue of a name or an ARN. It is durable when Send
// returns. One whose ID waits already is not put in again, and that is no error.
func (s *Service) Send(ctx context.Context, queue string, m Outgoing) (Sent, error) {
	results, err := s.SendBatch(ctx, queue, []Outgoing{m})
	if err != nil {
		return Sent{}, err
	}
	return results[0].Sent, results[0].Err
}

// SendBatch is Send for several messages at once: those that can be sent are durable
// together. The messages together must be within MaxMessageSize.
func (s *Service) SendBatch(ctx context.Context, queue string, batch []Outgoing) ([]Result, error) {
	q, b, err := s.find(queue)
	if err != nil {
		return nil, err
	}
	total := 0
	for i := range batch {
		total += batch[i].size()
	}
	if len(batch) > 1 && total > MaxMessageSize {
		return nil, lambda.Errorf(codeBatchTooLong, "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", MaxMessageSize, total)
	}
	now := time.Now()
	results, events := make([]Result, len(batch)), make([]store.Event, 0, len(batch))
	for i := range batch {
		r := &results[i]
		if r.Err = batch[i].check(q); r.Err != nil {
			continue
		}
		event, err := b.event(q, &batch[i], now)
		if err != nil {
			r.Err = err
			continue
		}
		events = append(events, event)
		r.Sent = Sent{ID: event.ID, DigestBody: Digest(batch[i].Body), DigestAttributes: DigestAttributes(batch[i].Attributes)}
	}
	return results, s.put(ctx, q, b, events)
}

// put makes events durable.
func (s *Service) put(ctx context.Context, q *lambda.Queue, b *box, events []store.Event) error {
	if len(events) == 0 {
		return nil
	}
	b.gate.RLock()
	defer b.gate.RUnlock()
	if !s.lives(q) {
		return errNoQueue()
	}
	err := b.events.EnqueueBatch(ctx, events)
	if errors.Is(err, store.ErrConflict) {
		err = b.putEach(ctx, events)
	}
	if errors.Is(err, store.ErrFull) {
		return lambda.Errorf(codeThrottled, "There is no room for the message: the queue holds as many as this server keeps in one, or the disk is full.")
	}
	if err == nil {
		b.sent(events)
	}
	return err
}

// putEach is put for events of which some wait already.
func (b *box) putEach(ctx context.Context, events []store.Event) error {
	for _, e := range events {
		if err := b.events.EnqueueBatch(ctx, []store.Event{e}); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}

// sent remembers the oldest.
func (b *box) sent(events []store.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range events {
		if at, ok := sentAt(events[i].ID); ok && at.Before(b.oldest) {
			b.oldest = at
		}
	}
}

// event is a message as the store keeps it.
func (b *box) event(q *lambda.Queue, o *Outgoing, now time.Time) (store.Event, error) {
	delay := q.Delay
	if o.Delay != nil {
		delay = *o.Delay
	}
	id := o.ID
	if id == "" {
		id = NewID(now, "")
	}
	m := Message{ID: id, Body: o.Body, Attributes: o.Attributes, Trace: o.Trace, Sender: o.Sender, Group: o.Group, Deduplication: o.Deduplication, SentAt: now}
	return b.stored(q, &m, now.Add(delay))
}

// stored is a message as an event.
func (b *box) stored(q *lambda.Queue, m *Message, due time.Time) (store.Event, error) {
	plain := appendMessage(make([]byte, 0, len(m.Body)+512), m)
	body := append([]byte{bodyPlain}, plain...)
	if q.Encrypted {
		var err error
		if body, err = b.sealer.seal(m.ID, plain); err != nil {
			return store.Event{}, err
		}
	}
	return store.Event{ID: m.ID, Partition: m.Group, Body: body, Due: due}, nil
}

// load reads a message of an event.
func (b *box) load(e store.Event) (*Message, error) {
	plain := e.Body
	switch {
	case len(plain) == 0:
		return nil, errMessage
	case plain[0] == bodySealed:
		var err error
		if plain, err = b.sealer.open(e.ID, plain); err != nil {
			return nil, err
		}
	default:
		plain = plain[1:]
	}
	m, err := readMessage(plain)
	if err != nil {
		return nil, err
	}
	m.ID = e.ID
	return m, nil
}

// size is what the limits count: the body and the attributes.
func (o *Outgoing) size() int {
	n := len(o.Body)
	for name, a := range o.Attributes {
		n += len(name) + len(a.Type) + len(a.Value)
	}
	return n
}

const (
	maxAttributes    = 10
	maxAttributeName = 256
	maxTrace         = 4 << 10
	maxGroup         = 128
)

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	numberValue   = regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$`)
	groupValue    = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,./:;<=>?@\\[\\]^_`{|}~\\\\-]*$")
)

// check refuses what the service would.
func (o *Outgoing) check(q *lambda.Queue) error {
	switch {
	case o.Body == "":
		return Missing("MessageBody")
	case strings.ContainsFunc(o.Body, forbidden):
		return lambda.Errorf(codeContents, "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	case o.size() > q.MaximumMessageSize:
		return invalidValue("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.MaximumMessageSize)
	case o.Delay != nil && (*o.Delay < 0 || *o.Delay > maxDelay):
		return invalidValue("Value %s for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", seconds(*o.Delay))
	case len(o.Trace) > maxTrace:
		return invalidValue("The system attribute AWSTraceHeader is too long.")
	case len(o.Attributes) > maxAttributes:
		return invalidValue("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(o.Attributes), maxAttributes)
	}
	for parameter, text := range map[string]string{"MessageGroupId": o.Group, "MessageDeduplicationId": o.Deduplication} {
		if len(text) > maxGroup || !groupValue.MatchString(text) {
			return invalidValue("Value %s for parameter %s is invalid. Reason: %[2]s can only include alphanumeric and punctuation characters. 1 to %d in length.", text, parameter, maxGroup)
		}
	}
	for name, a := range o.Attributes {
		if err := a.check(name); err != nil {
			return err
		}
	}
	return nil
}

func (a Attribute) check(name string) error {
	lower := strings.ToLower(name)
	switch {
	case len(name) > maxAttributeName || !attributeName.MatchString(name):
		return invalidValue("Invalid message attribute name '%s': it can contain A-Z, a-z, 0-9, underscores, hyphens and single periods, and have %d characters.", name, maxAttributeName)
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalidValue("Message attribute name can not start with AWS-reserved prefixes, and '%s' does.", name)
	case len(a.Type) > maxAttributeName || a.Kind() != "String" && a.Kind() != "Number" && a.Kind() != "Binary":
		return invalidValue("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case len(a.Value) == 0:
		return invalidValue("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, a.Type)
	case a.Binary():
		return nil
	case a.Kind() == "Number" && (len(a.Value) > 64 || !numberValue.Match(a.Value)):
		return invalidValue("Can't cast the value of message (user) attribute '%s' to a number.", name)
	case !utf8.Valid(a.Value) || strings.ContainsFunc(string(a.Value), forbidden):
		return lambda.Errorf(codeContents, "Message (user) attribute '%s' has characters outside of the allowed set.", name)
	}
	return nil
}

// forbidden tells characters that XML has not.
func forbidden(r rune) bool {
	return !(r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000)
}

// entryID is what the entries of batches are called.
var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// CheckEntries refuses a batch for the IDs of its entries, or their number. kind is
// what the API calls an entry.
func CheckEntries(kind string, ids []string) error {
	if len(ids) == 0 {
		return lambda.Errorf(codeEmptyBatch, "There should be at least one %s in the request.", kind)
	}
	if len(ids) > MaxBatch {
		return lambda.Errorf(codeTooManyEntries, "Maximum number of entries per request are %d. You have sent %d.", MaxBatch, len(ids))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !entryID.MatchString(id) {
			return lambda.Errorf(codeEntryID, "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return lambda.Errorf(codeEntryIDsNotDistinct, "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}
