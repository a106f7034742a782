package otlp_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/trace/otlp"
)

// collector is a small collector of OpenTelemetry.
type collector struct {
	t      *testing.T
	status func(request int) int // nil: all is well

	mu       sync.Mutex
	requests int
	received []*tracepb.ResourceSpans
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	if r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s with %v", r.Method, r.Header)
	}
	var data tracepb.TracesData
	if err := proto.Unmarshal(body, &data); err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if c.status != nil {
		if status := c.status(c.requests); status != 200 {
			w.WriteHeader(status)
			return
		}
	}
	c.received = append(c.received, data.ResourceSpans...)
}

// RoundTrip makes the collector a transport too, for tests with a clock of their
// own.
func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Result(), nil
}

func (c *collector) spans() (list []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.received {
		for _, s := range r.ScopeSpans {
			list = append(list, s.Spans...)
		}
	}
	return list
}

var source = otlp.Source{Function: "f", Version: "7", Account: "000000000000", Region: "us-east-1"}

const (
	traceHex = "5759e988bd862e3fe1be46a994272793"
	header   = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
)

var begin = time.UnixMilli(1_700_000_000_000)

func at(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }

func took(ms int) telemetry.Milliseconds {
	return telemetry.Milliseconds(time.Duration(ms) * time.Millisecond)
}

// invocation is what is observed of one.
func invocation(id string, t *telemetry.Tracing, status string) []telemetry.Event {
	done := telemetry.RuntimeDone{RequestID: id, Status: status, Spans: []telemetry.Span{
		telemetry.NewSpan("responseLatency", at(100), 5*time.Millisecond),
		telemetry.NewSpan("responseDuration", at(105), time.Millisecond),
	}}
	report := telemetry.Report{RequestID: id, Status: status, Tracing: t, Metrics: telemetry.ReportMetrics{BilledDurationMs: 11, MaxMemoryUsedMB: 36},
		Spans: []telemetry.Span{telemetry.NewSpan("extensionOverhead", at(106), 4*time.Millisecond)}}
	if status == telemetry.Error {
		done.ErrorType, report.ErrorType = "Runtime.ExitError", "Runtime.ExitError"
	}
	return []telemetry.Event{
		{Time: at(100), Record: telemetry.Start{RequestID: id, Tracing: t}},
		{Time: at(101), Record: telemetry.Line{Text: "hello\n"}},
		{Time: at(106), Record: done},
		{Time: at(110), Record: telemetry.End{RequestID: id}},
		{Time: at(110), Record: report},
	}
}

func observe(o *otlp.Observer, events ...telemetry.Event) {
	for _, e := range events {
		o.Observe(e)
	}
}

// render writes a span in one line, times in milliseconds from the begin.
func render(s *tracepb.Span) string {
	ms := func(n uint64) int64 { return time.Unix(0, int64(n)).Sub(begin).Milliseconds() }
	line := fmt.Sprintf("%s %s %d-%d", s.Name, strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"), ms(s.StartTimeUnixNano), ms(s.EndTimeUnixNano))
	if s.Status != nil {
		line += " " + strings.TrimPrefix(s.Status.Code.String(), "STATUS_CODE_") + "(" + s.Status.Message + ")"
	}
	return line + attributes(s.Attributes)
}

func attributes(list []*commonpb.KeyValue) (line string) {
	for _, a := range list {
		value := a.Value.GetStringValue()
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_IntValue:
			value = fmt.Sprint(v.IntValue)
		case *commonpb.AnyValue_BoolValue:
			value = fmt.Sprint(v.BoolValue)
		}
		line += " " + a.Key + "=" + value
	}
	return line
}

