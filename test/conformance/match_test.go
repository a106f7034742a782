package conformance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// token is what a recording has in the place of a value that varies. One with a
// number, or one that a case binds, is the same value everywhere.
var token = regexp.MustCompile(`<[a-z][a-z0-9_-]*(:\d+)?>`)

// kinds are whole values of a recording that tell no more than their kind.
var kinds = map[string]*regexp.Regexp{
	"date":        regexp.MustCompile(`^\d{4}-\d\d-\d\dT`),
	"datetime":    regexp.MustCompile(`^\d{4}-\d\d-\d\dT`),
	"lambda-url":  regexp.MustCompile(`^https?://`),
	"code-sha256": regexp.MustCompile(`^[A-Za-z0-9+/]{43}=$`),
	"event-id":    regexp.MustCompile(`.`),
	"timestamp":   regexp.MustCompile(`^\d`),
	"log-result":  regexp.MustCompile(`^[A-Za-z0-9+/]+=*$`),
}

// match compares answers with their recording.
type match struct {
	bound       map[string]string // values of the tokens
	differences []string
}

func newMatch(bound map[string]string) *match {
	m := &match{bound: map[string]string{"<region>": region, "<partition>": "aws"}}
	maps.Copy(m.bound, bound)
	return m
}

func (m *match) differ(path, format string, args ...any) {
	m.differences = append(m.differences, path+": "+fmt.Sprintf(format, args...))
}

func (m *match) compare(path string, want, got any) {
	if text, ok := got.(string); ok && isTree(want) {
		// A policy or a payload is text that holds JSON.
		var parsed any
		if json.Unmarshal([]byte(text), &parsed) == nil {
			got = parsed
		}
	}
	switch want := want.(type) {
	case map[string]any:
		members, ok := got.(map[string]any)
		if !ok {
			m.differ(path, "want an object, got %s", brief(got))
			return
		}
		m.object(path, want, members)
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			m.differ(path, "want %d items, got %s", len(want), brief(got))
			return
		}
		for i := range want {
			m.compare(fmt.Sprintf("%s[%d]", path, i), want[i], items[i])
		}
	case string:
		m.text(path, want, got)
	default:
		if want != got {
			m.differ(path, "want %v, got %s", want, brief(got))
		}
	}
}

func isTree(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func (m *match) object(path string, want, got map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if key == "HTTPHeaders" {
			continue // what the recording keeps of them is empty
		}
		if value, ok := got[key]; ok {
			m.compare(path+"."+key, want[key], value)
		} else {
			m.differ(path+"."+key, "want %s, got no such member", brief(want[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			m.differ(path+"."+key, "want no such member, got %s", brief(got[key]))
		}
	}
}

// moment is a time within a line of a log; recordings have "date" there.
var moment = regexp.MustCompile(`\t\d{4}-\d\d-\d\dT[0-9:.]+Z\t`)

// nested is a token within a token, which a few recordings have.
var nested = regexp.MustCompile(`<<([a-z0-9-]+)>:(\d+)>`)

func (m *match) text(path, want string, value any) {
	want = nested.ReplaceAllString(want, "<$1:$2>")
	got, ok := value.(string)
	if strings.Contains(want, "\tdate\t") {
		got = moment.ReplaceAllString(got, "\tdate\t")
	}
	if !ok && !token.MatchString(want) && kinds[want] == nil || value == nil {
		m.differ(path, "want %q, got %s", want, brief(value))
		return
	}
	if !ok {
		got = fmt.Sprint(value)
	}
	if want == got {
		return
	}
	if kind := kinds[want]; kind != nil {
		if !kind.MatchString(got) {
			m.differ(path, "want a %s, got %q", want, got)
		}
		return
	}
	var pattern strings.Builder
	var names []string
	rest := want
	for _, at := range token.FindAllStringIndex(want, -1) {
		pattern.WriteString(regexp.QuoteMeta(want[len(want)-len(rest) : at[0]]))
		name := want[at[0]:at[1]]
		if value, ok := m.bound[name]; ok {
			pattern.WriteString(regexp.QuoteMeta(value))
		} else {
			pattern.WriteString("(.+?)")
			names = append(names, name)
		}
		rest = want[at[1]:]
	}
	pattern.WriteString(regexp.QuoteMeta(rest))
	found := regexp.MustCompile(`(?s)^` + pattern.String() + `$`).FindStringSubmatch(got)
	if found == nil {
		m.differ(path, "want %s, got %q", m.filled(want), got)
		return
	}
	for i, name := range names {
		m.bind(path, name, found[i+1])
	}
}

// filled is a recorded text with the values that are known by now.
func (m *match) filled(want string) string {
	return fmt.Sprintf("%q", token.ReplaceAllStringFunc(want, func(name string) string {
		if value, ok := m.bound[name]; ok {
			return value
		}
		return name
	}))
}

// bind gives a token its value. Tokens that are counted stand for values that
// differ from one another.
func (m *match) bind(path, name, value string) {
	if !strings.Contains(name, ":") {
		return
	}
	if old, ok := m.bound[name]; ok {
		if old != value {
			m.differ(path, "%s is %q here and %q elsewhere", name, value, old)
		}
		return
	}
	if kind, _, counted := strings.Cut(name, ":"); counted {
		for other, taken := range m.bound {
			if taken == value && strings.HasPrefix(other, kind+":") {
				m.differ(path, "%s and %s are both %q", name, other, value)
			}
		}
	}
	m.bound[name] = value
}

func brief(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if len(text) > 300 {
		text = append(text[:300], "…"...)
	}
	return string(text)
}
