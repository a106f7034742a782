package lambda_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	api "thaw/internal/api/lambda"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
)

func TestInvoke(t *testing.T) {
	s := newServer(t, setup{})
	ordinary := invoke.Request{Ref: lambda.Ref{Name: "f"}, Payload: []byte(`{"a":1}`), ContentType: "application/json"}
	change := func(edit func(*invoke.Request)) invoke.Request {
		r := ordinary
		edit(&r)
		return r
	}
	tests := []struct {
		name, target, body string
		headers            []string
		want               invoke.Request
	}{
		{"ordinary", "/f/invocations", `{"a":1}`, nil, ordinary},
		{"slash", "/f/invocations/", `{"a":1}`, nil, ordinary},
		{"named type", "/f/invocations", `{"a":1}`, []string{"X-Amz-Invocation-Type", "RequestResponse", "X-Amz-Log-Type", "None"}, ordinary},
		{"empty body", "/f/invocations", ``, nil, change(func(r *invoke.Request) { r.Payload = []byte("{}") })},
		{"tail", "/f/invocations", `{"a":1}`, []string{"X-Amz-Log-Type", "Tail"}, change(func(r *invoke.Request) { r.LogTail = true })},
		{"dry run", "/f/invocations", `{"a":1}`, []string{"X-Amz-Invocation-Type", "DryRun"}, change(func(r *invoke.Request) { r.DryRun = true })},
		{"qualifier", "/f/invocations?Qualifier=2", `{"a":1}`, nil, change(func(r *invoke.Request) { r.Ref.Qualifier = "2" })},
		{"qualifier in the name", "/f:prod/invocations", `{"a":1}`, nil, change(func(r *invoke.Request) { r.Ref.Qualifier = "prod" })},
		{"$LATEST escaped", "/f%3A%24LATEST/invocations?Qualifier=%24LATEST", `{"a":1}`, nil, change(func(r *invoke.Request) { r.Ref.Qualifier = "$LATEST" })},
		{"ARN", "/arn%3Aaws%3Alambda%3Aus-east-1%3A111111111111%3Afunction%3Af/invocations", `{"a":1}`, nil,
			change(func(r *invoke.Request) { r.Ref.Region, r.Ref.Account = "us-east-1", "111111111111" })},
		{"client context", "/f/invocations", `{"a":1}`, []string{"X-Amz-Client-Context", "eyJjIjoxfQ=="}, change(func(r *invoke.Request) { r.ClientContext = `{"c":1}` })},
		{"any JSON", "/f/invocations", ` "é" `, nil, change(func(r *invoke.Request) { r.Payload = []byte(` "é" `) })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got invoke.Request
			s.invoke = func(r invoke.Request) (lambda.Result, error) {
				got = r
				return lambda.Result{Payload: []byte(`"ok"`), ExecutedVersion: "7", LogTail: []byte("log")}, nil
			}
			a := s.do("POST", functions+tt.target, tt.body, tt.headers...)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(invoke.Request{}, "RequestID", "Trace")); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if id := a.header["x-amzn-RequestId"]; len(id) != 1 || id[0] != got.RequestID {
				t.Errorf("answer has the request id %q, the invocation %q", id, got.RequestID)
			}
			if trace := a.header.Get("X-Amzn-Trace-Id"); trace != got.Trace.Header || !traceID.MatchString(trace) {
				t.Errorf("answer has the trace %q, the invocation %q", trace, got.Trace.Header)
			}
			if tt.want.DryRun {
				if a.status != http.StatusNoContent || a.body != "" {
					t.Errorf("answer %d %q", a.status, a.body)
				}
				return
			}
			if a.status != 200 || a.body != `"ok"` || a.header.Get("X-Amz-Executed-Version") != "7" || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("answer %d %q with %v", a.status, a.body, a.header)
			}
		})
	}
}

