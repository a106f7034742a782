package sqs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/sqs"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/queue"
	"thaw/internal/sigv4"
)

// Access decides what callers may do. Package iam implements it.
type Access interface {
	Caller(accessKeyID string) (iam.Caller, error)
	Authorise(c iam.Caller, q iam.Question) error
}

// Options configure a Handler.
type Options struct {
	Queues *queue.Service
	Scope  lambda.Scope
	// Keys verify signatures. Nil means that requests need none; then Trust tells
	// which are refused all the same.
	Keys   sigv4.Keys
	Trust  func(*http.Request) error
	Access Access // nil: only the administrator calls
	// Ended is closed when nobody is to wait for messages any more.
	Ended  <-chan struct{}
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// maxPolls is how many requests wait for messages at one time. One more gets what
// is there at once.
const maxPolls = 10_000

// Handler is the http.Handler of the API.
type Handler struct {
	Options
	service    *awsapi.Service
	verifier   *sigv4.Verifier // nil: no signatures
	targets    *awsapi.Targets
	codec      *awsapi.Codec
	operations map[string]operation
	polls      chan struct{} // holds a token for each request that waits
}

// call is one request on its way.
type call struct {
	http   *http.Request
	caller iam.Caller
}

// operation carries out one operation on its decoded input.
type operation func(ctx context.Context, c *call, input any) (output any, err error)

// handle makes an operation of a function that knows its types.
func handle[I, O any](do func(context.Context, *call, *I) (*O, error)) operation {
	return func(ctx context.Context, c *call, input any) (any, error) {
		output, err := do(ctx, c, input.(*I))
		if err != nil {
			return nil, err
		}
		return output, nil
	}
}

// act is handle for an operation without an answer.
func act[I any](do func(context.Context, *I) error) operation {
	return func(ctx context.Context, _ *call, input any) (any, error) { return nil, do(ctx, input.(*I)) }
}

// New makes a Handler.
func New(o Options) *Handler {
	service := model.Service()
	h := &Handler{Options: o, service: service, targets: awsapi.NewTargets(service), codec: awsapi.NewCodec(service), polls: make(chan struct{}, maxPolls)}
	if h.Now == nil {
		h.Now = time.Now
	}
	if o.Keys != nil {
		h.verifier = sigv4.New(sigv4.Options{Service: service.Name, Region: o.Scope.Region, Keys: o.Keys, Now: h.Now})
	}
	h.operations = map[string]operation{
		model.OpCreateQueue:                  handle(h.createQueue),
		model.OpGetQueueUrl:                  handle(h.getQueueURL),
		model.OpListQueues:                   handle(h.listQueues),
		model.OpListDeadLetterSourceQueues:   handle(h.listSources),
		model.OpDeleteQueue:                  act(h.deleteQueue),
		model.OpPurgeQueue:                   act(h.purgeQueue),
		model.OpGetQueueAttributes:           handle(h.getAttributes),
		model.OpSetQueueAttributes:           act(h.setAttributes),
		model.OpTagQueue:                     act(h.tag),
		model.OpUntagQueue:                   act(h.untag),
		model.OpListQueueTags:                handle(h.listTags),
		model.OpAddPermission:                act(h.addPermission),
		model.OpRemovePermission:             act(h.removePermission),
		model.OpSendMessage:                  handle(h.send),
		model.OpSendMessageBatch:             handle(h.sendBatch),
		model.OpReceiveMessage:               handle(h.receive),
		model.OpDeleteMessage:                act(h.deleteMessage),
		model.OpDeleteMessageBatch:           handle(h.deleteBatch),
		model.OpChangeMessageVisibility:      act(h.changeVisibility),
		model.OpChangeMessageVisibilityBatch: handle(h.changeBatch),
	}
	return h
}

// Ours tells whether a request is one to this API. A form is if it is signed for it.
func (h *Handler) Ours(r *http.Request) bool {
	return h.targets.Ours(r.Header.Get(awsapi.TargetHeader)) || h.isForm(r)
}

// isForm tells requests of the protocol that this API had before.
func (h *Handler) isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded" && strings.Contains(r.Header.Get("Authorization"), "/"+h.service.Name+"/aws4_request")
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := lambda.NewUUID()
	if h.isForm(r) {
		discard(r.Body)
		err := lambda.Errorf(awsapi.CodeNotImplemented, "This server speaks the JSON protocol of SQS, as SDKs do since November 2023, and not the older one of forms and XML.")
		h.codec.EncodeErrorAs(awsapi.Form, err, id).Write(w, id)
		return
	}
	c := &call{http: r}
	op, input, err := h.admit(r, c)
	var output any
	if err == nil {
		output, err = h.run(r.Context(), c, op, input)
	}
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	h.codec.Encode(op, output).Write(w, id)
}

