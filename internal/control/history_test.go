package control_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/control"
	"thaw/internal/lambda"
)

var seed = flag.Uint64("seed", 0, "seed of the random history; 0 takes one from the clock")

// account is the naive model: what a caller of the API would keep on paper.
type account map[string]*paper

type paper struct {
	latest    sheet
	versions  map[int]sheet
	published int
	aliases   map[string]route
}

// sheet is a version as far as the histories vary it.
type sheet struct {
	zip, description string
	from             string // the description of $LATEST when it was published
	pending          bool   // State
	updating         bool   // LastUpdateStatus
}

// TestRandomHistories runs random operations against the model and compares
// every answer, and the whole account now and then. A subtest's name is its
// seed: -seed repeats it first.
func TestRandomHistories(t *testing.T) {
	base := *seed
	if base == 0 {
		base = uint64(time.Now().UnixNano())
	}
	for i := range uint64(20) {
		t.Run(fmt.Sprint(base+i), func(t *testing.T) {
			run(t, func(t *testing.T, s *server) {
				h := &history{t: t, s: s, random: rand.New(rand.NewPCG(base+i, 0)), account: account{}}
				for range 200 {
					h.step()
				}
				h.compare()
			})
		})
	}
}

type history struct {
	t       *testing.T
	s       *server
	random  *rand.Rand
	account account
}

func (h *history) step() {
	name := fmt.Sprintf("f%d", h.random.IntN(4))
	switch h.random.IntN(14) {
	case 0, 1:
		h.create(name)
	case 2, 3:
		h.updateCode(name)
	case 4:
		h.updateDescription(name)
	case 5:
		h.delete(name)
	case 6:
		h.deleteVersion(name)
	case 7:
		h.compare()
	case 8:
		h.publishVersion(name)
	case 9, 10:
		h.setAlias(name)
	case 11:
		h.deleteAlias(name)
	default:
		rest()
		for _, p := range h.account {
			p.settle()
		}
	}
}

func (p *paper) settle() {
	p.latest.pending, p.latest.updating = false, false
	for n, v := range p.versions {
		v.pending, v.updating = false, false
		p.versions[n] = v
	}
}

// check compares an error with the code that the model expects.
func (h *history) check(op string, err error, want string) {
	h.t.Helper()
	got := ""
	var e *lambda.Error
	if errors.As(err, &e) {
		got = e.Code
	} else if err != nil {
		h.t.Fatalf("%s: %v", op, err)
	}
	if got != want {
		h.t.Fatalf("%s: %v, want %q", op, err, want)
	}
}

func (h *history) zip() string { return fmt.Sprintf("zip %d", h.random.IntN(3)) }

// publish returns the number that the version gets, or has.
func (p *paper) publish(description *string) int {
	if last, ok := p.versions[p.last()]; ok && last.zip == p.latest.zip && last.from == p.latest.description {
		return p.last()
	}
	p.published++
	v := p.latest
	v.from = v.description
	if description != nil {
		v.description = *description
	}
	v.pending, v.updating = v.pending || v.updating, false
	p.versions[p.published] = v
	return p.published
}

// last is the highest number that is still there.
func (p *paper) last() int {
	last := 0
	for n := range p.versions {
		last = max(last, n)
	}
	return last
}

func (h *history) create(name string) {
	in := input(name)
	in.Zip, in.Publish = []byte(h.zip()), h.random.IntN(2) == 0
	_, err := h.s.CreateFunction(h.t.Context(), in)
	if h.account[name] != nil {
		h.check("create", err, lambda.CodeResourceConflict)
		return
	}
	h.check("create", err, "")
	p := &paper{latest: sheet{zip: string(in.Zip), pending: true}, versions: map[int]sheet{}, aliases: map[string]route{}}
	if in.Publish {
		p.publish(nil)
	}
	h.account[name] = p
}

