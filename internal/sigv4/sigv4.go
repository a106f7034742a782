// Package sigv4 verifies AWS Signature Version 4, in the Authorization header or
// in the query (a presigned request).
//
// Vocabulary: the credential scope names day, region and service that a
// signature is good for; the signing key is derived from a secret and its scope;
// the canonical request is what both sides hash.
//
// A Verifier does no input or output: keys come from Options.Keys, the time from
// Options.Now. It remembers derived signing keys, at most maxCached of them. All
// methods may be called from any goroutine.
//
// What a signature covers here is all that a server acts upon: method, path,
// query, host, every X-Amz- header that is there, and the body. Clients of Lambda
// send no X-Amz-Content-Sha256: the payload's hash is always computed from the
// received body, and the header or parameter, if there, must agree with it;
// UNSIGNED-PAYLOAD is refused.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"thaw/internal/lambda"
)

// Skew is how far a request's time may be from the server's, either way.
const Skew = 5 * time.Minute

// codeIncompleteSignature is answered to a request that lacks a part.
const codeIncompleteSignature = "IncompleteSignatureException"

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	// maxSignedHeaders bounds the header names a signature may list.
	maxSignedHeaders = 100
)

// Keys finds secrets. The session token is empty for permanent keys. An error is
// a *lambda.Error: the key is unknown, or has expired.
type Keys interface {
	Secret(accessKeyID, sessionToken string, now time.Time) (secret string, err error)
}

// Options configure a Verifier.
type Options struct {
	Service string // "lambda"
	Region  string // the one region that signatures may name; empty means any
	Keys    Keys
	Now     func() time.Time // nil means time.Now
}

// Verifier checks signatures of one service.
type Verifier struct {
	service string
	region  string
	keys    Keys
	now     func() time.Time
	derived derivedKeys
}

// New makes a Verifier.
func New(o Options) *Verifier {
	v := &Verifier{service: o.Service, region: o.Region, keys: o.Keys, now: o.Now}
	if v.now == nil {
		v.now = time.Now
	}
	return v
}

// Request is the signed parts of an HTTP request.
type Request struct {
	Method string
	// Path and Query are as they stood in the request line, still escaped.
	Path, Query   string
	Host          string
	ContentLength int64
	Header        http.Header
	Body          []byte
}

// Precheck checks all but the signature itself: that it is whole, of now and of
// a key that is known. It needs no body, and tells who need not be given memory
// for one. The access key is the one that the request names.
func (v *Verifier) Precheck(r *Request) (accessKeyID string, err error) {
	c, err := v.claim(r)
	return c.keyID, err
}

// claim is what a request says of itself: who signed it, what of it, and when.
type claim struct {
	authorization
	stamp  string // the time of signing
	token  string // of the session
	sent   string // the payload's hash, if the request tells it
	secret string
}

func (v *Verifier) claim(r *Request) (claim, error) {
	c, err := v.read(r)
	if err != nil {
		return c, err
	}
	if err := v.checkScope(c.authorization); err != nil {
		return c, err
	}
	if err := c.checkCoverage(r.Header); err != nil {
		return c, err
	}
	c.secret, err = v.keys.Secret(c.keyID, c.token, v.now())
	return c, err
}

// read takes the claim from where it stands. A request that signs in both places
// is refused: two readers could take it for two users'.
func (v *Verifier) read(r *Request) (c claim, err error) {
	query, err := parseQuery(r.Query)
	if err != nil {
		return c, err
	}
	header := r.Header.Get("Authorization")
	if query.presigned() {
		if header != "" {
			return c, incomplete("A request may be signed in the Authorization header or in the query, not in both.")
		}
		return v.readQuery(query, r)
	}
	if header == "" {
		return c, lambda.Errorf(lambda.CodeMissingAuthenticationTkn, "Missing Authentication Token")
	}
	if c.authorization, err = parseAuthorization(header); err != nil {
		return c, err
	}
	c.token = r.Header.Get("X-Amz-Security-Token")
	c.sent = r.Header.Get("X-Amz-Content-Sha256")
	c.canonicalQuery = query.canonical()
	c.stamp, err = v.checkHeaderTime(r.Header, c.date)
	return c, err
}

