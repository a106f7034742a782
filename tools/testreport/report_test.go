package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	tests := []struct {
		name   string
		events string
		failed bool // the command's own verdict
		last   string
		says   []string
	}{
		{
			name: "passes and a skip",
			events: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:3: needs root\n"}
{"Action":"skip","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Elapsed":1.5}`,
			last: "1 passed, 0 failed", says: []string{"1 skipped:", "p B: b_test.go:3: needs root"},
		},
		{
			name: "a test counts by its subtests",
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"output","Package":"p","Test":"A/x","Output":"wrong\n"}
{"Action":"run","Package":"p","Test":"A/y"}
{"Action":"fail","Package":"p","Test":"A/x"}
{"Action":"pass","Package":"p","Test":"A/y"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			failed: true, last: "1 passed, 1 failed", says: []string{"--- p A/x\nwrong\n"},
		},
		{
			name: "a test that fails behind its subtests",
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"pass","Package":"p","Test":"A/x"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			failed: true, last: "1 passed, 1 failed",
		},
		{
			name: "a package that does not compile",
			events: `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: bad\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL p [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			failed: true, last: "0 passed, 1 failed", says: []string{"x.go:1: bad", "[build failed]"},
		},
		{
			name: "a panic leaves a test open",
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"panic: no\n"}
{"Action":"fail","Package":"p"}`,
			failed: true, last: "0 passed, 1 failed", says: []string{"panic: no"},
		},
		{
			name:   "the run is cut off",
			events: `{"Action":"run","Package":"p","Test":"A"}`,
			failed: true, last: "0 passed, 1 failed",
		},
		{name: "the command fails before any test", events: "", failed: true, last: "0 passed, 1 failed"},
		{name: "other lines are shown", events: "no event\n", last: "0 passed, 0 failed", says: []string{"no event\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			r := newReport(&out)
			if err := r.read(bufio.NewReader(strings.NewReader(test.events))); err != nil {
				t.Fatal(err)
			}
			r.finish(test.failed)
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if got := lines[len(lines)-1]; got != test.last {
				t.Errorf("last line %q, want %q", got, test.last)
			}
			for _, text := range test.says {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not in:\n%s", text, out.String())
				}
			}
		})
	}
}

func TestOutputIsBounded(t *testing.T) {
	r := newReport(&bytes.Buffer{})
	for range 100 {
		r.take(event{Action: "output", Package: "p", Test: "A", Output: strings.Repeat("x", 4096)})
	}
	if n := len(r.states[key{"p", "A"}].output); n > maxOutput {
		t.Errorf("%d bytes are kept", n)
	}
}

// TestExitCode: the code of the command is the code of the program.
func TestExitCode(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 1} {
		keep := files{events: filepath.Join(t.TempDir(), "events"), sum: filepath.Join(t.TempDir(), "sum")}
		code, err := run(t.Context(), keep, []string{"sh", "-c", "echo line; " + script}, &bytes.Buffer{})
		if err != nil || code != want {
			t.Errorf("%s: code %d, %v, want %d", script, code, err, want)
		}
		if kept, err := os.ReadFile(keep.events); err != nil || string(kept) != "line\n" {
			t.Errorf("%s: kept %q, %v", script, kept, err)
		}
		failed := min(want, 1)
		if sum, err := os.ReadFile(keep.sum); err != nil || string(sum) != fmt.Sprintf("0 passed, %d failed\n", failed) {
			t.Errorf("%s: sum %q, %v", script, sum, err)
		}
	}
}