// TestSpans sends the events of an environment's life over real HTTP and looks at
// what a collector gets.
func TestSpans(t *testing.T) {
	c := &collector{t: t}
	server := httptest.NewServer(c)
	defer server.Close()
	endpoint, err := otlp.Endpoint(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	e := otlp.Open(otlp.Options{Endpoint: endpoint, Ratio: 1, Logger: slog.New(slog.DiscardHandler)})
	o := e.Observer(source)
	own := &telemetry.Tracing{SpanID: "90cbc97f4ee64a7f", Type: "X-Amzn-Trace-Id", Value: header}
	observe(o,
		telemetry.Event{Time: at(0), Record: telemetry.InitStart{InstanceID: "env-1"}},
		telemetry.Event{Time: at(90), Record: telemetry.InitReport{InitializationType: "on-demand", Phase: "init", Status: "success", Metrics: telemetry.InitMetrics{DurationMs: took(80)}}})
	observe(o, invocation("one", own, telemetry.Success)...)
	observe(o, invocation("two", own, telemetry.Error)...)
	handlerFailed := invocation("three", own, telemetry.Success)
	for i := range handlerFailed {
		if done, ok := handlerFailed[i].Record.(telemetry.RuntimeDone); ok {
			done.FunctionError = "Runtime.Unknown"
			handlerFailed[i].Record = done
		}
	}
	observe(o, handlerFailed...)
	o.Ended(at(500), at(520), true)
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, s := range c.spans() {
		got = append(got, render(s))
		switch {
		case s.Name == "shutdown":
			if hex.EncodeToString(s.TraceId) == traceHex || len(s.TraceId) != 16 || len(s.ParentSpanId) != 0 {
				t.Errorf("the shutdown has trace %x and parent %x", s.TraceId, s.ParentSpanId)
			}
		case s.Name == "f":
			if hex.EncodeToString(s.TraceId) != traceHex || hex.EncodeToString(s.SpanId) != own.SpanID || hex.EncodeToString(s.ParentSpanId) != "53995c3f42cd8ad8" {
				t.Errorf("span %d: trace %x, id %x, parent %x", i, s.TraceId, s.SpanId, s.ParentSpanId)
			}
		default:
			if hex.EncodeToString(s.TraceId) != traceHex || hex.EncodeToString(s.ParentSpanId) != own.SpanID || len(s.SpanId) != 8 {
				t.Errorf("span %d, %s: trace %x, id %x, parent %x", i, s.Name, s.TraceId, s.SpanId, s.ParentSpanId)
			}
		}
	}
	const metrics = " thaw.billed_duration_ms=11 thaw.max_memory_used_mb=36 faas.instance=env-1"
	parts := []string{"responseLatency INTERNAL 100-105", "responseDuration INTERNAL 105-106", "extensionOverhead INTERNAL 106-110"}
	want := []string{
		"f SERVER 100-110 faas.invocation_id=one faas.coldstart=true" + metrics,
		"init INTERNAL 10-90 thaw.init.type=on-demand thaw.init.phase=init"}
	want = append(want, parts...)
	want = append(want, "f SERVER 100-110 ERROR(error) faas.invocation_id=two faas.coldstart=false"+metrics+" error.type=Runtime.ExitError")
	want = append(want, parts...)
	want = append(want, "f SERVER 100-110 ERROR(error) faas.invocation_id=three faas.coldstart=false"+metrics+" error.type=Runtime.Unknown")
	want = append(want, parts...)
	want = append(want, "shutdown INTERNAL 500-520 ERROR(error)")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if r := c.received[0].Resource; attributes(r.Attributes) != " service.name=f faas.name=f faas.version=7 cloud.account.id=000000000000 cloud.region=us-east-1" {
		t.Errorf("resource%s", attributes(r.Attributes))
	}
}

// TestContext: which trace and parent an invocation's span has.
func TestContext(t *testing.T) {
	const parent = "53995c3f42cd8ad8"
	for name, test := range map[string]struct {
		tracing     *telemetry.Tracing
		trace, span string // empty: any
		parent      string
		always      bool // exported whatever the ratio
	}{
		"sampled":                 {telemetry.NewTracing(header), traceHex, "", parent, true},
		"sampled, a segment":      {&telemetry.Tracing{SpanID: "90cbc97f4ee64a7f", Value: header}, traceHex, "90cbc97f4ee64a7f", parent, true},
		"a segment, no parent":    {&telemetry.Tracing{SpanID: "90cbc97f4ee64a7f", Value: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"}, traceHex, "90cbc97f4ee64a7f", "", true},
		"not sampled":             {telemetry.NewTracing(strings.Replace(header, "Sampled=1", "Sampled=0", 1)), traceHex, "", "", false},
		"no header":               {nil, "", "", "", false},
		"what is no trace header": {telemetry.NewTracing("Root=1;Sampled=1"), "", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, ratio := range []float64{1, 0} {
				synctest.Test(t, func(t *testing.T) {
					c := &collector{t: t}
					e := open(c, ratio)
					observe(e.Observer(source), invocation("one", test.tracing, telemetry.Success)...)
					e.Close(t.Context())
					spans := c.spans()
					if exported := len(spans) > 0; exported != (ratio == 1 || test.always) {
						t.Fatalf("exported %v at ratio %v", exported, ratio)
					} else if !exported {
						return
					}
					s := spans[0]
					if test.trace != "" && hex.EncodeToString(s.TraceId) != test.trace || len(s.TraceId) != 16 {
						t.Errorf("trace %x", s.TraceId)
					}
					if test.span != "" && hex.EncodeToString(s.SpanId) != test.span || len(s.SpanId) != 8 {
						t.Errorf("span %x", s.SpanId)
					}
					if got := hex.EncodeToString(s.ParentSpanId); got != test.parent {
						t.Errorf("parent %s, want %q", got, test.parent)
					}
				})
			}
		})
	}
}

// open makes an exporter whose collector is reached without a network.
func open(rt http.RoundTripper, ratio float64) *otlp.Exporter {
	return otlp.Open(otlp.Options{
		Endpoint: "http://collector/v1/traces", Ratio: ratio, Client: &http.Client{Transport: rt}, Logger: slog.New(slog.DiscardHandler),
	})
}

func TestRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{t: t}
		e := open(c, 0.25)
		o := e.Observer(source)
		const n = 2000
		for i := range n {
			o.Ended(at(i), at(i), false)
		}
		e.Close(t.Context())
		if got := len(c.spans()); got < n/5 || got > n*3/10 {
			t.Errorf("%d of %d at ratio 0.25", got, n)
		}
	})
}

