package destination

import (
	"context"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"thaw/internal/async"
	"thaw/internal/telemetry/trace"
)

// The most that services take, in bytes, from their documentation. What counts is
// told where it is counted.
const (
	maxQueueMessage = 1 << 20
	maxTopicMessage = 256 << 10
	maxBusEntry     = 256 << 10
	maxEvent        = 1 << 20
	// maxTraceHeader is what an entry's TraceHeader may have, from the model.
	maxTraceHeader = 500
)

// remote is the clients of services beyond this server; nil where nothing is sent.
type remote struct {
	sqs      *sqs.Client
	queueURL func(t target) string
	sns      *sns.Client
	events   *eventbridge.Client
}

// newRemote makes the clients. They try once, and take the region from each call.
func newRemote(e Endpoints, credentials aws.CredentialsProvider, client aws.HTTPClient) (r remote) {
	base := func(endpoint string) *string {
		if endpoint == Amazon {
			return nil
		}
		return &endpoint
	}
	if e.SQS != "" {
		r.sqs = sqs.New(sqs.Options{BaseEndpoint: base(e.SQS), Credentials: credentials, HTTPClient: client, Retryer: aws.NopRetryer{}})
	}
	if e.SNS != "" {
		r.sns = sns.New(sns.Options{BaseEndpoint: base(e.SNS), Credentials: credentials, HTTPClient: client, Retryer: aws.NopRetryer{}})
	}
	if e.Events != "" {
		r.events = eventbridge.New(eventbridge.Options{BaseEndpoint: base(e.Events), Credentials: credentials, HTTPClient: client, Retryer: aws.NopRetryer{}})
	}
	// The address of a queue is its account and name below the service's own.
	r.queueURL = func(t target) string {
		endpoint := e.SQS
		if endpoint == Amazon {
			endpoint = "https://sqs." + t.region + ".amazonaws.com"
		}
		joined, err := url.JoinPath(endpoint, t.account, t.resource)
		if err != nil {
			return endpoint // checked when the server started
		}
		return joined
	}
	return r
}

// noEndpoint is the error for a service that the operator has named no address of.
func noEndpoint(t target, what, service string) error {
	return undeliverable("%s is not on this server, and it knows no other place: start it with --%s-endpoint URL", what, service)
}

func (s *Sender) sendToQueue(ctx context.Context, t target, d async.Delivery) error {
	if s.remote.sqs == nil {
		what := "the queue"
		if !s.local(t) {
			what = "the queue, of another account or region,"
		}
		return noEndpoint(t, what, serviceSQS)
	}
	if err := checkSize(d, maxQueueMessage); err != nil {
		return err
	}
	in := &sqs.SendMessageInput{QueueUrl: aws.String(s.remote.queueURL(t)), MessageBody: aws.String(string(d.Body))}
	if len(d.Attributes) > 0 {
		in.MessageAttributes = make(map[string]sqstypes.MessageAttributeValue, len(d.Attributes))
	}
	for name, a := range d.Attributes {
		in.MessageAttributes[name] = sqstypes.MessageAttributeValue{DataType: aws.String(a.Type), StringValue: aws.String(a.Value)}
	}
	if d.Trace != "" {
		in.MessageSystemAttributes = map[string]sqstypes.MessageSystemAttributeValue{
			string(sqstypes.MessageSystemAttributeNameForSendsAWSTraceHeader): {DataType: aws.String("String"), StringValue: aws.String(d.Trace)},
		}
	}
	_, err := s.remote.sqs.SendMessage(ctx, in, func(o *sqs.Options) { o.Region = t.region })
	return err
}

func (s *Sender) publish(ctx context.Context, t target, d async.Delivery) error {
	if s.remote.sns == nil {
		return noEndpoint(t, "the topic", serviceSNS)
	}
	if err := checkSize(d, maxTopicMessage); err != nil {
		return err
	}
	in := &sns.PublishInput{TopicArn: aws.String(t.arn), Message: aws.String(string(d.Body))}
	if len(d.Attributes) > 0 {
		in.MessageAttributes = make(map[string]snstypes.MessageAttributeValue, len(d.Attributes))
	}
	for name, a := range d.Attributes {
		in.MessageAttributes[name] = snstypes.MessageAttributeValue{DataType: aws.String(a.Type), StringValue: aws.String(a.Value)}
	}
	_, err := s.remote.sns.Publish(ctx, in, func(o *sns.Options) {
		o.Region = t.region
		if d.Trace != "" {
			o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue(trace.HeaderName, d.Trace))
		}
	})
	return err
}

// checkSize counts a message as queues and topics do: its text and all of its
// attributes.
func checkSize(d async.Delivery, most int) error {
	size := len(d.Body)
	for name, a := range d.Attributes {
		size += len(name) + len(a.Type) + len(a.Value)
	}
	return fits(size, most)
}

func fits(size, most int) error {
	if size > most {
		return undeliverable("the message has %d bytes, and the service takes %d", size, most)
	}
	return nil
}

func (s *Sender) putEvent(ctx context.Context, t target, d async.Delivery) error {
	if s.remote.events == nil {
		return noEndpoint(t, "the event bus", serviceEvents)
	}
	entry := eventtypes.PutEventsRequestEntry{
		EventBusName: aws.String(t.arn), Source: aws.String("lambda"), DetailType: aws.String("Lambda Function Invocation Result - " + outcome(d)),
		Detail: aws.String(string(d.Body)), Resources: []string{t.arn, d.FunctionARN}, Time: aws.Time(d.At.Truncate(time.Second)),
	}
	if d.Trace != "" && len(d.Trace) <= maxTraceHeader {
		entry.TraceHeader = aws.String(d.Trace)
	}
	if err := fits(entrySize(entry), maxBusEntry); err != nil {
		return err
	}
	out, err := s.remote.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{entry}},
		func(o *eventbridge.Options) { o.Region = t.region })
	if err != nil || out.FailedEntryCount == 0 {
		return err
	}
	for _, failed := range out.Entries {
		if code := aws.ToString(failed.ErrorCode); code != "" {
			return entryError(code, aws.ToString(failed.ErrorMessage))
		}
	}
	return entryError("InternalFailure", "an entry has failed for no reason given")
}

func outcome(d async.Delivery) string {
	if d.Success {
		return "Success"
	}
	return "Failure"
}

// timeSize is what an entry's time counts for.
const timeSize = 14

// entrySize is what the service counts of an entry.
func entrySize(e eventtypes.PutEventsRequestEntry) int {
	size := timeSize + len(*e.Source) + len(*e.DetailType) + len(*e.Detail)
	for _, r := range e.Resources {
		size += len(r)
	}
	return size
}

// entryError is what the service tells of one entry. Too many requests and its own
// failures are over with time.
func entryError(code, message string) error {
	fault := smithy.FaultClient
	switch code {
	case "InternalFailure", "InternalException", "ThrottlingException", "ServiceUnavailable":
		fault = smithy.FaultServer
	}
	return &smithy.GenericAPIError{Code: code, Message: message, Fault: fault}
}
