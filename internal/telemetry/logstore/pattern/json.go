package pattern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// json reads the form in braces.
func (s *scanner) json() (func([]byte) bool, error) {
	s.pos++
	condition, err := either(s, s.jsonCondition)
	if err != nil {
		return nil, err
	}
	if !s.accept("}") {
		return nil, s.unexpected()
	}
	return func(message []byte) bool {
		message = bytes.TrimSpace(message)
		if len(message) == 0 || message[0] != '{' && message[0] != '[' {
			return false // spares the decoder what is plainly no document
		}
		d := json.NewDecoder(bytes.NewReader(message))
		d.UseNumber()
		var document any
		return d.Decode(&document) == nil && condition(document)
	}, nil
}

// jsonCondition reads a selector and what is said of it.
func (s *scanner) jsonCondition() (func(any) bool, error) {
	path, err := s.selector()
	if err != nil {
		return nil, err
	}
	if s.keyword("IS") {
		for _, word := range []string{"NULL", "TRUE", "FALSE"} {
			if s.keyword(word) {
				return path.is(word), nil
			}
		}
		return nil, fmt.Errorf("IS must be followed by NULL, TRUE or FALSE")
	}
	if s.keyword("EXISTS") {
		return path.exists(true), nil
	}
	if s.keyword("NOT") {
		if !s.keyword("EXISTS") {
			return nil, fmt.Errorf("NOT must be followed by EXISTS")
		}
		return path.exists(false), nil
	}
	c, err := s.comparison(")}")
	if err != nil {
		return nil, err
	}
	return path.compare(c), nil
}

// keyword passes over a word in capitals or small letters.
func (s *scanner) keyword(word string) bool {
	s.space()
	rest := s.text[s.pos:]
	if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) || len(rest) > len(word) && isWord(rest[len(word)]) {
		return false
	}
	s.pos += len(word)
	return true
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// step is a member's name, an element's number, or all elements.
type step struct {
	name  string
	index int
	kind  byte // 'n'ame, 'i'ndex, '*'
}

// selector is a path into a document.
type selector []step

// maxSteps bounds a path.
const maxSteps = 64

func (s *scanner) selector() (selector, error) {
	s.space()
	if s.peek() != '$' {
		return nil, s.unexpected()
	}
	s.pos++
	var path selector
	for len(path) < maxSteps {
		switch {
		case s.peek() == '.' && s.pos+1 < len(s.text) && s.text[s.pos+1] == '[':
			s.pos++
		case s.peek() == '.':
			s.pos++
			name := s.memberName()
			if name == "" {
				return nil, s.unexpected()
			}
			path = append(path, step{name: name, kind: 'n'})
			continue
		case s.peek() != '[':
			if len(path) == 0 {
				return nil, s.unexpected()
			}
			return path, nil
		}
		one, err := s.bracket()
		if err != nil {
			return nil, err
		}
		path = append(path, one)
	}
	return nil, fmt.Errorf("a selector has more than %d steps", maxSteps)
}

func (s *scanner) memberName() string {
	start := s.pos
	for s.more() && (isWord(s.text[s.pos]) || s.text[s.pos] == '-' || s.text[s.pos] >= 0x80) {
		s.pos++
	}
	return s.text[start:s.pos]
}

// bracket reads [0], [*], ["name"] or ['name'].
func (s *scanner) bracket() (step, error) {
	s.pos++
	end := strings.IndexByte(s.text[s.pos:], ']')
	if end < 0 {
		return step{}, fmt.Errorf("a bracket of a selector is not closed")
	}
	inner := strings.TrimSpace(s.text[s.pos : s.pos+end])
	s.pos += end + 1
	if inner == "*" {
		return step{kind: '*'}, nil
	}
	if n := len(inner); n >= 2 && (inner[0] == '"' || inner[0] == '\'') && inner[n-1] == inner[0] {
		return step{name: inner[1 : n-1], kind: 'n'}, nil
	}
	index, err := strconv.Atoi(inner)
	if err != nil || index < 0 {
		return step{}, fmt.Errorf("%q is neither the number of an element nor the name of a member", inner)
	}
	return step{index: index, kind: 'i'}, nil
}

// find calls visit for each value that the path leads to, until it returns true.
func (p selector) find(v any, visit func(any) bool) bool {
	if len(p) == 0 {
		return visit(v)
	}
	switch p[0].kind {
	case 'n':
		object, ok := v.(map[string]any)
		if !ok {
			return false
		}
		member, ok := object[p[0].name]
		return ok && p[1:].find(member, visit)
	case 'i':
		array, ok := v.([]any)
		return ok && p[0].index < len(array) && p[1:].find(array[p[0].index], visit)
	default:
		array, _ := v.([]any)
		for _, element := range array {
			if p[1:].find(element, visit) {
				return true
			}
		}
		return false
	}
}

func (p selector) exists(want bool) func(any) bool {
	return func(document any) bool {
		return p.find(document, func(any) bool { return true }) == want
	}
}

func (p selector) is(word string) func(any) bool {
	var want any
	if word != "NULL" {
		want = word == "TRUE"
	}
	return func(document any) bool {
		return p.find(document, func(v any) bool {
			switch v.(type) {
			case nil, bool:
				return v == want
			}
			return false
		})
	}
}

// compare holds for values only: neither = nor != does for an object, an array or
// what is not there.
func (p selector) compare(c comparison) func(any) bool {
	return func(document any) bool {
		return p.find(document, func(v any) bool {
			switch v := v.(type) {
			case string:
				if c.numeric && c.operator != "=" && c.operator != "!=" {
					return false // texts are not ordered
				}
				return c.holdsText(v)
			case json.Number:
				return c.holds(v.String())
			case bool:
				return c.holdsText(strconv.FormatBool(v))
			}
			return false
		})
	}
}

// holdsText compares texts also where the pattern has a number.
func (c *comparison) holdsText(value string) bool {
	text := *c
	text.numeric = false
	return text.holds(value)
}
