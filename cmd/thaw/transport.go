package main

import (
	"bytes"
	"io"
	"net/http"
)

// maxWhole is the size up to which a request's body is sent as a whole, in bytes.
const maxWhole = 1 << 20

// wholeBodies sends small bodies from memory, in one piece with the head.
//
// The SDK hands the transport a body that it closes when the head of the answer
// is there. The transport flushes the head before a body of unknown kind, writes
// the body, and then looks whether it has ended; finding it closed instead, as
// with a server that has answered already, it gives up the connection, and with
// it the rest of the answer (smithy-go 1.28, net/http of Go 1.26). A body in memory
// is sent after that look.
type wholeBodies struct{ next http.RoundTripper }

func (t wholeBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.ContentLength <= 0 || r.ContentLength > maxWhole {
		return t.next.RoundTrip(r)
	}
	content, err := io.ReadAll(r.Body)
	r.Body.Close() // which a transport has to do
	if err != nil {
		return nil, err
	}
	whole := r.Clone(r.Context())
	whole.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	whole.Body, _ = whole.GetBody()
	return t.next.RoundTrip(whole)
}