func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		status   func(request int) int
		requests int
		dropped  int64
	}{
		"well":            {nil, 1, 0},
		"busy for a time": {func(n int) int { return map[bool]int{true: 503, false: 200}[n <= 2] }, 3, 0},
		"busy for ever":   {func(int) int { return 429 }, 4, 1},
		"refused":         {func(int) int { return 400 }, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{t: t, status: test.status}
				e := open(c, 1)
				e.Observer(source).Ended(at(0), at(1), false)
				time.Sleep(time.Minute)
				synctest.Wait()
				if c.requests != test.requests || e.Dropped() != test.dropped {
					t.Errorf("%d requests and %d dropped, want %d and %d", c.requests, e.Dropped(), test.requests, test.dropped)
				}
				e.Close(t.Context())
			})
		})
	}
}

// silent is a collector that takes requests and never answers.
type silent struct{ calls atomic.Int64 }

func (s *silent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestSilentCollector: nobody waits for it, what waits is bounded, what is dropped
// is counted, and Close ends in its time.
func TestSilentCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silent{}
		e := open(s, 1)
		o := e.Observer(source)
		const n = 20_000
		began := time.Now()
		for range n {
			observe(o, invocation("one", nil, telemetry.Success)...)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("observing took %v", waited)
		}
		if e.Dropped() < n-5000 {
			t.Errorf("%d of %d dropped: more wait than there is room for", e.Dropped(), n)
		}
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began = time.Now()
		e.Close(ctx)
		if waited := time.Since(began); waited > 3*time.Second {
			t.Errorf("Close took %v", waited)
		}
		o.Ended(at(0), at(1), false)
		if e.Dropped() != n+1 {
			t.Errorf("%d dropped, want all %d", e.Dropped(), n+1)
		}
	})
}

func TestVariables(t *testing.T) {
	for name, test := range map[string]struct {
		env      map[string]string
		endpoint string
		headers  map[string]string
		fails    bool
	}{
		"nothing":      {nil, "", map[string]string{}, false},
		"a base":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces", map[string]string{}, false},
		"with a path":  {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/otlp/"}, "https://c/otlp/v1/traces", map[string]string{}, false},
		"for traces":   {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/x", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d"}, "http://c:1/x", map[string]string{}, false},
		"headers":      {map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, x=1"}, "", map[string]string{"api-key": "a b", "x": "1"}, false},
		"turned off":   {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "", nil, false},
		"other signal": {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "", nil, false},
		"no URL":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, "", nil, true},
		"bad header":   {map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "secret"}, "", nil, true},
		"line in one":  {map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "a=b%0d%0ac"}, "", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, headers, err := otlp.Variables(func(name string) string { return test.env[name] })
			if (err != nil) != test.fails || endpoint != test.endpoint && !test.fails {
				t.Fatalf("%q, %v; want %q", endpoint, err, test.endpoint)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error has the value in it: %v", err)
			}
			if diff := cmp.Diff(test.headers, headers); diff != "" && !test.fails {
				t.Error(diff)
			}
		})
	}
	for _, bad := range []string{"", "collector", "ftp://c", "http://"} {
		if got, err := otlp.Endpoint(bad); err == nil {
			t.Errorf("Endpoint(%q) = %q", bad, got)
		}
	}
}
