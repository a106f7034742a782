package lambda_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	api "thaw/internal/api/lambda"
	"thaw/internal/async"
	"thaw/internal/catalog"
	"thaw/internal/code"
	"thaw/internal/control"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/sigv4"
	"thaw/internal/store/memory"
)

var scope = lambda.Scope{Partition: "aws", Region: "us-east-1", Account: "111111111111"}

// server is the handler over the real control and a store in memory. Only
// invocations are answered by a function of the test.
type server struct {
	t       *testing.T
	handler *api.Handler
	control *control.Control

	mu      sync.Mutex
	invoke  func(invoke.Request) (lambda.Result, error)
	enqueue func(async.Event) error // nil takes all
}

func (s *server) Enqueue(_ context.Context, e async.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.enqueue == nil {
		return nil
	}
	return s.enqueue(e)
}

func (s *server) Invoke(_ context.Context, req invoke.Request) (lambda.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.invoke(req)
}

// setup is what a test changes of a server before it stands.
type setup struct {
	settle time.Duration
	keys   sigv4.Keys
	access api.Access
	roles  api.Roles
	now    func() time.Time
}

func newServer(t *testing.T, set setup) *server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	engine := memory.New()
	cat, err := catalog.Open(t.Context(), engine.Metadata(), catalog.Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	packages, err := code.Open(code.Options{Dir: filepath.Join(t.TempDir(), "code"), Blobs: engine.Blobs(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := control.Open(t.Context(), control.Options{Catalog: cat, Code: packages, Scope: scope, Settle: set.settle, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctl.Close()
		cat.Close()
		engine.Close()
	})
	s := &server{t: t, control: ctl, invoke: func(invoke.Request) (lambda.Result, error) { return lambda.Result{}, nil }}
	s.handler = api.New(api.Options{Control: ctl, Invoke: s, Events: s, Packages: packages, Scope: scope, Keys: set.keys, Access: set.access, Roles: set.roles, Logger: log, Now: set.now})
	return s
}

// answer is a response, its body parsed if it is JSON.
type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

// newRequest is a request to a server on loopback.
func newRequest(method, target string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, target, body)
	r.Host = "localhost:4566"
	return r
}

func (s *server) do(method, target, body string, headers ...string) answer {
	s.t.Helper()
	r := newRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.send(r)
}

func (s *server) send(r *http.Request) answer {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	resp := w.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if json.Unmarshal(body, &a.json) != nil {
		a.json = nil
	}
	if id := resp.Header["x-amzn-RequestId"]; len(id) != 1 || len(id[0]) != 36 {
		s.t.Errorf("%s %s: request id %q", r.Method, r.URL, id)
	}
	if a.status >= 500 && a.status != http.StatusNotImplemented {
		s.t.Errorf("%s %s: status %d, %s", r.Method, r.URL, a.status, body)
	}
	return a
}

// create makes a function and waits until it is active.
func (s *server) create(name string, extra map[string]any) map[string]any {
	s.t.Helper()
	a := s.do("POST", "/2015-03-31/functions", createBody(name, extra))
	if a.status != http.StatusCreated {
		s.t.Fatalf("create %s: %d %s", name, a.status, a.body)
	}
	s.await(name)
	return a.json
}

// await polls as clients' waiters do: activation has no other sign.
func (s *server) await(name string) map[string]any {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		c := s.do("GET", "/2015-03-31/functions/"+name+"/configuration", "").json
		if c["State"] == "Active" && c["LastUpdateStatus"] == "Successful" {
			return c
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("function %s is not active: %v", name, c)
		}
		time.Sleep(time.Millisecond)
	}
}

func createBody(name string, extra map[string]any) string {
	body := map[string]any{
		"FunctionName": name, "Runtime": "python3.12", "Handler": "index.handler",
		"Role": "arn:aws:iam::111111111111:role/r", "Code": map[string]any{"ZipFile": zipFile("hello")},
	}
	for k, v := range extra {
		body[k] = v
	}
	text, _ := json.Marshal(body)
	return string(text)
}

// zipFile is a package in base64.
func zipFile(content string) string {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	f, _ := z.Create("index.py")
	io.WriteString(f, content)
	z.Close()
	return base64.StdEncoding.EncodeToString(buf.Bytes())
}
