package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/store/local"
	"thaw/internal/store/sealed"
	"thaw/internal/vault"
)

// TestFill reads what a tree puts into a store as a server does.
func TestFill(t *testing.T) {
	data, logger := t.TempDir(), slog.New(slog.DiscardHandler)
	if err := vault.Create(filepath.Join(data, vault.FileName)); err != nil {
		t.Fatal(err)
	}
	want := tree{functions: 20, versioned: 3, versions: 5}
	if err := want.fill(t.Context(), data); err != nil {
		t.Fatal(err)
	}
	keys, err := vault.Read(filepath.Join(data, vault.FileName))
	if err != nil {
		t.Fatal(err)
	}
	store, err := local.Open(t.Context(), local.Options{Dir: filepath.Join(data, "store"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	records, err := sealed.Open(t.Context(), sealed.Options{Metadata: store.Metadata(), Vault: keys, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), records, catalog.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := tree{functions: len(c.Functions())}
	for _, r := range c.Functions() {
		if n := len(r.Function.Versions); n > 0 {
			got.versioned, got.versions = got.versioned+1, n
		}
	}
	if got != want {
		t.Errorf("stored %+v, want %+v", got, want)
	}
}

// TestWalk takes each page of a list once, and begins again while there are too few.
func TestWalk(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		answers := map[string]string{
			"": `{"Functions":[{}],"NextMarker":"a=b"}`, "a=b": `{"Functions":[{}],"NextMarker":"c"}`, "c": `{"Functions":[{}],"NextMarker":null}`,
		}
		w.Write([]byte(answers[r.URL.Query().Get("Marker")]))
	}))
	defer server.Close()
	s := &thawSide{address: server.Listener.Addr().String(), keys: aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}}
	pages, err := s.walk(t.Context(), "/list?FunctionVersion=ALL", 4)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{"/list?FunctionVersion=ALL", "/list?FunctionVersion=ALL&Marker=a%3Db", "/list?FunctionVersion=ALL&Marker=c"}
	if diff := cmp.Diff(append(list, list...), asked); diff != "" || len(pages.latencies) != 6 {
		t.Errorf("%d pages measured; asked (-want +got):\n%s", len(pages.latencies), diff)
	}
	if _, err := s.walk(t.Context(), "/list?Marker=none", 1); err == nil {
		t.Error("a page with nothing on it is measured")
	}
}

func TestBounded(t *testing.T) {
	ms := time.Millisecond
	s := &sample{latencies: []time.Duration{3 * ms, ms, 2 * ms}, elapsed: 6 * ms}
	want := []result{{"s", "p50_us", 2000, 4000, 0.5}, {"s", "p99_us", 3000, 4000, 0.75}, {"s", "max_us", 3000, 4000, 0.75}}
	if diff := cmp.Diff(want, bounded("s", s, 4*ms)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMemoryOf(t *testing.T) {
	all, err := memoryOf(startScenario, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	figures := map[string]float64{}
	for _, r := range all {
		figures[r.Metric] = r.Thaw
	}
	if figures["rss_mib"] < 1 || figures["peak_mib"] < figures["rss_mib"] || len(all) != 2 {
		t.Errorf("memory of this process: %+v", all)
	}
}