// Verify checks the signature and returns the access key that made it. Every
// error is a *lambda.Error.
func (v *Verifier) Verify(r *Request) (accessKeyID string, err error) {
	c, err := v.claim(r)
	if err != nil {
		return "", err
	}
	payloadHash, err := c.checkPayload(r.Body)
	if err != nil {
		return "", err
	}
	want := sign(v.derived.key(c.authorization, c.secret), c.stamp, payloadHash, &c.authorization, r)
	if subtle.ConstantTimeCompare(want[:], c.signature[:]) != 1 {
		return "", invalid("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return c.keyID, nil
}

func invalid(format string, args ...any) error {
	return lambda.Errorf(lambda.CodeInvalidSignature, format, args...)
}

func incomplete(format string, args ...any) error {
	return lambda.Errorf(codeIncompleteSignature, format, args...)
}

// checkHeaderTime reads the time of a request that is signed in its header: it
// is sent at once, so that it must be near the server's.
func (v *Verifier) checkHeaderTime(h http.Header, day string) (string, error) {
	stamp := h.Get("X-Amz-Date")
	if stamp == "" {
		date := h.Get("Date")
		if date == "" {
			return "", incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
		}
		at, err := http.ParseTime(date)
		if err != nil {
			return "", incomplete("Date must be in ISO-8601 'basic format'. Got '%s'.", date)
		}
		stamp = at.UTC().Format(timeFormat)
	}
	return stamp, v.checkTime(stamp, day, Skew)
}

// checkTime demands that a request was signed on the scope's day, not longer ago
// than it lives, and not in the future.
func (v *Verifier) checkTime(stamp, day string, life time.Duration) error {
	at, err := time.Parse(timeFormat, stamp)
	if err != nil {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '%s'.", stamp)
	}
	if stamp[:8] != day {
		return invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", day, stamp[:8], stamp)
	}
	now := v.now().UTC()
	if earliest := now.Add(-life); at.Before(earliest) {
		return invalid("Signature expired: %s is now earlier than %s (%s - %s)", stamp, earliest.Format(timeFormat), now.Format(timeFormat), lifeText(life))
	}
	if latest := now.Add(Skew); at.After(latest) {
		return invalid("Signature not yet current: %s is still later than %s (%s + %s)", stamp, latest.Format(timeFormat), now.Format(timeFormat), lifeText(Skew))
	}
	return nil
}

func lifeText(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min.", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func (v *Verifier) checkScope(a authorization) error {
	if v.region != "" && a.region != v.region {
		return invalid("Credential should be scoped to a valid region, not '%s'. This server stands for '%s'.", a.region, v.region)
	}
	if a.service != v.service {
		return invalid("Credential should be scoped to correct service: '%s'.", v.service)
	}
	return nil
}

// checkPayload hashes the body. A client that tells a hash must tell this one.
func (c *claim) checkPayload(body []byte) ([2 * sha256.Size]byte, error) {
	var digits [2 * sha256.Size]byte
	sum := sha256.Sum256(body)
	hex.Encode(digits[:], sum[:])
	if c.sent != "" && c.sent != string(digits[:]) {
		return digits, invalid("The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return digits, nil
}

// sign computes the signature that the request should carry.
func sign(key []byte, stamp string, payloadHash [2 * sha256.Size]byte, a *authorization, r *Request) [sha256.Size]byte {
	buf := canonicalRequest(make([]byte, 0, 1024), a, r)
	buf = append(buf, payloadHash[:]...)
	hashed := sha256.Sum256(buf)

	buf = append(buf[:0], algorithm+"\n"...)
	buf = append(buf, stamp...)
	buf = append(buf, '\n')
	buf = append(buf, a.date...)
	buf = append(buf, '/')
	buf = append(buf, a.region...)
	buf = append(buf, '/')
	buf = append(buf, a.service...)
	buf = append(buf, "/"+terminator+"\n"...)
	buf = hex.AppendEncode(buf, hashed[:])

	mac := hmac.New(sha256.New, key)
	mac.Write(buf)
	mac.Sum(hashed[:0])
	return hashed
}

func hmacSHA256(key []byte, data string) []byte {
	mac := hmac.New(sha256.New, key)
	fmt.Fprint(mac, data)
	return mac.Sum(nil)
}
