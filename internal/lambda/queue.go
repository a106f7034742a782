package lambda

import (
	"strings"
	"time"
)

// Queue is one built-in message queue: a record of its own. Its messages are events
// of the store's queue that has its ID.
type Queue struct {
	Name string
	// ID tells a queue from earlier ones of its name: 32 hexadecimal digits.
	ID string
	// Key is what receipt handles are authenticated and messages encrypted with, by
	// keys derived from it: 32 random bytes.
	Key []byte

	Delay              time.Duration // of messages that name none
	Visibility         time.Duration // of receipts that name none
	Retention          time.Duration
	Wait               time.Duration // of receipts that name none
	MaximumMessageSize int           // bytes
	// DeadLetter is where messages go that were received too often; nil if they stay.
	DeadLetter *DeadLetter
	// DeadLetterFrom is the RedriveAllowPolicy: which queues may name this one as
	// theirs. Empty means all.
	DeadLetterFrom string
	// Policy is the queue's own policy document; empty if it has none.
	Policy string
	// Encrypted is whether messages are encrypted before they are stored.
	Encrypted bool
	Tags      map[string]string

	CreatedAt    time.Time
	LastModified time.Time
}

// DeadLetter is a queue's redrive policy.
type DeadLetter struct {
	Target string // ARN of a queue
	// MaxReceives is how often a message is received before it goes there.
	MaxReceives int
}

// QueueARN is the ARN of a built-in queue.
func (s Scope) QueueARN(name string) string {
	return "arn:" + s.Partition + ":sqs:" + s.Region + ":" + s.Account + ":" + name
}

// QueueName is the name in the ARN of a queue of this account and region; ok is
// false for every other text.
func (s Scope) QueueName(arn string) (name string, ok bool) {
	name = arn[strings.LastIndexByte(arn, ':')+1:]
	return name, name != "" && s.QueueARN(name) == arn
}
