// Package identity is the STS and IAM APIs over HTTP, as far as tools of functions
// need them: who a caller is, users, roles and their policies, access keys, and
// credentials of a role. What operations mean is said by package iam.
//
// Both services speak awsQuery: a form in, XML out; the form's Version tells which
// is meant. Every request passes the same steps: it is read, verified, its sender
// must be allowed what it asks for, and only then is an operation called. Groups are
// not here, and the administrator's keys are the administrator's matter.
//
// A Handler starts no goroutines and is safe for concurrent use.
package identity

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"thaw/internal/awsapi"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/sigv4"
)

// maxBody bounds a request, in bytes: documents are the largest part of one.
const maxBody = 256 << 10

// Options configure a Handler.
type Options struct {
	Access    *iam.Access
	Directory *iam.Directory
	Scope     lambda.Scope
	// Keys verify signatures. Nil means that requests need none; then Trust tells
	// which are refused all the same.
	Keys   sigv4.Keys
	Trust  func(*http.Request) error
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// service is one of the two.
type service struct {
	namespace  string
	verifier   *sigv4.Verifier // nil: no signatures
	prefix     string          // of actions
	operations map[string]operation
}

// operation carries out one operation.
type operation func(ctx context.Context, c *call) (output any, err error)

// call is one request on its way.
type call struct {
	awsapi.Query
	caller    iam.Caller
	access    *iam.Access
	directory *iam.Directory
	http      *http.Request
	id        string // of the request
}

// Handler is the http.Handler of both services.
type Handler struct {
	Options
	services map[string]*service // by the Version of their requests
}

// New makes a Handler.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{Options: o}
	h.services = map[string]*service{
		"2011-06-15": h.service("sts", "https://sts.amazonaws.com/doc/2011-06-15/", h.tokenOperations()),
		"2010-05-08": h.service("iam", "https://iam.amazonaws.com/doc/2010-05-08/", h.directoryOperations()),
	}
	return h
}

// service has a verifier of its own. Clients sign for the region that they stand
// for, or for the one that the service has its home in: any is taken.
func (h *Handler) service(name, namespace string, operations map[string]operation) *service {
	s := &service{namespace: namespace, prefix: name + ":", operations: operations}
	if h.Keys != nil {
		s.verifier = sigv4.New(sigv4.Options{Service: name, Keys: h.Keys, Now: h.Now})
	}
	return s
}

// Ours tells whether a request is one to these APIs.
func (h *Handler) Ours(r *http.Request) bool { return awsapi.IsQuery(r) }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{access: h.Access, directory: h.Directory, http: r, id: lambda.NewUUID()}
	s, output, err := h.serve(r, c)
	namespace := "https://iam.amazonaws.com/doc/2010-05-08/"
	if s != nil {
		namespace = s.namespace
	}
	var resp *awsapi.Response
	if err == nil {
		resp, err = awsapi.EncodeQuery(c.Query, namespace, c.id, output)
	}
	if err != nil {
		resp = h.failure(r, c, namespace, err)
	}
	resp.Write(w, c.id)
}

func (h *Handler) serve(r *http.Request, c *call) (s *service, output any, err error) {
	if h.Trust != nil {
		if err := h.Trust(r); err != nil {
			return nil, nil, err
		}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return nil, nil, lambda.Errorf(lambda.CodeRequestEntityTooLarge, "Request must be at most %d bytes.", maxBody)
	}
	if c.Query, err = awsapi.ParseQuery(body); err != nil {
		return nil, nil, err
	}
	s = h.services[c.Version]
	if s == nil {
		return nil, nil, noAction(c.Query)
	}
	if c.caller, err = h.callerOf(s, r, body); err != nil {
		return s, nil, err
	}
	run := s.operations[c.Action]
	if run == nil {
		return s, nil, noAction(c.Query)
	}
	output, err = run(r.Context(), c)
	return s, output, err
}

func noAction(q awsapi.Query) error {
	return lambda.Errorf(awsapi.CodeUnknownOperation, "Could not find operation %s for version %s: this server does not support it.", q.Action, q.Version)
}

