package destination_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"thaw/internal/async"
	"thaw/internal/destination"
	"thaw/internal/lambda"
)

var scope = lambda.Scope{Partition: "aws", Region: "eu-west-1", Account: "123456789012"}

const (
	queueARN    = "arn:aws:sqs:eu-west-1:123456789012:q"
	ownARN      = "arn:aws:sqs:eu-west-1:123456789012:own"
	elsewhere   = "arn:aws:sqs:us-west-2:210987654321:other"
	topicARN    = "arn:aws:sns:us-west-2:210987654321:t"
	busARN      = "arn:aws:events:eu-west-1:123456789012:event-bus/default"
	bucketARN   = "arn:aws:s3:::bucket"
	functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:g:live"
	traceHeader = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a1b2c3d4:3"
	eventID     = "6e1ba8ae-5a57-4f2c-8e1e-4dbe5f0c3a55"
)

// delivery is a record of a success.
func delivery(target string) async.Delivery {
	return async.Delivery{
		Kind: async.OnSuccess, Target: target, Function: lambda.Ref{Name: "f"}, FunctionARN: scope.FunctionARN("f", lambda.Latest),
		Role: "arn:aws:iam::123456789012:role/r", ID: eventID, Body: []byte(`{"version":"1.0"}`), Trace: traceHeader,
		At: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Success: true,
	}
}

// deadLetter is an event that was given up.
func deadLetter(target string) async.Delivery {
	d := delivery(target)
	d.Kind, d.Success, d.Body = async.DeadLetter, false, []byte(`{"a":1}`)
	d.Attributes = map[string]async.Attribute{
		"RequestID": {Type: "String", Value: eventID}, "ErrorCode": {Type: "Number", Value: "200"}, "ErrorMessage": {Type: "String", Value: "no"},
	}
	return d
}

// request is what a service was asked.
type request struct {
	path, target, trace, region string
	body                        any // of JSON, or url.Values
}

// service stands for SQS, SNS and EventBridge.
type service struct {
	*httptest.Server
	status int
	answer string

	mu   sync.Mutex
	seen []request
}

func startService(t *testing.T) *service {
	s := &service{status: http.StatusOK}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=AKID/")
	in := request{path: r.URL.Path, target: r.Header.Get("X-Amz-Target"), trace: r.Header.Get("X-Amzn-Trace-Id"), region: credential}
	if parts := strings.Split(credential, "/"); len(parts) > 2 {
		in.region = parts[1] + "/" + parts[2]
	}
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		in.body, _ = url.ParseQuery(string(content))
	} else if json.Unmarshal(content, &in.body) != nil {
		in.body = string(content)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, in)
	w.WriteHeader(s.status)
	fmt.Fprint(w, s.answer)
}

// fake is the server's own queues, functions and buckets, and what roles may.
type fake struct {
	queue    string // the only one that is here
	messages []destination.Message
	events   []string
	ids      []string // of events
	objects  []string
	asked    []string
	err      error // of all of them
	denied   error
}

func (f *fake) Has(arn string) bool { return arn == f.queue }

func (f *fake) Send(_ context.Context, m destination.Message) error {
	f.messages = append(f.messages, m)
	return f.err
}

func (f *fake) Enqueue(_ context.Context, e destination.Event) error {
	f.events = append(f.events, fmt.Sprint(e.Function.Name, ":", e.Function.Qualifier, " ", string(e.Payload), " ", e.Trace))
	f.ids = append(f.ids, e.ID)
	return f.err
}

func (f *fake) Put(_ context.Context, bucket, key, contentType string, body []byte) error {
	f.objects = append(f.objects, fmt.Sprint(bucket, " ", key, " ", contentType, " ", string(body)))
	return f.err
}

func (f *fake) authorise(d async.Delivery, action, resource string) error {
	f.asked = append(f.asked, d.Role+" "+action+" "+resource)
	return f.denied
}

