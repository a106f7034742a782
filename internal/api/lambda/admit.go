package lambda

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/sigv4"
)

const (
	// largeBody is from where on a body counts as large, in bytes: every Invoke
	// is below.
	largeBody = 8 << 20
	// maxLarge bounds the large bodies in memory.
	maxLarge = 4
	// largeWait is how long a large body waits for its turn.
	largeWait = 10 * time.Second
	// firstRead bounds the memory that a request gets for what it only announces.
	firstRead = 256 << 10
	// maxDrain bounds what is read and thrown away of a body that is too large.
	// Clients send all of it before they look for an answer.
	maxDrain = 512 << 20
)

// admit reads the body up to the operation's limit, verifies the signature and
// asks whether its owner may. release must be called when the body is no longer
// needed.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, route awsapi.Route, path, query string) (body []byte, c iam.Caller, release func(), err error) {
	op := route.Operation
	signed := &sigv4.Request{Method: r.Method, Path: path, Query: query, Host: r.Host, ContentLength: r.ContentLength, Header: r.Header}
	if r.ContentLength < 0 || r.ContentLength > firstRead {
		// Nobody unknown gets memory for a large body.
		if err := h.precheck(r, signed, route, query); err != nil {
			discard(r.Body, maxDrain)
			return nil, c, nil, err
		}
	}
	if err := checkAnnounced(r, op); err != nil {
		return nil, c, nil, err
	}
	release = func() {}
	if op.MaxBody >= largeBody && (r.ContentLength < 0 || r.ContentLength >= largeBody) {
		if release, err = h.reserve(r); err != nil {
			return nil, c, nil, err
		}
		pace(w, r)
	}
	body, err = readBody(r, op)
	keyID := ""
	if err == nil && h.verifier != nil {
		signed.Body = body
		keyID, err = h.verifier.Verify(signed)
	}
	if err == nil {
		c, err = h.authorise(r, keyID, route, query, body)
	}
	if err != nil {
		release()
		return nil, c, nil, err
	}
	return body, c, release, nil
}

// precheck asks what can be asked before the body is there: whether the key is
// known, and, unless the body names what the operation is about, whether its owner
// may.
func (h *Handler) precheck(r *http.Request, signed *sigv4.Request, route awsapi.Route, query string) error {
	keyID := ""
	if h.verifier != nil {
		var err error
		if keyID, err = h.verifier.Precheck(signed); err != nil {
			return err
		}
	}
	if name := route.Operation.Name; namesFunction(name) || givesTags(name) || givesSettings(name) {
		return nil
	}
	_, err := h.authorise(r, keyID, route, query, nil)
	return err
}

// reserve waits for its turn with a body that is large, or may become so.
func (h *Handler) reserve(r *http.Request) (release func(), err error) {
	turn := time.NewTimer(largeWait)
	defer turn.Stop()
	select {
	case h.large <- struct{}{}:
		return func() { <-h.large }, nil
	case <-turn.C:
		discard(r.Body, maxDrain)
		return nil, &lambda.Error{Code: lambda.CodeTooManyRequests, Message: "Too many large requests are under way.",
			Reason: "CallerRateLimitExceeded", RetryAfter: largeWait}
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// limitOf is the largest body that an operation takes, in bytes.
func limitOf(op *awsapi.Operation) int64 {
	if inclusive(op) {
		return op.MaxBody
	}
	return op.MaxBody - 1 // "must be smaller than"
}

// checkAnnounced refuses a body whose length says that it is too large.
func checkAnnounced(r *http.Request, op *awsapi.Operation) error {
	if r.ContentLength <= limitOf(op) {
		return nil
	}
	discard(r.Body, maxDrain)
	return tooLarge(op, r.ContentLength)
}

// readBody reads all of a body, or says how it is too large.
func readBody(r *http.Request, op *awsapi.Operation) ([]byte, error) {
	limit := limitOf(op)
	if r.ContentLength == 0 {
		return nil, nil
	}
	size := r.ContentLength + 1 // room for the end to show itself
	if size <= 0 || size > firstRead {
		size = firstRead
	}
	body, err := readUpTo(r.Body, make([]byte, 0, size), limit+1)
	if err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			return nil, tooLarge(op, tooLong.Limit)
		}
		return nil, lambda.Errorf(awsapi.CodeSerialization, "Could not read the request body: %v", err)
	}
	if int64(len(body)) > limit {
		return nil, tooLarge(op, int64(len(body))+discard(r.Body, maxDrain))
	}
	return body, nil
}

// readUpTo appends what r has, max bytes at most.
func readUpTo(r io.Reader, buf []byte, max int64) ([]byte, error) {
	for int64(len(buf)) < max {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		room := min(int64(cap(buf)), max)
		n, err := r.Read(buf[len(buf):room])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// discard reads up to max bytes and returns how many there were.
func discard(r io.Reader, max int64) int64 {
	n, _ := io.CopyN(io.Discard, r, max) // what cannot be read need not be
	return n
}

// inclusive tells payload limits, which a payload may reach, from request limits.
func inclusive(op *awsapi.Operation) bool {
	switch op.Name {
	case model.OpInvoke, model.OpInvokeWithResponseStream, model.OpInvokeAsync:
		return true
	default:
		return false
	}
}

func tooLarge(op *awsapi.Operation, size int64) error {
	switch op.Name {
	case model.OpInvoke, model.OpInvokeWithResponseStream:
		return payloadTooLarge(size, typeRequestResponse, op.MaxBody)
	case model.OpInvokeAsync:
		return payloadTooLarge(size, typeEvent, op.MaxBody)
	default:
		return lambda.Errorf(lambda.CodeRequestEntityTooLarge, "Request must be smaller than %d bytes for the %s operation", op.MaxBody, op.Name)
	}
}

func payloadTooLarge(size int64, invocationType string, limit int64) error {
	return &lambda.Error{Code: lambda.CodeRequestEntityTooLarge, Message: fmt.Sprintf(
		"%d byte payload is too large for the %s invocation type (limit %d bytes)", size, invocationType, limit)}
}

// Verified puts the signature check of the API in front of another handler of
// this server, which is for users only. The body must be empty.
func (h *Handler) Verified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.Trust(r); err != nil {
			h.fail(w, r, lambda.NewUUID(), err)
			return
		}
		if err := h.verifyUser(r); err != nil {
			h.fail(w, r, lambda.NewUUID(), err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Handler) verifyUser(r *http.Request) error {
	path, query := requestTarget(r)
	keyID := ""
	if h.verifier != nil {
		var err error
		keyID, err = h.verifier.Verify(&sigv4.Request{Method: r.Method, Path: path, Query: query, Host: r.Host,
			ContentLength: r.ContentLength, Header: r.Header})
		if err != nil {
			return err
		}
	}
	c, err := h.callerOf(r, keyID)
	switch q := (iam.Question{Action: administration, Resource: anyResource}); {
	case err != nil || c.Administrator():
		return err
	case c.Session != nil: // whatever functions are allowed
		return iam.Denied(c, q.Action, q.Resource)
	default:
		return h.ask(r, c, q)
	}
}
