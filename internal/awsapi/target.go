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
)

func (s *Service) contentType() string {
	if s.Target != "" {
		return targetType
	}
	return restType
}

// targetError is an error of awsJson: its code is in the body.
func (c *Codec) targetError(fault *Fault, e *lambda.Error) *Response {
	body := appendString(append(make([]byte, 0, 64+len(e.Message)), `{"__type":`...), fault.Code)
	body = append(append(append(body, `,"`...), fault.MessageKey...), `":`...)
	body = append(appendString(body, e.Message), '}')
	return &Response{Status: fault.Status, Header: http.Header{"Content-Type": {targetType}}, Body: body}
}
