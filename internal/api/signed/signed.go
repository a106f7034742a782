// Package signed reads the bodies of requests and checks their signatures, for
// services whose requests are all of one kind.
package signed

import (
	"io"
	"net/http"
	"strings"

	"thaw/internal/awsapi"
	"thaw/internal/lambda"
	"thaw/internal/sigv4"
)

const (
	// unverified is how much of a body is read of who has not shown a known key.
	unverified = 64 << 10
	// maxDiscard bounds what is read and thrown away: clients look for an answer
	// when they have sent everything.
	maxDiscard = 64 << 20
)

// Body reads the body, of most bytes at most, and checks the signature; a nil
// verifier asks for none. The operation, if it is known, is told where the body is
// too large for it.
func Body(r *http.Request, verifier *sigv4.Verifier, most int64, operation string) (body []byte, keyID string, err error) {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	request := &sigv4.Request{Method: r.Method, Path: path, Query: query, Host: r.Host, ContentLength: r.ContentLength, Header: r.Header}
	if verifier != nil && (r.ContentLength < 0 || r.ContentLength > unverified) {
		if _, err := verifier.Precheck(request); err != nil {
			Discard(r)
			return nil, "", err
		}
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, most+1))
	if err != nil {
		return nil, "", lambda.Errorf(awsapi.CodeSerialization, "Could not read the request body: %v", err)
	}
	if int64(len(body)) > most {
		Discard(r)
		if operation != "" {
			operation = " for the " + operation + " operation"
		}
		return nil, "", lambda.Errorf(lambda.CodeRequestEntityTooLarge, "Request must be at most %d bytes%s", most, operation)
	}
	if verifier == nil {
		return body, "", nil
	}
	request.Body = body
	keyID, err = verifier.Verify(request)
	return body, keyID, err
}

// Discard reads what a client still sends, within bounds, so that it looks for its
// answer.
func Discard(r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, maxDiscard) // what cannot be read need not be
}
