package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"thaw/internal/lambda"
	"thaw/internal/sigv4"
)

// presigned lets the SDK's own presigner sign a request.
func presigned(t testing.TB, method, target, body string, expires time.Duration, credentials aws.Credentials) *sigv4.Request {
	t.Helper()
	req, err := http.NewRequest(method, "http://127.0.0.1:4566"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if expires > 0 {
		query := req.URL.Query()
		query.Set("X-Amz-Expires", strconv.Itoa(int(expires/time.Second)))
		req.URL.RawQuery = query.Encode()
	}
	sum := sha256.Sum256([]byte(body))
	signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, req, hex.EncodeToString(sum[:]), "lambda", "us-east-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(signed, "http://"), "/")
	path, query, _ := strings.Cut("/"+rest, "?")
	header.Del("Host")
	return &sigv4.Request{Method: method, Path: path, Query: query, Host: req.URL.Host,
		ContentLength: int64(len(body)), Header: header, Body: []byte(body)}
}

func permanent() aws.Credentials {
	return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
}

func session() aws.Credentials {
	return aws.Credentials{AccessKeyID: sessionID, SecretAccessKey: secret, SessionToken: sessionToken}
}

func TestPresigned(t *testing.T) {
	tests := []struct {
		name, method, target, body string
		credentials                aws.Credentials
		want                       string
	}{
		{"list", "GET", "/2015-03-31/functions", "", permanent(), keyID},
		{"list with parameters", "GET", "/2015-03-31/functions?Marker=a%2Fb%3D&MaxItems=3", "", permanent(), keyID},
		{"invoke", "POST", "/2015-03-31/functions/f%3A%24LATEST/invocations", `{"a":1}`, permanent(), keyID},
		{"session", "GET", "/2015-03-31/functions", "", session(), sessionID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := presigned(t, tt.method, tt.target, tt.body, time.Hour, tt.credentials)
			if id, err := verifier(signedAt.Add(30 * time.Minute)).Verify(r); err != nil || id != tt.want {
				t.Errorf("Verify = %q, %v", id, err)
			}
		})
	}
}

