package runtimeapi

import (
	"bytes"
	"encoding/json"
	"time"
)

// serveError takes a handler's failure; its body goes to the caller verbatim.
func serveError(c *conn, id []byte) reply {
	x, ok := c.srv.claim(id, eventErrorResponse)
	if !ok {
		return invalidID()
	}
	head := time.Now()
	c.in.allow(x.invocation.Deadline)
	f, o, r := c.report()
	if r.status == accepted.status {
		o = Outcome{Failure: f}
	}
	c.srv.settle(x, o, head)
	return r
}

// report reads a failure from the current request.
func (c *conn) report() (*Failure, Outcome, reply) {
	q := &c.req
	f := &Failure{
		Type:        errorName(q.header("lambda-runtime-function-error-type")),
		ContentType: text(q.header("content-type")),
	}
	body, err := c.body(c.srv.opts.MaxResponse)
	o, r := received(body, err, c.srv.opts.MaxResponse)
	f.Body = o.Payload
	if r.status == accepted.status && f.ContentType == causeType {
		f.Body, f.ContentType = withoutCause(f.Body), jsonType
	}
	return f, o, r
}

// causeType marks a report that carries the failure's cause for tracing.
const causeType = "application/vnd.aws.lambda.error.cause+json"

// withoutCause takes the cause out of a report. What is not such a report is
// left as it is.
func withoutCause(body []byte) []byte {
	var report struct {
		Message json.RawMessage `json:"errorMessage,omitempty"`
		Type    json.RawMessage `json:"errorType,omitempty"`
		Stack   json.RawMessage `json:"stackTrace,omitempty"`
	}
	if json.Unmarshal(body, &report) != nil {
		return body
	}
	stripped, err := json.Marshal(report)
	if err != nil {
		return body
	}
	return stripped
}

// errorName keeps an error's type if it is of the form Runtime.Name or
// Function.Name, and otherwise says which of the two is unknown: the text is
// the function's own, and metrics must not grow with it.
func errorName(b []byte) string {
	owner, name, dot := bytes.Cut(b, []byte{'.'})
	function := dot && string(owner) == "Function"
	if (function || string(owner) == "Runtime") && isName(name) {
		return string(b)
	}
	if function {
		return "Function.Unknown"
	}
	return "Runtime.Unknown"
}

// isName tells one upper-case letter with letters behind it.
func isName(b []byte) bool {
	if len(b) < 2 || b[0] < 'A' || b[0] > 'Z' {
		return false
	}
	for _, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}
