package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

// queueClient makes a client of the message queues that tries once.
func (s *server) queueClient() *sqs.Client {
	return sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + s.address), Retryer: aws.NopRetryer{}, HTTPClient: fromMemory{},
		Credentials: credentials.NewStaticCredentialsProvider(s.accessID, s.secret, ""),
	})
}

// fromMemory sends bodies that the SDK cannot close. It closes them when it has the
// head of an answer, and if the transport is not yet done with the body then, it
// breaks the connection, and with it the rest of the answer.
type fromMemory struct{}

func (fromMemory) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultClient.Do(r)
}

// makeQueue makes a queue and returns its URL.
func makeQueue(t *testing.T, c *sqs.Client, name string, attributes map[string]string) *string {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

// wantSeen compares what a client's script has printed.
func wantSeen(t *testing.T, saw []byte, want string) {
	t.Helper()
	var got, wanted any
	if err := json.Unmarshal(saw, &got); err != nil {
		t.Fatalf("%v: %s", err, saw)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("what the client saw (-want +got):\n%s", diff)
	}
}

func TestQueuesByBoto3(t *testing.T) {
	s := shared(t)
	script, err := filepath.Abs("testdata/clients/queues.py")
	if err != nil {
		t.Fatal(err)
	}
	wantSeen(t, s.run(t, t.TempDir(), client(t, "python"), script, "boto3"), `{
		"urls": [["000000000000", "boto3-work"], ["000000000000", "boto3-dead"]],
		"attributes": ["1", true, true],
		"tags": {"team": "a"},
		"message": ["ä", "8419b71c87a225a2c70b50486fbee545", "1", [0, 255], "1"],
		"batch": [["good"], [["bad", "InvalidMessageContents", true]]],
		"dead letter": [["1", "2", 0], "poison", true],
		"sources": true,
		"woken": [["late"], true],
		"counts": ["0", "0", "1"],
		"purged": {"ApproximateNumberOfMessagesDelayed": "0"},
		"nothing": false,
		"refused": [
			["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400],
			["QueueNameExists", "QueueAlreadyExists", 400],
			["UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400],
			["ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400],
			["EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400],
			["ClientError", "InvalidParameterValue", 400],
			["InvalidAttributeValue", "InvalidAttributeValue", 400],
			["ClientError", "NotImplementedException", 501]
		],
		"typed": true,
		"listed": true,
		"left": null
	}`)
}

func TestQueuesByJavaScript(t *testing.T) {
	s := shared(t)
	script, err := filepath.Abs("testdata/clients/queues.cjs")
	if err != nil {
		t.Fatal(err)
	}
	runtime := filepath.Join(runtimesDir(t), node(t))
	modules := "NODE_PATH=" + filepath.Join(runtime, "runtime", "node_modules")
	out := s.run(t, t.TempDir(), "/usr/bin/env", modules, filepath.Join(runtime, "lang", "bin", "node"), script, "javascript")
	wantSeen(t, out, `{
		"message": ["ä", [0, 255], "1"],
		"deleted": [["a"], [["b", "ReceiptHandleIsInvalid"]]],
		"nothing": null,
		"refused": ["QueueDoesNotExist", true, 400]
	}`)
}

// TestQueuesByCLI does the same with both versions of the AWS CLI. Version 1 looks
// at no variable for the address of SQS; version 2 as Debian 12 has it speaks the
// older protocol.
func TestQueuesByCLI(t *testing.T) {
	s := shared(t)
	for name, program := range map[string]func(*testing.T) string{
		"version 1": func(t *testing.T) string { return client(t, "aws") }, "version 2": version2,
	} {
		t.Run(name, func(t *testing.T) {
			program, q := program(t), "cli-"+name[len(name)-1:]
			aws := func(args ...string) string {
				t.Helper()
				all := append([]string{"--endpoint-url", "http://" + s.address, "--output", "text", "sqs"}, args...)
				return strings.TrimSpace(string(s.run(t, t.TempDir(), program, all...)))
			}
			want := func(what, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
			}
			u := aws("create-queue", "--queue-name", q, "--attributes", "VisibilityTimeout=60,DelaySeconds=0")
			want("create", u, "http://"+s.address+"/000000000000/"+q)
			t.Cleanup(func() {
				if _, err := s.queueClient().DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: &u}); err != nil {
					t.Error(err)
				}
			})
			want("send", aws("send-message-batch", "--queue-url", u, "--entries", "Id=a,MessageBody=hello", "--query", "Successful[].[Id,MD5OfMessageBody]"), "a\t5d41402abc4b2a76b9719d911017c592")
			want("receive", aws("receive-message", "--queue-url", u, "--attribute-names", "All", "--query", "Messages[0].[Body,Attributes.ApproximateReceiveCount]"), "hello\t1")
			_, stderr, err := s.tryRun(t, t.TempDir(), program, "--endpoint-url", "http://"+s.address, "sqs", "get-queue-url", "--queue-name", "none")
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !bytes.Contains(stderr, []byte("(AWS.SimpleQueueService.NonExistentQueue) when calling the GetQueueUrl operation")) {
				t.Errorf("a queue that is not there: %v %s", err, stderr)
			}
		})
	}
}