func TestPresignedRefused(t *testing.T) {
	set := func(name, value string) func(*sigv4.Request) {
		return func(r *sigv4.Request) {
			query, _ := url.ParseQuery(r.Query)
			query.Del(name)
			if value != "" {
				query.Set(name, value)
			}
			r.Query = strings.ReplaceAll(query.Encode(), "+", "%20")
		}
	}
	const mismatch, incomplete = "InvalidSignatureException", "IncompleteSignatureException"
	tests := []struct {
		name   string
		change func(*sigv4.Request)
		now    time.Duration
		code   string
		text   string
	}{
		{"at its end", nil, time.Hour, "", ""},
		{"after its end", nil, time.Hour + time.Second, mismatch, "Signature expired"},
		{"five minutes ahead", nil, -5 * time.Minute, "", ""},
		{"further ahead", nil, -5*time.Minute - time.Second, mismatch, "not yet current"},
		{"no algorithm", set("X-Amz-Algorithm", ""), 0, incomplete, "algorithm"},
		{"other algorithm", set("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), 0, incomplete, "algorithm"},
		{"no credential", set("X-Amz-Credential", ""), 0, incomplete, "'X-Amz-Credential'"},
		{"no date", set("X-Amz-Date", ""), 0, incomplete, "'X-Amz-Date'"},
		{"no life", set("X-Amz-Expires", ""), 0, incomplete, "'X-Amz-Expires'"},
		{"longer life", set("X-Amz-Expires", "7200"), 0, mismatch, "does not match"},
		{"life over a week", set("X-Amz-Expires", "604801"), 0, incomplete, "604800"},
		{"no life at all", set("X-Amz-Expires", "0"), 0, incomplete, "604800"},
		{"life in words", set("X-Amz-Expires", "long"), 0, incomplete, "604800"},
		{"no headers", set("X-Amz-SignedHeaders", ""), 0, incomplete, "'X-Amz-SignedHeaders'"},
		{"host not signed", set("X-Amz-SignedHeaders", "x-amz-date"), 0, mismatch, "'Host'"},
		{"no signature", set("X-Amz-Signature", ""), 0, incomplete, "'X-Amz-Signature'"},
		{"token added", set("X-Amz-Security-Token", sessionToken), 0, "UnrecognizedClientException", "invalid"},
		{"parameter added", set("MaxItems", "1"), 0, mismatch, "does not match"},
		{"parameter of the signature twice", func(r *sigv4.Request) { r.Query += "&X-Amz-Expires=3600" }, 0, incomplete, "repeated"},
		{"signed in the header too", func(r *sigv4.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }, 0, incomplete, "not in both"},
		{"header added", func(r *sigv4.Request) { r.Header.Set("X-Amz-Log-Type", "Tail") }, 0, mismatch, "'X-Amz-Log-Type'"},
		{"body added", func(r *sigv4.Request) { r.Body = []byte("{}") }, 0, mismatch, "does not match"},
		{"body announced as unsigned", func(r *sigv4.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, 0, mismatch, "x-amz-content-sha256"},
		{"other path", func(r *sigv4.Request) { r.Path += "/f" }, 0, mismatch, "does not match"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := presigned(t, "GET", "/2015-03-31/functions", "", time.Hour, permanent())
			if tt.change != nil {
				tt.change(r)
			}
			wantRefusal(t, verifier(signedAt.Add(tt.now)), r, tt.code, tt.text)
		})
	}
}

func wantRefusal(t *testing.T, v *sigv4.Verifier, r *sigv4.Request, code, text string) {
	t.Helper()
	_, err := v.Verify(r)
	if code == "" {
		if err != nil {
			t.Errorf("Verify: %v, want none", err)
		}
		return
	}
	var refused *lambda.Error
	if !errors.As(err, &refused) || refused.Code != code || !strings.Contains(refused.Message, text) {
		t.Errorf("Verify: %v, want %s with %q", err, code, text)
	}
}

func TestUnsignedPayloadIsRefusedInTheQuery(t *testing.T) {
	r := presigned(t, "POST", "/2015-03-31/functions/f/invocations?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", "{}", time.Hour, permanent())
	wantRefusal(t, verifier(signedAt), r, "InvalidSignatureException", "x-amz-content-sha256")
}

func TestSessionTokens(t *testing.T) {
	sign := func(credentials aws.Credentials) *sigv4.Request {
		req, err := http.NewRequest("GET", "http://127.0.0.1:4566/2015-03-31/functions", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := v4.NewSigner().SignHTTP(t.Context(), credentials, req, emptyHash, "lambda", "us-east-1", signedAt); err != nil {
			t.Fatal(err)
		}
		return &sigv4.Request{Method: "GET", Path: req.URL.Path, Host: req.URL.Host, Header: req.Header}
	}
	if id, err := verifier(signedAt).Verify(sign(session())); err != nil || id != sessionID {
		t.Errorf("Verify = %q, %v", id, err)
	}
	without, other := session(), session()
	without.SessionToken, other.SessionToken = "", "other"
	wantRefusal(t, verifier(signedAt), sign(without), "UnrecognizedClientException", "invalid")
	wantRefusal(t, verifier(signedAt), sign(other), "UnrecognizedClientException", "invalid")
	late := presigned(t, "GET", "/2015-03-31/functions", "", 24*time.Hour, session())
	wantRefusal(t, verifier(signedAt.Add(2*time.Hour)), late, "ExpiredTokenException", "expired")
}

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// TestMutations puts every other byte in the place of every byte of what is
// signed: none of the requests that come of it may pass, unless it is the same
// request to a reader of the query (an escape's digits in the other case, say).
func TestMutations(t *testing.T) {
	const target = "/2015-03-31/functions/f%3A%24LATEST/invocations?Marker=a%2Fb%3D%C3%A9&Qualifier=1&empty="
	const body = `{"key": "value"}`
	requests := map[string]*sigv4.Request{
		"header": signed(t, "POST", target, body, map[string]string{
			"Content-Type": "application/json", "X-Amz-Client-Context": "e30  =", "X-Amz-Log-Type": "Tail"}),
		"presigned": presigned(t, "POST", target, body, time.Hour, session()),
	}
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			v := verifier(signedAt)
			if _, err := v.Verify(r); err != nil {
				t.Fatal(err)
			}
			tried, same := mutate(v, r, func(what string) { t.Errorf("a request with another %s passes", what) })
			t.Logf("%d requests refused, %d others mean the same", tried-same, same)
			if tried < 255*(len(body)+len(r.Path)+len(r.Query)) || same > tried/1000 {
				t.Errorf("%d requests tried, %d taken for the same", tried, same)
			}
		})
	}
}