func sender(t *testing.T, f *fake, endpoints destination.Endpoints) *destination.Sender {
	s := destination.New(destination.Options{
		Scope: scope, Endpoints: endpoints, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		Queues: f, Functions: f, Objects: f, Authorise: f.authorise,
	})
	t.Cleanup(func() { s.Close() })
	return s
}

// TestOwn sends to what is in the process.
func TestOwn(t *testing.T) {
	f := &fake{queue: queueARN}
	s := sender(t, f, destination.Endpoints{})
	failed := delivery(bucketARN)
	failed.Kind, failed.Success = async.OnFailure, false
	for _, d := range []async.Delivery{deadLetter(queueARN), delivery(functionARN), failed} {
		if err := s.Deliver(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.ids) != 1 || !uuidForm.MatchString(f.ids[0]) || f.ids[0] == eventID {
		t.Errorf("IDs of events: %q", f.ids)
	}
	want := &fake{
		queue: queueARN,
		ids:   f.ids,
		messages: []destination.Message{{Queue: queueARN, Body: `{"a":1}`, Attributes: deadLetter("").Attributes, Trace: traceHeader, Role: deadLetter("").Role,
			Once: "DeadLetter " + eventID, At: deadLetter("").At}},
		events:  []string{`g:live {"version":"1.0"} ` + traceHeader},
		objects: []string{`bucket aws/lambda/async/f/2026/01/02/2026-01-02T03.04.05-` + eventID + ` application/json {"version":"1.0"}`},
		asked: []string{
			"arn:aws:iam::123456789012:role/r sqs:SendMessage " + queueARN,
			"arn:aws:iam::123456789012:role/r lambda:InvokeFunction " + functionARN,
			"arn:aws:iam::123456789012:role/r s3:PutObject " + bucketARN + "/aws/lambda/async/f/2026/01/02/2026-01-02T03.04.05-" + eventID,
		},
	}
	if diff := cmp.Diff(want, f, cmp.AllowUnexported(fake{})); diff != "" {
		t.Errorf("what was sent (-want +got):\n%s", diff)
	}
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestEventIDs: a second try is of the same event.
func TestEventIDs(t *testing.T) {
	f := &fake{}
	s := sender(t, f, destination.Endpoints{})
	for _, id := range []string{"one", "one", "two"} {
		d := delivery(functionARN)
		d.ID = id
		if err := s.Deliver(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if f.ids[0] != f.ids[1] || f.ids[1] == f.ids[2] {
		t.Errorf("IDs %q", f.ids)
	}
}

// TestObjectKey is the same for the same delivery, whatever its ID looks like.
func TestObjectKey(t *testing.T) {
	f := &fake{}
	s := sender(t, f, destination.Endpoints{})
	d := delivery(bucketARN)
	d.Kind = async.OnFailure
	for _, id := range []string{"one", "one", "two"} {
		d.ID = id
		if err := s.Deliver(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if f.objects[0] != f.objects[1] || f.objects[1] == f.objects[2] {
		t.Errorf("objects %q", f.objects)
	}
}

const (
	// The SDK verifies the sum.
	sentToQueue = `{"MessageId":"m","MD5OfMessageBody":"bb6cb5c68df4652941caf652a366f2d8"}`
	published   = `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>`
)

// TestRemote sends to other services: each gets its request in its own protocol,
// signed for the region of the target.
func TestRemote(t *testing.T) {
	attributes := map[string]any{
		"RequestID":    map[string]any{"DataType": "String", "StringValue": eventID},
		"ErrorCode":    map[string]any{"DataType": "Number", "StringValue": "200"},
		"ErrorMessage": map[string]any{"DataType": "String", "StringValue": "no"},
	}
	for _, test := range []struct {
		name     string
		delivery async.Delivery
		answer   string
		want     request
	}{
		{"dead letter to a queue", deadLetter(elsewhere), sentToQueue, request{
			path: "/", target: "AmazonSQS.SendMessage", region: "us-west-2/sqs",
			body: map[string]any{
				"QueueUrl": "SERVICE/210987654321/other", "MessageBody": `{"a":1}`, "MessageAttributes": attributes,
				"MessageSystemAttributes": map[string]any{"AWSTraceHeader": map[string]any{"DataType": "String", "StringValue": traceHeader}},
			},
		}},
		{"record to a queue of this account", delivery(queueARN), `{"MessageId":"m","MD5OfMessageBody":"64e23f615fb5b944932a9f0685859268"}`, request{
			path: "/", target: "AmazonSQS.SendMessage", region: "eu-west-1/sqs",
			body: map[string]any{
				"QueueUrl": "SERVICE/123456789012/q", "MessageBody": `{"version":"1.0"}`,
				"MessageSystemAttributes": map[string]any{"AWSTraceHeader": map[string]any{"DataType": "String", "StringValue": traceHeader}},
			},
		}},
		{"record to a topic", delivery(topicARN), published, request{
			path: "/", region: "us-west-2/sns", trace: traceHeader,
			body: url.Values{"Action": {"Publish"}, "Version": {"2010-03-31"}, "TopicArn": {topicARN}, "Message": {`{"version":"1.0"}`}},
		}},
		{"record to an event bus", delivery(busARN), `{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}`, request{
			path: "/", target: "AWSEvents.PutEvents", region: "eu-west-1/events",
			body: map[string]any{"Entries": []any{map[string]any{
				"EventBusName": busARN, "Source": "lambda", "DetailType": "Lambda Function Invocation Result - Success", "Detail": `{"version":"1.0"}`,
				"Resources": []any{busARN, scope.FunctionARN("f", lambda.Latest)}, "Time": 1767323045.0, "TraceHeader": traceHeader,
			}}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			remote := startService(t)
			remote.answer = test.answer
			s := sender(t, &fake{}, destination.Endpoints{SQS: remote.URL, SNS: remote.URL, Events: remote.URL})
			if err := s.Deliver(t.Context(), test.delivery); err != nil {
				t.Error(err)
			}
			if body, ok := test.want.body.(map[string]any); ok && body["QueueUrl"] != nil {
				body["QueueUrl"] = strings.Replace(body["QueueUrl"].(string), "SERVICE", remote.URL, 1)
			}
			if diff := cmp.Diff([]request{test.want}, remote.seen, cmp.AllowUnexported(request{})); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDeadLetterToTopic has the attributes in the form of the protocol.
func TestDeadLetterToTopic(t *testing.T) {
	remote := startService(t)
	remote.answer = published
	s := sender(t, &fake{}, destination.Endpoints{SNS: remote.URL})
	if err := s.Deliver(t.Context(), deadLetter(topicARN)); err != nil {
		t.Fatal(err)
	}
	form := remote.seen[0].body.(url.Values)
	got := map[string]async.Attribute{}
	for i := 1; form.Get(fmt.Sprintf("MessageAttributes.entry.%d.Name", i)) != ""; i++ {
		entry := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		got[form.Get(entry+"Name")] = async.Attribute{Type: form.Get(entry + "Value.DataType"), Value: form.Get(entry + "Value.StringValue")}
	}
	if diff := cmp.Diff(deadLetter("").Attributes, got); diff != "" || form.Get("Message") != `{"a":1}` || form.Has("Subject") {
		t.Errorf("form %v (-want +got):\n%s", form, diff)
	}
}

// TestFinal tells what is never tried again from what is.
func TestFinal(t *testing.T) {
	large := func(target string, size int) async.Delivery {
		d := delivery(target)
		d.Kind, d.Body = async.OnFailure, []byte(strings.Repeat("x", size))
		return d
	}
	const kib = 1 << 10
	busOverhead := 14 + len("lambda") + len("Lambda Function Invocation Result - Success") + len(busARN) + len(scope.FunctionARN("f", lambda.Latest))
	attributes := 0
	for name, a := range deadLetter("").Attributes {
		attributes += len(name) + len(a.Type) + len(a.Value)
	}
	full := deadLetter(queueARN)
	full.Body = []byte(strings.Repeat("x", 1024*kib-attributes))
	over := full
	over.Body = append(over.Body, 'x')
	tests := []struct {
		name     string
		delivery async.Delivery
		status   int
		answer   string
		own      error
		final    bool
		text     string // empty: no error
	}{
		{"no ARN", delivery("q"), 200, "", nil, true, "names no standard queue"},
		{"first in, first out", delivery(queueARN + ".fifo"), 200, "", nil, true, "names no standard queue"},
		{"path", delivery("arn:aws:sqs:eu-west-1:123456789012:../q"), 200, "", nil, true, "names no standard queue"},
		{"bucket with a key", delivery(bucketARN + "/x"), 200, "", nil, true, "names no standard queue"},
		{"another service", delivery("arn:aws:kinesis:eu-west-1:123456789012:stream/s"), 200, "", nil, true, "names no standard queue"},
		{"address for a region", delivery("arn:aws:sqs:x.example/:123456789012:q"), 200, "", nil, true, "names no standard queue"},
		{"bucket of successes", delivery(bucketARN), 200, "", nil, true, "failures only"},
		{"function elsewhere", delivery("arn:aws:lambda:eu-west-1:210987654321:function:g"), 200, "", nil, true, "another account or region"},
		{"function that is not here", delivery(functionARN), 200, "", lambda.Errorf(lambda.CodeResourceNotFound, "none"), true, "none"},
		{"function that is pending", delivery(functionARN), 200, "", lambda.Errorf(lambda.CodeResourceConflict, "soon"), false, "soon"},
		{"queue of events is full", delivery(functionARN), 200, "", lambda.Errorf(lambda.CodeTooManyRequests, "full"), false, "full"},
		{"store of queues is full", delivery(ownARN), 200, "", lambda.Errorf("RequestThrottled", "wait"), false, "wait"},
		{"queue that was deleted", delivery(ownARN), 200, "", lambda.Errorf("QueueDoesNotExist", "gone"), true, "gone"},
		{"disk", delivery(functionARN), 200, "", errors.New("disk"), false, "disk"},
		{"queue full to its limit", full, 200, `{"MessageId":"m"}`, nil, false, ""},
		{"queue over its limit", over, 200, `{"MessageId":"m"}`, nil, true, "1048577 bytes, and the service takes 1048576"},
		{"topic full to its limit", large(topicARN, 256*kib), 200, published, nil, false, ""},
		{"topic over its limit", large(topicARN, 256*kib+1), 200, published, nil, true, "262145 bytes"},
		{"bus full to its limit", large(busARN, 256*kib-busOverhead), 200, `{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}`, nil, false, ""},
		{"bus over its limit", large(busARN, 256*kib-busOverhead+1), 200, "", nil, true, "262145 bytes"},
		{"event full to its limit", large(functionARN, 1024*kib), 200, "", nil, false, ""},
		{"event over its limit", large(functionARN, 1024*kib+1), 200, "", nil, true, "1048577 bytes"},
		{"no such queue", delivery(queueARN), 400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}`, nil, true, "QueueDoesNotExist"},
		{"denied", delivery(queueARN), 403, `{"__type":"AccessDeniedException","message":"no"}`, nil, true, "AccessDenied"},
		{"throttled", delivery(queueARN), 400, `{"__type":"ThrottlingException","message":"slow"}`, nil, false, "Throttling"},
		{"credentials at their end", delivery(queueARN), 403, `{"__type":"ExpiredTokenException","message":"old"}`, nil, false, "ExpiredToken"},
		{"unavailable", delivery(queueARN), 503, `{"__type":"ServiceUnavailable","message":"down"}`, nil, false, "503"},
		{"no answer of the service", delivery(queueARN), 502, `bad gateway`, nil, false, "502"},
		{"no such topic", delivery(topicARN), 404, `<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>none</Message></Error></ErrorResponse>`, nil, true, "NotFound"},
		{"bus refuses the entry", delivery(busARN), 200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"NotAuthorizedForSourceException","ErrorMessage":"no"}]}`, nil, true, "NotAuthorized"},
		{"bus fails at the entry", delivery(busARN), 200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"sorry"}]}`, nil, false, "sorry"},
		{"bus gives no reason", delivery(busARN), 200, `{"FailedEntryCount":1,"Entries":[{}]}`, nil, false, "no reason"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			remote := startService(t)
			remote.status, remote.answer = test.status, test.answer
			s := sender(t, &fake{queue: ownARN, err: test.own}, destination.Endpoints{SQS: remote.URL, SNS: remote.URL, Events: remote.URL})
			err := s.Deliver(t.Context(), test.delivery)
			if test.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || errors.Is(err, async.ErrUndeliverable) != test.final || !strings.Contains(err.Error(), test.text) ||
				!strings.Contains(err.Error(), test.delivery.Target) {
				t.Errorf("error %v, want final=%v and %q", err, test.final, test.text)
			}
			if len(remote.seen) > 1 {
				t.Errorf("tried %d times", len(remote.seen))
			}
		})
	}
}

// TestUnreachable is no final failure: services come back.
func TestUnreachable(t *testing.T) {
	remote := startService(t)
	remote.Close()
	s := sender(t, &fake{}, destination.Endpoints{SQS: remote.URL})
	if err := s.Deliver(t.Context(), delivery(queueARN)); err == nil || errors.Is(err, async.ErrUndeliverable) {
		t.Errorf("error %v", err)
	}
}

// TestNoEndpoint says how the operator can name one.
func TestNoEndpoint(t *testing.T) {
	s := destination.New(destination.Options{Scope: scope})
	for arn, want := range map[string]string{
		queueARN: "--sqs-endpoint URL", elsewhere: "of another account or region", topicARN: "--sns-endpoint URL", busARN: "--events-endpoint URL",
		functionARN: "not on this server",
	} {
		if err := s.Deliver(t.Context(), delivery(arn)); !errors.Is(err, async.ErrUndeliverable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", arn, err, want)
		}
	}
	failed := delivery(bucketARN)
	failed.Kind = async.OnFailure
	if err := s.Deliver(t.Context(), failed); !errors.Is(err, async.ErrUndeliverable) || !strings.Contains(err.Error(), "--s3-endpoint") {
		t.Errorf("bucket: error %v", err)
	}
}

// TestDenied sends nothing, and is final.
func TestDenied(t *testing.T) {
	remote := startService(t)
	f := &fake{queue: queueARN, denied: errors.New("the role may not")}
	s := sender(t, f, destination.Endpoints{SQS: remote.URL, SNS: remote.URL, Events: remote.URL})
	for _, arn := range []string{queueARN, elsewhere, topicARN, busARN, functionARN} {
		if err := s.Deliver(t.Context(), delivery(arn)); !errors.Is(err, async.ErrUndeliverable) || !errors.Is(err, f.denied) {
			t.Errorf("%s: error %v", arn, err)
		}
	}
	if len(f.messages)+len(f.events)+len(f.objects)+len(remote.seen) > 0 || len(f.asked) != 5 {
		t.Errorf("sent %+v and %v", f, remote.seen)
	}
}

// TestRedirect: nobody is led elsewhere.
func TestRedirect(t *testing.T) {
	other := startService(t)
	remote := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(remote.Close)
	s := sender(t, &fake{}, destination.Endpoints{SQS: remote.URL})
	if err := s.Deliver(t.Context(), delivery(queueARN)); err == nil || len(other.seen) > 0 {
		t.Errorf("error %v, seen %v", err, other.seen)
	}
}
