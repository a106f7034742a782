package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of go test -json, as cmd/test2json describes it.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail, instead of Package
	Test       string
	Output     string
	Elapsed    float64 // seconds
}

// maxOutput is what is kept of the output of one test, in bytes: its end.
const maxOutput = 64 << 10

type key struct{ pkg, test string }

// run state of one test; of a package as a whole the test's name is empty.
type state struct {
	key
	outcome string // pass, fail, skip; empty while it runs
	output  []byte
	parent  bool // has subtests
}

// report counts what a test run came to. A test with subtests counts by these,
// and by itself only if it failed and none of them did: every count is one thing
// that was tried.
type report struct {
	out    io.Writer
	states map[key]*state
	builds map[string][]byte // output of the compiler by import path

	passed, failed int
	skipped        []string
}

func newReport(out io.Writer) *report {
	return &report{out: out, states: make(map[key]*state), builds: make(map[string][]byte)}
}

// read takes events until the stream ends. Lines that are not events are shown
// as they are.
func (r *report) read(in *bufio.Reader) error {
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				r.out.Write(line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	switch e.Action {
	case "build-output":
		r.builds[e.ImportPath] = keepEnd(r.builds[e.ImportPath], e.Output)
	case "build-fail":
		fmt.Fprintf(r.out, "%s", r.builds[e.ImportPath])
	case "run":
		r.state(e)
		if parent, ok := r.states[parentOf(key{e.Package, e.Test})]; ok && parent.test != "" {
			parent.parent = true
		}
	case "output":
		s := r.state(e)
		s.output = keepEnd(s.output, e.Output)
	case "pass", "fail", "skip":
		r.state(e).outcome = e.Action
		if e.Test == "" {
			r.closePackage(e)
		}
	}
}

func (r *report) state(e event) *state {
	k := key{e.Package, e.Test}
	s := r.states[k]
	if s == nil {
		s = &state{key: k}
		r.states[k] = s
	}
	return s
}

func parentOf(k key) key {
	if i := strings.LastIndexByte(k.test, '/'); i >= 0 {
		return key{k.pkg, k.test[:i]}
	}
	return key{k.pkg, ""}
}

func keepEnd(output []byte, more string) []byte {
	output = append(output, more...)
	if len(output) > maxOutput {
		output = bytes.Clone(output[len(output)-maxOutput:])
	}
	return output
}

// closePackage counts the tests of a package that has ended, shows those that
// failed, and forgets them.
func (r *report) closePackage(e event) {
	var tests []*state
	for k, s := range r.states {
		if k.pkg == e.Package && k.test != "" {
			tests = append(tests, s)
		}
	}
	slices.SortFunc(tests, func(a, b *state) int { return strings.Compare(a.test, b.test) })
	passed, failed, skipped := r.count(tests)
	whole := r.states[key{e.Package, ""}]
	if e.Action == "fail" && failed == 0 {
		failed = 1 // It did not compile, or ended outside of any test.
		r.out.Write(whole.output)
	}
	r.passed, r.failed = r.passed+passed, r.failed+failed
	delete(r.states, whole.key)
	for _, s := range tests {
		delete(r.states, s.key)
	}
	if passed+failed+skipped > 0 {
		fmt.Fprintf(r.out, "%-4s %-44s %4d passed %3d failed %3d skipped %7.1f s\n", e.Action, e.Package, passed, failed, skipped, e.Elapsed)
	}
}

func (r *report) count(tests []*state) (passed, failed, skipped int) {
	failedBelow := make(map[key]bool)
	for _, s := range slices.Backward(tests) { // subtests sort behind their parent
		failing := s.outcome == "fail" || s.outcome == "" // one that never ended has failed
		switch {
		case failing:
			fmt.Fprintf(r.out, "--- %s %s\n%s", s.pkg, s.test, s.output)
			if !failedBelow[s.key] {
				failed++
			}
			failedBelow[parentOf(s.key)] = true
		case s.parent:
		case s.outcome == "skip":
			skipped++
			r.skipped = append(r.skipped, fmt.Sprintf("%s %s: %s", s.pkg, s.test, skipReason(s.output)))
		default:
			passed++
		}
	}
	return passed, failed, skipped
}

// skipReason is the text of t.Skip: the lines between "=== RUN" and "--- SKIP",
// without the place in the source.
func skipReason(output []byte) string {
	var reason []string
	for line := range strings.Lines(string(output)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			reason = append(reason, line)
		}
	}
	return strings.Join(reason, " ")
}

// finish counts what never ended and writes the sum. A run that failed without a
// failure that can be named counts as one.
func (r *report) finish(commandFailed bool) {
	open := make(map[string]bool)
	for k := range r.states {
		open[k.pkg] = true
	}
	for pkg := range open {
		r.take(event{Action: "fail", Package: pkg})
	}
	if commandFailed && r.failed == 0 {
		r.failed = 1
		fmt.Fprintln(r.out, "the test command itself has failed")
	}
	if len(r.skipped) > 0 {
		fmt.Fprintf(r.out, "\n%d skipped:\n", len(r.skipped))
		slices.Sort(r.skipped)
		for _, s := range r.skipped {
			fmt.Fprintf(r.out, "  %s\n", s)
		}
	}
	io.WriteString(r.out, r.sum())
}

func (r *report) sum() string { return fmt.Sprintf("%d passed, %d failed\n", r.passed, r.failed) }