// mutate tries every request that differs by one byte and tells those that pass.
func mutate(v *sigv4.Verifier, r *sigv4.Request, passed func(what string)) (tried, same int) {
	try := func(what string, changed sigv4.Request) {
		tried++
		if _, err := v.Verify(&changed); err != nil {
			return
		}
		if meaning(changed.Query) == meaning(r.Query) && changed.Query != r.Query {
			same++
			return
		}
		passed(what)
	}
	flip := func(what, s string, set func(*sigv4.Request, string)) {
		for i := range len(s) {
			for other := 1; other < 256; other++ {
				b := []byte(s)
				b[i] ^= byte(other)
				changed := *r
				changed.Header = r.Header.Clone()
				set(&changed, string(b))
				try(fmt.Sprintf("%s: %q", what, b), changed)
			}
		}
	}
	flip("method", r.Method, func(r *sigv4.Request, s string) { r.Method = s })
	flip("path", r.Path, func(r *sigv4.Request, s string) { r.Path = s })
	flip("query", r.Query, func(r *sigv4.Request, s string) { r.Query = s })
	flip("host", r.Host, func(r *sigv4.Request, s string) { r.Host = s })
	flip("body", string(r.Body), func(r *sigv4.Request, s string) { r.Body = []byte(s) })
	for name, values := range r.Header {
		if name == "Content-Length" {
			continue // as a number, below
		}
		flip(name, values[0], func(r *sigv4.Request, s string) { r.Header[name] = []string{s} })
	}
	if r.Header.Get("Authorization") != "" {
		for bit := range 20 {
			changed := *r
			changed.ContentLength ^= 1 << bit
			try("length", changed)
		}
	}
	return tried, same
}

// meaning is what a server reads out of a query.
func meaning(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "broken: " + query
	}
	return values.Encode()
}

// TestReference compares with the algorithm as its documentation tells it, line
// by line, without any of the verifier's shortcuts.
func TestReference(t *testing.T) {
	r := &sigv4.Request{
		Method: "PUT", Path: "/2015-03-31/functions/f%3A1/configuration", Query: "b=2&a=x%20y&a=%7E", Host: "example.com:4566",
		Header: http.Header{"X-Amz-Date": {"20261121T235900Z"}, "X-Amz-Meta": {"  a   b ", "c"}, "Content-Type": {"application/json"}},
		Body:   []byte(`{"Timeout":3}`),
	}
	hash := sha256.Sum256(r.Body)
	canonical := strings.Join([]string{
		"PUT",
		"/2015-03-31/functions/f%253A1/configuration",
		"a=x%20y&a=~&b=2",
		"content-type:application/json",
		"host:example.com:4566",
		"x-amz-date:20261121T235900Z",
		"x-amz-meta:a b,c",
		"",
		"content-type;host;x-amz-date;x-amz-meta",
		hex.EncodeToString(hash[:]),
	}, "\n")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+keyID+"/20261121/us-east-1/lambda/aws4_request, "+
		"SignedHeaders=content-type;host;x-amz-date;x-amz-meta, Signature="+referenceSignature(canonical))
	if _, err := verifier(signedAt).Verify(r); err != nil {
		t.Error(err)
	}
}

func TestPresignedReference(t *testing.T) {
	pairs := []string{
		"X-Amz-Algorithm=AWS4-HMAC-SHA256",
		"X-Amz-Credential=" + keyID + "%2F20261121%2Fus-east-1%2Flambda%2Faws4_request",
		"X-Amz-Date=20261121T235900Z",
		"X-Amz-Expires=60",
		"X-Amz-SignedHeaders=host",
		"MaxItems=3",
	}
	slices.Sort(pairs)
	canonical := "GET\n/2015-03-31/functions\n" + strings.Join(pairs, "&") + "\nhost:example.com\n\nhost\n" + emptyHash
	slices.Reverse(pairs) // any order means the same
	r := &sigv4.Request{Method: "GET", Path: "/2015-03-31/functions", Host: "example.com", Header: http.Header{},
		Query: strings.Join(pairs, "&") + "&X-Amz-Signature=" + referenceSignature(canonical)}
	if _, err := verifier(signedAt).Verify(r); err != nil {
		t.Error(err)
	}
}

func referenceSignature(canonicalRequest string) string {
	mac := func(key []byte, data string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(data))
		return h.Sum(nil)
	}
	hash := sha256.Sum256([]byte(canonicalRequest))
	toSign := "AWS4-HMAC-SHA256\n20261121T235900Z\n20261121/us-east-1/lambda/aws4_request\n" + hex.EncodeToString(hash[:])
	key := mac(mac(mac(mac([]byte("AWS4"+secret), "20261121"), "us-east-1"), "lambda"), "aws4_request")
	return hex.EncodeToString(mac(key, toSign))
}
