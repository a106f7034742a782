package sqs_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"thaw/internal/api/sqs"
	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/sqs"
	"thaw/internal/iam"
)

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

// TestMessages sends and receives with the Go SDK, which compares the digests.
func TestMessages(t *testing.T) {
	s := newServer(t, nil)
	u := s.queue(t, "q")
	if want := s.url + "/000000000000/q"; *u != want {
		t.Errorf("the queue is at %s, want %s", *u, want)
	}
	attributes := map[string]types.MessageAttributeValue{
		"a.one": text("ä"), "a.two": text("2"), "b": {DataType: aws.String("Binary.png"), BinaryValue: []byte{0, 1, 255}}, "n": {DataType: aws.String("Number"), StringValue: aws.String("1")},
	}
	sent := ok[*sdk.SendMessageOutput](t)(s.client.SendMessage(t.Context(), &sdk.SendMessageInput{QueueUrl: u, MessageBody: aws.String("hello \"ä\"\r\n"), MessageAttributes: attributes,
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1")}}}))
	if aws.ToString(sent.MD5OfMessageSystemAttributes) == "" {
		t.Error("no digest of the system attributes")
	}
	receive := func(in sdk.ReceiveMessageInput) types.Message {
		t.Helper()
		in.QueueUrl, in.VisibilityTimeout, in.WaitTimeSeconds = u, 1, 5
		out := ok[*sdk.ReceiveMessageOutput](t)(s.client.ReceiveMessage(t.Context(), &in))
		if len(out.Messages) != 1 {
			t.Fatalf("received %d messages", len(out.Messages))
		}
		return out.Messages[0]
	}
	bare := receive(sdk.ReceiveMessageInput{})
	if bare.Attributes != nil || bare.MessageAttributes != nil || *bare.Body != "hello \"ä\"\r\n" || *bare.MessageId != *sent.MessageId {
		t.Errorf("received %+v", bare)
	}
	some := receive(sdk.ReceiveMessageInput{MessageAttributeNames: []string{"a.*", "n"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount", "AWSTraceHeader"}})
	if diff := cmp.Diff(map[string]string{"ApproximateReceiveCount": "2", "AWSTraceHeader": "Root=1"}, some.Attributes); diff != "" {
		t.Errorf("system attributes (-want +got):\n%s", diff)
	}
	if len(some.MessageAttributes) != 3 || *some.MessageAttributes["a.one"].StringValue != "ä" {
		t.Errorf("attributes %+v", some.MessageAttributes)
	}
	all := receive(sdk.ReceiveMessageInput{MessageAttributeNames: []string{".*"}, AttributeNames: []types.QueueAttributeName{"All"}})
	if all.Attributes["SenderId"] == "" || all.Attributes["SentTimestamp"] == "" || all.Attributes["ApproximateFirstReceiveTimestamp"] == "" || string(all.MessageAttributes["b"].BinaryValue) != "\x00\x01\xff" {
		t.Errorf("received %+v", all)
	}
	ok[*sdk.ChangeMessageVisibilityOutput](t)(s.client.ChangeMessageVisibility(t.Context(), &sdk.ChangeMessageVisibilityInput{QueueUrl: u, ReceiptHandle: all.ReceiptHandle, VisibilityTimeout: 60}))
	ok[*sdk.DeleteMessageOutput](t)(s.client.DeleteMessage(t.Context(), &sdk.DeleteMessageInput{QueueUrl: u, ReceiptHandle: all.ReceiptHandle}))
	out := ok[*sdk.ReceiveMessageOutput](t)(s.client.ReceiveMessage(t.Context(), &sdk.ReceiveMessageInput{QueueUrl: u}))
	if out.Messages != nil {
		t.Errorf("received %+v after the deletion", out.Messages)
	}
}

// TestBatches: what is wrong with one entry is told of it alone.
func TestBatches(t *testing.T) {
	s := newServer(t, nil)
	u, ctx := s.queue(t, "q"), t.Context()
	sent := ok[*sdk.SendMessageBatchOutput](t)(s.client.SendMessageBatch(ctx, &sdk.SendMessageBatchInput{QueueUrl: u, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("good"), MessageBody: aws.String("1")},
		{Id: aws.String("bad"), MessageBody: aws.String("\x01")},
		{Id: aws.String("list"), MessageBody: aws.String("1"), MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringListValues: []string{"a"}}}},
		{Id: aws.String("better"), MessageBody: aws.String("2"), MessageAttributes: map[string]types.MessageAttributeValue{"a": text("b")}},
	}}))
	if len(sent.Successful) != 2 || *sent.Successful[1].Id != "better" || len(sent.Failed) != 2 {
		t.Fatalf("sent %+v", sent)
	}
	codes := map[string]string{}
	for _, f := range sent.Failed {
		if !f.SenderFault {
			t.Errorf("%s: not the sender's fault", *f.Id)
		}
		codes[*f.Id] = *f.Code
	}
	if diff := cmp.Diff(map[string]string{"bad": "InvalidMessageContents", "list": "AWS.SimpleQueueService.UnsupportedOperation"}, codes); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	got := ok[*sdk.ReceiveMessageOutput](t)(s.client.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: u, MaxNumberOfMessages: 10})).Messages
	if len(got) != 2 {
		t.Fatalf("received %+v", got)
	}
	changed := ok[*sdk.ChangeMessageVisibilityBatchOutput](t)(s.client.ChangeMessageVisibilityBatch(ctx, &sdk.ChangeMessageVisibilityBatchInput{QueueUrl: u, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 100}, {Id: aws.String("b"), ReceiptHandle: aws.String("x"), VisibilityTimeout: 100},
	}}))
	deleted := ok[*sdk.DeleteMessageBatchOutput](t)(s.client.DeleteMessageBatch(ctx, &sdk.DeleteMessageBatchInput{QueueUrl: u, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: got[0].ReceiptHandle}, {Id: aws.String("b"), ReceiptHandle: aws.String("x")}, {Id: aws.String("c"), ReceiptHandle: got[1].ReceiptHandle},
	}}))
	if len(changed.Successful) != 1 || len(changed.Failed) != 1 || *changed.Failed[0].Code != "ReceiptHandleIsInvalid" || len(deleted.Successful) != 2 || len(deleted.Failed) != 1 || *deleted.Failed[0].Id != "b" {
		t.Errorf("changed %+v, deleted %+v", changed, deleted)
	}
	_, err := s.client.DeleteMessageBatch(ctx, &sdk.DeleteMessageBatchInput{QueueUrl: u, Entries: []types.DeleteMessageBatchRequestEntry{}})
	var empty *types.EmptyBatchRequest
	if !errors.As(err, &empty) {
		t.Errorf("an empty batch: %v", err)
	}
}

