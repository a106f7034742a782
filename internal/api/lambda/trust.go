package lambda

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"thaw/internal/iam"
	"thaw/internal/lambda"
)

// Trust refuses, on a server that asks for no signatures, what a web page in a
// browser of this machine may have sent. Listening on loopback does not keep
// that out: any page can send a POST to 127.0.0.1, with an Origin header of its
// own host; and one whose host's name is made to lead to 127.0.0.1 can read the
// answers too, with that name in the Host header. Functions have an address of
// their own for the server, which no browser's connection comes to.
func (h *Handler) Trust(r *http.Request) error {
	if h.verifier != nil {
		return nil // the page has no key
	}
	if _, inside := iam.CallerOf(r.Context()); !inside && !loopback(r.Host) {
		return lambda.Errorf(lambda.CodeAccessDenied,
			"A server without authentication answers requests to localhost or a loopback address only, and the Host header is '%s'.", r.Host)
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return lambda.Errorf(lambda.CodeAccessDenied,
				"A server without authentication does not answer web pages of other hosts, and the Origin header is '%s'.", origin)
		}
	}
	return nil
}

// loopback tells whether a Host header names this machine for itself. Names below
// localhost do so too (RFC 6761, 6.3).
func loopback(host string) bool {
	name := host
	if before, _, err := net.SplitHostPort(host); err == nil {
		name = before
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Unmap().IsLoopback()
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
