package otlp

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/trace"
)

// resourceSpans makes the spans of a batch, those of one environment together.
func resourceSpans(batch []item, ratio float64) []*tracepb.ResourceSpans {
	var all []*tracepb.ResourceSpans
	of := map[*Source]*tracepb.ScopeSpans{}
	for _, it := range batch {
		spans := it.spans(ratio)
		if len(spans) == 0 {
			continue
		}
		scope := of[it.source]
		if scope == nil {
			scope = &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: "thaw"}}
			of[it.source] = scope
			all = append(all, &tracepb.ResourceSpans{Resource: it.source.resource(), ScopeSpans: []*tracepb.ScopeSpans{scope}})
		}
		scope.Spans = append(scope.Spans, spans...)
	}
	return all
}

// resource uses the names of OpenTelemetry's semantic conventions.
func (s *Source) resource() *resourcepb.Resource {
	return &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
		text("service.name", s.Function), text("faas.name", s.Function), text("faas.version", s.Version),
		text("cloud.account.id", s.Account), text("cloud.region", s.Region),
	}}
}

// spans makes the spans of an item; none if its trace is not among those that are
// exported.
func (it *item) spans(ratio float64) []*tracepb.Span {
	if it.shutdown != nil {
		return it.shutdown.spans(ratio)
	}
	c := contextOf(it.report.Tracing)
	if !c.wanted(ratio) {
		return nil
	}
	invoke := it.invoke(c)
	list := []*tracepb.Span{invoke}
	child := func(name string, start, end time.Time) *tracepb.Span {
		s := newSpan(name, invoke.TraceId, randomID(8), start, end)
		s.ParentSpanId = invoke.SpanId
		list = append(list, s)
		return s
	}
	if it.init != nil {
		r := it.init.report
		s := child("init", it.init.end.Add(-time.Duration(r.Metrics.DurationMs)), it.init.end)
		s.Attributes = append(s.Attributes, text("thaw.init.type", r.InitializationType), text("thaw.init.phase", r.Phase))
		fail(s, r.Status, r.ErrorType)
	}
	parts := it.report.Spans
	if it.done != nil {
		parts = append(it.done.Spans[:len(it.done.Spans):len(it.done.Spans)], parts...)
	}
	for _, p := range parts {
		start := time.Time(p.Start)
		child(p.Name, start, start.Add(time.Duration(p.DurationMs)))
	}
	return list
}

// spans makes the only span of a trace of its own.
func (s *shutdown) spans(ratio float64) []*tracepb.Span {
	c := contextOf(nil)
	if !c.wanted(ratio) {
		return nil
	}
	span := newSpan("shutdown", c.trace, c.span, s.began, s.end)
	if s.failed {
		fail(span, telemetry.Error, "")
	}
	return []*tracepb.Span{span}
}

// invoke makes the span of the invocation itself.
func (it *item) invoke(c spanContext) *tracepb.Span {
	s := newSpan(it.source.Function, c.trace, c.span, it.start.Time, it.end)
	s.Kind, s.ParentSpanId = tracepb.Span_SPAN_KIND_SERVER, c.parent
	m := it.report.Metrics
	s.Attributes = append(s.Attributes,
		text("faas.invocation_id", it.report.RequestID),
		flag("faas.coldstart", it.init != nil),
		number("thaw.billed_duration_ms", m.BilledDurationMs),
		number("thaw.max_memory_used_mb", m.MaxMemoryUsedMB))
	if it.instance != "" {
		s.Attributes = append(s.Attributes, text("faas.instance", it.instance))
	}
	status, errorType := it.report.Status, it.report.ErrorType
	if it.done != nil && it.done.FunctionError != "" && status == telemetry.Success {
		status, errorType = telemetry.Error, it.done.FunctionError // which REPORT leaves out
	}
	fail(s, status, errorType)
	return s
}

// spanContext is where a span belongs.
type spanContext struct {
	trace, span, parent []byte
	sampled             bool // by the caller
}

// contextOf reads an event's tracing. A caller who does not sample the trace has
// exported no span that could be the parent.
func contextOf(t *telemetry.Tracing) spanContext {
	c := spanContext{span: randomID(8)}
	if t == nil {
		c.trace = randomID(16)
		return c
	}
	h, ok := trace.Parse(t.Value)
	if !ok {
		c.trace = randomID(16)
		return c
	}
	c.trace, _ = hex.DecodeString(strings.ReplaceAll(h.Get(trace.Root)[2:], "-", "")) // Parse has seen to the form
	c.sampled = h.Get(trace.Sampled) == "1"
	if c.sampled {
		c.parent, _ = hex.DecodeString(h.Get(trace.Parent))
	}
	if own, err := hex.DecodeString(t.SpanID); err == nil && len(own) == 8 {
		c.span = own
	}
	return c
}

// wanted tells whether the spans of a trace are exported: those that the caller
// samples, and of the others a share that is the same on every server.
func (c spanContext) wanted(ratio float64) bool {
	return c.sampled || float64(binary.BigEndian.Uint64(c.trace[8:])>>1) < ratio*(1<<63)
}

func newSpan(name string, traceID, id []byte, start, end time.Time) *tracepb.Span {
	return &tracepb.Span{
		Name: name, TraceId: traceID, SpanId: id, Kind: tracepb.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: uint64(start.UnixNano()), EndTimeUnixNano: uint64(max(end.UnixNano(), start.UnixNano())),
	}
}

// fail marks the span of what was no success.
func fail(s *tracepb.Span, status, errorType string) {
	if status == telemetry.Success || status == "" {
		return
	}
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: status}
	if errorType != "" {
		s.Attributes = append(s.Attributes, text("error.type", errorType))
	}
}

func randomID(n int) []byte {
	id := make([]byte, n)
	rand.Read(id)
	return id
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func flag(key string, value bool) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: value}}}
}
