package awsapi

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// patterns compiles the model's patterns when they are first needed.
type patterns struct {
	compiled sync.Map // text → func(string) bool
}

func (p *patterns) match(text, s string) bool {
	if m, ok := p.compiled.Load(text); ok {
		return m.(func(string) bool)(s)
	}
	m, err := Matcher(text)
	if err != nil { // the generator lets no such pattern pass
		m = func(string) bool { return false }
	}
	p.compiled.Store(text, m)
	return m(s)
}

// Matcher compiles a pattern of the model. It matches whole strings. A pattern
// that looks around is a Java expression that Go cannot compile; those in use
// have a matcher of their own, and any other is an error.
func Matcher(text string) (func(string) bool, error) {
	if m := lookaround(text); m != nil {
		return m, nil
	}
	re, err := regexp.Compile(`\A(?:` + lenient(text) + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("compile pattern %q: %w", text, err)
	}
	return re.MatchString, nil
}

// lenient lets "$latest" pass where a function's identifier may end in $LATEST or
// $LATEST.PUBLISHED: the service was recorded to look for such a version and not
// find it.
func lenient(text string) string {
	const qualifier = `(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
	if name, ok := strings.CutSuffix(text, qualifier); ok {
		return name + `(:(\$(?i:LATEST)(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
	}
	return text
}

// lookaround is the matchers of the patterns that look ahead or behind.
func lookaround(text string) func(string) bool {
	switch text {
	case `(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, `((?!^\d+$)^[0-9a-zA-Z-_]+$)`: // names that are not numbers
		return func(s string) bool { return isName(s) && !isNumber(s) }
	case `(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`: // collections that are not the system's
		return isCollection
	case `[0-9A-Za-z\.\-_]*(?<!\.)`: // buckets that do not end in a dot
		return isBucket
	case functionUrlFunctionName:
		return functionURLFunctionName()
	default:
		return nil
	}
}

// functionUrlFunctionName is a function's identifier whose qualifier is not a
// version's number.
const functionUrlFunctionName = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`

// functionURLFunctionName matches without a qualifier, or with one that is not a
// number. What may be read either way ("function:1") passes, as in the pattern.
func functionURLFunctionName() func(string) bool {
	name, _, _ := strings.Cut(functionUrlFunctionName, `(:((?!`)
	unqualified := regexp.MustCompile(`\A(?:` + name + `)\z`)
	return func(s string) bool {
		if unqualified.MatchString(s) {
			return true
		}
		i := strings.LastIndexByte(s, ':')
		return i >= 0 && unqualified.MatchString(s[:i]) && isName(s[i+1:]) && !isNumber(s[i+1:])
	}
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// isName tells whether s is one or more of a-z, A-Z, 0-9, hyphen, underscore.
func isName(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isCollection(s string) bool {
	return s != "" && isNameByte(s[0]) && s[0] != '-' && !strings.HasPrefix(s, "system.") && !strings.Contains(s, "$")
}

func isBucket(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i]) && s[i] != '.' {
			return false
		}
	}
	return !strings.HasSuffix(s, ".")
}
