package runtimeapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/lambda"
	"thaw/internal/runtimeapi"
)

// patience bounds every wait of these tests; none of them waits that long
// unless it fails.
const patience = 30 * time.Second

// serve starts a server on loopback.
func serve(tb testing.TB, opts runtimeapi.Options) (*runtimeapi.Server, string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := runtimeapi.New(opts)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
		if err := <-done; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return s, l.Addr().String()
}

func await(tb testing.TB, what string, c <-chan struct{}) {
	tb.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		tb.Fatalf("%s: nothing within %v", what, patience)
	}
}

// buildEcho builds the function of testdata/echo.
func buildEcho(tb testing.TB) string {
	tb.Helper()
	bin := filepath.Join(tb.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-o", bin, "./testdata/echo")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build the function: %v\n%s", err, out)
	}
	return bin
}

// run starts a runtime process and ends it with the test.
func run(tb testing.TB, bin, address string, args ...string) {
	tb.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+address)
	cmd.Stderr = io.Discard
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// invoke has one event answered, and waits until the runtime asks for the next.
func invoke(tb testing.TB, s *runtimeapi.Server, inv lambda.Invocation) runtimeapi.Outcome {
	tb.Helper()
	x, err := s.Deliver(inv)
	if err != nil {
		tb.Fatalf("Deliver: %v", err)
	}
	await(tb, "response", x.Responded())
	o := x.Outcome()
	if o.TooLarge == 0 {
		await(tb, "next", idle(x))
	}
	return o
}

// TestGoClient has AWS's own client for Go answer events.
func TestGoClient(t *testing.T) {
	s, address := serve(t, runtimeapi.Options{})
	run(t, buildEcho(t), address)
	await(t, "start", s.Started())
	deadline := time.UnixMilli(time.Now().Add(time.Minute).UnixMilli())
	large := `"` + strings.Repeat("y", lambda.MaxRequestPayload-2) + `"`
	for _, tt := range []struct{ name, payload, want, failure string }{
		{name: "echo", payload: `{"a":1}`, want: `{"a":1}`},
		{name: "six megabytes", payload: `{"a":` + large[:len(large)-7] + `"}`, want: `{"a":` + large[:len(large)-7] + `"}`},
		{name: "context", payload: `{"trace":true}`, want: fmt.Sprintf(`{"arn":"arn:aws:lambda:us-east-1:0:function:f:1","client":"T","deadline":%d,"id":"id-2"}`, deadline.UnixMilli())},
		{name: "error", payload: `{"fail":"no"}`, failure: `{"errorMessage":"no","errorType":"errorString"}`},
		{name: "again", payload: `{}`, want: `{}`},
		{name: "largest answer", payload: fmt.Sprintf(`{"repeat":%d}`, lambda.MaxResponsePayload-2), want: `"` + strings.Repeat("x", lambda.MaxResponsePayload-2) + `"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := invoke(t, s, lambda.Invocation{
				RequestID: "id-2", ARN: "arn:aws:lambda:us-east-1:0:function:f:1", Deadline: deadline,
				ClientContext: `{"client":{"app_title":"T"}}`, Payload: []byte(tt.payload),
			})
			if tt.failure != "" {
				if o.Failure == nil || string(o.Failure.Body) != tt.failure {
					t.Fatalf("got %s, want failure %s", render(o), tt.failure)
				}
				return
			}
			if string(o.Payload) != tt.want || o.Failure != nil || o.ContentType != "application/json" {
				t.Errorf("got %.200s, want %.200s", render(o), tt.want)
			}
			if o.ResponseLatency <= 0 || o.ResponseDuration < 0 {
				t.Errorf("latency %v, duration %v", o.ResponseLatency, o.ResponseDuration)
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		o := invoke(t, s, lambda.Invocation{RequestID: "l", Deadline: deadline, Payload: fmt.Appendf(nil, `{"repeat":%d}`, lambda.MaxResponsePayload)})
		if o.TooLarge != lambda.MaxResponsePayload+2 {
			t.Errorf("TooLarge = %d, want %d", o.TooLarge, lambda.MaxResponsePayload+2)
		}
	})
}

// TestHTTPClient has net/http's client speak, which chunks, asks before it
// sends, keeps connections and opens new ones as it likes.
func TestHTTPClient(t *testing.T) {
	s, address := serve(t, runtimeapi.Options{})
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience}, Timeout: patience}
	defer client.CloseIdleConnections()
	base := "http://" + address + "/2018-06-01/runtime/"
	var body []byte
	var wg sync.WaitGroup
	defer wg.Wait()
	next := func() {
		wg.Go(func() {
			r, err := client.Get(base + "invocation/next")
			if err != nil {
				t.Errorf("next: %v", err)
				return
			}
			defer r.Body.Close()
			if body, err = io.ReadAll(r.Body); err != nil {
				t.Errorf("next: %v", err)
			}
		})
	}
	next()
	await(t, "start", s.Started())
	for i, size := range []int{0, 1, 5000, 1 << 20} {
		want := bytes.Repeat([]byte{'z'}, size)
		id := fmt.Sprint("id-", i)
		x, err := s.Deliver(lambda.Invocation{RequestID: id, Payload: want, Deadline: time.Now().Add(patience)})
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if !bytes.Equal(body, want) {
			t.Fatalf("event of %d bytes, want %d", len(body), size)
		}
		req, err := http.NewRequest("POST", base+"invocation/"+id+"/response", struct{ io.Reader }{bytes.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			req.Header.Set("Expect", "100-continue")
		}
		r, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 202 || string(answer) != `{"status":"OK"}` {
			t.Fatalf("response: %v, %s %s", err, r.Status, answer)
		}
		await(t, "response", x.Responded())
		if diff := cmp.Diff(len(want), len(x.Outcome().Payload)); diff != "" {
			t.Errorf("answer's size (-want +got):\n%s", diff)
		}
		next()
		await(t, "next", idle(x))
	}
	if _, err := s.Deliver(lambda.Invocation{RequestID: "last", Deadline: time.Now().Add(patience)}); err != nil {
		t.Fatal(err)
	}
}

// TestGarbage sends 100 MB of nothing in particular; the runtime beside it is
// served all the while.
func TestGarbage(t *testing.T) {
	s, address := serve(t, runtimeapi.Options{})
	runtime, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.Close()
	fmt.Fprint(runtime, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n")
	await(t, "start", s.Started())
	for name, in := range map[string]struct{ head, fill string }{
		"one line":   {"", "a"},
		"fields":     {"GET / HTTP/1.1\r\n", "a: b\r\n"},
		"empty":      {"", "\r\n"},
		"chunks":     {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"},
		"extensions": {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1", ";a=b"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, in.head)
			fill := bytes.Repeat([]byte(in.fill), 1<<20/len(in.fill))
			for sent := 0; sent < 100<<20; sent += len(fill) {
				if _, err = c.Write(fill); err != nil {
					return // refused, as it should be
				}
			}
			t.Error("all of it was taken")
		})
	}
	if _, err := s.Deliver(lambda.Invocation{RequestID: "1", Deadline: time.Now().Add(patience)}); err != nil {
		t.Errorf("Deliver: %v", err)
	}
}

// TestClosed uses a server after its end.
func TestClosed(t *testing.T) {
	s := runtimeapi.New(runtimeapi.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := s.Deliver(lambda.Invocation{}); err == nil {
		t.Error("an event was delivered")
	}
}

// idle is closed when the exchange is over.
func idle(x *runtimeapi.Exchange) <-chan struct{} {
	c := make(chan struct{})
	x.WhenIdle(func() { close(c) })
	return c
}
