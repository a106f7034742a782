package lambda_test

import (
	"net/http"
	"testing"
)

// TestWebPagesAreNotTrusted: without signatures, nothing but the two headers
// tells a page in a browser from a client.
func TestWebPagesAreNotTrusted(t *testing.T) {
	const local = "127.0.0.1:4566"
	tests := []struct {
		host, origin string
		trusted      bool
	}{
		{local, "", true},
		{"localhost", "", true},
		{"localhost:4566", "", true},
		{"LocalHost.:4566", "", true},
		{"lambda.us-east-1.localhost:4566", "", true},
		{"127.8.9.10", "", true},
		{"[::1]:4566", "", true},
		{"[::1]", "", true},
		{"[::ffff:127.0.0.1]:4566", "", true},
		{local, "http://" + local, true},
		{"localhost:4566", "http://LOCALHOST:4566", true},
		{"", "", false},
		{"example.com", "", false},
		{"example.com:4566", "", false},
		{"127.0.0.1.example.com:4566", "", false},
		{"localhost.example.com", "", false},
		{"notlocalhost", "", false},
		{"10.0.0.1:4566", "", false},
		{"0.0.0.0:4566", "", false},
		{"[fe80::1]:4566", "", false},
		{local, "https://example.com", false},
		{local, "http://localhost:4566", false},
		{local, "http://127.0.0.1:3000", false},
		{local, "null", false},
		{local, "%", false},
	}
	open := newServer(t, setup{})
	signed := newServer(t, setup{keys: newKeyring(t)})
	for _, tt := range tests {
		t.Run(tt.host+" "+tt.origin, func(t *testing.T) {
			request := func() *http.Request {
				r := newRequest("GET", functions, nil)
				r.Host = tt.host
				if tt.origin != "" {
					r.Header.Set("Origin", tt.origin)
				}
				return r
			}
			a := open.send(request())
			if tt.trusted && a.status != 200 {
				t.Errorf("answer %d %s, want 200", a.status, a.body)
			}
			if !tt.trusted && (a.status != 403 || a.header.Get("X-Amzn-ErrorType") != "AccessDeniedException") {
				t.Errorf("answer %d %s, want an AccessDeniedException", a.status, a.body)
			}
			if a := signed.send(request()); a.header.Get("X-Amzn-ErrorType") != "MissingAuthenticationTokenException" {
				t.Errorf("a server with keys answers %d %s", a.status, a.body)
			}
		})
	}
}
