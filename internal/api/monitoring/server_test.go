package monitoring_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/smithy-go"

	"thaw/internal/api/monitoring"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/metrics"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "a secret of the tests"
)

// oneKey knows one key, and that it is the administrator's unless a session is
// set, which may list metrics.
type oneKey struct{ session *iam.Session }

func (oneKey) Secret(id, _ string, _ time.Time) (string, error) {
	if id != keyID {
		return "", lambda.Errorf("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	return secret, nil
}

func (k oneKey) Caller(string) (iam.Caller, error) { return iam.Caller{Session: k.session}, nil }

func (oneKey) Authorise(c iam.Caller, q iam.Question) error {
	if q.Action == "cloudwatch:ListMetrics" && q.Resource == "*" {
		return nil
	}
	return iam.Denied(c, q.Action, q.Resource)
}

// server is the API behind a socket, and a client of it.
type server struct {
	store  *metrics.Store
	client *sdk.Client
	url    string
}

func newServer(t *testing.T, change func(*monitoring.Options)) *server {
	t.Helper()
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	o := monitoring.Options{Store: store, Scope: lambda.DefaultScope, Keys: oneKey{}, Access: oneKey{}, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	h := monitoring.New(o)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.Ours(r) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		front.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &server{store, newClient(front.URL, secret), front.URL}
}

func newClient(url, secret string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: lambda.DefaultScope.Region, BaseEndpoint: &url, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, ""),
	})
}

// measure counts values of one series.
func (s *server) measure(metric telemetry.Metric, function, qualifier, version string, at time.Time, values ...float64) {
	for _, v := range values {
		s.store.Measure(telemetry.Measure{Metric: metric, Function: function, Qualifier: qualifier, ExecutedVersion: version, Value: v, At: at})
	}
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

// post sends what the SDK would not, to a server without signatures.
func post(t *testing.T, url string, header map[string]string, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
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
	return response.StatusCode, response.Header, string(text)
}
