package e2e_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is a collector of OpenTelemetry that keeps what it gets.
type collector struct {
	mu    sync.Mutex
	spans []*tracepb.Span
	err   error
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var data tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &data)
	}
	if err == nil && r.URL.Path != "/v1/traces" {
		err = fmt.Errorf("spans for %s", r.URL.Path)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.err = err
	}
	for _, resource := range data.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// of returns the spans of a trace once there are so many.
func (c *collector) of(t *testing.T, trace string, n int) []*tracepb.Span {
	t.Helper()
	var found []*tracepb.Span
	err := eventually(settleLimit, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		found = nil
		for _, s := range c.spans {
			if hex.EncodeToString(s.TraceId) == trace {
				found = append(found, s)
			}
		}
		if c.err != nil || len(found) < n {
			return fmt.Errorf("%d of %d spans: %v", len(found), n, c.err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// tree writes spans as names below their parents.
func tree(spans []*tracepb.Span, parent []byte, indent string) (lines []string) {
	for _, s := range spans {
		if string(s.ParentSpanId) != string(parent) {
			continue
		}
		line := indent + s.Name
		if s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			line += " (" + s.Status.Message + ")"
		}
		lines = append(append(lines, line), tree(spans, s.SpanId, indent+"  ")...)
	}
	return lines
}

// TestTrace follows a trace from its caller through the function, the log and the
// answer to a collector.
func TestTrace(t *testing.T) {
	c := &collector{}
	receiver := httptest.NewServer(c)
	t.Cleanup(receiver.Close)
	s := start(t, "--otlp-endpoint", receiver.URL)
	s.deployKeeping(t, "traced", spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/trace"), timeout: 10})
	const caller = "53995c3f42cd8ad8"
	invoke := func(root, event, mode string) (inside string, out reply) {
		t.Helper()
		out = s.send(t, "POST", functionsPath+"/traced/invocations", []byte(event), time.Now(),
			"X-Amzn-Trace-Id", "Root=1-5759e988-"+root+";Parent="+caller+";Sampled=1;Lineage=1:a1b2c3d4:3", "X-Amz-Log-Type", "Tail")
		if out.status != 200 {
			t.Fatalf("%s: %d %s", mode, out.status, out.body)
		}
		json.Unmarshal([]byte(out.body), &inside) // an error's body is none
		return inside, out
	}

	const passed = "aaaaaaaaaaaaaaaaaaaaaaaa"
	inside, out := invoke(passed, `{}`, "passed through")
	want := "Root=1-5759e988-" + passed + ";Parent=" + caller + ";Sampled=1;Lineage=1:a1b2c3d4:4"
	if answered := out.header.Get("X-Amzn-Trace-Id"); inside != want || answered != want {
		t.Errorf("passed through: inside %q, answered %q; want %q", inside, answered, want)
	}
	parent, err := hex.DecodeString(caller)
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{"  responseLatency", "  responseDuration", "  runtimeOverhead"}
	checkTree(t, c.of(t, "5759e988"+passed, 5), parent, append([]string{"traced", "  init"}, parts...))

	if _, err := s.client.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("traced"), TracingConfig: &types.TracingConfig{Mode: types.TracingModeActive},
	}); err != nil {
		t.Fatal(err)
	}
	s.waitUpdated(t, "traced")
	const active = "bbbbbbbbbbbbbbbbbbbbbbbb"
	inside, out = invoke(active, `{}`, "active")
	m := regexp.MustCompile(`^Root=1-5759e988-` + active + `;Parent=([0-9a-f]{16});Sampled=1;Lineage=1:a1b2c3d4:4$`).FindStringSubmatch(inside)
	if m == nil || m[1] == caller || out.header.Get("X-Amzn-Trace-Id") != inside {
		t.Fatalf("active: inside %q, answered %q; want a segment", inside, out.header.Get("X-Amzn-Trace-Id"))
	}
	s.wantLogged(t, "traced", `XRAY TraceId: 1-5759e988-`+active+`\tSegmentId: `+m[1]+`\tSampled: true\t\n`)
	spans := c.of(t, "5759e988"+active, 5)
	checkTree(t, spans, parent, append([]string{"traced", "  init"}, parts...))
	if got := hex.EncodeToString(spans[0].SpanId); got != m[1] {
		t.Errorf("the exported span is %s, what the function does has the parent %s", got, m[1])
	}

	const failed = "cccccccccccccccccccccccc"
	invoke(failed, `{"raise":true}`, "failed")
	checkTree(t, c.of(t, "5759e988"+failed, 4), parent, append([]string{"traced (error)"}, parts...))

	s.remove(t, "traced")
	err = eventually(settleLimit, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := 0
		for _, span := range c.spans {
			if span.Name == "shutdown" && len(span.ParentSpanId) == 0 {
				n++
			}
		}
		if n != 2 { // of both configurations' environments
			return fmt.Errorf("%d spans of a shutdown", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func checkTree(t *testing.T, spans []*tracepb.Span, parent []byte, want []string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(tree(spans, parent, ""), "\n")); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

// TestSilentCollector: a collector that takes everything and answers nothing
// delays neither an answer nor the end of the server for long.
func TestSilentCollector(t *testing.T) {
	hold := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	t.Cleanup(receiver.Close)
	t.Cleanup(func() { close(hold) })
	s := start(t, "--otlp-endpoint", receiver.URL)
	s.deployKeeping(t, "untold", goEcho(t))
	s.invoke(t, "untold", map[string]any{})
	began := time.Now()
	for range 50 {
		s.invoke(t, "untold", map[string]any{}).decode(t, &echoed{})
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("50 warm invocations took %v", took)
	}
	began = time.Now()
	if err := s.end(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
}
