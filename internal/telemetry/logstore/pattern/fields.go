package pattern

import "fmt"

// maxFields bounds the fields of a pattern and of a message.
const maxFields = 256

// field is one of a space-delimited pattern: any number of fields, or one of
// which something may be said.
type field struct {
	rest      bool // "..."
	condition func(string) bool
}

// fields reads the form in brackets.
func (s *scanner) fields() (func([]byte) bool, error) {
	s.pos++
	var list []field
	rests := 0
	for {
		if s.accept("]") {
			break // a comma may stand behind the last one
		}
		f, err := s.field()
		if err != nil {
			return nil, err
		}
		if f.rest {
			rests++
		}
		if list = append(list, f); len(list) > maxFields || rests > 1 {
			return nil, fmt.Errorf("a pattern may have %d fields, and one \"...\" among them", maxFields)
		}
		if s.accept(",") {
			continue
		}
		if !s.accept("]") {
			return nil, s.unexpected()
		}
		break
	}
	return func(message []byte) bool { return matchFields(list, split(string(message))) }, nil
}

func (s *scanner) field() (field, error) {
	if s.accept("...") {
		return field{rest: true}, nil
	}
	s.space()
	if c := s.peek(); c == ',' || c == ']' {
		return field{}, nil // without a name
	}
	start := s.pos
	name := s.fieldName()
	if s.space(); s.peek() == ',' || s.peek() == ']' {
		return field{}, nil
	}
	// A condition: the name again, which belongs to it.
	s.pos = start
	condition, err := either(s, func() (func(string) bool, error) {
		s.space()
		if again := s.fieldName(); again != name {
			return nil, fmt.Errorf("a condition on the field %q names another, %q", name, again)
		}
		c, err := s.comparison(",])")
		return func(value string) bool { return c.holds(value) }, err
	})
	return field{condition: condition}, err
}

func (s *scanner) fieldName() string {
	start := s.pos
	for s.more() && (isWord(s.text[s.pos]) || s.text[s.pos] == '-' || s.text[s.pos] == '$') {
		s.pos++
	}
	return s.text[start:s.pos]
}

// split parts a message at white space; what stands between brackets or double
// quotes is one field.
func split(message string) []string {
	var values []string
	s := scanner{text: message}
	for s.space(); s.more() && len(values) < maxFields; s.space() {
		start, end := s.pos, byte(0)
		switch s.peek() {
		case '"':
			end = '"'
		case '[':
			end = ']'
		}
		if end != 0 {
			for s.pos++; s.more() && s.text[s.pos] != end; s.pos++ {
			}
			if s.more() {
				values = append(values, s.text[start+1:s.pos])
				s.pos++
				continue
			}
			s.pos = start // it is not closed: a character like others
		}
		for s.more() && !isSpace(s.text[s.pos]) {
			s.pos++
		}
		values = append(values, s.text[start:s.pos])
	}
	return values
}

func matchFields(list []field, values []string) bool {
	for i, f := range list {
		if !f.rest {
			continue
		}
		behind := list[i+1:]
		return len(values) >= len(list)-1 && holdAll(list[:i], values[:i]) && holdAll(behind, values[len(values)-len(behind):])
	}
	return len(values) == len(list) && holdAll(list, values)
}

func holdAll(list []field, values []string) bool {
	for i, f := range list {
		if f.condition != nil && !f.condition(values[i]) {
			return false
		}
	}
	return true
}
