package e2e_test

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"testing"

	"github.com/anishathalye/porcupine"
)

// move is what a client asks of one function.
type move struct {
	do       string
	alias    string
	version  string // a number, or for get any qualifier
	value    string // the description that is written
	code     string // the digest of the code that is written
	revision string // of the alias, if it has to be that one
	publish  bool
}

// Why a move was refused. One without an answer may have been carried out or not.
const (
	missing404  = "missing"
	exists409   = "exists"
	named409    = "named by an alias"
	busy409     = "busy"
	stale412    = "stale"
	noAnswer    = "no answer"
	lastVersion = "$LATEST"
)

// outcome is what a client sees of a move.
type outcome struct {
	problem  string
	release  release // of moves that show a version
	alias    pointer // of moves that show an alias
	releases []release
	aliases  []pointer
}

// release is a version, pointer an alias, as far as they are looked at.
type (
	release struct{ number, value, code string }
	pointer struct{ name, version, value, revision string }
)

// desired is what one function is, by the rules of the API and nothing else. It
// does not change: a move makes another one.
type desired struct {
	exists   bool
	latest   release
	last     int // highest number ever given
	releases []release
	aliases  []pointer // by name; one without a revision has one that nobody has seen
}

func (d desired) find(qualifier string) (release, bool) {
	if qualifier == "" || qualifier == lastVersion {
		return d.latest, d.exists
	}
	if at := d.aliasAt(qualifier); at >= 0 {
		qualifier = d.aliases[at].version
	}
	for _, r := range d.releases {
		if r.number == qualifier {
			return r, true
		}
	}
	return release{}, false
}

func (d desired) aliasAt(name string) int {
	return slices.IndexFunc(d.aliases, func(p pointer) bool { return p.name == name })
}

// published is the function with a version of $LATEST, and that version.
func (d desired) published() (desired, release) {
	if n := len(d.releases); n > 0 {
		last := d.releases[n-1]
		if last.value == d.latest.value && last.code == d.latest.code {
			return d, last
		}
	}
	d.last++
	r := release{strconv.Itoa(d.last), d.latest.value, d.latest.code}
	d.releases = append(slices.Clip(d.releases), r)
	return d, r
}

// made is what a move makes of a function, and what it answers. A revision that
// the server chooses is empty.
func (d desired) made(m move) (desired, outcome) {
	switch {
	case m.do == "create" && d.exists:
		return d, outcome{problem: exists409}
	case m.do != "create" && !d.exists:
		return d, outcome{problem: missing404}
	}
	switch m.do {
	case "create", "update", "code", "publish":
		return d.written(m)
	case "createAlias", "updateAlias", "deleteAlias", "getAlias":
		return d.aliased(m)
	case "deleteVersion":
		if slices.ContainsFunc(d.aliases, func(p pointer) bool { return p.version == m.version }) {
			return d, outcome{problem: named409}
		}
		d.releases = slices.DeleteFunc(slices.Clone(d.releases), func(r release) bool { return r.number == m.version })
		return d, outcome{}
	case "delete":
		return desired{}, outcome{}
	case "get":
		r, ok := d.find(m.version)
		if !ok {
			return d, outcome{problem: missing404}
		}
		return d, outcome{release: r}
	case "listVersions":
		return d, outcome{releases: append([]release{d.latest}, d.releases...)}
	case "listAliases":
		return d, outcome{aliases: d.aliases}
	}
	panic("no move is called " + m.do)
}

// written is made, of moves that write $LATEST or publish it.
func (d desired) written(m move) (desired, outcome) {
	switch m.do {
	case "create":
		d = desired{exists: true, latest: release{lastVersion, m.value, m.code}}
	case "update":
		d.latest.value = m.value
	case "code":
		d.latest.code = m.code
	}
	shown := d.latest
	if m.publish || m.do == "publish" {
		d, shown = d.published()
	}
	return d, outcome{release: shown}
}

