package awsapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"thaw/internal/lambda"
)

// Codes that the front end itself answers with, beside those of package lambda.
const (
	CodeNotImplemented   = "NotImplementedException"
	CodeUnknownOperation = "UnknownOperationException"
)

// EncodeError makes the answer of an error. Anything but a *lambda.Error is an
// internal fault: the client learns no more than that.
//
// The body's member for the text, and whether it has a Type, differ by error and
// are compared by clients' tests: they follow the model and recorded answers.
func (c *Codec) EncodeError(err error) *Response {
	told, fault := c.faultOf(err)
	if c.service.Target != "" {
		return c.targetError(fault, told)
	}
	resp := &Response{Status: fault.Status, Header: http.Header{
		"Content-Type":     {"application/json"},
		"X-Amzn-Errortype": {told.Code},
	}}
	if told.RetryAfter > 0 {
		resp.Header["Retry-After"] = []string{wholeSeconds(told.RetryAfter)}
	}
	resp.Body = errorBody(fault, told)
	return resp
}

// faultOf is what is told of an error.
func (c *Codec) faultOf(err error) (told *lambda.Error, fault *Fault) {
	if !errors.As(err, &told) {
		told = &lambda.Error{Code: lambda.CodeService, Message: "An internal error occurred."}
	}
	fault = c.faults[told.Code]
	if fault == nil {
		fault = &Fault{Code: told.Code, Status: http.StatusInternalServerError, MessageKey: "Message"}
	}
	return told, fault
}

func errorBody(fault *Fault, e *lambda.Error) []byte {
	buf := append(make([]byte, 0, 64+len(e.Message)), '{')
	if e.Reason != "" {
		buf = append(buf, `"Reason":`...)
		buf = append(appendString(buf, e.Reason), ',')
	}
	if !fault.Plain && !e.Untyped {
		kind := "User"
		if fault.Status >= http.StatusInternalServerError {
			kind = "Service"
		}
		buf = append(buf, `"Type":"`...)
		buf = append(append(buf, kind...), '"', ',')
	}
	buf = append(append(append(buf, '"'), fault.MessageKey...), '"', ':')
	return append(appendString(buf, e.Message), '}')
}

func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// Write sends an answer. The request's id goes with every one.
func (r *Response) Write(w http.ResponseWriter, requestID string) {
	h := w.Header()
	for name, values := range r.Header {
		h[name] = values
	}
	SetRequestID(h, requestID)
	if len(r.Body) == 0 && r.Status == http.StatusNoContent {
		h.Del("Content-Type")
	} else {
		h["Content-Length"] = []string{strconv.Itoa(len(r.Body))}
	}
	w.WriteHeader(r.Status)
	// A client that went away is no concern of the operation.
	_, _ = w.Write(r.Body)
}

// SetRequestID writes the header in the service's own spelling.
func SetRequestID(h http.Header, id string) {
	//nolint:staticcheck // not the canonical form: clients show it as it was sent
	h["x-amzn-RequestId"] = []string{id}
}

// Told is what an error is to a client where it is part of an answer: the code that
// awsQuery has for it, the text, and whether it is the client's fault.
func (c *Codec) Told(err error) (code, message string, sender bool) {
	told, fault := c.faultOf(err)
	return fault.queryCode(), told.Message, fault.Status < http.StatusInternalServerError
}
