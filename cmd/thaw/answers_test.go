package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestLocalFailures: errors of system calls are no matter of the network, though
// they look like it.
func TestLocalFailures(t *testing.T) {
	for _, err := range []error{
		&os.PathError{Op: "open", Path: "f", Err: syscall.EACCES},
		fmt.Errorf("x: %w", syscall.ENOSPC),
		&net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{}, Err: syscall.EADDRINUSE},
		&url.Error{Op: "parse", URL: "%", Err: url.EscapeError("%")},
		fmt.Errorf("read zip: %w", io.ErrUnexpectedEOF),
	} {
		if code := exitCode(err); code != exitLocal || strings.Contains(message(err), "server") {
			t.Errorf("%v: exit code %d, %q", err, code, message(err))
		}
	}
}

// TestStrangeServers gives the verbs servers that do not answer as Thaw does.
func TestStrangeServers(t *testing.T) {
	page := "<html>It works!</html>"
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"no page", http.NotFound, "is not the Lambda API"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }, "is not the Lambda API"},
		{"killed before it answered", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "ended while it answered"},
		{"killed while it answered", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "{")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "ended while it answered"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			isolate(t)
			server := httptest.NewServer(test.handler)
			defer server.Close()
			pointTo(t, server.URL)
			for _, args := range [][]string{{"ls"}, {"logs", "f"}} {
				_, stderr, code := runVerb(t, "", args...)
				if code != exitUnreachable || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, strings.TrimPrefix(server.URL, "http://")) {
					t.Errorf("thaw %v: exit code %d, %q", args, code, stderr)
				}
			}
		})
	}
}

// pointTo sets the variables of the AWS tools.
func pointTo(t *testing.T, endpoint string) {
	t.Helper()
	t.Setenv("THAW_DATA", "")
	t.Setenv("AWS_ENDPOINT_URL", endpoint)
	t.Setenv("AWS_ACCESS_KEY_ID", "K")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "S")
}

func TestNonsenseEndpoint(t *testing.T) {
	isolate(t)
	for _, endpoint := range []string{"nonsense", "127.0.0.1:4566", "ftp://host", "http://"} {
		pointTo(t, endpoint)
		_, stderr, code := runVerb(t, "", "ls")
		if code != exitUsage || !strings.Contains(stderr, "AWS_ENDPOINT_URL") {
			t.Errorf("%s: exit code %d, %q", endpoint, code, stderr)
		}
	}
	pointTo(t, "http://no.such.host.invalid:1")
	if _, stderr, code := runVerb(t, "", "ls"); code != exitUnreachable || !strings.Contains(stderr, "no.such.host.invalid:1") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// TestArguments: what lacks is named, and so is what is too much.
func TestArguments(t *testing.T) {
	isolate(t)
	tests := map[string]string{
		"invoke":   "NAME is missing: thaw invoke NAME",
		"logs":     "NAME is missing",
		"deploy":   "DIR|ZIP is missing",
		"rm":       "NAME... is missing",
		"logs a b": "one NAME is taken, and here are 2",
		"ls a":     `thaw ls takes no argument, and here is "a"`,
	}
	for line, want := range tests {
		if _, stderr, code := runVerb(t, "", strings.Fields(line)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("thaw %s: exit code %d, %q", line, code, stderr)
		}
	}
	for _, verb := range []string{"rm", "invoke", "logs", "deploy"} {
		if _, stderr, code := runVerb(t, "", verb, ""); code != exitUsage || !strings.Contains(stderr, "is empty") {
			t.Errorf("thaw %s '': exit code %d, %q", verb, code, stderr)
		}
	}
}

func TestHasOutput(t *testing.T) {
	const start, end = "START RequestId: 1 Version: $LATEST\n", "END RequestId: 1\nREPORT RequestId: 1\tDuration: 1.00 ms\t\n"
	tests := map[string]bool{
		start + end: false,
		start + "INIT_REPORT Init Duration: 1.00 ms\tPhase: invoke\tStatus: error\n" + end: false,
		start + "hello\n" + end: true,
		start + "2026-01-02T03:04:05.678Z 1 Task timed out after 3.00 seconds\n\n" + end: true,
	}
	for log, want := range tests {
		if got := hasOutput([]byte(log)); got != want {
			t.Errorf("%q: %v", log, got)
		}
	}
}
