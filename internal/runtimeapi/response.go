package runtimeapi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// serveResponse takes the answer to the event. Its client may send it whole, in
// chunks, or in streaming mode with the error, if any, in the trailers.
func serveResponse(c *conn, id []byte) reply {
	x, ok := c.srv.claim(id, eventResponse)
	if !ok {
		return invalidID()
	}
	head := time.Now()
	q := &c.req
	if mode := q.header("lambda-runtime-function-response-mode"); mode != nil && !equalFold(mode, "streaming") {
		c.srv.settle(x, Outcome{BadMode: true}, head)
		return failed(400, "InvalidFunctionResponseMode", "Invalid function response mode")
	}
	c.in.allow(x.invocation.Deadline)
	contentType := text(q.header("content-type"))
	body, err := c.body(c.srv.opts.MaxResponse)
	o, r := received(body, err, c.srv.opts.MaxResponse)
	if r.status == accepted.status {
		o.ContentType = contentType
		if o.Failure = trailerFailure(q); o.Failure != nil {
			o.Payload, o.ContentType = nil, ""
		}
	}
	c.srv.settle(x, o, head)
	return r
}

// received judges a body: whole, too large or truncated.
func received(body payload, err error, max int64) (Outcome, reply) {
	var bad *protocolError
	switch {
	case errors.As(err, &bad):
		r := bad.reply()
		r.closing = true
		return Outcome{Truncated: true}, r
	case err != nil:
		r := failed(400, "TruncatedHTTPRequest", "HTTP request detected as truncated")
		r.closing = true
		return Outcome{Truncated: true}, r
	case body.size > max:
		return Outcome{TooLarge: body.size}, failed(413, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", max))
	}
	return Outcome{Payload: body.bytes}, accepted
}

// trailerFailure is the error that a streamed response ended with.
func trailerFailure(q *request) *Failure {
	errorType := q.trailer("lambda-runtime-function-error-type")
	report := q.trailer("lambda-runtime-function-error-body")
	if len(errorType) == 0 && len(report) == 0 {
		return nil
	}
	f := &Failure{Type: errorName(errorType), ContentType: jsonType}
	body := make([]byte, base64.StdEncoding.DecodedLen(len(report)))
	n, err := base64.StdEncoding.Decode(body, report)
	if err != nil || n == 0 {
		f.Body = envelope(f.Type, "")
		return f
	}
	f.Body = body[:n]
	return f
}

// invalidID answers whoever reports on an event that is not open: it never was,
// it was answered before, or somebody is answering it.
func invalidID() reply {
	return failed(400, "InvalidRequestID", "Invalid request ID")
}

// text copies a value out of the head, without cost for the usual one.
func text(b []byte) string {
	if string(b) == jsonType {
		return jsonType
	}
	return string(b)
}
