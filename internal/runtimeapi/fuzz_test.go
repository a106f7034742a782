package runtimeapi_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"thaw/internal/runtimeapi"
)

// FuzzParse holds the parser to net/http's: what ours accepts, that one reads as
// the same request. Ours may refuse more.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"POST /a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n",
		"POST / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 0003\r\n\r\nabc",
		"GET http://h/p?q HTTP/1.1\nHost: x\n\n",
		"\r\nGET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
	} {
		f.Add([]byte(seed))
	}
	const max = 1 << 10
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := runtimeapi.Parse(bufio.NewReaderSize(bytes.NewReader(in), 64), max)
		if int64(len(got.Body)) > max {
			t.Fatalf("body of %d bytes, limit %d", len(got.Body), max)
		}
		if err != nil {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(bytes.TrimPrefix(in, []byte("\r")), []byte("\n")))))
		if err != nil {
			if isStricterThere(err) {
				return
			}
			t.Fatalf("net/http refuses what was accepted: %v", err)
		}
		if got.Method != theirs.Method {
			t.Errorf("method %q, want %q", got.Method, theirs.Method)
		}
		body, err := io.ReadAll(io.LimitReader(theirs.Body, max+1))
		if err != nil {
			if isStricterThere(err) {
				return
			}
			t.Fatalf("net/http refuses a body that was accepted: %v", err)
		}
		if len(body) <= max && !bytes.Equal(body, got.Body) {
			t.Errorf("body %q, want %q", got.Body, body)
		}
	})
}

// isStricterThere names what net/http checks and we have no need of: the
// target's syntax, hosts, what fields may be trailers and that CRLF ends them.
func isStricterThere(err error) bool {
	for _, s := range []string{"parse ", "invalid URI", "malformed Host", "too many Host", "invalid trailer", "bad trailer key", "invalid method", "unexpected EOF reading trailer"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}
