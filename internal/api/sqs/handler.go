package sqs

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"thaw/internal/api/signed"
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
	calls      *awsapi.Calls
	codec      *awsapi.Codec
	operations map[string]operation
	polls      chan struct{} // holds a token for each request that waits
}

// call is one request on its way.
type call struct {
	http     *http.Request
	protocol awsapi.Protocol
	caller   iam.Caller
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
	h := &Handler{Options: o, service: service, calls: awsapi.NewCalls(service), codec: awsapi.NewCodec(service), polls: make(chan struct{}, maxPolls)}
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

// Ours tells whether a request is one to this API.
func (h *Handler) Ours(r *http.Request) bool {
	_, ok := h.protocol(r)
	return ok
}

// protocol tells in which protocol a request calls this API; ok is false if it does
// not. Forms come to the URL of a queue, too.
func (h *Handler) protocol(r *http.Request) (p awsapi.Protocol, ok bool) {
	if p, ok = h.calls.Of(r); ok {
		return p, true
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form := err == nil && kind == "application/x-www-form-urlencoded" && r.Method == http.MethodPost
	return awsapi.Form, form && strings.HasPrefix(r.URL.Path, "/"+h.Scope.Account+"/")
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := lambda.NewUUID()
	c := &call{http: r}
	c.protocol, _ = h.protocol(r)
	op, input, err := h.admit(r, c)
	var output any
	if err == nil {
		output, err = h.run(r.Context(), c, op, input)
	}
	var answer *awsapi.Response
	if err == nil {
		answer, err = h.codec.EncodeAs(c.protocol, op, output, id)
	}
	if err != nil {
		answer = h.failure(c, id, err)
	}
	answer.Write(w, id)
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
	body, keyID, err := signed.Body(r, h.verifier, maxBody, "")
	if err != nil {
		return nil, nil, err
	}
	var form awsapi.Query
	if c.protocol == awsapi.Form {
		if form, err = awsapi.ParseQuery(body); err != nil {
			return nil, nil, err
		}
	}
	op, ok := h.calls.Find(c.protocol, r, form)
	if !ok || r.Method != http.MethodPost {
		return nil, nil, lambda.Errorf(awsapi.CodeUnknownOperation, "No operation is known for %s %s%s.", r.Method, r.Header.Get(awsapi.TargetHeader), form.Action)
	}
	if int64(len(body)) > op.MaxBody {
		return nil, nil, lambda.Errorf(lambda.CodeRequestEntityTooLarge, "Request must be at most %d bytes for the %s operation", op.MaxBody, op.Name)
	}
	if input, err = h.codec.DecodeAs(c.protocol, op, body, form); err != nil {
		return nil, nil, err
	}
	h.fromPath(r, input)
	if err := h.authorise(c, keyID, op, input); err != nil {
		return nil, nil, err
	}
	return op, input, h.validate(op, input)
}

// maxBody is the largest of any operation.
const maxBody = 8 << 20

// failure is the answer of an error. What is no client's fault is logged.
func (h *Handler) failure(c *call, id string, err error) *awsapi.Response {
	var told *lambda.Error
	if ctx := c.http.Context(); !errors.As(err, &told) && ctx.Err() == nil {
		h.Logger.LogAttrs(ctx, slog.LevelError, "request failed", slog.String("request_id", id),
			slog.String("target", c.http.Header.Get(awsapi.TargetHeader)), slog.String("error", err.Error()))
	}
	return h.codec.EncodeErrorAs(c.protocol, err, id)
}
