package runtimeapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
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

// FuzzExtensions has a peer send anything to the endpoints of extensions: every
// answer is HTTP with a known status and JSON, and the limits hold.
func FuzzExtensions(f *testing.F) {
	for _, seed := range []string{
		"POST /2020-01-01/extension/register HTTP/1.1\r\nLambda-Extension-Name: x\r\nContent-Length: 32\r\n\r\n{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}",
		"POST /2020-01-01/extension/register HTTP/1.1\r\nLambda-Extension-Name: y\r\nLambda-Extension-Accept-Feature: accountId,a\r\nContent-Length: 2\r\n\r\n{}",
		"GET /2020-01-01/extension/event/next HTTP/1.1\r\nLambda-Extension-Identifier: 00000000-0000-4000-8000-000000000000\r\n\r\n",
		"POST /2020-01-01/extension/init/error HTTP/1.1\r\nLambda-Extension-Identifier: x\r\nLambda-Extension-Function-Error-Type: E\r\nContent-Length: 0\r\n\r\n",
		"PUT /2022-07-01/telemetry HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"GET /2026-01-15/metadata/execution-environment HTTP/1.1\r\nAuthorization: Bearer t\r\n\r\n",
		"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(seed))
		f.Add([]byte(seed + seed))
	}
	known := []int{100, 200, 202, 400, 401, 403, 404, 405, 413, 417, 431, 501, 505}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := runtimeapi.New(runtimeapi.Options{
			Extensions: []string{"x"}, Subscriptions: nobody{}, SnapStart: true,
			Metadata: runtimeapi.Metadata{Token: "t", AvailabilityZoneID: "z"},
		})
		defer s.Close()
		out := bufio.NewReader(bytes.NewReader(s.Converse(in)))
		asHead := bytes.Contains(in, []byte("HEAD ")) // bodies cannot be told then
		for !asHead {
			if _, err := out.Peek(1); err != nil {
				break
			}
			r, err := http.ReadResponse(out, nil)
			if err != nil {
				t.Fatalf("answer: %v", err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || !slices.Contains(known, r.StatusCode) {
				t.Fatalf("answer: %v, %s", err, r.Status)
			}
			if len(body) > 0 && r.Header.Get("Content-Type") == "application/json" && !json.Valid(body) {
				t.Fatalf("answer is no JSON: %s", body)
			}
		}
		if n := len(s.Extensions()); n > 10 {
			t.Fatalf("%d extensions", n)
		}
	})
}
