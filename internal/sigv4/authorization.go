package sigv4

import (
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// authorization is a signature with what it says of itself.
type authorization struct {
	keyID, date, region, service string

	signedHeaders  string
	signature      [sha256.Size]byte
	canonicalQuery string
}

// maxExpires bounds the life of a presigned request: a week, by the algorithm's
// documentation.
const maxExpires = 7 * 24 * time.Hour

func parseAuthorization(header string) (authorization, error) {
	var a authorization
	rest, ok := strings.CutPrefix(header, algorithm)
	if !ok || rest == "" || rest[0] != ' ' {
		scheme, _, _ := strings.Cut(header, " ")
		return a, incomplete("Unsupported AWS 'algorithm': '%s'.", scheme)
	}
	var credential, signature string
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.Trim(part, " ")
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
	return a, a.parse(credential, signature)
}

// readQuery takes the claim of a presigned request, which says itself how long
// it lives.
func (v *Verifier) readQuery(q query, r *Request) (c claim, err error) {
	for _, name := range []string{paramCredential, paramDate, paramExpires, paramSignedHeaders, paramSignature} {
		if q.get(name) == "" {
			return c, incomplete("AWS query-string parameters must include '%s'.", name)
		}
	}
	if q.repeats() {
		return c, incomplete("AWS query-string parameters must not be repeated.")
	}
	if got := q.get(paramAlgorithm); got != algorithm {
		return c, incomplete("Unsupported AWS 'algorithm': '%s'.", got)
	}
	c.signedHeaders = q.get(paramSignedHeaders)
	c.canonicalQuery = q.canonical()
	if err := c.parse(q.get(paramCredential), q.get(paramSignature)); err != nil {
		return c, err
	}
	seconds, err := strconv.Atoi(q.get(paramExpires))
	if err != nil || seconds < 1 || seconds > int(maxExpires/time.Second) {
		return c, incomplete("X-Amz-Expires must be a number of seconds from 1 to %d.", maxExpires/time.Second)
	}
	c.stamp = q.get(paramDate)
	if c.token, c.sent = q.get(paramToken), q.get(paramContentHash); c.sent == "" {
		c.sent = r.Header.Get("X-Amz-Content-Sha256")
	}
	return c, v.checkTime(c.stamp, c.date, time.Duration(seconds)*time.Second)
}

func (a *authorization) parse(credential, signature string) error {
	if err := a.parseCredential(credential); err != nil {
		return err
	}
	if err := a.checkSignedHeaders(); err != nil {
		return err
	}
	if !decodeLowerHex(a.signature[:], signature) {
		return incomplete("Signature must have %d hexadecimal digits in lower case.", 2*sha256.Size)
	}
	return nil
}

// decodeLowerHex knows one form of each value only, so that a request cannot be
// changed and mean the same.
func decodeLowerHex(to []byte, digits string) bool {
	if len(digits) != 2*len(to) {
		return false
	}
	for i := range len(digits) {
		c := digits[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return false
		}
		to[i/2] = to[i/2]<<4 | c
	}
	return true
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
	if !a.signs("host") {
		return invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return nil
}

func (a *authorization) signs(header string) bool {
	for name := range strings.SplitSeq(a.signedHeaders, ";") {
		if name == header {
			return true
		}
	}
	return false
}

// checkCoverage demands that every X-Amz- header is signed: they change what a
// request does. The time and the payload's hash need not be listed, they are part
// of what is signed anyway.
func (a *authorization) checkCoverage(h http.Header) error {
	const prefix = "X-Amz-"
	for name := range h {
		if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) || name == paramDate || name == paramContentHash {
			continue
		}
		if !a.signs(strings.ToLower(name)) {
			return invalid("'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	return nil
}
