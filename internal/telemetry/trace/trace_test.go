package trace_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"thaw/internal/telemetry/trace"
)

const (
	root   = "Root=1-5759e988-bd862e3fe1be46a994272793"
	parent = ";Parent=53995c3f42cd8ad8"
	line   = ";Lineage=1:a1b2c3d4:3"
	next   = ";Lineage=1:a1b2c3d4:4"
)

func TestAccept(t *testing.T) {
	const fresh = `^Root=1-6553f100-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0$`
	const added = `;Lineage=1:[0-9a-f]{8}:0$`
	for name, test := range map[string]struct {
		given, want string
		undecided   bool
	}{
		"nothing":                   {"", fresh, true},
		"all":                       {root + parent + ";Sampled=1" + line, `^` + root + parent + ";Sampled=1" + next + `$`, false},
		"not sampled":               {root + parent + ";Sampled=0" + line, `^` + root + parent + ";Sampled=0" + next + `$`, false},
		"in another order":          {"Sampled=1;" + root, `^Sampled=1;` + root + added, false},
		"asked for a decision":      {root + ";Sampled=?", `^` + root + ";Sampled=0" + added, true},
		"no decision":               {root + parent, `^` + root + parent + ";Sampled=0" + added, true},
		"fields of others":          {"Self=1-67891234-12456789abcdef012345678;" + root + ";CalledFrom=app;Sampled=1", `^Self=1-67891234-12456789abcdef012345678;` + root + `;CalledFrom=app;Sampled=1` + added, false},
		"spaces and an end":         {root + " ; Sampled=1;", `^` + root + ";Sampled=1" + added, false},
		"a lineage of another form": {root + ";Sampled=1;Lineage=a1b2c3d4:3", `^` + root + ";Sampled=1" + added, false},
		"no root":                   {"Parent=53995c3f42cd8ad8;Sampled=1", fresh, true},
		"a root of another form":    {"Root=1-5759e988-BD862e3fe1be46a994272793;Sampled=1", fresh, true},
		"a parent that is none":     {root + ";Parent=1;Sampled=1", fresh, true},
		"a field twice":             {root + ";Sampled=1;Sampled=0", fresh, true},
		"words":                     {"please", fresh, true},
		"too long":                  {root + ";X=" + strings.Repeat("x", 1024), fresh, true},
		"too many fields":           {root + strings.Repeat(";", 40), fresh, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := trace.Accept(test.given, time.Unix(0x6553f100, 0))
			if !regexp.MustCompile(test.want).MatchString(got.Header) || got.Undecided != test.undecided || got.Fresh != (test.want == fresh) {
				t.Errorf("Accept = %+v; want %s, undecided %v", got, test.want, test.undecided)
			}
		})
	}
}

func TestActivate(t *testing.T) {
	always := func() *trace.Sampler { return trace.NewSampler(time.Now, func() float64 { return 0 }) }
	never := trace.NewSampler(func() time.Time { return time.Time{} }, func() float64 { return 1 })
	never.Sample() // the first one of its only second
	for name, test := range map[string]struct {
		accepted trace.Accepted
		sampler  *trace.Sampler
		caller   string
		runtime  string // a pattern; empty if there is no segment
	}{
		"sampled by the caller": {trace.Accepted{Header: root + parent + ";Sampled=1" + line, Undecided: false}, never, root + parent + ";Sampled=1" + line,
			`^` + root + `;Parent=([0-9a-f]{16});Sampled=1` + line + `$`},
		"a caller without a span": {trace.Accepted{Header: root + ";Sampled=1" + line, Undecided: false}, never, root + ";Sampled=1" + line,
			`^` + root + `;Sampled=1` + line + `;Parent=([0-9a-f]{16})$`},
		"refused by the caller": {trace.Accepted{Header: root + parent + ";Sampled=0" + line, Undecided: false}, always(), "", ""},
		"left open, yes": {trace.Accepted{Header: root + parent + ";Sampled=0" + line, Undecided: true}, always(), root + parent + ";Sampled=1" + line,
			`^` + root + `;Parent=([0-9a-f]{16});Sampled=1` + line + `$`},
		"left open, no": {trace.Accepted{Header: root + parent + ";Sampled=0" + line, Undecided: true}, never, "", ""},
		"nothing given": {trace.Accepted{Header: root + parent + ";Sampled=0" + line, Undecided: true, Fresh: true}, always(), root + ";Sampled=1" + line,
			`^` + root + `;Parent=([0-9a-f]{16});Sampled=1` + line + `$`},
		"no header": {trace.Accepted{Header: "", Undecided: true}, always(), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := trace.Activate(test.accepted, test.sampler)
			if ok != (test.runtime != "") || got.Caller != test.caller {
				t.Fatalf("Activate = %+v, %v; want the caller's %q", got, ok, test.caller)
			}
			if !ok {
				return
			}
			if m := regexp.MustCompile(test.runtime).FindStringSubmatch(got.Runtime); m == nil || m[1] != got.ID || m[1] == "53995c3f42cd8ad8" {
				t.Errorf("the function gets %q of segment %s, want %s", got.Runtime, got.ID, test.runtime)
			}
		})
	}
}

func TestSampler(t *testing.T) {
	now, random := time.Unix(100, 0), 0.5
	s := trace.NewSampler(func() time.Time { return now }, func() float64 { return random })
	for i, step := range []struct {
		after  time.Duration
		random float64
		want   bool
	}{
		{0, 0.5, true}, {0, 0.5, false}, {999 * time.Millisecond, 0.05, false}, {0, 0.049, true},
		{time.Millisecond, 0.9, true}, {0, 0.9, false}, {time.Hour, 0.9, true},
	} {
		now, random = now.Add(step.after), step.random
		if got := s.Sample(); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

// FuzzParse: what is accepted is well-formed, stable and as short as it may be.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", root + parent + ";Sampled=1" + line, "Self=1;" + root + "; Sampled = 1 ;", root + ";=;a=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		header := trace.Accept(s, time.Unix(0, 0)).Header
		h, ok := trace.Parse(header)
		if !ok && len(header) <= 1024 { // a lineage may have made it too long
			t.Fatalf("%q became %q, which is none", s, header)
		}
		if ok && h.String() != header {
			t.Errorf("%q is read as %q", header, h)
		}
	})
}
