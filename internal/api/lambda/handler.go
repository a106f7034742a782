package lambda

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/iam"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/sigv4"
)

// Reader shows functions. Package control implements it.
type Reader interface {
	GetFunction(ctx context.Context, ref lambda.Ref) (control.View, error)
	ListFunctions(ctx context.Context, in control.ListInput) (views []control.View, next string, err error)
}

// Writer changes functions. Package control implements it.
type Writer interface {
	CreateFunction(ctx context.Context, in control.CreateFunctionInput) (control.View, error)
	UpdateFunctionCode(ctx context.Context, ref lambda.Ref, in control.UpdateCodeInput) (control.View, error)
	UpdateFunctionConfiguration(ctx context.Context, ref lambda.Ref, s control.Settings, revisionID string) (control.View, error)
	DeleteFunction(ctx context.Context, ref lambda.Ref) error
}

// Control is all of them.
type Control interface {
	Reader
	Writer
	Versions
	Aliases
	Layers
	LayerPermissions
	Configs
	Mappings
	SigningConfigs
	FunctionSigning
	Permissions
	ResourcePolicies
}

// Invoker runs invocations. Package invoke implements it.
type Invoker interface {
	Invoke(ctx context.Context, req invoke.Request) (lambda.Result, error)
}

// Packages opens the zip of a version. Package code implements it.
type Packages interface {
	Open(ctx context.Context, code lambda.Code) (io.ReadSeekCloser, error)
}

