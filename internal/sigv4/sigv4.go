// Package sigv4 verifies AWS Signature Version 4 in the Authorization header.
//
// Vocabulary: the credential scope names day, region and service that a
// signature is good for; the signing key is derived from a secret and its scope;
// the canonical request is what both sides hash.
//
// A Verifier does no input or output: keys come from Options.Keys, the time from
// Options.Now. It remembers derived signing keys, at most maxCached of them. All
// methods may be called from any goroutine.
//
// Clients of Lambda send no X-Amz-Content-Sha256: the payload's hash is always
// computed from the received body, and the header, if there, must agree with it.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"thaw/internal/lambda"
)

// Skew is how far a request's time may be from the server's, either way.
const Skew = 5 * time.Minute

// codeIncompleteSignature is answered to a header that lacks a part.
const codeIncompleteSignature = "IncompleteSignatureException"

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	// maxSignedHeaders bounds the header names a signature may list.
	maxSignedHeaders = 100
)

// Keys finds secrets. The session token is empty for permanent keys.
type Keys interface {
	Secret(accessKeyID, sessionToken string) (secret string, ok bool)
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

// Precheck checks all but the signature itself: that the header is whole, of now
// and of a key that is known. It needs no body, and tells who need not be given
// memory for one.
func (v *Verifier) Precheck(r *Request) error {
	_, err := v.claim(r)
	return err
}

// claim is what a request says of itself: who signed it, and when.
type claim struct {
	authorization
	stamp  string // X-Amz-Date
	secret string
}

func (v *Verifier) claim(r *Request) (claim, error) {
	var c claim
	header := r.Header.Get("Authorization")
	if header == "" {
		return c, lambda.Errorf(lambda.CodeMissingAuthenticationTkn, "Missing Authentication Token")
	}
	var err error
	if c.authorization, err = parseAuthorization(header); err != nil {
		return c, err
	}
	if c.stamp, err = v.checkTime(r.Header, c.date); err != nil {
		return c, err
	}
	if err := v.checkScope(c.authorization); err != nil {
		return c, err
	}
	secret, ok := v.keys.Secret(c.keyID, r.Header.Get("X-Amz-Security-Token"))
	if !ok {
		return c, lambda.Errorf(lambda.CodeUnrecognizedClient, "The security token included in the request is invalid.")
	}
	c.secret = secret
	return c, nil
}

// Verify checks the signature and returns the access key that made it. Every
// error is a *lambda.Error.
func (v *Verifier) Verify(r *Request) (accessKeyID string, err error) {
	c, err := v.claim(r)
	if err != nil {
		return "", err
	}
	payloadHash, err := checkPayload(r)
	if err != nil {
		return "", err
	}
	want := sign(v.derived.key(c.authorization, c.secret), c.stamp, payloadHash, c.authorization, r)
	if subtle.ConstantTimeCompare(want[:], c.signature[:]) != 1 {
		return "", invalid("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return c.keyID, nil
}

func invalid(format string, args ...any) error {
	return lambda.Errorf(lambda.CodeInvalidSignature, format, args...)
}

// checkTime reads the request's time, which must be of the scope's day and near
// the server's. It returns the time's text, a part of what is signed.
func (v *Verifier) checkTime(h http.Header, day string) (string, error) {
	stamp := h.Get("X-Amz-Date")
	var at time.Time
	var err error
	if stamp != "" {
		at, err = time.Parse(timeFormat, stamp)
	} else if date := h.Get("Date"); date != "" {
		at, err = http.ParseTime(date)
		stamp = at.UTC().Format(timeFormat)
	} else {
		return "", incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if err != nil {
		return "", incomplete("Date must be in ISO-8601 'basic format'. Got '%s'.", stamp)
	}
	if stamp[:8] != day {
		return "", invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", day, stamp[:8], stamp)
	}
	now := v.now().UTC()
	if earliest := now.Add(-Skew); at.Before(earliest) {
		return "", invalid("Signature expired: %s is now earlier than %s (%s - 5 min.)", stamp, earliest.Format(timeFormat), now.Format(timeFormat))
	}
	if latest := now.Add(Skew); at.After(latest) {
		return "", invalid("Signature not yet current: %s is still later than %s (%s + 5 min.)", stamp, latest.Format(timeFormat), now.Format(timeFormat))
	}
	return stamp, nil
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

// authorization is the parsed Authorization header.
type authorization struct {
	keyID, date, region, service string

	signedHeaders string
	signature     [sha256.Size]byte
}

func incomplete(format string, args ...any) error {
	return lambda.Errorf(codeIncompleteSignature, format, args...)
}

func parseAuthorization(header string) (authorization, error) {
	var a authorization
	rest, ok := strings.CutPrefix(header, algorithm)
	if !ok || rest == "" || (rest[0] != ' ' && rest[0] != '\t') {
		scheme, _, _ := strings.Cut(header, " ")
		return a, incomplete("Unsupported AWS 'algorithm': '%s'.", scheme)
	}
	var credential, signature string
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.TrimSpace(part)
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return a, incomplete("'%s' not a valid key=value pair (missing equal-sign) in Authorization header.", part)
		}
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			a.signedHeaders = value
		case "Signature":
			signature = value
		}
	}
	for _, p := range []struct{ name, value string }{{"Credential", credential}, {"Signature", signature}, {"SignedHeaders", a.signedHeaders}} {
		if p.value == "" {
			return a, incomplete("Authorization header requires '%s' parameter.", p.name)
		}
	}
	if err := a.parseCredential(credential); err != nil {
		return a, err
	}
	if err := a.checkSignedHeaders(); err != nil {
		return a, err
	}
	if len(signature) != 2*sha256.Size {
		return a, incomplete("Signature must have %d hexadecimal digits.", 2*sha256.Size)
	}
	if _, err := hex.Decode(a.signature[:], []byte(signature)); err != nil {
		return a, incomplete("Signature must have %d hexadecimal digits.", 2*sha256.Size)
	}
	return a, nil
}

// parseCredential takes the scope from the right: an ID may hold slashes.
func (a *authorization) parseCredential(credential string) error {
	var part [4]string // date, region, service, terminator
	rest := credential
	for i := len(part) - 1; i >= 0; i-- {
		cut := strings.LastIndexByte(rest, '/')
		if cut < 0 {
			return incomplete("Credential must have at least 5 slash-separated elements, got '%s'.", credential)
		}
		rest, part[i] = rest[:cut], rest[cut+1:]
	}
	a.keyID, a.date, a.region, a.service = rest, part[0], part[1], part[2]
	if part[3] != terminator {
		return invalid("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, part[3])
	}
	if len(a.date) != len("20060102") {
		return incomplete("Credential must name its date as YYYYMMDD, got '%s'.", a.date)
	}
	return nil
}

// checkSignedHeaders demands the host: a signature that leaves it out could be
// replayed against another server.
func (a *authorization) checkSignedHeaders() error {
	if strings.Count(a.signedHeaders, ";") >= maxSignedHeaders {
		return incomplete("SignedHeaders must name at most %d headers.", maxSignedHeaders)
	}
	for name := range strings.SplitSeq(a.signedHeaders, ";") {
		if name == "host" {
			return nil
		}
	}
	return invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
}

// checkPayload hashes the body. A client that sends a hash must send this one:
// "UNSIGNED-PAYLOAD" is for other services.
func checkPayload(r *Request) ([2 * sha256.Size]byte, error) {
	var digits [2 * sha256.Size]byte
	sum := sha256.Sum256(r.Body)
	hex.Encode(digits[:], sum[:])
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != "" && sent != string(digits[:]) {
		return digits, invalid("The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return digits, nil
}

// sign computes the signature that the request should carry.
func sign(key []byte, stamp string, payloadHash [2 * sha256.Size]byte, a authorization, r *Request) [sha256.Size]byte {
	buf := canonicalRequest(make([]byte, 0, 1024), a.signedHeaders, r)
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
