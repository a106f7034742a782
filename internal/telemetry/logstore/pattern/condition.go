package pattern

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// comparison is an operator and what it compares with.
type comparison struct {
	operator string // =, !=, <, >, <=, >=
	text     string
	number   float64
	numeric  bool // text is a number and was not quoted
	re       *regexp.Regexp
}

// operators, the longer ones first.
func operators() []string { return []string{"!=", "<=", ">=", "=", "<", ">"} }

// comparison reads an operator and a value that ends before one of stops.
func (s *scanner) comparison(stops string) (comparison, error) {
	var c comparison
	for _, operator := range operators() {
		if s.accept(operator) {
			c.operator = operator
			break
		}
	}
	if c.operator == "" {
		s.space()
		return c, s.unexpected()
	}
	s.space()
	var err error
	switch s.peek() {
	case '"':
		c.text, err = s.quoted()
	case '%':
		c.re, err = s.regexp()
	default:
		c.text = s.bare(stops)
		if c.text == "" {
			return c, s.unexpected()
		}
		c.number, c.numeric = number(c.text)
	}
	if err != nil {
		return c, err
	}
	if ordered := c.operator[0] == '<' || c.operator[0] == '>'; ordered && !c.numeric {
		return c, fmt.Errorf("%s compares with a number, and %q is not one", c.operator, c.text)
	}
	if c.re != nil && c.operator != "=" && c.operator != "!=" {
		return c, fmt.Errorf("%s does not take a regular expression", c.operator)
	}
	return c, nil
}

// bare reads a value without quotes.
func (s *scanner) bare(stops string) string {
	start := s.pos
	for s.more() && !isSpace(s.text[s.pos]) && !strings.ContainsRune(stops, rune(s.text[s.pos])) &&
		!strings.HasPrefix(s.text[s.pos:], "&&") && !strings.HasPrefix(s.text[s.pos:], "||") {
		s.pos++
	}
	return s.text[start:s.pos]
}

func number(text string) (float64, bool) {
	if text == "" || !strings.ContainsRune("+-.0123456789", rune(text[0])) {
		return 0, false // strconv also reads words
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !strings.ContainsAny(text, "xXpP_") && !strings.EqualFold(strings.TrimLeft(text, "+-"), "inf")
}

// holds compares with a text.
func (c *comparison) holds(value string) bool {
	switch {
	case c.re != nil:
		return c.re.MatchString(value) == (c.operator == "=")
	case c.numeric:
		if f, ok := number(value); ok {
			return c.ordered(f)
		}
		return c.operator == "!="
	}
	return wildcard(c.text, value) == (c.operator == "=")
}

// ordered compares with a number.
func (c *comparison) ordered(f float64) bool {
	switch c.operator {
	case "=":
		return f == c.number
	case "!=":
		return f != c.number
	case "<":
		return f < c.number
	case ">":
		return f > c.number
	case "<=":
		return f <= c.number
	default:
		return f >= c.number
	}
}

// wildcard compares with a text in which an asterisk stands for any characters.
func wildcard(pattern, value string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == value
	}
	value, ok := strings.CutPrefix(value, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		i := strings.Index(value, part)
		if i < 0 {
			return false
		}
		value = value[i+len(part):]
	}
	return strings.HasSuffix(value, parts[last])
}

// maxDepth bounds the parentheses of a pattern.
const maxDepth = 32

// either reads conditions joined by || and &&, the latter binding closer, with
// parentheses; one reads a condition.
func either[T any](s *scanner, one func() (func(T) bool, error)) (func(T) bool, error) {
	left, err := both(s, one)
	for err == nil && s.accept("||") {
		var right func(T) bool
		if right, err = both(s, one); err != nil {
			break
		}
		before := left
		left = func(v T) bool { return before(v) || right(v) }
	}
	return left, err
}

func both[T any](s *scanner, one func() (func(T) bool, error)) (func(T) bool, error) {
	left, err := operand(s, one)
	for err == nil && s.accept("&&") {
		var right func(T) bool
		if right, err = operand(s, one); err != nil {
			break
		}
		before := left
		left = func(v T) bool { return before(v) && right(v) }
	}
	return left, err
}

func operand[T any](s *scanner, one func() (func(T) bool, error)) (func(T) bool, error) {
	if !s.accept("(") {
		return one()
	}
	if s.depth++; s.depth > maxDepth {
		return nil, fmt.Errorf("the pattern is nested deeper than %d", maxDepth)
	}
	defer func() { s.depth-- }()
	inner, err := either(s, one)
	if err == nil && !s.accept(")") {
		err = s.unexpected()
	}
	return inner, err
}