// TestAcknowledgedMessagesSurviveAKill: what was acknowledged when the server is
// killed is received from the next one, whether it was in flight or not, and what was
// deleted is not. A receipt handle of the first server still deletes.
func TestAcknowledgedMessagesSurviveAKill(t *testing.T) {
	const senders, deletions = 16, 40
	dir := t.TempDir()
	needRoot(t)
	s := startIn(t, dir)
	c := s.queueClient()
	u := makeQueue(t, c, "kept", map[string]string{"VisibilityTimeout": "600"})
	var mu sync.Mutex
	acknowledged, uncertain := map[string]string{}, map[string]bool{} // bodies: by ID, and without an answer
	enough := make(chan struct{})
	var once sync.Once
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for j := 0; ; j++ {
				body := fmt.Sprint(i, " ", j)
				out, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: u, MessageBody: &body})
				mu.Lock()
				if err != nil {
					uncertain[body] = true
					mu.Unlock()
					return
				}
				acknowledged[*out.MessageId] = body
				if len(acknowledged) >= 600 {
					once.Do(func() { close(enough) })
				}
				mu.Unlock()
			}
		})
	}
	deleted := map[string]bool{}
	var inFlight []types.Message
	for len(deleted) < deletions {
		for _, m := range receiveSome(t, c, u, 5*time.Second) {
			if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: u, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
			deleted[*m.MessageId] = true
		}
	}
	for len(inFlight) < deletions {
		inFlight = append(inFlight, receiveSome(t, c, u, 5*time.Second)...)
	}
	<-enough
	s.kill()
	sending.Wait()
	s = startIn(t, dir)
	c = s.queueClient()
	u = makeQueue(t, c, "kept", nil)
	late := inFlight[0]
	if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: u, ReceiptHandle: late.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	deleted[*late.MessageId] = true
	got := map[string]string{}
	for {
		some := receiveSome(t, c, u, 0)
		if len(some) == 0 {
			break
		}
		for _, m := range some {
			got[*m.MessageId] = *m.Body
		}
	}
	for id, body := range got {
		if deleted[id] {
			t.Errorf("%q was deleted, and is received again", body)
		}
		if acknowledged[id] == "" && !uncertain[body] {
			t.Errorf("%q was never sent", body)
		}
	}
	lost := maps.Clone(acknowledged)
	maps.DeleteFunc(lost, func(id, _ string) bool { return deleted[id] || got[id] != "" })
	if len(lost) > 0 {
		t.Errorf("%d of %d acknowledged messages are lost: %v", len(lost), len(acknowledged), lost)
	}
	t.Logf("%d acknowledged, %d deleted, %d without an answer, %d received", len(acknowledged), len(deleted), len(uncertain), len(got))
}