// Options configure a Handler.
type Options struct {
	Control Control
	Invoke  Invoker
	// Events takes asynchronous invocations; nil answers them with 501.
	Events   Events
	Packages Packages
	Scope    lambda.Scope
	// Keys verify signatures. Nil means that requests need none: for loopback only.
	Keys sigv4.Keys
	// Access decides what callers may do. Nil lets users do everything and the
	// sessions of functions nothing.
	Access Access
	Roles  Roles // nil: functions may have any role
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// Handler is the http.Handler of the API.
type Handler struct {
	control  Control
	invoker  Invoker
	events   Events // may be nil
	packages Packages
	scope    lambda.Scope
	verifier *sigv4.Verifier // nil: no signatures
	access   Access          // may be nil
	roles    Roles           // may be nil
	log      *slog.Logger
	now      func() time.Time

	router     *awsapi.Router
	codec      *awsapi.Codec
	operations map[string]operation
	large      chan struct{}   // holds a token for each large body in memory
	signingKey []byte          // of code locations, new at each start
	qualified  map[string]bool // operations that take a Qualifier in the query
}

// operation carries out one operation on its decoded input.
type operation func(ctx context.Context, c *call) (output any, err error)

// call is one request on its way.
type call struct {
	op    *awsapi.Operation
	input any
	// base is "http://host", for the links in an answer.
	base string
}

// New makes a Handler.
func New(o Options) *Handler {
	service := model.Service()
	h := &Handler{
		control: o.Control, invoker: o.Invoke, events: o.Events, packages: o.Packages, scope: o.Scope, access: o.Access, roles: o.Roles, log: o.Logger, now: o.Now,
		router: awsapi.NewRouter(service), codec: awsapi.NewCodec(service),
		large: make(chan struct{}, maxLarge), signingKey: make([]byte, 32),
	}
	if h.now == nil {
		h.now = time.Now
	}
	rand.Read(h.signingKey)
	h.qualified = qualifiedOperations(service)
	if o.Keys != nil {
		h.verifier = sigv4.New(sigv4.Options{Service: service.Name, Region: o.Scope.Region, Keys: o.Keys, Now: h.now})
	}
	h.operations = map[string]operation{
		model.OpCreateFunction:               h.createFunction,
		model.OpGetFunction:                  h.getFunction,
		model.OpGetFunctionConfiguration:     h.getFunctionConfiguration,
		model.OpListFunctions:                h.listFunctions,
		model.OpUpdateFunctionCode:           h.updateFunctionCode,
		model.OpUpdateFunctionConfiguration:  h.updateFunctionConfiguration,
		model.OpDeleteFunction:               h.deleteFunction,
		model.OpPublishVersion:               h.publishVersion,
		model.OpListVersionsByFunction:       h.listVersionsByFunction,
		model.OpCreateAlias:                  h.createAlias,
		model.OpUpdateAlias:                  h.updateAlias,
		model.OpGetAlias:                     h.getAlias,
		model.OpListAliases:                  h.listAliases,
		model.OpDeleteAlias:                  h.deleteAlias,
		model.OpPublishLayerVersion:          h.publishLayerVersion,
		model.OpGetLayerVersion:              h.getLayerVersion,
		model.OpGetLayerVersionByArn:         h.getLayerVersionByArn,
		model.OpListLayers:                   h.listLayers,
		model.OpListLayerVersions:            h.listLayerVersions,
		model.OpDeleteLayerVersion:           h.deleteLayerVersion,
		model.OpAddLayerVersionPermission:    h.addLayerVersionPermission,
		model.OpRemoveLayerVersionPermission: h.removeLayerVersionPermission,
		model.OpGetLayerVersionPolicy:        h.getLayerVersionPolicy,
		model.OpAddPermission:                h.addPermission,
		model.OpRemovePermission:             h.removePermission,
		model.OpGetPolicy:                    h.getPolicy,
		model.OpPutResourcePolicy:            h.putResourcePolicy,
		model.OpGetResourcePolicy:            h.getResourcePolicy,
		model.OpDeleteResourcePolicy:         h.deleteResourcePolicy,
	}
	maps.Copy(h.operations, h.configOperations())
	maps.Copy(h.operations, h.mappingOperations())
	maps.Copy(h.operations, h.signingOperations())
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := lambda.NewUUID()
	if err := h.Trust(r); err != nil {
		h.fail(w, r, id, err)
		return
	}
	path, query := requestTarget(r)
	if strings.HasPrefix(path, codePath) {
		h.serveCode(w, r, id)
		return
	}
	route, ok := h.router.Find(r.Method, path, query)
	if !ok {
		h.fail(w, r, id, lambda.Errorf(awsapi.CodeUnknownOperation, "No operation is known for %s %s.", r.Method, path))
		return
	}
	body, caller, release, err := h.admit(w, r, route, path, query)
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	defer release()
	switch req := (&awsapi.Request{Route: route, Query: query, Header: r.Header, Body: body}); route.Operation.Name {
	case model.OpInvoke:
		h.serveInvoke(w, r, id, req)
		return
	case model.OpInvokeAsync:
		h.serveInvokeAsync(w, r, id, req)
		return
	}
	output, err := h.call(r, caller, &awsapi.Request{Route: route, Query: query, Header: r.Header, Body: body})
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	h.codec.Encode(route.Operation, output).Write(w, id)
}

// call decodes, validates and carries out.
func (h *Handler) call(r *http.Request, caller iam.Caller, req *awsapi.Request) (output any, err error) {
	op := req.Route.Operation
	input, err := h.codec.Decode(req)
	if err != nil {
		return nil, err
	}
	if err := h.codec.Validate(op, input); err != nil {
		return nil, err
	}
	if err := h.authoriseInput(r, caller, input); err != nil {
		return nil, err
	}
	run := h.operations[op.Name]
	if run == nil {
		return nil, notBuilt("operation " + op.Name)
	}
	return run(r.Context(), &call{op: op, input: input, base: baseURL(r)})
}

// Unbuilt lists the operations that are answered with status 501.
func (h *Handler) Unbuilt() []string {
	var names []string
	for _, op := range model.Service().Operations {
		if h.operations[op.Name] == nil && op.Name != model.OpInvoke && (op.Name != model.OpInvokeAsync || h.events == nil) {
			names = append(names, op.Name)
		}
	}
	return names
}

func notBuilt(what string) error {
	return lambda.Errorf(awsapi.CodeNotImplemented, "This server does not support the %s yet.", what)
}

// fail answers an error. What is no client's fault is logged: it is all that an
// operator will learn of it.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, id string, err error) {
	var told *lambda.Error
	if !errors.As(err, &told) && r.Context().Err() == nil {
		h.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request_id", id),
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("error", err.Error()))
	}
	h.codec.EncodeError(err).Write(w, id)
}

// requestTarget is path and query as they stood in the request line.
func requestTarget(r *http.Request) (path, query string) {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, query, _ = strings.Cut(r.RequestURI, "?")
		return path, query
	}
	return r.URL.EscapedPath(), r.URL.RawQuery
}

func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s", scheme, r.Host)
}
