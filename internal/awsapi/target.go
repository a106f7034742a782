package awsapi

import (
	"net/http"
	"strings"

	"thaw/internal/lambda"
)

// TargetHeader chooses the operation of a service of awsJson.
const TargetHeader = "X-Amz-Target"

// Targets finds the operations of a service of awsJson.
type Targets struct {
	prefix     string
	operations map[string]*Operation
}

// NewTargets makes the Targets of a service.
func NewTargets(s *Service) *Targets {
	t := &Targets{prefix: s.Target + ".", operations: make(map[string]*Operation, len(s.Operations))}
	for i := range s.Operations {
		t.operations[s.Operations[i].Name] = &s.Operations[i]
	}
	return t
}

// Ours tells whether a header names this service.
func (t *Targets) Ours(target string) bool { return strings.HasPrefix(target, t.prefix) }

// Find returns the operation that a header names; ok is false if there is none.
func (t *Targets) Find(target string) (op *Operation, ok bool) {
	name, ours := strings.CutPrefix(target, t.prefix)
	op = t.operations[name]
	return op, ours && op != nil
}

const (
	restType   = "application/json"
	targetType = "application/x-amz-json-1.1"
	// targetType10 differs in nothing but its name.
	targetType10 = "application/x-amz-json-1.0"
)

func (s *Service) contentType() string {
	switch {
	case s.Target == "":
		return restType
	case s.JSONVersion == "1.0":
		return targetType10
	}
	return targetType
}

// targetError is an error of awsJson: its code is in the body.
func (c *Codec) targetError(fault *Fault, e *lambda.Error) *Response {
	body := appendString(append(make([]byte, 0, 64+len(e.Message)), `{"__type":`...), c.service.ErrorPrefix+fault.Code)
	body = append(append(append(body, `,"`...), fault.MessageKey...), `":`...)
	body = append(appendString(body, e.Message), '}')
	return &Response{Status: fault.Status, Header: c.errorHeader(fault, c.service.contentType()), Body: body}
}

// queryErrorHeader tells the code that awsQuery has for an error, and whose fault it is.
const queryErrorHeader = "X-Amzn-Query-Error"

// errorHeader is the header of an error in a protocol that is not awsQuery.
func (c *Codec) errorHeader(fault *Fault, contentType string) http.Header {
	h := http.Header{"Content-Type": {contentType}}
	if c.service.QueryCompatible {
		h[queryErrorHeader] = []string{fault.queryCode() + ";" + fault.blame()}
	}
	return h
}

// queryCode is the fault's code in awsQuery.
func (f *Fault) queryCode() string {
	if f.Query != "" {
		return f.Query
	}
	return f.Code
}

// blame is how awsQuery tells whose fault it is.
func (f *Fault) blame() string {
	if f.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}
