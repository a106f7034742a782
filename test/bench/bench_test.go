package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPercentile(t *testing.T) {
	for _, tt := range []struct{ n, p, want int }{
		{1, 50, 1}, {1, 99, 1}, {2, 50, 1}, {3, 50, 2}, {100, 50, 50}, {100, 99, 99}, {200, 99, 198}, {101, 99, 100},
	} {
		var sorted []time.Duration
		for i := range tt.n {
			sorted = append(sorted, time.Duration(i+1))
		}
		if got := percentile(sorted, tt.p); got != time.Duration(tt.want) {
			t.Errorf("percentile(1…%d, %d) = %d, want %d", tt.n, tt.p, got, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	ms := time.Millisecond
	thaw := &sample{latencies: []time.Duration{3 * ms, ms, 2 * ms}, elapsed: 6 * ms, cpu: 3 * ms}
	limit := &sample{latencies: []time.Duration{ms, ms, ms}, elapsed: 3 * ms, cpu: 3 * ms}
	want := []result{
		{"s", "p50_us", 2000, 1000, 2},
		{"s", "p99_us", 3000, 1000, 3},
		{"s", "rps", 500, 1000, 0.5},
		{"s", "cpu_us_per_invoke", 1000, 1000, 1},
	}
	if diff := cmp.Diff(want, compare("s", invokeMetrics, thaw, limit)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestComparePicksMetrics(t *testing.T) {
	ms := time.Millisecond
	thaw := &sample{elapsed: 20 * ms}
	for i := range 20 {
		thaw.latencies = append(thaw.latencies, time.Duration(i+1)*ms)
	}
	limit := &sample{latencies: []time.Duration{ms}, elapsed: ms}
	want := []result{{"s", "p50_us", 10000, 1000, 10}, {"s", "p95_us", 19000, 1000, 19}, {"s", "p99_us", 20000, 1000, 20}}
	if diff := cmp.Diff(want, compare("s", reloadMetrics, thaw, limit)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTreeCPU has a child that does nothing but spend CPU time.
func TestTreeCPU(t *testing.T) {
	before, err := treeCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	spend := exec.Command("/bin/sh", "-c", `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`)
	if err := spend.Run(); err != nil {
		t.Fatal(err)
	}
	after, err := treeCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	child := spend.ProcessState.UserTime() + spend.ProcessState.SystemTime()
	if got := after - before; got < child-2*tick {
		t.Errorf("%v counted, the child alone has spent %v", got, child)
	}
}

// TestRun runs the whole comparison, of the limit program with itself, as short
// as it can be.
func TestRun(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for the mount namespace of the limit program")
	}
	work := t.TempDir()
	c := config{
		source: ".", runtimes: work, work: work, out: filepath.Join(work, "bench.json"), only: `\.go\b`, against: "self",
		plan: plan{repeats: 1, warmUp: time.Millisecond, rounds: 2, slice: 20 * time.Millisecond, colds: 2},
	}
	if err := c.run(t.Context()); err != nil {
		log, _ := os.ReadFile(filepath.Join(work, "limit.log"))
		t.Fatalf("%v\n%s", err, log)
	}
	text, err := os.ReadFile(c.out)
	if err != nil {
		t.Fatal(err)
	}
	var results []result
	if err := json.Unmarshal(text, &results); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range results {
		got = append(got, r.Scenario+" "+r.Metric)
		if r.Metric != "cpu_us_per_invoke" && (r.Thaw <= 0 || r.Limit <= 0 || r.Ratio <= 0) {
			t.Errorf("no figures: %+v", r)
		}
	}
	var want []string
	for _, scenario := range []string{"warm.go.c1", "warm.go.c16", "cold.go"} {
		for _, metric := range []string{"p50_us", "p99_us", "rps", "cpu_us_per_invoke"} {
			want = append(want, scenario+" "+metric)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestCaller(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refuse":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/fail":
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		io.Copy(w, r.Body)
	}))
	defer server.Close()
	c, err := dial(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for path, want := range map[string]string{"/": "", "/refuse": "429", "/fail": "function error true"} {
		var request bytes.Buffer
		r, err := http.NewRequest(http.MethodPost, server.URL+path, strings.NewReader(event))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Write(&request); err != nil {
			t.Fatal(err)
		}
		took, err := c.call(request.Bytes())
		switch {
		case want == "" && (err != nil || took <= 0):
			t.Errorf("%s: %v, took %v", path, err, took)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got error %v, want one with %q", path, err, want)
		}
		if string(c.body) != event {
			t.Errorf("%s: body %q", path, c.body)
		}
	}
}
