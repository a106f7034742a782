package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"thaw/internal/api/signed"
	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/logs"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/sigv4"
	"thaw/internal/telemetry/logstore"
)

// Access decides what callers may do. Package iam implements it.
type Access interface {
	Caller(accessKeyID string) (iam.Caller, error)
	Authorise(c iam.Caller, q iam.Question) error
}

// Options configure a Handler.
type Options struct {
	Store *logstore.Store
	Scope lambda.Scope
	// Keys verify signatures. Nil means that requests need none; then Trust tells
	// which are refused all the same.
	Keys   sigv4.Keys
	Trust  func(*http.Request) error
	Access Access // nil: only the administrator calls
	// Ended is closed when live tails are to end.
	Ended  <-chan struct{}
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// Handler is the http.Handler of the API.
type Handler struct {
	Options
	verifier   *sigv4.Verifier // nil: no signatures
	targets    *awsapi.Targets
	codec      *awsapi.Codec
	operations map[string]operation
	tails      chan struct{} // holds a token for each live tail
	searches   chan struct{} // holds a token for each search from inside
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

// act is handle for an operation without an answer.
func act[I any](do func(*I) error) operation {
	return func(_ context.Context, input any) (any, error) { return nil, do(input.(*I)) }
}

// New makes a Handler.
func New(o Options) *Handler {
	service := model.Service()
	h := &Handler{Options: o, targets: awsapi.NewTargets(service), codec: awsapi.NewCodec(service), tails: make(chan struct{}, maxTails)}
	h.searches = make(chan struct{}, max(1, runtime.NumCPU()/searchShare))
	if h.Now == nil {
		h.Now = time.Now
	}
	if o.Keys != nil {
		h.verifier = sigv4.New(sigv4.Options{Service: service.Name, Region: o.Scope.Region, Keys: o.Keys, Now: h.Now})
	}
	h.operations = map[string]operation{
		model.OpCreateLogGroup:                act(h.createGroup),
		model.OpDeleteLogGroup:                act(h.deleteGroup),
		model.OpDescribeLogGroups:             handle(h.describeGroups),
		model.OpPutRetentionPolicy:            act(h.putRetention),
		model.OpDeleteRetentionPolicy:         act(h.deleteRetention),
		model.OpPutLogGroupDeletionProtection: act(h.putProtection),
		model.OpListTagsForResource:           handle(h.listTags),
		model.OpTagResource:                   act(h.tag),
		model.OpUntagResource:                 act(h.untag),
		model.OpCreateLogStream:               act(h.createStream),
		model.OpDeleteLogStream:               act(h.deleteStream),
		model.OpDescribeLogStreams:            handle(h.describeStreams),
		model.OpPutLogEvents:                  handle(h.putEvents),
		model.OpGetLogEvents:                  handle(h.getEvents),
		model.OpFilterLogEvents:               handle(h.filterEvents),
	}
	return h
}

// Ours tells whether a request is one to this API.
func (h *Handler) Ours(r *http.Request) bool {
	return h.targets.Ours(r.Header.Get(awsapi.TargetHeader))
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := lambda.NewUUID()
	op, input, err := h.admit(r)
	if err == nil && op.Name == model.OpStartLiveTail {
		err = h.tail(w, r, id, input.(*model.StartLiveTailRequest))
		if err == nil {
			return
		}
	}
	var output any
	if err == nil {
		output, err = h.run(r.Context(), op, input)
	}
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	h.codec.Encode(op, output).Write(w, id)
}

func (h *Handler) run(ctx context.Context, op *awsapi.Operation, input any) (any, error) {
	run := h.operations[op.Name]
	if run == nil {
		return nil, lambda.Errorf(awsapi.CodeNotImplemented, "This server does not support the operation %s yet.", op.Name)
	}
	output, err := run(ctx, input)
	return output, told(err)
}

// admit reads, verifies, decodes, authorises and validates.
func (h *Handler) admit(r *http.Request) (op *awsapi.Operation, input any, err error) {
	if h.Trust != nil {
		if err := h.Trust(r); err != nil {
			return nil, nil, err
		}
	}
	op, ok := h.targets.Find(r.Header.Get(awsapi.TargetHeader))
	if !ok || r.Method != http.MethodPost {
		signed.Discard(r)
		return nil, nil, lambda.Errorf(awsapi.CodeUnknownOperation, "No operation is known for %s %s.", r.Method, r.Header.Get(awsapi.TargetHeader))
	}
	body, keyID, err := signed.Body(r, h.verifier, op.MaxBody, op.Name)
	if err != nil {
		return nil, nil, err
	}
	if input, err = h.codec.Decode(&awsapi.Request{Route: awsapi.Route{Operation: op}, Header: r.Header, Body: body}); err != nil {
		return nil, nil, err
	}
	if err := h.authorise(r, keyID, op, input); err != nil {
		return nil, nil, err
	}
	if err := h.codec.Validate(op, input); err != nil {
		if broken := new(lambda.Error); errors.As(err, &broken) {
			err = invalid("%s", broken.Message) // the code that this service has for it
		}
		return nil, nil, err
	}
	return op, input, nil
}

// authorise asks whether the sender may do this to what the input names.
func (h *Handler) authorise(r *http.Request, keyID string, op *awsapi.Operation, input any) error {
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
	action := "logs:" + op.Name
	for _, resource := range h.resources(input) {
		if h.Access == nil {
			return iam.Denied(c, action, resource.arn)
		}
		q := iam.Question{Action: action, Resource: resource.arn, Also: resource.also, Context: iam.ContextOf(r)}
		if err := h.Access.Authorise(c, q); err != nil {
			return err
		}
	}
	return nil
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

// Codes of the service's errors.
const (
	codeInvalidParameter = "InvalidParameterException"
	codeNotFound         = "ResourceNotFoundException"
	codeExists           = "ResourceAlreadyExistsException"
	codeLimitExceeded    = "LimitExceededException"
	codeValidation       = "ValidationException"
)

func invalid(format string, args ...any) error {
	return lambda.Errorf(codeInvalidParameter, "%s", fmt.Sprintf(format, args...))
}

// told puts the store's errors in the service's words.
func told(err error) error {
	switch {
	case errors.Is(err, logstore.ErrNoGroup):
		return lambda.Errorf(codeNotFound, "The specified log group does not exist.")
	case errors.Is(err, logstore.ErrNoStream):
		return lambda.Errorf(codeNotFound, "The specified log stream does not exist.")
	case errors.Is(err, logstore.ErrGroupExists):
		return lambda.Errorf(codeExists, "The specified log group already exists")
	case errors.Is(err, logstore.ErrStreamExists):
		return lambda.Errorf(codeExists, "The specified log stream already exists")
	case errors.Is(err, logstore.ErrProtected):
		return lambda.Errorf(codeValidation, "The log group is protected against deletion. Disable its deletion protection first.")
	}
	return err
}
