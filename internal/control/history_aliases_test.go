package control_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/control"
	"thaw/internal/lambda"
)

// route is an alias in the model; 0 stands for $LATEST as first, for none as other.
type route struct {
	first, other int
	weight       float64
}

// names tells whether an alias leads to a version.
func (p *paper) names(n int) bool {
	for _, r := range p.aliases {
		if r.first == n || r.other == n {
			return true
		}
	}
	return false
}

// refuses is what an alias is refused for; empty if it may be.
func (p *paper) refuses(r route) string {
	_, first := p.versions[r.first]
	_, other := p.versions[r.other]
	switch {
	case r.first != 0 && !first:
		return lambda.CodeResourceNotFound
	case r.other == 0:
		return ""
	case r.first == 0, r.first == r.other:
		return lambda.CodeInvalidParameterValue
	case !other:
		return lambda.CodeResourceNotFound
	}
	return ""
}

func (h *history) publishVersion(name string) {
	var in control.PublishInput
	if h.random.IntN(2) == 0 {
		in.Description = new(fmt.Sprint(h.random.IntN(3)))
	}
	want, p := h.refusal(name), h.account[name]
	if want == "" && h.random.IntN(8) == 0 {
		in.CodeSHA256, want = "other", lambda.CodeInvalidParameterValue
	}
	v, err := h.s.PublishVersion(h.t.Context(), lambda.Ref{Name: name}, in)
	h.check("publish", err, want)
	if err != nil {
		return
	}
	if n := strconv.Itoa(p.publish(in.Description)); v.Version.Number != n {
		h.t.Fatalf("published %s, want %s", v.Version.Number, n)
	}
}

func number(n int) string {
	if n == 0 {
		return lambda.Latest
	}
	return strconv.Itoa(n)
}

// setAlias creates or updates one.
func (h *history) setAlias(name string) {
	alias := fmt.Sprintf("a%d", h.random.IntN(2))
	p, ref := h.account[name], lambda.Ref{Name: name}
	wish := route{first: h.random.IntN(4)}
	settings := control.AliasSettings{Version: new(number(wish.first)), Weights: &map[string]float64{}}
	if wish.other = h.random.IntN(4); wish.other != 0 {
		wish.weight = float64(h.random.IntN(3)) / 2
		(*settings.Weights)[number(wish.other)] = wish.weight
	}
	want, known := lambda.CodeResourceNotFound, false
	if p != nil {
		want = p.refuses(wish)
		_, known = p.aliases[alias]
	}
	set, update := h.s.CreateAlias, h.random.IntN(2) == 0
	if update {
		set = func(ctx context.Context, ref lambda.Ref, name string, s control.AliasSettings) (control.AliasView, error) {
			return h.s.UpdateAlias(ctx, ref, name, s, "")
		}
	}
	switch {
	case p == nil:
	case update && !known:
		want = lambda.CodeResourceNotFound
	case !update && known:
		want = lambda.CodeResourceConflict
	}
	_, err := set(h.t.Context(), ref, alias, settings)
	h.check("set alias", err, want)
	if err == nil {
		p.aliases[alias] = wish
	}
}

func (h *history) deleteAlias(name string) {
	alias, want := fmt.Sprintf("a%d", h.random.IntN(2)), ""
	if h.account[name] == nil {
		want = lambda.CodeResourceNotFound
	}
	h.check("delete alias", h.s.DeleteAlias(h.t.Context(), lambda.Ref{Name: name}, alias), want)
	if want == "" {
		delete(h.account[name].aliases, alias)
	}
}

func (h *history) compareAliases() {
	h.t.Helper()
	for name, p := range h.account {
		got := map[string]route{}
		in := control.ListAliasesInput{Max: 1}
		for {
			views, next, err := h.s.ListAliases(h.t.Context(), lambda.Ref{Name: name}, in)
			if err != nil {
				h.t.Fatal(err)
			}
			for _, v := range views {
				r := route{}
				r.first, _ = strconv.Atoi(v.Version) // 0 for $LATEST
				if v.Additional != nil {
					r.other, _ = strconv.Atoi(v.Additional.Number)
					r.weight = v.Additional.Weight
				}
				got[v.Name] = r
			}
			if in.Marker = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(p.aliases, got, cmp.AllowUnexported(route{})); diff != "" {
			h.t.Fatalf("aliases of %s (-model +server):\n%s", name, diff)
		}
	}
}
