package awsapi

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// Protocol is one of those in which a client may call a service whose operations
// have no paths of their own.
type Protocol uint8

// The protocols. What they say is the same.
const (
	JSON Protocol = iota // awsJson 1.0 and 1.1
	CBOR                 // Smithy RPC v2 CBOR
	Form                 // awsQuery
)

// Calls finds the operations of a service that speaks several protocols.
type Calls struct {
	targets *Targets
	path    string // of CBOR, up to the operation's name
	service *Service
}

// NewCalls makes the Calls of a service.
func NewCalls(s *Service) *Calls {
	return &Calls{targets: NewTargets(s), path: "/service/" + s.Target + "/operation/", service: s}
}

// Of tells in which protocol a request calls this service; ok is false if it is
// none of this service's. A form tells its service by whom it is signed for, or in
// its body, of which the first bytes are read ahead then.
func (c *Calls) Of(r *http.Request) (p Protocol, ok bool) {
	switch {
	case c.targets.Ours(r.Header.Get(TargetHeader)):
		return JSON, true
	case strings.HasPrefix(r.URL.Path, c.path):
		return CBOR, true
	case c.service.QueryVersion != "" && IsQuery(r):
		return Form, c.ours(r)
	}
	return 0, false
}

// Find is the operation of a request of Of. query is that of a form.
func (c *Calls) Find(p Protocol, r *http.Request, query Query) (op *Operation, ok bool) {
	name := query.Action
	switch p {
	case JSON:
		return c.targets.Find(r.Header.Get(TargetHeader))
	case CBOR:
		name = strings.TrimPrefix(r.URL.Path, c.path)
	case Form:
		if query.Version != c.service.QueryVersion {
			return nil, false
		}
	}
	op = c.targets.operations[name]
	return op, op != nil
}

// maxPeek is how far ahead the body of a form is read for its Version: clients
// begin with it.
const maxPeek = 4 << 10

// ours tells whether a form is for this service.
func (c *Calls) ours(r *http.Request) bool {
	// "AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …"
	if _, scope, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		scope, _, _ = strings.Cut(scope, ",")
		parts := strings.Split(strings.TrimSpace(scope), "/")
		return len(parts) == 5 && parts[3] == c.service.Name
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, maxPeek))
	r.Body = &rewound{io.MultiReader(bytes.NewReader(head), failing{err}, r.Body), r.Body}
	for pair := range strings.SplitSeq(string(head), "&") {
		if version, ok := strings.CutPrefix(pair, "Version="); ok {
			return version == c.service.QueryVersion
		}
	}
	return false
}

// rewound is a body of which a part has been read ahead.
type rewound struct {
	io.Reader
	io.Closer
}

// failing ends with the error that reading ahead has met, if any.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// DecodeAs makes the input of an operation of a request's body; query is that of a
// form. It checks types, not constraints.
func (c *Codec) DecodeAs(p Protocol, op *Operation, body []byte, query Query) (any, error) {
	switch p {
	case CBOR:
		return c.decodeCBOR(op, body)
	case Form:
		return c.decodeForm(op, query)
	}
	return c.Decode(&Request{Route: Route{Operation: op}, Body: body})
}

// EncodeAs makes the answer of an operation. requestID is part of the bodies of
// awsQuery.
func (c *Codec) EncodeAs(p Protocol, op *Operation, output any, requestID string) (*Response, error) {
	switch p {
	case CBOR:
		return c.encodeCBOR(op, output)
	case Form:
		return c.encodeForm(op, output, requestID), nil
	}
	return c.Encode(op, output), nil
}

// EncodeErrorAs makes the answer of an error; see EncodeError.
func (c *Codec) EncodeErrorAs(p Protocol, err error, requestID string) *Response {
	told, fault := c.faultOf(err)
	switch p {
	case CBOR:
		return c.cborError(fault, told)
	case Form:
		return EncodeQueryError(QueryFault{Code: fault.queryCode(), Status: fault.Status}, c.service.XMLNamespace, requestID, told)
	}
	return c.EncodeError(err)
}
