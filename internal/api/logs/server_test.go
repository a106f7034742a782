package logs_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"thaw/internal/api/logs"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/logstore"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "a secret of the tests"
	group  = "/aws/lambda/f"
	arn    = "arn:aws:logs:us-east-1:000000000000:log-group:" + group
)

// oneKey knows one key, and that it is the administrator's unless a session is
// set, which may reach one group.
type oneKey struct{ session *iam.Session }

func (oneKey) Secret(id, _ string, _ time.Time) (string, error) {
	if id != keyID {
		return "", lambda.Errorf("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	return secret, nil
}

func (k oneKey) Caller(string) (iam.Caller, error) { return iam.Caller{Session: k.session}, nil }

func (oneKey) Authorise(c iam.Caller, q iam.Question) error {
	if q.Also == arn || q.Resource == arn+":log-stream:s" {
		return nil
	}
	return iam.Denied(c, q.Action, q.Resource)
}

// server is the API behind a socket, and a client of it.
type server struct {
	store  *logstore.Store
	client *sdk.Client
	url    string
	ended  chan struct{}
}

func newServer(t *testing.T, change func(*logs.Options)) *server {
	t.Helper()
	store, err := logstore.Open(logstore.Options{Dir: filepath.Join(t.TempDir(), "logs")})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{store: store, ended: make(chan struct{})}
	o := logs.Options{
		Store: store, Scope: lambda.DefaultScope, Keys: oneKey{}, Access: oneKey{}, Ended: s.ended, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	front := httptest.NewServer(logs.New(o))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.url, s.client = front.URL, newClient(front.URL, secret)
	return s
}

func newClient(url, secret string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: lambda.DefaultScope.Region, BaseEndpoint: &url, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, ""),
		APIOptions:  []func(*middleware.Stack) error{noHostPrefix},
	})
}

// noHostPrefix keeps a client from putting "streaming-" in front of the address of
// a server that has but one.
func noHostPrefix(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("noHostPrefix", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
	}), middleware.Before)
}

// code is the code of an error of the API.
func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return ""
}

// refused fails the test unless an error has a code and a text.
func refused(t *testing.T, what string, err error, wantCode, wantMessage string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != wantCode || wantMessage != "" && e.ErrorMessage() != wantMessage {
		t.Errorf("%s: %v, want %s: %s", what, err, wantCode, wantMessage)
	}
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

// post sends what no SDK would.
func post(t *testing.T, url, target, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, stringReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}