// TestMessagesInFlightOverARestart: a server that ends in good order leaves what is in
// flight to the next one.
func TestMessagesInFlightOverARestart(t *testing.T) {
	dir := t.TempDir()
	needRoot(t)
	s := startIn(t, dir)
	c := s.queueClient()
	u := makeQueue(t, c, "q", map[string]string{"VisibilityTimeout": "600"})
	for _, body := range []string{"one", "two"} {
		if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: u, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	messages := receiveSome(t, c, u, 5*time.Second)
	if len(messages) != 2 {
		t.Fatalf("received %d messages", len(messages))
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	s = startIn(t, dir)
	c = s.queueClient()
	u = makeQueue(t, c, "q", nil)
	if again := receiveSome(t, c, u, 0); len(again) != 0 {
		t.Errorf("received again: %+v", again)
	}
	if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: u, ReceiptHandle: messages[0].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	_, err := c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: u, ReceiptHandle: messages[1].ReceiptHandle, VisibilityTimeout: 0})
	if err != nil {
		t.Fatal(err)
	}
	again := receiveSome(t, c, u, 5*time.Second)
	if len(again) != 1 || *again[0].MessageId != *messages[1].MessageId {
		t.Errorf("received %+v, want %s", again, *messages[1].Body)
	}
}

func receiveSome(t *testing.T, c *sqs.Client, u *string, wait time.Duration) []types.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u, MaxNumberOfMessages: 10, WaitTimeSeconds: int32(wait / time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

// TestFunctionsUseQueues: a handler sends to a queue of the server that runs it, if it
// may, and names neither an address nor a key.
func TestFunctionsUseQueues(t *testing.T) {
	s := start(t, "--function-allow", "sqs:GetQueueUrl,sqs:SendMessage")
	c := s.queueClient()
	u := makeQueue(t, c, "from-inside", nil)
	s.deployKeeping(t, "sender", spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/queue"), memory: 256, timeout: 30})
	if got := s.call(t, "sender", map[string]any{"call": "send", "queue": "from-inside", "body": "hello"}); got.Code != "" {
		t.Errorf("sent: %+v", got)
	}
	out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: u, WaitTimeSeconds: 5, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"SenderId"}})
	if err != nil || len(out.Messages) != 1 || *out.Messages[0].Body != "hello" || !strings.HasSuffix(out.Messages[0].Attributes["SenderId"], ":sender") {
		t.Errorf("received %+v, %v", out, err)
	}
	got := s.call(t, "sender", map[string]any{"call": "receive", "queue": "from-inside"})
	if got.Status != 403 || got.Code != "AccessDenied" || !strings.Contains(got.Message, "sqs:ReceiveMessage on resource: arn:aws:sqs:us-east-1:000000000000:from-inside") {
		t.Errorf("received inside: %+v", got)
	}
}

// TestPoliciesOfQueues: a user without policies may do what the queue's own says, and
// nothing else.
func TestPoliciesOfQueues(t *testing.T) {
	s := start(t)
	c := s.queueClient()
	u := makeQueue(t, c, "shared", nil)
	var key struct{ AccessKeyID, SecretAccessKey string }
	out, err := exec.Command(s.program, "keys", "add", "--user", "ci", "--json", "--data", s.dir).Output()
	if err == nil {
		err = json.Unmarshal(out, &key)
	}
	if err != nil || key.AccessKeyID == "" {
		t.Fatalf("%v: %s", err, out)
	}
	user := (&server{address: s.address, accessID: key.AccessKeyID, secret: key.SecretAccessKey}).queueClient()
	send := func() error {
		_, err := user.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: u, MessageBody: aws.String("from ci")})
		return err
	}
	const text = "User: arn:aws:iam::000000000000:user/ci is not authorized to perform: sqs:SendMessage on resource: arn:aws:sqs:us-east-1:000000000000:shared"
	if err := send(); err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), text) {
		t.Errorf("without a policy: %v", err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/ci"},"Action":"SQS:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:shared"}]}`
	if _, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: u, Attributes: map[string]string{"Policy": policy}}); err != nil {
		t.Fatal(err)
	}
	if err := send(); err != nil {
		t.Errorf("with the queue's policy: %v", err)
	}
	if _, err := user.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: u}); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("what the policy does not say: %v", err)
	}
	_, err = c.AddPermission(t.Context(), &sqs.AddPermissionInput{QueueUrl: u, Label: aws.String("l"), AWSAccountIds: []string{"111111111111"}, Actions: []string{"ReceiveMessage", "DeleteMessage"}})
	if err != nil {
		t.Errorf("a permission for an account: %v", err)
	}
	_, err = c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: u, Attributes: map[string]string{"Policy": `{"Statement":[{"Effect":"Perhaps"}]}`}})
	var bad *types.InvalidAttributeValue
	if !errors.As(err, &bad) {
		t.Errorf("a policy that cannot be read: %v", err)
	}
}
