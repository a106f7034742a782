// Package pattern is the filter patterns of CloudWatch Logs: which messages a
// search or a live tail shows.
//
// There are four forms. Terms: `ERROR "two words" -exclude`, all of which must
// hold, or `?one ?other`, one of which must; beside terms without it, those with a
// question mark are ignored, as the service documents. A regular expression
// between percent signs counts as a term. JSON:
// `{ $.level = "ERROR" && ($.took > 10 || $.tags[0] = a*) }`. Space-delimited:
// `[ip, user, ..., status = 4*, bytes > 1000]`. The empty pattern matches all.
//
// What the service's documentation leaves open is decided here: terms that are not
// alphanumeric need no quotes unless they begin with one of the form's own signs;
// EXISTS is taken beside NOT EXISTS.
//
// A Pattern does not change and may be used by many goroutines.
package pattern

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// maxRegexps bounds the regular expressions of one pattern, as the service does.
const maxRegexps = 2

// Pattern tells which messages match.
type Pattern struct {
	match func(message []byte) bool // nil for all
}

// Match tells whether a message matches.
func (p *Pattern) Match(message []byte) bool { return p.match == nil || p.match(message) }

// All tells whether everything matches.
func (p *Pattern) All() bool { return p.match == nil }

// Parse reads a pattern. Its error is a text for the one who wrote it.
func Parse(text string) (*Pattern, error) {
	text = strings.TrimSpace(text)
	s := &scanner{text: text}
	var err error
	p := &Pattern{}
	switch {
	case text == "":
		return p, nil
	case text[0] == '{':
		p.match, err = s.json()
	case text[0] == '[':
		p.match, err = s.fields()
	default:
		p.match, err = s.terms()
	}
	if err == nil {
		if s.space(); s.more() {
			err = s.unexpected()
		}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// scanner walks a pattern.
type scanner struct {
	text    string
	pos     int
	regexps int
	depth   int
}

func (s *scanner) more() bool { return s.pos < len(s.text) }

func (s *scanner) peek() byte {
	if !s.more() {
		return 0
	}
	return s.text[s.pos]
}

func (s *scanner) space() {
	for s.more() && isSpace(s.text[s.pos]) {
		s.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// accept passes over what comes next, if it is that.
func (s *scanner) accept(what string) bool {
	s.space()
	if !strings.HasPrefix(s.text[s.pos:], what) {
		return false
	}
	s.pos += len(what)
	return true
}

func (s *scanner) unexpected() error {
	if !s.more() {
		return fmt.Errorf("the pattern ends too early")
	}
	return fmt.Errorf("unexpected %q at character %d of the pattern", s.text[s.pos], s.pos+1)
}

// quoted reads a text in double quotes; a backslash takes the next character as
// it is.
func (s *scanner) quoted() (string, error) {
	var b strings.Builder
	for s.pos++; s.more(); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return b.String(), nil
		case c == '\\' && s.pos+1 < len(s.text):
			s.pos++
			b.WriteByte(s.text[s.pos])
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("a quoted text has no end")
}

// regexp reads an expression between percent signs.
func (s *scanner) regexp() (*regexp.Regexp, error) {
	end := strings.IndexByte(s.text[s.pos+1:], '%')
	if end <= 0 {
		return nil, fmt.Errorf("a regular expression needs a percent sign at both ends")
	}
	if s.regexps++; s.regexps > maxRegexps {
		return nil, fmt.Errorf("a pattern may hold %d regular expressions", maxRegexps)
	}
	text := s.text[s.pos+1 : s.pos+1+end]
	s.pos += end + 2
	if strings.ContainsAny(text, "()") {
		return nil, fmt.Errorf("parentheses are not supported in regular expressions")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the regular expression %q cannot be read", text)
	}
	return re, nil
}

// terms reads the form without brackets.
func (s *scanner) terms() (func([]byte) bool, error) {
	var all, any, none []func([]byte) bool
	for s.space(); s.more(); s.space() {
		list := &all
		switch s.peek() {
		case '-':
			list = &none
			s.pos++
		case '?':
			list = &any
			s.pos++
		}
		s.space() // the service's own examples have a space behind the sign
		term, err := s.term()
		if err != nil {
			return nil, err
		}
		*list = append(*list, term)
	}
	if len(all)+len(none) > 0 {
		any = nil
	}
	return func(message []byte) bool {
		for _, f := range none {
			if f(message) {
				return false
			}
		}
		for _, f := range all {
			if !f(message) {
				return false
			}
		}
		for _, f := range any {
			if f(message) {
				return true
			}
		}
		return len(any) == 0
	}, nil
}

func (s *scanner) term() (func([]byte) bool, error) {
	var text string
	switch s.peek() {
	case '%':
		re, err := s.regexp()
		if err != nil {
			return nil, err
		}
		return re.Match, nil
	case '"':
		quoted, err := s.quoted()
		if err != nil {
			return nil, err
		}
		text = quoted
	default:
		start := s.pos
		for s.more() && !isSpace(s.text[s.pos]) && s.text[s.pos] != '"' {
			s.pos++
		}
		if text = s.text[start:s.pos]; text == "" {
			return nil, s.unexpected()
		}
	}
	wanted := []byte(text)
	return func(message []byte) bool { return bytes.Contains(message, wanted) }, nil
}
