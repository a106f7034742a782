package destination

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"thaw/internal/async"
	"thaw/internal/lambda"
)

const (
	// timeout bounds one try of one delivery.
	timeout = 30 * time.Second
	// connectTimeout bounds how long a connection may take to be secured, idleTimeout
	// how long it may wait for another request.
	connectTimeout = 10 * time.Second
	idleTimeout    = 30 * time.Second
	// idlePerService bounds the connections that wait.
	idlePerService = 16
)

// Amazon stands for a service's own endpoint in the region of each target.
const Amazon = "aws"

// Endpoints are the addresses of services beyond this server: a URL, Amazon, or
// empty for a service that nothing is sent to.
type Endpoints struct {
	SQS, SNS, Events string
}

// Queues are the server's own queues.
type Queues interface {
	// Has tells whether there is a queue of an ARN.
	Has(arn string) bool
	// Send returns when a message is durable. Its error is final if it is a
	// *lambda.Error of the caller's fault.
	Send(ctx context.Context, m Message) error
}

// Message is what a queue gets.
type Message struct {
	Queue      string // ARN
	Body       string
	Attributes map[string]async.Attribute
	Trace      string // the system attribute AWSTraceHeader; empty for none
	Role       string // ARN of the execution role, which sends it
	// Once and At are the same at every try: a message that waits already need not be
	// sent again.
	Once string
	At   time.Time
}

// Functions are the server's own functions.
type Functions interface {
	// Enqueue returns when an event is durable. Its error is final if it is a
	// *lambda.Error of the caller's fault.
	Enqueue(ctx context.Context, e Event) error
}

// Event is what a function gets.
type Event struct {
	// ID is a UUID, the same at every try and no other event's: a request ID.
	ID       string
	Function lambda.Ref
	Payload  []byte
	// Trace is the header of the invocation that has caused it: it counts the hops.
	Trace string
}

// Objects writes objects of buckets.
type Objects interface {
	Put(ctx context.Context, bucket, key, contentType string, body []byte) error
}

// Authorise tells whether the execution role of a delivery's function may take an
// action on a resource; its error is why not.
type Authorise func(d async.Delivery, action, resource string) error

// Options is what New needs.
type Options struct {
	Scope     lambda.Scope
	Endpoints Endpoints
	// Credentials sign requests to endpoints.
	Credentials aws.CredentialsProvider
	Queues      Queues    // nil: there are none
	Functions   Functions // nil: none can be reached
	Objects     Objects   // nil: there is no S3
	// Authorise is asked before anything is sent; nil allows everything.
	Authorise Authorise
}

// Sender is an async.Deliverer.
type Sender struct {
	options Options
	remote  remote
	http    *http.Client
}

// New makes a sender. It asks no service anything.
func New(o Options) *Sender {
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSHandshakeTimeout: connectTimeout,
			IdleConnTimeout:     idleTimeout,
			MaxIdleConnsPerHost: idlePerService,
			ForceAttemptHTTP2:   true,
		},
		// The signature is for one address only, and where messages go is the operator's
		// choice.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Sender{options: o, http: client, remote: newRemote(o.Endpoints, o.Credentials, client)}
}

// Close lets go of idle connections.
func (s *Sender) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// Deliver implements async.Deliverer.
func (s *Sender) Deliver(ctx context.Context, d async.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.deliver(ctx, d); err != nil {
		return fmt.Errorf("deliver to %s: %w", d.Target, err)
	}
	return nil
}

func (s *Sender) deliver(ctx context.Context, d async.Delivery) error {
	t, ok := parseTarget(d.Target)
	if !ok {
		return undeliverable("the ARN names no standard queue, standard topic, event bus, bucket or function")
	}
	send, resource := s.way(t, d)
	if s.options.Authorise != nil {
		if err := s.options.Authorise(d, actions[t.service], resource); err != nil {
			return undeliverable("%w", err)
		}
	}
	return classified(send(ctx, t, d))
}

// way is how a target gets its messages, and what of it has to be allowed.
func (s *Sender) way(t target, d async.Delivery) (send func(context.Context, target, async.Delivery) error, resource string) {
	switch t.service {
	case serviceSQS:
		if s.local(t) && s.options.Queues != nil && s.options.Queues.Has(t.arn) {
			return s.sendToOwnQueue, t.arn
		}
		return s.sendToQueue, t.arn
	case serviceSNS:
		return s.publish, t.arn
	case serviceEvents:
		return s.putEvent, t.arn
	case serviceS3:
		return s.putObject, t.arn + "/" + objectKey(d)
	default:
		return s.invoke, t.arn
	}
}

// local tells whether a target is of this server's account and region.
func (s *Sender) local(t target) bool {
	return t.account == s.options.Scope.Account && t.region == s.options.Scope.Region
}