func TestQueues(t *testing.T) {
	s := newServer(t, nil)
	ctx := t.Context()
	if out := ok[*sdk.ListQueuesOutput](t)(s.client.ListQueues(ctx, &sdk.ListQueuesInput{})); out.QueueUrls != nil {
		t.Errorf("listed %v", out.QueueUrls)
	}
	for _, name := range []string{"c", "a2", "a1", "a3"} {
		s.queue(t, name)
	}
	var listed []string
	pages := sdk.NewListQueuesPaginator(s.client, &sdk.ListQueuesInput{QueueNamePrefix: aws.String("a"), MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page := ok[*sdk.ListQueuesOutput](t)(pages.NextPage(ctx))
		listed = append(append(listed, page.QueueUrls...), "-")
	}
	at := s.url + "/000000000000/"
	if diff := cmp.Diff([]string{at + "a1", at + "a2", "-", at + "a3", "-"}, listed); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	_, err := s.client.ListQueues(ctx, &sdk.ListQueuesInput{MaxResults: aws.Int32(1001)})
	refused(t, "too long a page", err, "InvalidParameterValue", "MaxResults")
	u := ok[*sdk.GetQueueUrlOutput](t)(s.client.GetQueueUrl(ctx, &sdk.GetQueueUrlInput{QueueName: aws.String("c"), QueueOwnerAWSAccountId: aws.String("000000000000")})).QueueUrl
	_, err = s.client.GetQueueUrl(ctx, &sdk.GetQueueUrlInput{QueueName: aws.String("c"), QueueOwnerAWSAccountId: aws.String("111111111111")})
	var missing *types.QueueDoesNotExist
	if !errors.As(err, &missing) || missing.ErrorCode() != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Errorf("another's queue: %v", err)
	}
	redrive := `{"deadLetterTargetArn":"` + arn + `c","maxReceiveCount":3}`
	ok[*sdk.SetQueueAttributesOutput](t)(s.client.SetQueueAttributes(ctx, &sdk.SetQueueAttributesInput{QueueUrl: aws.String(at + "a1"), Attributes: map[string]string{"RedrivePolicy": redrive}}))
	sources := ok[*sdk.ListDeadLetterSourceQueuesOutput](t)(s.client.ListDeadLetterSourceQueues(ctx, &sdk.ListDeadLetterSourceQueuesInput{QueueUrl: u}))
	if diff := cmp.Diff([]string{at + "a1"}, sources.QueueUrls); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	got := ok[*sdk.GetQueueAttributesOutput](t)(s.client.GetQueueAttributes(ctx, &sdk.GetQueueAttributesInput{QueueUrl: aws.String(at + "a1"), AttributeNames: []types.QueueAttributeName{"RedrivePolicy", "QueueArn", "Policy"}}))
	if diff := cmp.Diff(map[string]string{"RedrivePolicy": redrive, "QueueArn": arn + "a1"}, got.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	ok[*sdk.TagQueueOutput](t)(s.client.TagQueue(ctx, &sdk.TagQueueInput{QueueUrl: u, Tags: map[string]string{"a": "1", "b": "2"}}))
	ok[*sdk.UntagQueueOutput](t)(s.client.UntagQueue(ctx, &sdk.UntagQueueInput{QueueUrl: u, TagKeys: []string{"a"}}))
	if tags := ok[*sdk.ListQueueTagsOutput](t)(s.client.ListQueueTags(ctx, &sdk.ListQueueTagsInput{QueueUrl: u})).Tags; len(tags) != 1 || tags["b"] != "2" {
		t.Errorf("tags %v", tags)
	}
	ok[*sdk.AddPermissionOutput](t)(s.client.AddPermission(ctx, &sdk.AddPermissionInput{QueueUrl: u, Label: aws.String("l"), AWSAccountIds: []string{"111111111111"}, Actions: []string{"SendMessage"}}))
	ok[*sdk.RemovePermissionOutput](t)(s.client.RemovePermission(ctx, &sdk.RemovePermissionInput{QueueUrl: u, Label: aws.String("l")}))
	ok[*sdk.PurgeQueueOutput](t)(s.client.PurgeQueue(ctx, &sdk.PurgeQueueInput{QueueUrl: u}))
	ok[*sdk.DeleteQueueOutput](t)(s.client.DeleteQueue(ctx, &sdk.DeleteQueueInput{QueueUrl: u}))
	_, err = s.client.DeleteQueue(ctx, &sdk.DeleteQueueInput{QueueUrl: u})
	refused(t, "deleted again", err, "AWS.SimpleQueueService.NonExistentQueue", "")
}

// TestErrors are those that clients know, in both protocols.
func TestErrors(t *testing.T) {
	s := newServer(t, func(o *sqs.Options) { o.Keys = nil })
	s.queue(t, "q")
	const json = "application/x-amz-json-1.0"
	tests := []struct {
		what, path, target, body string
		status                   int
		header, answer           string
	}{
		{"no queue", "/", "SendMessage", `{"QueueUrl":"http://x/000000000000/none","MessageBody":"a"}`, 400, "AWS.SimpleQueueService.NonExistentQueue;Sender",
			`{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`},
		{"to the queue's path", "/000000000000/q", "SendMessage", `{"QueueUrl":"http://elsewhere/000000000000/q","MessageBody":""}`, 400, "MissingParameter;Sender",
			`{"__type":"com.amazonaws.sqs#MissingRequiredParameterException","message":"The request must contain the parameter MessageBody."}`},
		{"nothing said", "/", "SendMessage", `{}`, 400, "MissingParameter;Sender", `"message":"The request must contain the parameter QueueUrl."`},
		{"no URL", "/", "PurgeQueue", `{"QueueUrl":"q"}`, 400, "InvalidAddress;Sender", "The address q is not valid for this endpoint."},
		{"another's", "/", "PurgeQueue", `{"QueueUrl":"http://x/111111111111/q"}`, 400, "AWS.SimpleQueueService.NonExistentQueue;Sender", ""},
		{"an entry without an ID", "/", "DeleteMessageBatch", `{"QueueUrl":"http://x/000000000000/q","Entries":[{"ReceiptHandle":"a"}]}`, 400, "InvalidParameterValue;Sender", "entries.1.member.id"},
		{"a system attribute", "/", "ReceiveMessage", `{"QueueUrl":"http://x/000000000000/q","MessageSystemAttributeNames":["Colour"]}`, 400, "InvalidAttributeName;Sender", "Unknown Attribute Colour."},
		{"not built", "/", "ListMessageMoveTasks", `{"SourceArn":"x"}`, 501, "NotImplementedException;Receiver", "does not support the operation ListMessageMoveTasks yet"},
		{"unknown", "/", "Sing", `{}`, 400, "InvalidAction;Sender", "No operation is known"},
		{"broken", "/", "SendMessage", `{`, 400, "MalformedInput;Sender", ""},
		{"too large", "/", "ListQueues", `{"QueueNamePrefix":"` + strings.Repeat("a", 300<<10) + `"}`, 413, "RequestEntityTooLarge;Sender", ""},
	}
	for _, test := range tests {
		response, got := post(t, s.url+test.path, json, "AmazonSQS."+test.target, test.body)
		if response.StatusCode != test.status || response.Header.Get("X-Amzn-Query-Error") != test.header || !strings.Contains(got, test.answer) || response.Header.Get("Content-Type") != json {
			t.Errorf("%s: %d %s %s %v, want %d %s %s", test.what, response.StatusCode, response.Header.Get("X-Amzn-Query-Error"), got, response.Header, test.status, test.header, test.answer)
		}
	}
}

// TestForms is the protocol that clients spoke before: forms and XML, also at the
// URL of the queue.
func TestForms(t *testing.T) {
	s := newServer(t, func(o *sqs.Options) { o.Keys = nil })
	const form, version = "application/x-www-form-urlencoded; charset=utf-8", "&Version=2012-11-05"
	u := s.url + "/000000000000/q"
	for _, step := range []struct {
		path, form string
		status     int
		answer     []string
	}{
		{"/", "Action=CreateQueue&QueueName=q&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=7&Tag.1.Key=a&Tag.1.Value=b", 200,
			[]string{`<CreateQueueResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><CreateQueueResult><QueueUrl>` + u + `</QueueUrl></CreateQueueResult><ResponseMetadata><RequestId>`}},
		{"/000000000000/q", "Action=SendMessage&MessageBody=a%3Cb&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=Binary&MessageAttribute.1.Value.BinaryValue=AAE%3D", 200,
			[]string{"<MD5OfMessageBody>1a382af93ed4b8a29ebd8e859a0168d7</MD5OfMessageBody>"}},
		{"/", "Action=ReceiveMessage&QueueUrl=" + u + "&AttributeName.1=ApproximateReceiveCount&MessageAttributeName.1=All&MaxNumberOfMessages=10", 200,
			[]string{"<Message><MessageId>", "<Body>a&lt;b</Body>", "<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>",
				"<MessageAttribute><Name>n</Name><Value><BinaryValue>AAE=</BinaryValue><DataType>Binary</DataType></Value></MessageAttribute>"}},
		{"/", "Action=GetQueueAttributes&QueueUrl=" + u + "&AttributeName.1=VisibilityTimeout", 200, []string{"<Attribute><Name>VisibilityTimeout</Name><Value>7</Value></Attribute>"}},
		{"/", "Action=ListQueueTags&QueueUrl=" + u, 200, []string{"<Tag><Key>a</Key><Value>b</Value></Tag>"}},
		{"/", "Action=SendMessageBatch&QueueUrl=" + u + "&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=%01", 200,
			[]string{"<SendMessageBatchResultEntry><Id>a</Id>", "<BatchResultErrorEntry><Id>b</Id><SenderFault>true</SenderFault><Code>InvalidMessageContents</Code>"}},
		{"/", "Action=ListQueues", 200, []string{"<ListQueuesResult><QueueUrl>" + u + "</QueueUrl></ListQueuesResult>"}},
		{"/", "Action=DeleteQueue&QueueUrl=" + u, 200, []string{"<DeleteQueueResponse "}},
		{"/", "Action=GetQueueUrl&QueueName=q", 400, []string{"<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified queue does not exist.</Message>"}},
	} {
		response, got := post(t, s.url+step.path, form, "", step.form+version)
		for _, part := range step.answer {
			if response.StatusCode != step.status || !strings.Contains(got, part) {
				t.Errorf("%s: %d %s, want %d %s", step.form, response.StatusCode, got, step.status, part)
			}
		}
	}
}

// TestEveryOperationIsRouted: those that are not built say so by their name.
func TestEveryOperationIsRouted(t *testing.T) {
	s := newServer(t, func(o *sqs.Options) { o.Keys = nil })
	var missing []string
	for _, op := range model.Service().Operations {
		body := `{"QueueUrl":"http://x/000000000000/none","SourceArn":"x","TaskHandle":"x","QueueName":"q"}`
		response, got := post(t, s.url, "application/x-amz-json-1.0", "AmazonSQS."+op.Name, body)
		if response.StatusCode == http.StatusNotImplemented {
			missing = append(missing, op.Name)
		} else if response.StatusCode >= 500 {
			t.Errorf("%s: %d %s", op.Name, response.StatusCode, got)
		}
	}
	if diff := cmp.Diff([]string{"CancelMessageMoveTask", "ListMessageMoveTasks", "StartMessageMoveTask"}, missing); diff != "" {
		t.Errorf("not built (-want +got):\n%s", diff)
	}
}

// TestAuthorisation: what is asked of whom a key is, and the error of who may not.
func TestAuthorisation(t *testing.T) {
	var asked []string
	k := oneKey{session: &iam.Session{ARN: "arn:aws:sts::000000000000:assumed-role/r/s"}, asked: &asked}
	s := newServer(t, func(o *sqs.Options) { o.Access = k })
	u, ctx := s.queue(t, "q"), t.Context()
	const policy = `{"Version":"2012-10-17","Statement":[]}`
	ok[*sdk.SetQueueAttributesOutput](t)(s.client.SetQueueAttributes(ctx, &sdk.SetQueueAttributesInput{QueueUrl: u, Attributes: map[string]string{"Policy": policy}}))
	ok[*sdk.SendMessageBatchOutput](t)(s.client.SendMessageBatch(ctx, &sdk.SendMessageBatchInput{QueueUrl: u, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: aws.String("b")}}}))
	ok[*sdk.ListQueuesOutput](t)(s.client.ListQueues(ctx, &sdk.ListQueuesInput{}))
	got := ok[*sdk.ReceiveMessageOutput](t)(s.client.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: u, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"SenderId"}}))
	if len(got.Messages) != 1 || got.Messages[0].Attributes["SenderId"] != "r:s" {
		t.Errorf("received %+v", got.Messages)
	}
	want := []string{"sqs:CreateQueue " + arn + "q", "sqs:SetQueueAttributes " + arn + "q", "sqs:SendMessage " + arn + "q " + policy, "sqs:ListQueues *", "sqs:ReceiveMessage " + arn + "q " + policy}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	k.denies = true
	s = newServer(t, func(o *sqs.Options) { o.Access = k })
	_, err := s.client.CreateQueue(ctx, &sdk.CreateQueueInput{QueueName: aws.String("q")})
	refused(t, "denied", err, "AccessDenied", "is not authorized to perform: sqs:CreateQueue on resource: "+arn+"q")
	_, err = newClient(s.url, "another secret").ListQueues(ctx, &sdk.ListQueuesInput{})
	refused(t, "another secret", err, "SignatureDoesNotMatch", "")
}