// callerOf verifies the signature, or, where nobody signs, asks the connection.
func (h *Handler) callerOf(s *service, r *http.Request, body []byte) (iam.Caller, error) {
	if s.verifier == nil {
		c, _ := iam.CallerOf(r.Context())
		return c, nil
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	keyID, err := s.verifier.Verify(&sigv4.Request{Method: r.Method, Path: path, Query: query, Host: r.Host,
		ContentLength: r.ContentLength, Header: r.Header, Body: body})
	if err != nil {
		return iam.Caller{}, err
	}
	return h.Access.Caller(keyID)
}

// may asks whether the caller may do this.
func (c *call) may(service, resource string, more map[string][]string) error {
	context := iam.ContextOf(c.http)
	c.tellTags(resource, context)
	for key, values := range more {
		context[key] = values
	}
	return c.access.Authorise(c.caller, iam.Question{Action: service + c.Action, Resource: resource, Context: context})
}

// faults name errors as these services do.
var faults = map[string]awsapi.QueryFault{
	lambda.CodeAccessDenied:             {Code: "AccessDenied", Status: http.StatusForbidden},
	lambda.CodeUnrecognizedClient:       {Code: "InvalidClientTokenId", Status: http.StatusForbidden},
	lambda.CodeInvalidSignature:         {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	lambda.CodeMissingAuthenticationTkn: {Code: "MissingAuthenticationToken", Status: http.StatusForbidden},
	lambda.CodeRequestEntityTooLarge:    {Code: "RequestEntityTooLarge", Status: http.StatusRequestEntityTooLarge},
	"ExpiredTokenException":             {Code: "ExpiredToken", Status: http.StatusForbidden},
	"IncompleteSignatureException":      {Code: "IncompleteSignature", Status: http.StatusBadRequest},
	awsapi.CodeUnknownOperation:         {Code: "InvalidAction", Status: http.StatusBadRequest},
	awsapi.CodeNotImplemented:           {Code: "NotImplemented", Status: http.StatusNotImplemented},
	iam.CodeNoSuchEntity:                {Code: iam.CodeNoSuchEntity, Status: http.StatusNotFound},
	iam.CodeEntityAlreadyExists:         {Code: iam.CodeEntityAlreadyExists, Status: http.StatusConflict},
	iam.CodeDeleteConflict:              {Code: iam.CodeDeleteConflict, Status: http.StatusConflict},
	iam.CodeLimitExceeded:               {Code: iam.CodeLimitExceeded, Status: http.StatusConflict},
	iam.CodeUnmodifiable:                {Code: iam.CodeUnmodifiable, Status: http.StatusBadRequest},
	"ConcurrentModification":            {Code: "ConcurrentModification", Status: http.StatusConflict},
}

// failure is the answer of an error. What is no client's fault is logged.
func (h *Handler) failure(r *http.Request, c *call, namespace string, err error) *awsapi.Response {
	var told *lambda.Error
	if !errors.As(err, &told) {
		if r.Context().Err() == nil {
			h.Logger.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request_id", c.id),
				slog.String("action", c.Action), slog.String("error", err.Error()))
		}
		return awsapi.EncodeQueryError(awsapi.QueryFault{Code: "ServiceFailure", Status: http.StatusInternalServerError},
			namespace, c.id, &lambda.Error{Message: "An internal error occurred."})
	}
	fault, ok := faults[told.Code]
	if !ok {
		fault = awsapi.QueryFault{Code: told.Code, Status: http.StatusBadRequest}
	}
	return awsapi.EncodeQueryError(fault, namespace, c.id, told)
}

// rule is what a member must be.
type rule struct {
	max     int
	pattern *regexp.Regexp
}

func newRule(max int, pattern string) rule {
	return rule{max, regexp.MustCompile(`^(?:` + pattern + `)$`)}
}

// The rules of names and ARNs, from the service's model.
var (
	nameRule    = newRule(64, `[\w+=,.@-]+`)
	policyRule  = newRule(128, `[\w+=,.@-]+`)
	pathRule    = newRule(512, `(/)|(/[!-~]+/)`)
	arnRule     = newRule(2048, `arn:[!-~]{16,}`)
	sessionRule = newRule(64, `[\w+=,.@-]{2,}`)
	versionRule = newRule(16, `v[1-9][0-9]*`)
	anyRule     = newRule(131072, `[\s\S]*`)
)

// text is a member that must be there.
func (c *call) text(name string, r rule) (string, error) {
	text, ok := c.Text(name)
	at := strings.ToLower(name[:1]) + name[1:]
	switch {
	case !ok:
		return "", lambda.Errorf(iam.CodeValidationError,
			"1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", at)
	case len(text) > r.max:
		return "", lambda.Errorf(iam.CodeValidationError,
			"1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", text, at, r.max)
	case !r.pattern.MatchString(text):
		return "", lambda.Errorf(iam.CodeValidationError, "The specified value for %s is invalid. It must satisfy the pattern %s",
			at, strings.TrimSuffix(strings.TrimPrefix(r.pattern.String(), "^(?:"), ")$"))
	}
	return text, nil
}

// option is a member that may be missing.
func (c *call) option(name, missing string, r rule) (string, error) {
	if _, ok := c.Text(name); !ok {
		return missing, nil
	}
	return c.text(name, r)
}

// number is a member in a range that may be missing.
func (c *call) number(name string, missing, low, high int) (int, error) {
	text, ok := c.Text(name)
	if !ok {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, lambda.Errorf(iam.CodeValidationError,
			"1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have value between %d and %d",
			text, strings.ToLower(name[:1])+name[1:], low, high)
	}
	return n, nil
}

// members is a list as XML: it is there when it is empty, too, for clients look for it.
type members[T any] []T

// MarshalXML writes each element as a member.
func (m members[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for i := range m {
		if err := e.EncodeElement(m[i], xml.StartElement{Name: xml.Name{Local: "member"}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}