// refusal is what an update of a function is answered with; empty if it is made.
func (h *history) refusal(name string) string {
	p := h.account[name]
	switch {
	case p == nil:
		return lambda.CodeResourceNotFound
	case p.latest.pending, p.latest.updating:
		return lambda.CodeResourceConflict
	}
	return ""
}

func (h *history) updateCode(name string) {
	in := control.UpdateCodeInput{Zip: []byte(h.zip()), Publish: h.random.IntN(2) == 0, DryRun: h.random.IntN(4) == 0}
	want := h.refusal(name)
	if want == "" && h.random.IntN(8) == 0 {
		in.RevisionID, want = "stale", lambda.CodePreconditionFailed
	}
	_, err := h.s.UpdateFunctionCode(h.t.Context(), lambda.Ref{Name: name}, in)
	h.check("update code", err, want)
	if err != nil || in.DryRun {
		return
	}
	p := h.account[name]
	p.latest.zip, p.latest.updating = string(in.Zip), true
	if in.Publish {
		p.publish(nil)
	}
}

func (h *history) updateDescription(name string) {
	description := fmt.Sprint(h.random.IntN(3))
	want := h.refusal(name)
	_, err := h.s.UpdateFunctionConfiguration(h.t.Context(), lambda.Ref{Name: name}, control.Settings{Description: &description}, "")
	h.check("update configuration", err, want)
	if err == nil {
		p := h.account[name]
		p.latest.description, p.latest.updating = description, true
	}
}

func (h *history) delete(name string) {
	want := ""
	if h.account[name] == nil {
		want = lambda.CodeResourceNotFound
	}
	h.check("delete", h.s.DeleteFunction(h.t.Context(), lambda.Ref{Name: name}), want)
	delete(h.account, name)
}

func (h *history) deleteVersion(name string) {
	n := 1 + h.random.IntN(4)
	err := h.s.DeleteFunction(h.t.Context(), lambda.Ref{Name: name, Qualifier: strconv.Itoa(n)})
	if p := h.account[name]; p != nil {
		want := ""
		if p.names(n) {
			want = lambda.CodeResourceConflict
		}
		h.check("delete version", err, want)
		if want == "" {
			delete(p.versions, n)
		}
		return
	}
	h.check("delete version", err, lambda.CodeResourceNotFound)
}

// compare lists the whole account on both sides.
func (h *history) compare() {
	h.t.Helper()
	type row struct {
		Name, Version, Code, Description, State, Update string
	}
	line := func(name, version string, v sheet) row {
		r := row{name, version, codeOf(v.zip).SHA256, v.description, lambda.StateActive, lambda.UpdateSuccessful}
		if v.updating {
			r.Update = lambda.UpdateInProgress
		}
		if v.pending {
			r.State, r.Update = lambda.StatePending, ""
		}
		return r
	}
	var want []row
	for name, p := range h.account {
		want = append(want, line(name, lambda.Latest, p.latest))
		for n, v := range p.versions {
			want = append(want, line(name, strconv.Itoa(n), v))
		}
	}
	var got []row
	in := control.ListInput{AllVersions: true, Max: 3}
	for {
		views, next, err := h.s.ListFunctions(h.t.Context(), in)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, v := range views {
			got = append(got, row{v.Function.Name, v.Version.Number, v.Version.Code.SHA256, v.Version.Description,
				v.Version.Status.State, v.Version.Status.Update})
		}
		if in.Marker = next; next == "" {
			break
		}
	}
	for _, rows := range [][]row{want, got} {
		slices.SortFunc(rows, func(a, b row) int { return cmpStrings(a.Name, b.Name, a.Version, b.Version) })
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Fatalf("account (-model +server):\n%s", diff)
	}
	h.compareAliases()
}

// cmpStrings compares pairs in turn.
func cmpStrings(pairs ...string) int {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] < pairs[i+1] {
			return -1
		}
		if pairs[i] > pairs[i+1] {
			return 1
		}
	}
	return 0
}
