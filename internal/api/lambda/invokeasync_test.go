package lambda_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"thaw/internal/async"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/trace"
)

// TestEvent: an event is checked, enqueued, and answered with nothing but its id.
func TestEvent(t *testing.T) {
	s := newServer(t, setup{})
	var got *async.Event
	s.enqueue = func(e async.Event) error { got = &e; return nil }
	s.invoke = func(r invoke.Request) (lambda.Result, error) {
		if !r.DryRun {
			t.Errorf("%+v was invoked", r)
		}
		if r.Ref.Name != "f" {
			return lambda.Result{}, lambda.Errorf(lambda.CodeResourceNotFound, "Function not found: f")
		}
		return lambda.Result{}, nil
	}
	event := []string{"X-Amz-Invocation-Type", "Event", "X-Amz-Client-Context", "eyJhIjoxfQ=="}
	largest := `"` + strings.Repeat("x", 1<<20-2) + `"`
	for name, c := range map[string]struct {
		target, body string
		headers      []string
		status       int
		want         async.Event // without what is drawn
	}{
		"event":           {functions + "/f/invocations", `{"n":1}`, event, 202, async.Event{Function: "f", Payload: []byte(`{"n":1}`), ClientContext: `{"a":1}`}},
		"empty":           {functions + "/f/invocations", ``, event, 202, async.Event{Function: "f", Payload: []byte(`{}`), ClientContext: `{"a":1}`}},
		"largest":         {functions + "/f/invocations", largest, event, 202, async.Event{Function: "f", Payload: []byte(largest), ClientContext: `{"a":1}`}},
		"qualifier":       {functions + "/f/invocations?Qualifier=$LATEST", `1`, event, 202, async.Event{Function: "f", Qualifier: "$LATEST", Payload: []byte(`1`), ClientContext: `{"a":1}`}},
		"alias in an ARN": {functions + "/arn:aws:lambda:us-east-1:111111111111:function:f:live/invocations", `1`, event, 202, async.Event{Function: "f", Qualifier: "live", Payload: []byte(`1`), ClientContext: `{"a":1}`}},
		"no such one":     {functions + "/g/invocations", `1`, event, 404, async.Event{}},
		"no JSON":         {functions + "/f/invocations", `{`, event, 400, async.Event{}},
		"old":             {"/2014-11-13/functions/f/invoke-async", `[1]`, nil, 202, async.Event{Function: "f", Payload: []byte(`[1]`)}},
		"old, with slash": {"/2014-11-13/functions/f/invoke-async/", `[1]`, nil, 202, async.Event{Function: "f", Payload: []byte(`[1]`)}},
		"old, empty":      {"/2014-11-13/functions/function:f/invoke-async", ``, nil, 202, async.Event{Function: "f", Payload: []byte(`{}`)}},
		"old, no JSON":    {"/2014-11-13/functions/f/invoke-async", `{`, nil, 400, async.Event{}},
		"old, bad name":   {"/2014-11-13/functions/f!/invoke-async", `{}`, nil, 400, async.Event{}},
		"old, no such":    {"/2014-11-13/functions/g/invoke-async", `{}`, nil, 404, async.Event{}},
	} {
		t.Run(name, func(t *testing.T) {
			got = nil
			a := s.do("POST", c.target, c.body, c.headers...)
			if a.status != c.status || (got != nil) != (c.status == 202) {
				t.Fatalf("answer %d %s, enqueued %v", a.status, a.body, got != nil)
			}
			header := a.header.Get(trace.HeaderName)
			if header == "" {
				t.Error("no trace header")
			}
			if got == nil {
				return
			}
			if a.body != "" || a.header.Get("X-Amz-Executed-Version") != "" || a.header.Get("X-Amzn-Remapped-Content-Length") != "0" ||
				a.header.Get("Content-Length") != "0" {
				t.Errorf("answer %q with %v", a.body, a.header)
			}
			if got.RequestID != a.header["x-amzn-RequestId"][0] || got.Trace.Header != header {
				t.Errorf("enqueued %s with trace %s", got.RequestID, got.Trace.Header)
			}
			if got.Function != c.want.Function || got.Qualifier != c.want.Qualifier || string(got.Payload) != string(c.want.Payload) || got.ClientContext != c.want.ClientContext {
				t.Errorf("enqueued %.200v", got)
			}
		})
	}
}

// TestEventNotTaken: an event that is not durable is not answered with 202.
func TestEventNotTaken(t *testing.T) {
	s := newServer(t, setup{})
	s.enqueue = func(async.Event) error {
		return &lambda.Error{Code: lambda.CodeTooManyRequests, Message: "Rate Exceeded.", Reason: "CallerRateLimitExceeded", RetryAfter: time.Second}
	}
	a := s.do("POST", functions+"/f/invocations", `1`, "X-Amz-Invocation-Type", "Event")
	if a.status != 429 || a.json["Reason"] != "CallerRateLimitExceeded" || a.header.Get("Retry-After") != "1" {
		t.Errorf("full: %d %s", a.status, a.body)
	}
	s.enqueue = func(async.Event) error { return errors.New("no space left on device") }
	r := newRequest("POST", functions+"/f/invocations", nil)
	r.Header.Set("X-Amz-Invocation-Type", "Event")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != 500 || strings.Contains(w.Body.String(), "space") {
		t.Errorf("broken: %d %s", w.Code, w.Body)
	}
}
