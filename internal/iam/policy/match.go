package policy

import (
	"strings"
	"unicode/utf8"
)

// In a pattern, what a variable stood for has no wildcards and begins no part of
// an ARN: these bytes stand for the characters themselves. Documents have none of
// them.
const (
	plainStar     = '\x01'
	plainQuestion = '\x02'
	plainColon    = '\x03'
)

// plain is a text as a pattern that only the text is of.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '*':
			return plainStar
		case '?':
			return plainQuestion
		case ':':
			return plainColon
		default:
			return r
		}
	}, text)
}

func literal(b byte) byte {
	switch b {
	case plainStar:
		return '*'
	case plainQuestion:
		return '?'
	case plainColon:
		return ':'
	default:
		return b
	}
}

// Like tells whether a text is of a pattern, in which * stands for any characters
// and ? for one.
func Like(text, pattern string) bool { return like(text, pattern) }

// like tells whether a text is of a pattern, in which * stands for any characters
// and ? for one. It takes no longer than the product of their lengths.
func like(text, pattern string) bool {
	t, p := 0, 0
	star, from := -1, 0 // the last *, and where what it stands for ends
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(text[t:])
			t += size
			p++
		case p < len(pattern) && literal(pattern[p]) == text[t]:
			t++
			p++
		case star >= 0:
			from++
			t, p = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// arnParts is how many parts an ARN has: the last may have colons in it.
const arnParts = 6

// likeARN compares part by part, so that a wildcard stays within its own. What is
// no whole ARN is compared as it stands.
func likeARN(text, pattern string) bool {
	patterns := strings.SplitN(pattern, ":", arnParts)
	texts := strings.SplitN(text, ":", arnParts)
	if len(patterns) < arnParts || len(texts) < arnParts {
		return like(text, pattern)
	}
	for i := range patterns {
		if !like(texts[i], patterns[i]) {
			return false
		}
	}
	return true
}

// expand puts values in the place of variables: ${key} and ${key, 'default'}; ok
// is false if one has no value, known false if the server could not tell.
func expand(pattern string, c Context) (s string, ok, known bool) {
	if !strings.Contains(pattern, "${") {
		return pattern, true, true
	}
	var b strings.Builder
	for {
		head, rest, more := strings.Cut(pattern, "${")
		b.WriteString(head)
		if !more {
			return b.String(), true, true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", false, false
		}
		switch name {
		case "*", "?":
			b.WriteString(plain(name))
		case "$":
			b.WriteString("$")
		default:
			key, other, hasDefault := strings.Cut(name, ",")
			values, known := c.lookup(strings.TrimSpace(key))
			switch {
			case !known:
				return "", false, false
			case len(values) == 1:
				b.WriteString(plain(values[0]))
			case hasDefault:
				b.WriteString(plain(strings.Trim(strings.TrimSpace(other), "'")))
			default:
				return "", false, true
			}
		}
		pattern = after
	}
}