func (h *Handler) run(ctx context.Context, c *call, op *awsapi.Operation, input any) (any, error) {
	run := h.operations[op.Name]
	if run == nil {
		return nil, lambda.Errorf(awsapi.CodeNotImplemented, "This server does not support the operation %s yet.", op.Name)
	}
	return run(ctx, c, input)
}

// admit reads, verifies, decodes, authorises and validates.
func (h *Handler) admit(r *http.Request, c *call) (op *awsapi.Operation, input any, err error) {
	if h.Trust != nil {
		if err := h.Trust(r); err != nil {
			return nil, nil, err
		}
	}
	op, ok := h.targets.Find(r.Header.Get(awsapi.TargetHeader))
	if !ok || r.Method != http.MethodPost {
		discard(r.Body)
		return nil, nil, lambda.Errorf(awsapi.CodeUnknownOperation, "No operation is known for %s %s.", r.Method, r.Header.Get(awsapi.TargetHeader))
	}
	body, keyID, err := h.verified(r, op)
	if err != nil {
		return nil, nil, err
	}
	if input, err = h.codec.Decode(&awsapi.Request{Route: awsapi.Route{Operation: op}, Header: r.Header, Body: body}); err != nil {
		return nil, nil, err
	}
	if err := h.authorise(c, keyID, op, input); err != nil {
		return nil, nil, err
	}
	return op, input, h.validate(op, input)
}

const (
	// unverified is how much of a body is read of who has not shown a known key.
	unverified = 64 << 10
	// maxDiscard bounds what is read and thrown away: clients look for an answer
	// when they have sent everything.
	maxDiscard = 64 << 20
)

// verified reads the body and checks its signature.
func (h *Handler) verified(r *http.Request, op *awsapi.Operation) (body []byte, keyID string, err error) {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	signed := &sigv4.Request{Method: r.Method, Path: path, Query: query, Host: r.Host, ContentLength: r.ContentLength, Header: r.Header}
	if h.verifier != nil && (r.ContentLength < 0 || r.ContentLength > unverified) {
		if _, err := h.verifier.Precheck(signed); err != nil {
			discard(r.Body)
			return nil, "", err
		}
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, op.MaxBody+1))
	if err != nil {
		return nil, "", lambda.Errorf(awsapi.CodeSerialization, "Could not read the request body: %v", err)
	}
	if int64(len(body)) > op.MaxBody {
		discard(r.Body)
		return nil, "", lambda.Errorf(lambda.CodeRequestEntityTooLarge, "Request must be at most %d bytes for the %s operation", op.MaxBody, op.Name)
	}
	if h.verifier == nil {
		return body, "", nil
	}
	signed.Body = body
	keyID, err = h.verifier.Verify(signed)
	return body, keyID, err
}

func discard(r io.Reader) {
	_, _ = io.CopyN(io.Discard, r, maxDiscard) // what cannot be read need not be
}

// fail answers an error. What is no client's fault is logged.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, id string, err error) {
	var told *lambda.Error
	if !errors.As(err, &told) && r.Context().Err() == nil {
		h.Logger.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request_id", id),
			slog.String("target", r.Header.Get(awsapi.TargetHeader)), slog.String("error", err.Error()))
	}
	h.codec.EncodeError(err).Write(w, id)
}
