package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
)

// wantError holds an error of a client to its status, code and message; an empty
// message is any.
func wantError(t testing.TB, err error, status int, code, message string) {
	t.Helper()
	var response *awshttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &response) || !errors.As(err, &api) {
		t.Errorf("error %v, want %d %s", err, status, code)
		return
	}
	if response.HTTPStatusCode() != status || api.ErrorCode() != code || message != "" && api.ErrorMessage() != message {
		t.Errorf("got %d %s %q\nwant %d %s %q", response.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage(), status, code, message)
	}
	if response.ServiceRequestID() == "" {
		t.Error("the answer has no request id")
	}
}

// reply is a raw answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request as given, signed at the given time unless that is zero.
func (s *server) send(t testing.TB, method, path string, body []byte, signed time.Time, header ...string) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if !signed.IsZero() {
		sum := sha256.Sum256(body)
		creds := aws.Credentials{AccessKeyID: s.accessID, SecretAccessKey: s.secret}
		if err := v4.NewSigner().SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), "lambda", "us-east-1", signed); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{res.StatusCode, res.Header, string(content)}
}

const functionsPath = "/2015-03-31/functions"

// TestBadRequests sends what no client sends. Each gets the contract's answer:
// never a 5xx, never nothing.
func TestBadRequests(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.deploy(t, "victim", goEcho(t))
	invocations := functionsPath + "/victim/invocations"
	big := bytes.Repeat([]byte("x"), 6<<20+1)
	big[0], big[len(big)-1] = '"', '"'
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		code, message            string // message: a part of the body
	}{
		{"oversize event", "POST", invocations, string(big), 413, "RequestEntityTooLargeException", "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"},
		{"event is no JSON", "POST", invocations, "{", 400, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: "},
		{"event is no UTF-8", "POST", invocations, "\"\x87\"", 400, "InvalidRequestContentException", "Could not parse request body into json: "},
		{"two events", "POST", invocations, "{} {}", 400, "InvalidRequestContentException", "Could not parse request body into json: "},
		{"body is no JSON", "POST", functionsPath, "{", 400, "", ""},
		{"body is an array", "POST", functionsPath, "[]", 400, "", ""},
		{"body is empty", "POST", functionsPath, "", 400, "", ""},
		{"number for a name", "POST", functionsPath, `{"FunctionName":7}`, 400, "", ""},
		{"string for a number", "PUT", functionsPath + "/victim/configuration", `{"Timeout":"three"}`, 400, "", ""},
		{"list for a map", "PUT", functionsPath + "/victim/configuration", `{"Environment":{"Variables":["A"]}}`, 400, "", ""},
		{"deep nesting", "PUT", functionsPath + "/victim/configuration", strings.Repeat(`{"Environment":`, 50_000), 400, "", ""},
		{"zip is no base64", "PUT", functionsPath + "/victim/code", `{"ZipFile":"***"}`, 400, "", ""},
		{"timeout out of range", "PUT", functionsPath + "/victim/configuration", `{"Timeout":0}`, 400, "ValidationException", "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"no name", "POST", functionsPath, `{"Role":"` + role + `","Code":{}}`, 400, "ValidationException", "Value null at 'functionName' failed to satisfy constraint: Member must not be null"},
		{"bad name", "GET", functionsPath + "/a%20b", "", 400, "ValidationException", "at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "},
		{"unknown function", "GET", functionsPath + "/nobody", "", 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"},
		{"unknown path", "GET", "/2015-03-31/nothing", "", 404, "UnknownOperationException", ""},
		{"unknown method", "PATCH", functionsPath, "", 404, "", ""},
		{"broken escape", "GET", functionsPath + "/%2e%2e/%2fetc", "", 0, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := s.send(t, tc.method, tc.path, []byte(tc.body), time.Now())
			if r.status != tc.status && tc.status != 0 || r.status < 400 || r.status >= 500 {
				t.Errorf("status %d, want %d: %.300s", r.status, tc.status, r.body)
			}
			if got := r.header.Get("X-Amzn-ErrorType"); got == "" || tc.code != "" && got != tc.code {
				t.Errorf("error type %q, want %q", got, tc.code)
			}
			var body map[string]any
			if err := json.Unmarshal([]byte(r.body), &body); err != nil {
				t.Errorf("body %.300q: %v", r.body, err)
			}
			if !strings.Contains(r.body, strings.ReplaceAll(tc.message, `"`, `\"`)) {
				t.Errorf("body %.300s, want %q", r.body, tc.message)
			}
			if r.header.Get("X-Amzn-Requestid") == "" || r.header.Get("Date") == "" {
				t.Errorf("header %v", r.header)
			}
		})
	}
}

// TestOversizePackages sends what is more than the service takes.
func TestOversizePackages(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	noise := make([]byte, 52_428_801)
	rand.NewChaCha8([32]byte{}).Read(noise)

	_, err := s.client.CreateFunction(t.Context(), spec{runtime: "provided.al2023", handler: "x", zip: noise}.input("big"))
	wantError(t, err, 413, "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes")

	body := append([]byte(`{"FunctionName":"big","Code":{"ZipFile":"`), bytes.Repeat([]byte("A"), 70_167_211)...)
	r := s.send(t, "POST", functionsPath, body, time.Now())
	if want := "Request must be smaller than 70167211 bytes for the CreateFunction operation"; r.status != 413 || !strings.Contains(r.body, want) {
		t.Errorf("%d %s %.300s, want 413 %s", r.status, r.header.Get("X-Amzn-ErrorType"), r.body, want)
	}
}

// TestSignatures refuses everyone who cannot prove that he holds the key, before
// anything else is looked at.
func TestSignatures(t *testing.T) {
	s := shared(t)
	now := time.Now()
	path := functionsPath + "/nobody"
	flip := func(s string) string {
		if strings.HasSuffix(s, "A") {
			return s[:len(s)-1] + "B"
		}
		return s[:len(s)-1] + "A"
	}
	for _, tc := range []struct {
		name   string
		status int
		send   func() reply
	}{
		{"unsigned", 403, func() reply { return s.send(t, "GET", path, nil, time.Time{}) }},
		{"expired", 403, func() reply { return s.send(t, "GET", path, nil, now.Add(-time.Hour)) }},
		{"from the future", 403, func() reply { return s.send(t, "GET", path, nil, now.Add(time.Hour)) }},
		{"half a signature", 400, func() reply {
			return s.send(t, "GET", path, nil, time.Time{}, "Authorization", "AWS4-HMAC-SHA256 Credential=a")
		}},
		{"another scheme", 400, func() reply { return s.send(t, "GET", path, nil, time.Time{}, "Authorization", "Basic YTpi") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if r := tc.send(); r.status != tc.status || r.header.Get("X-Amzn-ErrorType") == "" {
				t.Errorf("%d %s %s, want %d", r.status, r.header.Get("X-Amzn-ErrorType"), r.body, tc.status)
			}
		})
	}
	for name, client := range map[string]*lambda.Client{
		"wrong secret": s.clientWith(s.accessID, flip(s.secret)),
		"unknown key":  s.clientWith(flip(s.accessID), s.secret),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
			var response *awshttp.ResponseError
			if !errors.As(err, &response) || response.HTTPStatusCode() != 403 {
				t.Errorf("error %v, want 403", err)
			}
		})
	}
	if r := s.send(t, "GET", path, nil, now); r.status != 404 {
		t.Errorf("the same request, well signed: %d %s", r.status, r.body)
	}
}
