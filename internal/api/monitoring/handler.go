package monitoring

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"thaw/internal/api/signed"
	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/cloudwatch"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/sigv4"
	"thaw/internal/telemetry/metrics"
)

// Access decides what callers may do. Package iam implements it.
type Access interface {
	Caller(accessKeyID string) (iam.Caller, error)
	Authorise(c iam.Caller, q iam.Question) error
}

// Options configure a Handler.
type Options struct {
	Store *metrics.Store
	Scope lambda.Scope
	// Keys verify signatures. Nil means that requests need none; then Trust tells
	// which are refused all the same.
	Keys   sigv4.Keys
	Trust  func(*http.Request) error
	Access Access // nil: only the administrator calls
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// Handler is the http.Handler of the API.
type Handler struct {
	Options
	verifier   *sigv4.Verifier // nil: no signatures
	calls      *awsapi.Calls
	codec      *awsapi.Codec
	operations map[string]operation
	reads      chan struct{} // holds a token for each request that reads values
}

// operation carries out one operation on its decoded input.
type operation func(ctx context.Context, input any) (output any, err error)

// handle makes an operation of a function that knows its types.
func handle[I, O any](do func(context.Context, *I) (*O, error)) operation {
	return func(ctx context.Context, input any) (any, error) {
		output, err := do(ctx, input.(*I))
		if err != nil {
			return nil, err
		}
		return output, nil
	}
}

// New makes a Handler.
func New(o Options) *Handler {
	service := model.Service()
	h := &Handler{Options: o, calls: awsapi.NewCalls(service), codec: awsapi.NewCodec(service)}
	// Reading months of values takes a processor's seconds; invocations have the rest.
	h.reads = make(chan struct{}, max(1, runtime.NumCPU()/2))
	if h.Now == nil {
		h.Now = time.Now
	}
	if o.Keys != nil {
		h.verifier = sigv4.New(sigv4.Options{Service: service.Name, Region: o.Scope.Region, Keys: o.Keys, Now: h.Now})
	}
	h.operations = map[string]operation{
		model.OpGetMetricData:       handle(h.getMetricData),
		model.OpGetMetricStatistics: handle(h.getMetricStatistics),
		model.OpListMetrics:         handle(h.listMetrics),
	}
	return h
}

// Ours tells whether a request is one to this API.
func (h *Handler) Ours(r *http.Request) bool {
	_, ok := h.calls.Of(r)
	return ok
}

// ServeHTTP answers one request of Ours.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := lambda.NewUUID()
	protocol, _ := h.calls.Of(r)
	op, input, err := h.admit(r, protocol)
	var output any
	if err == nil {
		output, err = h.run(r.Context(), op, input)
	}
	var resp *awsapi.Response
	if err == nil {
		resp, err = h.codec.EncodeAs(protocol, op, output, id)
	}
	if err != nil {
		resp = h.failure(r, protocol, id, err)
	}
	resp.Write(w, id)
}

func (h *Handler) run(ctx context.Context, op *awsapi.Operation, input any) (any, error) {
	run := h.operations[op.Name]
	if run == nil {
		return nil, lambda.Errorf(awsapi.CodeNotImplemented, "This server does not support the operation %s yet.", op.Name)
	}
	select {
	case h.reads <- struct{}{}:
		defer func() { <-h.reads }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return run(ctx, input)
}

// admit reads, verifies, decodes, authorises and validates. An operation may have
// words of its own for what is wrong; then it validates.
func (h *Handler) admit(r *http.Request, p awsapi.Protocol) (op *awsapi.Operation, input any, err error) {
	if h.Trust != nil {
		if err := h.Trust(r); err != nil {
			return nil, nil, err
		}
	}
	body, keyID, err := signed.Body(r, h.verifier, maxBody, "")
	if err != nil {
		return nil, nil, err
	}
	if body, err = unpacked(r, body); err != nil {
		return nil, nil, err
	}
	var query awsapi.Query
	if p == awsapi.Form {
		if query, err = awsapi.ParseQuery(body); err != nil {
			return nil, nil, err
		}
	}
	op, ok := h.calls.Find(p, r, query)
	if !ok || r.Method != http.MethodPost {
		return nil, nil, lambda.Errorf(awsapi.CodeUnknownOperation, "No operation is known for %s %s.", r.Method, named(r, query))
	}
	if input, err = h.codec.DecodeAs(p, op, body, query); err != nil {
		return nil, nil, err
	}
	if err := h.authorise(r, keyID, op); err != nil {
		return nil, nil, err
	}
	if err := check(input); err != nil {
		return nil, nil, err
	}
	return op, input, h.codec.Validate(op, input)
}

// named is how an unknown operation was named.
func named(r *http.Request, q awsapi.Query) string {
	switch {
	case q.Action != "":
		return q.Action + " of version " + q.Version
	case r.Header.Get(awsapi.TargetHeader) != "":
		return r.Header.Get(awsapi.TargetHeader)
	}
	return r.URL.Path
}

// maxBody bounds a request, in bytes; it is the same for all operations.
const maxBody = 1 << 20

// unpacked is a body as it was before the client compressed it, which clients do with
// long ones.
func unpacked(r *http.Request, body []byte) ([]byte, error) {
	if !strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, lambda.Errorf(awsapi.CodeSerialization, "The body is not compressed as its header says: %v", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxBody+1))
	if err != nil {
		return nil, lambda.Errorf(awsapi.CodeSerialization, "The body cannot be decompressed: %v", err)
	}
	if len(plain) > maxBody {
		return nil, lambda.Errorf(lambda.CodeRequestEntityTooLarge, "Request must be at most %d bytes.", maxBody)
	}
	return plain, nil
}

// authorise asks whether the sender may do this. Metrics have no ARNs.
func (h *Handler) authorise(r *http.Request, keyID string, op *awsapi.Operation) error {
	c, _ := iam.CallerOf(r.Context())
	if h.verifier != nil && h.Access != nil {
		var err error
		if c, err = h.Access.Caller(keyID); err != nil {
			return err
		}
	}
	if c.Administrator() {
		return nil
	}
	q := iam.Question{Action: "cloudwatch:" + op.Name, Resource: "*", Context: iam.ContextOf(r)}
	if h.Access == nil {
		return iam.Denied(c, q.Action, q.Resource)
	}
	return h.Access.Authorise(c, q)
}

// codeInternal is what this service calls an error that is not the client's.
const codeInternal = "InternalServiceFault"

// failure is the answer of an error. What is no client's fault is logged.
func (h *Handler) failure(r *http.Request, p awsapi.Protocol, id string, err error) *awsapi.Response {
	var told *lambda.Error
	if !errors.As(err, &told) {
		if r.Context().Err() == nil {
			h.Logger.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request_id", id),
				slog.String("path", r.URL.Path), slog.String("error", err.Error()))
		}
		err = lambda.Errorf(codeInternal, "An internal error occurred.")
	}
	return h.codec.EncodeErrorAs(p, err, id)
}
