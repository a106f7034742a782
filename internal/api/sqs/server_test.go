package sqs_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"thaw/internal/api/sqs"
	"thaw/internal/catalog"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/queue"
	"thaw/internal/store/memory"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "a secret of the tests"
	arn    = "arn:aws:sqs:us-east-1:000000000000:"
)

// oneKey knows one key, and that it is the administrator's unless a session is set,
// which may what it is asked about last.
type oneKey struct {
	session *iam.Session
	asked   *[]string
	denies  bool
}

func (oneKey) Secret(id, _ string, _ time.Time) (string, error) {
	if id != keyID {
		return "", lambda.Errorf("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	return secret, nil
}

func (k oneKey) Caller(string) (iam.Caller, error) { return iam.Caller{Session: k.session}, nil }

func (k oneKey) Authorise(c iam.Caller, q iam.Question) error {
	asked := q.Action + " " + q.Resource
	if q.Policy != "" {
		asked += " " + q.Policy
	}
	*k.asked = append(*k.asked, asked)
	if k.denies {
		return iam.Denied(c, q.Action, q.Resource)
	}
	return nil
}

// server is the API behind a socket, and a client of it.
type server struct {
	queues *queue.Service
	client *sdk.Client
	url    string
	ended  chan struct{}
}

func newServer(t *testing.T, change func(*sqs.Options)) *server {
	t.Helper()
	logger, engine := slog.New(slog.DiscardHandler), memory.New()
	records, err := catalog.Open(t.Context(), engine.Metadata(), catalog.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	queues, err := queue.Open(queue.Options{Catalog: records, Events: engine.Queue, Scope: lambda.DefaultScope, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{queues: queues, ended: make(chan struct{})}
	o := sqs.Options{Queues: queues, Scope: lambda.DefaultScope, Keys: oneKey{}, Access: oneKey{}, Ended: s.ended, Logger: logger}
	if change != nil {
		change(&o)
	}
	front := httptest.NewServer(sqs.New(o))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		if err := errors.Join(queues.Close(), records.Close(), engine.Close()); err != nil {
			t.Error(err)
		}
	})
	s.url, s.client = front.URL, newClient(front.URL, secret)
	return s
}

func newClient(url, secret string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: lambda.DefaultScope.Region, BaseEndpoint: &url, Retryer: aws.NopRetryer{}, HTTPClient: fromMemory{},
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, ""),
	})
}

// fromMemory sends bodies that the SDK cannot close: it does so when it has the head
// of an answer, and may lose the rest of it then.
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

// queue makes a queue and returns its URL.
func (s *server) queue(t *testing.T, name string) *string {
	t.Helper()
	return ok[*sdk.CreateQueueOutput](t)(s.client.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: &name})).QueueUrl
}

func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused fails the test unless an error has a code and a part of a text.
func refused(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("%s: %v, want %s: …%s…", what, err, code, text)
	}
}

// post sends what no SDK would, to a server that asks for no signatures.
func post(t *testing.T, url, kind, target, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}