// TestAnARNIsNoName: a queue is found by the name that permission was asked for, or
// somebody who is denied it would reach it by its ARN in a URL.
func TestAnARNIsNoName(t *testing.T) {
	s := newServer(t, nil)
	u, ctx := s.queue(t, "q"), t.Context()
	ok[*sdk.SendMessageOutput](t)(s.client.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: u, MessageBody: aws.String("m")}))
	other := aws.String(strings.TrimSuffix(*u, "q") + arn + "q")
	const code = "AWS.SimpleQueueService.NonExistentQueue"
	_, err := s.client.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: other})
	refused(t, "ReceiveMessage", err, code, "")
	_, err = s.client.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: other, MessageBody: aws.String("m")})
	refused(t, "SendMessage", err, code, "")
	_, err = s.client.PurgeQueue(ctx, &sdk.PurgeQueueInput{QueueUrl: other})
	refused(t, "PurgeQueue", err, code, "")
	_, err = s.client.GetQueueUrl(ctx, &sdk.GetQueueUrlInput{QueueName: aws.String(arn + "q")})
	refused(t, "GetQueueUrl", err, code, "")
}

// TestWaitingEndsWithTheServer: nobody waits for messages of a server that ends.
func TestWaitingEndsWithTheServer(t *testing.T) {
	s := newServer(t, nil)
	u := s.queue(t, "q")
	time.AfterFunc(50*time.Millisecond, func() { close(s.ended) })
	begun := time.Now()
	out := ok[*sdk.ReceiveMessageOutput](t)(s.client.ReceiveMessage(t.Context(), &sdk.ReceiveMessageInput{QueueUrl: u, WaitTimeSeconds: 20}))
	if len(out.Messages) != 0 || time.Since(begun) > 10*time.Second {
		t.Errorf("received %+v after %v", out.Messages, time.Since(begun))
	}
}

func TestOurs(t *testing.T) {
	h := sqs.New(sqs.Options{})
	for target, want := range map[string]bool{"AmazonSQS.SendMessage": true, "Logs_20140328.PutLogEvents": false, "": false} {
		r, err := http.NewRequest(http.MethodPost, "http://x/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(awsapi.TargetHeader, target)
		if got := h.Ours(r); got != want {
			t.Errorf("%q: %t", target, got)
		}
	}
}
