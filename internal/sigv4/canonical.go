package sigv4

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// canonicalRequest appends the request's canonical form: method, path, query,
// headers and their names, each on its own line. The body's hash comes behind.
func canonicalRequest(buf []byte, a *authorization, r *Request) []byte {
	buf = append(buf, r.Method...)
	buf = append(buf, '\n')
	buf = appendPath(buf, r.Path)
	buf = append(buf, '\n')
	buf = append(buf, a.canonicalQuery...)
	buf = append(buf, '\n')
	for name := range strings.SplitSeq(a.signedHeaders, ";") {
		buf = append(buf, name...)
		buf = append(buf, ':')
		buf = appendHeader(buf, name, r)
		buf = append(buf, '\n')
	}
	buf = append(buf, '\n')
	buf = append(buf, a.signedHeaders...)
	return append(buf, '\n')
}

// appendPath escapes the path that was sent once more: the clients of every
// service but S3 do.
func appendPath(buf []byte, path string) []byte {
	if path == "" {
		return append(buf, '/')
	}
	return appendEscaped(buf, path, true)
}

func escape(s string) string { return string(appendEscaped(nil, s, false)) }

// appendEscaped escapes everything but RFC 3986's unreserved characters.
func appendEscaped(buf []byte, s string, keepSlash bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~' || c == '/' && keepSlash {
			buf = append(buf, c)
		} else {
			buf = append(buf, '%', digits[c>>4], digits[c&15])
		}
	}
	return buf
}

// appendHeader appends a header's values, trimmed, inner spaces collapsed, joined
// by commas. net/http keeps host, and sometimes the length, apart.
func appendHeader(buf []byte, name string, r *Request) []byte {
	switch name {
	case "host":
		return append(buf, r.Host...)
	case "content-length":
		return strconv.AppendInt(buf, r.ContentLength, 10)
	}
	for i, value := range headerValues(r.Header, name) {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendCollapsed(buf, value)
	}
	return buf
}

func headerValues(h http.Header, name string) []string {
	return h[textproto.CanonicalMIMEHeaderKey(name)]
}

func appendCollapsed(buf []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	space := false
	for i := range len(value) {
		c := value[i]
		if c == ' ' && space {
			continue
		}
		space = c == ' '
		buf = append(buf, c)
	}
	return buf
}
