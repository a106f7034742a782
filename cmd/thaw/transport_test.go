package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// closedBody is what the SDK makes of a request's body when the head of the answer
// is there.
type closedBody struct{ io.Reader }

func (closedBody) WriteTo(io.Writer) (int64, error) { return 0, io.EOF }
func (closedBody) Close() error                     { return nil }

// TestBodyThatIsClosed: the answer to a request is read to its end all the same.
func TestBodyThatIsClosed(t *testing.T) {
	answer := bytes.Repeat([]byte("answer "), 1<<20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != "question" {
			t.Errorf("received %q, %v", got, err)
		}
		w.Write(answer)
	}))
	defer server.Close()
	for range 20 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, closedBody{strings.NewReader("question")})
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = int64(len("question"))
		response, err := target{}.httpClient().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !bytes.Equal(got, answer) {
			t.Fatalf("read %d bytes of %d: %v", len(got), len(answer), err)
		}
	}
}
