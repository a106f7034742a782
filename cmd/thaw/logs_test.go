package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestFollowingSearchesNothingTwice: where no line has matched, the next look
// still begins near the end, by the server's clock.
func TestFollowingSearchesNothingTwice(t *testing.T) {
	const wants = 3
	serverTime := time.Now().Add(-40 * time.Minute).Truncate(time.Second) // not the client's
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var looks atomic.Int32
	starts := make([]int64, wants)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", serverTime.UTC().Format(http.TimeFormat))
		if r.Header.Get("X-Amz-Target") == "" {
			answer(w, http.StatusOK, map[string]any{"FunctionName": "f"})
			return
		}
		start, _ := decode(r)["startTime"].(float64)
		n := looks.Add(1) - 1
		if n < wants {
			starts[n] = int64(start)
		}
		if n == wants-1 {
			cancel()
		}
		answer(w, http.StatusOK, map[string]any{"events": []any{}})
	}))
	defer front.Close()
	reader := newLogReader(target{Endpoint: front.URL, Region: "us-east-1", AccessKey: "k", SecretKey: "s"}, "f")
	reader.filter = "NEVER"
	err := reader.read(ctx, true, func(logEvent) error { return nil })
	if ctx.Err() == nil || looks.Load() < wants {
		t.Fatalf("it ended after %d looks: %v", looks.Load(), err)
	}
	want := serverTime.Add(-followDelay).UnixMilli()
	if starts[0] != 0 || starts[1] != want || starts[2] != want {
		t.Errorf("the looks began at %d, want 0 and then %d", starts, want)
	}
}

// TestSinceTheFirstLine: the flag takes what its help names.
func TestSinceTheFirstLine(t *testing.T) {
	startFake(t, isolate(t))
	if _, stderr, code := runVerb(t, "", "logs", "none", "--since", "0"); code != exitRefused || !strings.Contains(stderr, "ResourceNotFoundException") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
