package sigv4_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"thaw/internal/lambda"
	"thaw/internal/sigv4"
)

const (
	keyID  = "AKIAEXAMPLEKEY000000"
	secret = "secret/with+signs0000000000000000000000="

	sessionID    = "ASIAEXAMPLEKEY000000"
	sessionToken = "token/with+signs=="
)

var signedAt = time.Date(2026, 11, 21, 23, 59, 0, 0, time.UTC)

type oneKey struct{}

func (oneKey) Secret(id, token string, now time.Time) (string, error) {
	switch {
	case id == sessionID && token == sessionToken && now.After(signedAt.Add(time.Hour)):
		return "", lambda.Errorf("ExpiredTokenException", "The security token included in the request is expired")
	case id == sessionID && token == sessionToken, id == keyID && token == "":
		return secret, nil
	}
	return "", lambda.Errorf(lambda.CodeUnrecognizedClient, "The security token included in the request is invalid.")
}

func verifier(now time.Time) *sigv4.Verifier {
	return sigv4.New(sigv4.Options{Service: "lambda", Region: "us-east-1", Keys: oneKey{}, Now: func() time.Time { return now }})
}

// signed lets the SDK's own signer sign a request and shows it as the server
// would see it.
func signed(t testing.TB, method, target, body string, set map[string]string) *sigv4.Request {
	t.Helper()
	req, err := http.NewRequest(method, "http://127.0.0.1:4566"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range set {
		req.Header.Set(name, value)
	}
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret},
		req, hex.EncodeToString(sum[:]), "lambda", "us-east-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(req.URL.RequestURI(), "?")
	return &sigv4.Request{Method: method, Path: path, Query: query, Host: req.URL.Host,
		ContentLength: int64(len(body)), Header: req.Header, Body: []byte(body)}
}

func TestVerifySDKSignatures(t *testing.T) {
	tests := []struct{ name, method, target, body string }{
		{"no body", "GET", "/2015-03-31/functions", ""},
		{"root", "GET", "/", ""},
		{"trailing slash", "GET", "/2015-03-31/functions/", ""},
		{"body", "POST", "/2015-03-31/functions/f/invocations", `{"a":1}`},
		{"escaped label", "GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af", ""},
		{"escaped dollar", "GET", "/2015-03-31/functions/f%3A%24LATEST", ""},
		{"raw dollar", "GET", "/2015-03-31/functions/f:$LATEST", ""},
		{"query", "GET", "/2015-03-31/functions?Marker=a%2Fb%3D&MaxItems=3", ""},
		{"query out of order", "GET", "/2015-03-31/functions?b=2&a=1&B=3&a=0", ""},
		{"query without a value", "DELETE", "/2017-03-31/tags/x?tagKeys=b&tagKeys=a%20b&tagKeys", ""},
		{"query in UTF-8", "GET", "/2015-03-31/functions?Marker=%C3%A9~", ""},
	}
	v := verifier(signedAt)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, tt.method, tt.target, tt.body, map[string]string{"X-Amz-Meta": "  two   spaces ", "Content-Type": "application/json"})
			id, err := v.Verify(r)
			if err != nil || id != keyID {
				t.Errorf("Verify = %q, %v", id, err)
			}
		})
	}
}