var traceID = regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0$`)

// TestTraceHeader: a caller's trace goes on and is answered; where the function
// has a segment of its own, the answer names that.
func TestTraceHeader(t *testing.T) {
	s := newServer(t, setup{})
	const given = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a1b2c3d4:3"
	next := strings.TrimSuffix(given, "3") + "4" // it has gone one hop further
	for name, test := range map[string]struct{ sent, result, want string }{
		"passed on":     {given, "", `^` + next + `$`},
		"a segment":     {given, "Root=own", `^Root=own$`},
		"no such trace": {"Root=mine;Sampled=1", "", traceID.String()},
	} {
		t.Run(name, func(t *testing.T) {
			var got invoke.Request
			s.invoke = func(r invoke.Request) (lambda.Result, error) {
				got = r
				return lambda.Result{TraceID: test.result}, nil
			}
			a := s.do("POST", functions+"/f/invocations", "", "X-Amzn-Trace-Id", test.sent)
			want := regexp.MustCompile(test.want)
			if answered := a.header.Get("X-Amzn-Trace-Id"); !want.MatchString(answered) || test.result == "" && answered != got.Trace.Header {
				t.Errorf("sent %q, passed on %q, answered %q", test.sent, got.Trace.Header, answered)
			}
			s.invoke = func(invoke.Request) (lambda.Result, error) {
				return lambda.Result{}, lambda.Errorf(lambda.CodeTooManyRequests, "no")
			}
			if a := s.do("POST", functions+"/f/invocations", "", "X-Amzn-Trace-Id", test.sent); a.header.Get("X-Amzn-Trace-Id") == "" {
				t.Error("a refusal has no trace header")
			}
		})
	}
}

func TestInvokeAnswers(t *testing.T) {
	s := newServer(t, setup{})
	answer := func(result lambda.Result, err error) answer {
		s.invoke = func(invoke.Request) (lambda.Result, error) { return result, err }
		return s.do("POST", functions+"/f/invocations", `{}`)
	}
	a := answer(lambda.Result{Payload: []byte(`{"errorMessage":"m"}`), FunctionError: lambda.Unhandled, ExecutedVersion: "$LATEST", LogTail: []byte("END")}, nil)
	if a.status != 200 || a.header.Get("X-Amz-Function-Error") != "Unhandled" || a.header.Get("X-Amz-Log-Result") != base64.StdEncoding.EncodeToString([]byte("END")) {
		t.Errorf("failed function: %d %v", a.status, a.header)
	}
	if a.header.Get("X-Amzn-Remapped-Content-Length") != "0" {
		t.Errorf("headers %v", a.header)
	}
	a = answer(lambda.Result{}, &lambda.Error{Code: lambda.CodeTooManyRequests, Message: "Rate Exceeded.",
		Reason: "ReservedFunctionConcurrentInvocationLimitExceeded", RetryAfter: 1500 * time.Millisecond})
	want := map[string]any{"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."}
	if diff := cmp.Diff(want, a.json); diff != "" || a.status != 429 || a.header.Get("Retry-After") != "2" {
		t.Errorf("throttle: %d, Retry-After %q\n%s", a.status, a.header.Get("Retry-After"), diff)
	}
	s.invoke = func(invoke.Request) (lambda.Result, error) { return lambda.Result{}, errors.New("secret detail") }
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, newRequest("POST", functions+"/f/invocations", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || w.Header().Get("X-Amzn-ErrorType") != "ServiceException" {
		t.Errorf("internal error: %d %s", w.Code, w.Body)
	}
}

func TestInvokeRefusals(t *testing.T) {
	s := newServer(t, setup{})
	s.invoke = func(r invoke.Request) (lambda.Result, error) {
		t.Errorf("%+v was invoked", r)
		return lambda.Result{}, nil
	}
	const parse = "Could not parse request body into json: Could not parse payload into json: "
	const source = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: "
	const value = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	tests := []struct {
		name, target, body string
		headers            []string
		status             int
		code, text         string
	}{
		{"payload that starts wrong", "/f", "\x99\xeb,j\x07\xa1zYh", nil, 400, "InvalidRequestContentException",
			parse + "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value " + value + source + "1]"},
		{"payload with a broken word", "/f", "n\x87r\x9e\xe9\xb5\xd7I\xee\x9bmt", nil, 400, "InvalidRequestContentException",
			parse + "Invalid UTF-8 start byte 0x87" + source + "3]"},
		{"unfinished payload", "/f", `{"a":`, nil, 400, "InvalidRequestContentException", parse + "Unexpected end-of-input"},
		{"unknown word", "/f", `{"a":foo}`, nil, 400, "InvalidRequestContentException", parse + "Unrecognized token 'foo'"},
		{"two values", "/f", `{} x`, nil, 400, "InvalidRequestContentException", parse},
		{"not UTF-8 in a string", "/f", "\"\xff\"", nil, 400, "InvalidRequestContentException", parse + "Invalid UTF-8 start byte 0xff"},
		{"spaces", "/f", "  ", nil, 400, "InvalidRequestContentException", parse + "Unexpected end-of-input"},
		{"invocation type", "/f", "", []string{"X-Amz-Invocation-Type", "Sync"}, 400, "ValidationException",
			"1 validation error detected: Value 'Sync' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"},
		{"log type and name", "/f!", "", []string{"X-Amz-Log-Type", "All"}, 400, "ValidationException", "2 validation errors detected: Value 'f!' at 'functionName'"},
		{"large event", "/f", strings.Repeat(" ", 1<<20+1), []string{"X-Amz-Invocation-Type", "Event"}, 413, "RequestEntityTooLargeException",
			"1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"},
		{"client context", "/f", "", []string{"X-Amz-Client-Context", "*"}, 400, "InvalidRequestContentException", "Client context"},
		{"long client context", "/f", "", []string{"X-Amz-Client-Context", strings.Repeat("A", 3584)}, 400, "InvalidRequestContentException", "Client context"},
		{"tenant", "/f", "", []string{"X-Amz-Tenant-Id", "t"}, 400, "InvalidParameterValueException", "The function has no tenant isolation."},
		{"durable", "/f", "", []string{"X-Amz-Durable-Execution-Name", "n"}, 400, "InvalidParameterValueException", "The function is not a durable function."},
		{"other region", "/arn:aws:lambda:ap-southeast-1:111111111111:function:f", "", nil, 404, "ResourceNotFoundException",
			"Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')"},
		{"other account", "/222222222222:function:f", "", nil, 403, "AccessDeniedException", "User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:InvokeFunction"},
		{"half an ARN", "/arn:aws:lambda:function:f", "", nil, 400, "ValidationException", "1 validation error detected: Value 'arn:aws:lambda:function:f' at 'functionName'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do("POST", functions+tt.target+"/invocations", tt.body, tt.headers...)
			if a.status != tt.status || a.header.Get("X-Amzn-ErrorType") != tt.code {
				t.Errorf("answer %d %s, want %d %s", a.status, a.header.Get("X-Amzn-ErrorType"), tt.status, tt.code)
			}
			got, _ := a.json["message"].(string)
			if got == "" {
				got, _ = a.json["Message"].(string)
			}
			if !strings.HasPrefix(got, tt.text) {
				t.Errorf("text\n%s\nwant\n%s", got, tt.text)
			}
		})
	}
}

// discardWriter is a response that nobody reads.
type discardWriter struct{ header http.Header }

func (w discardWriter) Header() http.Header         { return w.header }
func (w discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w discardWriter) WriteHeader(int)             {}

// BenchmarkInvoke measures what this package adds to a warm invocation.
func BenchmarkInvoke(b *testing.B) {
	for name, target := range map[string]string{"name": "/hello/invocations", "alias": "/hello/invocations?Qualifier=live"} {
		b.Run(name, func(b *testing.B) {
			h := api.New(api.Options{Invoke: benchInvoker{}, Scope: scope})
			payload := `{"key":"` + strings.Repeat("x", 1000) + `"}`
			r := newRequest("POST", functions+target, nil)
			r.ContentLength = int64(len(payload))
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(payload))
				h.ServeHTTP(discardWriter{http.Header{}}, r)
			}
		})
	}
}
