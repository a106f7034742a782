package main

import (
	"io"
	"net/http"
)

// readBodies sends requests whose bodies can be read and no more. The SDK's bodies
// can write themselves too, and once the SDK has closed one, which it does when it
// has the head of the answer, they do so with io.EOF. For net/http, which still
// asks whether there is more of the body, that is a broken request: it closes the
// connection, and the answer is lost. A server nearby is quick enough for that to
// happen.
type readBodies struct{ next http.RoundTripper }

func (b readBodies) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return b.next.RoundTrip(request)
	}
	sent := request.WithContext(request.Context()) // the caller's own is not to be changed
	sent.Body = struct{ io.ReadCloser }{request.Body}
	return b.next.RoundTrip(sent)
}
