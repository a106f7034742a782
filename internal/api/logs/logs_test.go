package logs_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/api/logs"
	telemetry "thaw/internal/telemetry/logs"
)

func group(function string) (string, bool) {
	return "/aws/lambda/" + function, function == "f"
}

func get(t *testing.T, h http.Handler, target string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	return w.Code, w.Body.String()
}

func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := telemetry.NewStore(telemetry.Options{})
		h := logs.New(logs.Options{Store: store, Group: group})
		if code, body := get(t, h, "/_thaw/logs/f"); code != 200 || strings.TrimSpace(body) != `{"events":[],"next":0}` {
			t.Errorf("an empty log: %d %s", code, body)
		}
		store.Append("/aws/lambda/f", "s", time.Now(), "one\n")
		go func() {
			time.Sleep(10 * time.Second)
			store.Append("/aws/lambda/f", "s", time.Now(), "two\n")
		}()
		var p struct {
			Events []telemetry.Event
			Next   uint64
		}
		_, body := get(t, h, "/_thaw/logs/f?since=2&wait=20")
		if err := json.Unmarshal([]byte(body), &p); err != nil || len(p.Events) != 1 || p.Events[0].Message != "two\n" || p.Next != 3 {
			t.Errorf("waited for %s (%v)", body, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	store := telemetry.NewStore(telemetry.Options{})
	open := logs.New(logs.Options{Store: store, Group: group})
	for target, want := range map[string]int{
		"/_thaw/logs/g":         404,
		"/_thaw/logs/":          404,
		"/_thaw/logs/f?since=x": 400,
		"/_thaw/logs/f?wait=-1": 400,
	} {
		if code, body := get(t, open, target); code != want {
			t.Errorf("%s: %d %s, want %d", target, code, body, want)
		}
	}
}