// aliased is made, of moves that are about an alias.
func (d desired) aliased(m move) (desired, outcome) {
	at := d.aliasAt(m.alias)
	switch {
	case m.do == "createAlias" && at >= 0:
		return d, outcome{problem: exists409}
	case m.do == "deleteAlias":
		d.aliases = slices.DeleteFunc(slices.Clone(d.aliases), func(p pointer) bool { return p.name == m.alias })
		return d, outcome{}
	case m.do != "createAlias" && at < 0:
		return d, outcome{problem: missing404}
	case m.do == "getAlias":
		return d, outcome{alias: d.aliases[at]}
	}
	if m.do == "updateAlias" && m.revision != "" && d.aliases[at].revision != "" && m.revision != d.aliases[at].revision {
		return d, outcome{problem: stale412}
	}
	if _, ok := d.find(m.version); !ok || d.aliasAt(m.version) >= 0 {
		return d, outcome{problem: missing404}
	}
	p := pointer{m.alias, m.version, m.value, ""}
	d.aliases = slices.Clone(d.aliases)
	if at < 0 {
		d.aliases = append(d.aliases, p)
		slices.SortFunc(d.aliases, func(a, b pointer) int { return cmp.Compare(a.name, b.name) })
	} else {
		d.aliases[at] = p
	}
	return d, outcome{alias: p}
}

// steps are the functions that there may be after a move that was seen to end so.
func steps(d desired, m move, seen outcome) []desired {
	next, want := d.made(m)
	at := d.aliasAt(m.alias)
	switch {
	case seen.problem == noAnswer:
		return []desired{d, next}
	case seen.problem == busy409 && d.exists:
		return []desired{d} // when another change was under way
	case seen.problem == stale412 && m.revision != "" && at >= 0 && d.aliases[at].revision == "":
		return []desired{d}
	case seen.problem != want.problem || seen.release != want.release || !slices.Equal(seen.releases, want.releases):
		return nil
	case m.do == "updateAlias" && seen.problem == "" && seen.alias.revision == d.aliases[at].revision:
		return nil // every change gives a new one
	}
	if !next.shows(want.alias, seen.alias) || len(want.aliases) != len(seen.aliases) {
		return nil
	}
	for i := range want.aliases {
		if !next.shows(want.aliases[i], seen.aliases[i]) {
			return nil
		}
	}
	return []desired{next}
}

// shows compares an alias with what was seen of it, and takes a revision that
// nobody had seen.
func (d *desired) shows(want, seen pointer) bool {
	if want.name != seen.name || want.version != seen.version || want.value != seen.value || want.revision != "" && want.revision != seen.revision {
		return false
	}
	if want.name != "" {
		d.aliases = slices.Clone(d.aliases)
		d.aliases[d.aliasAt(want.name)].revision = seen.revision
	}
	return true
}

// linearModel is what porcupine holds the history of one function against.
func linearModel() porcupine.Model {
	seed := maphash.MakeSeed()
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{desired{}} },
		Step: func(state, input, output any) (next []any) {
			for _, d := range steps(state.(desired), input.(move), output.(outcome)) {
				next = append(next, d)
			}
			return next
		},
		Equal: func(a, b any) bool { return equalDesired(a.(desired), b.(desired)) },
		Hash: func(state any) uint64 {
			d := state.(desired)
			return maphash.String(seed, fmt.Sprint(d.exists, d.latest, d.last, d.releases, d.aliases))
		},
	}
	return model.ToModel()
}

func equalDesired(a, b desired) bool {
	return a.exists == b.exists && a.latest == b.latest && a.last == b.last && slices.Equal(a.releases, b.releases) && slices.Equal(a.aliases, b.aliases)
}

