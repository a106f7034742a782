package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// tripper is a function as a transport.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closable ends with an error once it is closed, as the SDK's bodies do.
type closable struct {
	io.Reader
	closed bool
}

func (c *closable) Close() error { c.closed = true; return nil }

func (c *closable) WriteTo(io.Writer) (int64, error) { return 0, io.EOF }

// TestWholeBodies: what the transport gets has nothing to do with the SDK's body.
func TestWholeBodies(t *testing.T) {
	for _, size := range []int{1, maxWhole, maxWhole + 1} {
		original := &closable{Reader: strings.NewReader(strings.Repeat("x", size))}
		r, err := http.NewRequest(http.MethodPost, "http://localhost", original)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = int64(size)
		_, err = wholeBodies{tripper(func(got *http.Request) (*http.Response, error) {
			whole := size <= maxWhole
			if original.closed != whole || (got.Body != io.ReadCloser(original)) != whole || (got.GetBody != nil) != whole {
				t.Errorf("%d bytes: sent as a whole: %v, want %v", size, !whole, whole)
			}
			var content bytes.Buffer
			if _, err := io.Copy(&content, struct{ io.Reader }{got.Body}); err != nil || content.Len() != size {
				t.Errorf("%d of %d bytes are sent: %v", content.Len(), size, err)
			}
			return nil, nil
		})}.RoundTrip(r)
		if err != nil {
			t.Error(err)
		}
	}
}
