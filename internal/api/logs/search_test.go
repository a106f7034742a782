package logs_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"thaw/internal/api/logs"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/logstore"
)

// TestSearchesFromInsideWait: searches of functions wait for each other, and
// nobody else waits for them.
func TestSearchesFromInsideWait(t *testing.T) {
	store, err := logstore.Open(logstore.Options{Dir: filepath.Join(t.TempDir(), "logs")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	store.Append(group, "s", time.Now(), "a line")
	h := logs.New(logs.Options{Store: store, Scope: lambda.DefaultScope, Access: oneKey{}, Logger: slog.New(slog.DiscardHandler)})
	h.Occupy()
	for _, target := range []string{"FilterLogEvents", "GetLogEvents"} {
		search := func(c iam.Caller, patience time.Duration) int {
			ctx, cancel := context.WithTimeout(iam.WithCaller(t.Context(), c), patience)
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", stringReader(`{"logGroupName":"`+group+`","logStreamName":"s"}`))
			r.Header.Set("X-Amz-Target", "Logs_20140328."+target)
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		if code := search(iam.Caller{}, time.Minute); code != http.StatusOK {
			t.Errorf("%s of the administrator: %d", target, code)
		}
		if code := search(iam.Caller{Session: &iam.Session{}}, 50*time.Millisecond); code == http.StatusOK {
			t.Errorf("%s from inside does not wait", target)
		}
	}
}