// TestKnownVector checks one signature computed by hand from the published
// algorithm, independent of any signer.
func TestKnownVector(t *testing.T) {
	r := &sigv4.Request{Method: "GET", Path: "/2015-03-31/functions", Host: "localhost", Header: http.Header{
		"X-Amz-Date": {"20261121T235900Z"},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=" + keyID + "/20261121/us-east-1/lambda/aws4_request, " +
			"SignedHeaders=host;x-amz-date, Signature=3856e0ffd2b7a8ddc5a553bb78e013ff8c7598d3c3d884bfe0dc20c8815d709e"},
	}}
	if _, err := verifier(signedAt).Verify(r); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	const scope = "Credential=" + keyID + "/20261121/us-east-1/lambda/aws4_request"
	zeros := strings.Repeat("0", 64)
	auth := func(s string, more ...string) func(*sigv4.Request) {
		return func(r *sigv4.Request) {
			r.Header.Set("Authorization", s)
			for i := 0; i < len(more); i += 2 {
				r.Header.Set(more[i], more[i+1])
			}
		}
	}
	upper := func(r *sigv4.Request) {
		head, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
		r.Header.Set("Authorization", head+"Signature="+strings.ToUpper(signature))
	}
	edit := func(old, new string) func(*sigv4.Request) {
		return func(r *sigv4.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	tests := []struct {
		name   string
		change func(*sigv4.Request)
		now    time.Duration // after the signature was made
		code   string
		text   string
	}{
		{"no header", func(r *sigv4.Request) { r.Header.Del("Authorization") }, 0, "MissingAuthenticationTokenException", "Missing"},
		{"other scheme", auth("Basic abc"), 0, "IncompleteSignatureException", "'Basic'"},
		{"scheme only", auth("AWS4-HMAC-SHA256"), 0, "IncompleteSignatureException", "algorithm"},
		{"no equal sign", auth("AWS4-HMAC-SHA256 Credential"), 0, "IncompleteSignatureException", "missing equal-sign"},
		{"no credential", auth("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=" + zeros), 0, "IncompleteSignatureException", "'Credential'"},
		{"no signature", auth("AWS4-HMAC-SHA256 " + scope + ", SignedHeaders=host"), 0, "IncompleteSignatureException", "'Signature'"},
		{"no signed headers", auth("AWS4-HMAC-SHA256 " + scope + ", Signature=" + zeros), 0, "IncompleteSignatureException", "'SignedHeaders'"},
		{"short credential", edit("/us-east-1/lambda", ""), 0, "IncompleteSignatureException", "5 slash-separated"},
		{"short signature", auth("AWS4-HMAC-SHA256 " + scope + ", SignedHeaders=host, Signature=00"), 0, "IncompleteSignatureException", "64"},
		{"signature of other letters", auth("AWS4-HMAC-SHA256 " + scope + ", SignedHeaders=host, Signature=" + strings.Repeat("g", 64)), 0, "IncompleteSignatureException", "64"},
		{"wrong terminator", edit("aws4_request", "aws5_request"), 0, "InvalidSignatureException", "terminator"},
		{"host not signed", auth("AWS4-HMAC-SHA256 " + scope + ", SignedHeaders=x-amz-date, Signature=" + zeros), 0, "InvalidSignatureException", "'Host'"},
		{"wrong region", edit("us-east-1", "eu-west-1"), 0, "InvalidSignatureException", "'eu-west-1'"},
		{"wrong service", edit("/lambda/", "/s3/"), 0, "InvalidSignatureException", "'lambda'"},
		{"wrong day", edit("20261121", "20261120"), 0, "InvalidSignatureException", "'20261120' != '20261121'"},
		{"unknown key", edit(keyID, "AKIAUNKNOWN"), 0, "UnrecognizedClientException", "invalid"},
		{"session token that is not signed", func(r *sigv4.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, 0, "InvalidSignatureException", "'X-Amz-Security-Token'"},
		{"session token of a permanent key", auth("AWS4-HMAC-SHA256 "+scope+", SignedHeaders=host;x-amz-security-token, Signature="+zeros, "X-Amz-Security-Token", "t"), 0, "UnrecognizedClientException", "invalid"},
		{"other header of the service that is not signed", func(r *sigv4.Request) { r.Header.Set("X-Amz-Log-Type", "Tail") }, 0, "InvalidSignatureException", "'X-Amz-Log-Type'"},
		{"signature in upper case", upper, 0, "IncompleteSignatureException", "lower case"},
		{"broken escape in the query", func(r *sigv4.Request) { r.Query = "a=%zz" }, 0, "InvalidSignatureException", "not well encoded"},
		{"no date", func(r *sigv4.Request) { r.Header.Del("X-Amz-Date") }, 0, "IncompleteSignatureException", "X-Amz-Date"},
		{"broken date", func(r *sigv4.Request) { r.Header.Set("X-Amz-Date", "today") }, 0, "IncompleteSignatureException", "'today'"},
		{"zeros", auth("AWS4-HMAC-SHA256 " + scope + ", SignedHeaders=host, Signature=" + zeros), 0, "InvalidSignatureException", "does not match"},
		{"other body", func(r *sigv4.Request) { r.Body = []byte("x") }, 0, "InvalidSignatureException", "does not match"},
		{"other body, hash announced", func(r *sigv4.Request) { r.Body = []byte("x"); r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, 0, "InvalidSignatureException", "x-amz-content-sha256"},
		{"other method", func(r *sigv4.Request) { r.Method = "DELETE" }, 0, "InvalidSignatureException", "does not match"},
		{"other path", func(r *sigv4.Request) { r.Path += "x" }, 0, "InvalidSignatureException", "does not match"},
		{"other query", func(r *sigv4.Request) { r.Query = "Qualifier=2" }, 0, "InvalidSignatureException", "does not match"},
		{"other host", func(r *sigv4.Request) { r.Host = "example.com" }, 0, "InvalidSignatureException", "does not match"},
		{"five minutes old", nil, 5 * time.Minute, "", ""},
		{"older", nil, 5*time.Minute + time.Second, "InvalidSignatureException", "Signature expired: 20261121T235900Z is now earlier than 20261121T235901Z (20261122T000401Z - 5 min.)"},
		{"five minutes ahead", nil, -5 * time.Minute, "", ""},
		{"further ahead", nil, -5*time.Minute - time.Second, "InvalidSignatureException", "Signature not yet current"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, "POST", "/2015-03-31/functions/f/invocations", `{}`, nil)
			if tt.change != nil {
				tt.change(r)
			}
			_, err := verifier(signedAt.Add(tt.now)).Verify(r)
			if tt.code == "" {
				if err != nil {
					t.Errorf("Verify: %v, want none", err)
				}
				return
			}
			var refused *lambda.Error
			if !errors.As(err, &refused) || refused.Code != tt.code || !strings.Contains(refused.Message, tt.text) {
				t.Errorf("Verify: %v, want %s with %q", err, tt.code, tt.text)
			}
		})
	}
}

func TestContentHashHeaderMustAgree(t *testing.T) {
	body := `{"a":1}`
	sum := sha256.Sum256([]byte(body))
	v := verifier(signedAt)
	for _, tt := range []struct {
		name, hash string
		ok         bool
	}{
		{"the body's", hex.EncodeToString(sum[:]), true},
		{"another", strings.Repeat("0", 64), false},
		{"unsigned", "UNSIGNED-PAYLOAD", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, "POST", "/x", body, map[string]string{"X-Amz-Content-Sha256": tt.hash})
			if _, err := v.Verify(r); (err == nil) != tt.ok {
				t.Errorf("Verify: %v, want ok %v", err, tt.ok)
			}
		})
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00", "20261121T235900Z", "a=b&%zz")
	f.Add("AWS4-HMAC-SHA256 =,=,=", "x", "")
	v := verifier(signedAt)
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r := &sigv4.Request{Method: "GET", Path: "/", Query: query, Host: "h",
			Header: http.Header{"Authorization": {authorization}, "X-Amz-Date": {date}}}
		id, err := v.Verify(r)
		var refused *lambda.Error
		if err == nil || id != "" || !errors.As(err, &refused) {
			t.Errorf("Verify = %q, %v, want a *lambda.Error", id, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	body := string(bytes.Repeat([]byte("x"), 1024))
	r := signed(b, "POST", "/2015-03-31/functions/hello/invocations", body, map[string]string{"Content-Type": "application/octet-stream"})
	v := verifier(signedAt)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}
