package async

import (
	"context"
	"errors"
	"time"

	"thaw/internal/lambda"
)

// DeliveryKind is to what an event's outcome is told.
type DeliveryKind string

// The kinds of deliveries.
const (
	DeadLetter DeliveryKind = "DeadLetter"
	OnSuccess  DeliveryKind = "OnSuccess"
	OnFailure  DeliveryKind = "OnFailure"
)

// Delivery is one message to a dead-letter queue or a destination.
type Delivery struct {
	Kind     DeliveryKind
	Target   string     // ARN
	Function lambda.Ref // whose event it was
	// FunctionARN is qualified, as in the record's requestContext.
	FunctionARN string
	Role        string // execution role of the version that ran, or would have
	// ID is the same at every try, so that a receiver can tell a duplicate.
	ID string
	// Body is the record's JSON, or the original event for a dead-letter queue.
	Body []byte
	// Attributes are of dead-letter queues only: RequestID, ErrorCode, ErrorMessage.
	Attributes map[string]Attribute
	Trace      string // trace header, for AWSTraceHeader
	At         time.Time
	Success    bool
}

// Attribute is an attribute of a message.
type Attribute struct{ Type, Value string } // Type is "String" or "Number"

// Deliverer sends. An error that matches ErrUndeliverable is final; after others
// the delivery is tried again.
type Deliverer interface {
	Deliver(ctx context.Context, d Delivery) error
}

// ErrUndeliverable is what no other try would mend: a target that does not exist,
// a role that may not, a record over the target's limit.
var ErrUndeliverable = errors.New("undeliverable")