// TestLinearModel holds short histories against the model, one move after the
// other unless said otherwise: right ones, and for each rule one that breaks it.
func TestLinearModel(t *testing.T) {
	type did struct {
		m    move
		seen outcome
	}
	shows := func(number, value string) outcome { return outcome{release: release{number, value, ""}} }
	created := did{move{do: "create", value: "a"}, shows(lastVersion, "a")}
	updated := did{move{do: "update", value: "b"}, shows(lastVersion, "b")}
	published := did{move{do: "publish"}, shows("1", "a")}
	alias := func(do, version, value, revision, given string) did {
		return did{move{do: do, alias: "x", version: version, value: value, revision: given},
			outcome{alias: pointer{"x", version, value, revision}}}
	}
	refused := func(m move, problem string) did { return did{m, outcome{problem: problem}} }
	get := func(qualifier, number, value string) did {
		return did{move{do: "get", version: qualifier}, shows(number, value)}
	}
	for name, tt := range map[string]struct {
		history []did
		want    bool
	}{
		"update is seen":             {[]did{created, updated, get("", lastVersion, "b")}, true},
		"update is lost":             {[]did{created, updated, get("", lastVersion, "a")}, false},
		"busy changes nothing":       {[]did{created, refused(updated.m, busy409), get("", lastVersion, "a")}, true},
		"refused and done":           {[]did{created, refused(updated.m, busy409), get("", lastVersion, "b")}, false},
		"made twice":                 {[]did{created, created}, false},
		"gone without a deletion":    {[]did{created, refused(move{do: "get"}, missing404)}, false},
		"no answer, done":            {[]did{created, refused(updated.m, noAnswer), get("", lastVersion, "b")}, true},
		"no answer, not done":        {[]did{created, refused(updated.m, noAnswer), get("", lastVersion, "a")}, true},
		"no answer, done and undone": {[]did{created, refused(updated.m, noAnswer), get("", lastVersion, "b"), get("", lastVersion, "a")}, false},
		"published once":             {[]did{created, published, published}, true},
		"number used again":          {[]did{created, published, updated, {move{do: "publish"}, shows("1", "b")}}, false},
		"number used after deletion": {[]did{created, published, {move{do: "deleteVersion", version: "1"}, outcome{}}, published}, false},
		"version changes":            {[]did{created, published, updated, get("1", "1", "b")}, false},
		"alias leads to its version": {[]did{created, published, updated, alias("createAlias", "1", "v", "r1", ""), get("x", "1", "a")}, true},
		"alias to nothing":           {[]did{created, alias("createAlias", "1", "v", "r1", "")}, false},
		"its version is deleted":     {[]did{created, published, alias("createAlias", "1", "v", "r1", ""), {move{do: "deleteVersion", version: "1"}, outcome{}}}, false},
		"stale revision is taken": {[]did{created, published, alias("createAlias", "1", "v", "r1", ""),
			alias("updateAlias", "1", "w", "r2", "r1"), alias("updateAlias", "1", "x", "r3", "r1")}, false},
		"current revision is refused": {[]did{created, published, alias("createAlias", "1", "v", "r1", ""),
			refused(move{do: "updateAlias", alias: "x", version: "1", revision: "r1"}, stale412)}, false},
		"revision stays": {[]did{created, published, alias("createAlias", "1", "v", "r1", ""), alias("updateAlias", "1", "w", "r1", "")}, false},
		"alias without answer has some revision": {[]did{created, published, refused(alias("createAlias", "1", "v", "", "").m, noAnswer),
			alias("getAlias", "1", "v", "r1", ""), alias("getAlias", "1", "v", "r1", "")}, true},
		"and then keeps it": {[]did{created, published, refused(alias("createAlias", "1", "v", "", "").m, noAnswer),
			alias("getAlias", "1", "v", "r1", ""), alias("getAlias", "1", "v", "r2", "")}, false},
		"list leaves out a version": {[]did{created, published, {move{do: "listVersions"}, outcome{releases: []release{{lastVersion, "a", ""}}}}}, false},
		"deletion takes all":        {[]did{created, published, {move{do: "delete"}, outcome{}}, created, get("1", "1", "a")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var history []porcupine.Operation
			for i, d := range tt.history {
				history = append(history, porcupine.Operation{Input: d.m, Output: d.seen, Call: int64(2 * i), Return: int64(2*i + 1)})
			}
			if got := porcupine.CheckOperations(linearModel(), history); got != tt.want {
				t.Errorf("linearizable: %v", got)
			}
		})
	}
}
