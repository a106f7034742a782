package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"thaw/internal/lambda"
	"thaw/internal/s3"
)

// service is a server whose answers are the test's.
func service(t *testing.T, answer http.HandlerFunc) (client *s3.Client, dir string) {
	t.Helper()
	front := httptest.NewServer(answer)
	t.Cleanup(front.Close)
	dir = filepath.Join(t.TempDir(), "incoming")
	client, err := s3.Open(s3.Options{
		Endpoint: front.URL + "/", Region: "eu-west-1", Dir: dir, Pause: time.Microsecond,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "session"),
		Now:         func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, dir
}

// get is what an object holds.
func get(t *testing.T, client *s3.Client, object lambda.S3Object, limit int64) (string, error) {
	t.Helper()
	file, err := client.Get(t.Context(), object, limit)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.NewSectionReader(file, 0, limit))
	if err != nil {
		t.Fatal(err)
	}
	return string(content), nil
}

func TestGet(t *testing.T) {
	var target, authorization string
	client, dir := service(t, func(w http.ResponseWriter, r *http.Request) {
		target, authorization = r.RequestURI, r.Header.Get("Authorization")
		if r.Header.Get("X-Amz-Security-Token") != "session" {
			t.Errorf("headers %v", r.Header)
		}
		fmt.Fprint(w, "content")
	})
	for _, test := range []struct {
		object lambda.S3Object
		target string
	}{
		{lambda.S3Object{Bucket: "bucket", Key: "a/key.zip"}, "/bucket/a/key.zip"},
		{lambda.S3Object{Bucket: "bucket", Key: "k", Version: "a+b/c="}, "/bucket/k?versionId=a%2Bb%2Fc%3D"},
		{lambda.S3Object{Bucket: "b", Key: "a b/ä+%?#*!'()@=&:,;$~.zip"}, "/b/a%20b/%C3%A4%2B%25%3F%23%2A%21%27%28%29%40%3D%26%3A%2C%3B%24~.zip"},
		{lambda.S3Object{Bucket: "b", Key: "../x//./y"}, "/b/../x//./y"}, // a key like any other
	} {
		content, err := get(t, client, test.object, 7)
		if err != nil || content != "content" {
			t.Errorf("%+v: %q, %v", test.object, content, err)
		}
		if target != test.target {
			t.Errorf("%+v is asked for as %s, want %s", test.object, target, test.target)
		}
		if !strings.HasPrefix(authorization, "AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;") {
			t.Errorf("authorization %s", authorization)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestRefusals are the answers of a service to what a caller has asked for.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, document string
		status         int
		code, message  string
	}{
		{"no bucket", `<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>`, 404,
			lambda.CodeInvalidParameterValue, "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"},
		{"no key", `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>`, 404,
			lambda.CodeInvalidParameterValue, "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."},
		{"denied", `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`, 403, lambda.CodeAccessDenied,
			"Your access has been denied by S3, please make sure your request credentials have permission to GetObject for bucket/key. " +
				"S3 Error Code: AccessDenied. S3 Error Message: Access Denied"},
		{"elsewhere", `<Error><Code>PermanentRedirect</Code><Message>Elsewhere</Message></Error>`, 301,
			lambda.CodeInvalidParameterValue, "Error occurred while GetObject. S3 Error Code: PermanentRedirect. S3 Error Message: Elsewhere"},
		{"no document", "not found, sorry", 404,
			lambda.CodeInvalidParameterValue, "Error occurred while GetObject. S3 Error Code: 404. S3 Error Message: Not Found"},
		{"too large", "content and more", 200, lambda.CodeInvalidParameterValue, "Unzipped size must be smaller than 7 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			client, dir := service(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header().Set("Location", "http://127.0.0.1:1/") // not to be followed
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.document)
			})
			_, err := get(t, client, lambda.S3Object{Bucket: "bucket", Key: "key"}, 7)
			told, ok := errors.AsType[*lambda.Error](err)
			if !ok || told.Code != test.code || told.Message != test.message {
				t.Errorf("error %v, want %s: %s", err, test.code, test.message)
			}
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestFailuresAreTriedAgain has a service fail in one way after the other.
func TestFailuresAreTriedAgain(t *testing.T) {
	asked, failures := 0, 0
	client, _ := service(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked > failures {
			fmt.Fprint(w, "content")
			return
		}
		if asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Length", "7")
		fmt.Fprint(w, "cont") // and no more
	})
	for failures = range 4 {
		asked = 0
		content, err := get(t, client, lambda.S3Object{Bucket: "bucket", Key: "key"}, 7)
		_, told := errors.AsType[*lambda.Error](err)
		if good := failures < 3; told || good != (err == nil) || good && content != "content" {
			t.Errorf("after %d failures: %q, %v", failures, content, err)
		}
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client, _ := service(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := client.Get(ctx, lambda.S3Object{Bucket: "b", Key: "k"}, 7); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "incoming")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "object-left"), []byte("of a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s3.Open(s3.Options{Endpoint: "http://localhost:1", Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("after Open: %v, %v", left, err)
	}
	for _, endpoint := range []string{"", "localhost:9000", "ftp://host", "http://", "http://u:p@host", "http://host?x", "http://host/#f", ":"} {
		if _, err := s3.Open(s3.Options{Endpoint: endpoint, Dir: dir}); err == nil {
			t.Errorf("endpoint %q is accepted", endpoint)
		}
	}
}

// TestPut writes objects whose requests are signed with their bodies.
func TestPut(t *testing.T) {
	var method, target, kind, body string
	status, document := http.StatusOK, ""
	client, _ := service(t, func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		method, target, kind, body = r.Method, r.RequestURI, r.Header.Get("Content-Type"), string(content)
		if sum := sha256.Sum256(content); r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) {
			t.Errorf("headers %v", r.Header)
		}
		if !strings.Contains(r.Header.Get("Authorization"), "content-type;host;x-amz-content-sha256;") {
			t.Errorf("authorization %s", r.Header.Get("Authorization"))
		}
		w.WriteHeader(status)
		fmt.Fprint(w, document)
	})
	if err := client.Put(t.Context(), "bucket", "a/b c", "application/json", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if got := method + " " + target + " " + kind + " " + body; got != "PUT /bucket/a/b%20c application/json {}" {
		t.Errorf("request %s", got)
	}
	for _, test := range []struct {
		status   int
		document string
		code     string
		fault    smithy.ErrorFault
	}{
		{404, `<Error><Code>NoSuchBucket</Code><Message>none</Message></Error>`, "NoSuchBucket", smithy.FaultClient},
		{403, `<Error><Code>AccessDenied</Code><Message>no</Message></Error>`, "AccessDenied", smithy.FaultClient},
		{307, "", "307", smithy.FaultClient},
		{429, "", "429", smithy.FaultServer},
		{503, `<Error><Code>SlowDown</Code><Message>slow</Message></Error>`, "SlowDown", smithy.FaultServer},
	} {
		status, document = test.status, test.document
		err := client.Put(t.Context(), "bucket", "key", "application/json", nil)
		told, ok := errors.AsType[smithy.APIError](err)
		if !ok || told.ErrorCode() != test.code || told.ErrorFault() != test.fault {
			t.Errorf("status %d: error %v, want %s", test.status, err, test.code)
		}
	}
}
