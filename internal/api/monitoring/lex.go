package monitoring

import (
	"fmt"
	"strings"
)

// token is a word of an expression. Its kind is the first letter of what it is: n(umber),
// i(dentifier), s(tring), o(perator), or 0 at the end.
type token struct {
	kind byte
	text string
}

// operators are those of two characters first.
var operators = []string{"&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]", ","}

// lex cuts an expression into words.
func lex(text string) (words []token, err error) {
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return append(words, token{}), nil
		}
		word, rest, err := first(text)
		if err != nil {
			return nil, err
		}
		words, text = append(words, word), rest
	}
}

func first(text string) (word token, rest string, err error) {
	switch c := text[0]; {
	case isDigit(c) || c == '.':
		n := leading(text, func(c byte) bool { return isDigit(c) || c == '.' })
		return token{'n', text[:n]}, text[n:], nil
	case isLetter(c):
		n := leading(text, func(c byte) bool { return isLetter(c) || isDigit(c) })
		return token{'i', text[:n]}, text[n:], nil
	case c == '"' || c == '\'':
		end := strings.IndexByte(text[1:], c)
		if end < 0 {
			return token{}, "", fmt.Errorf("a string has no end")
		}
		return token{'s', text[1 : end+1]}, text[end+2:], nil
	}
	for _, op := range operators {
		if rest, ok := strings.CutPrefix(text, op); ok {
			return token{'o', op}, rest, nil
		}
	}
	return token{}, "", fmt.Errorf("%q is unexpected", text[:1])
}

// leading is how many of the first bytes are of a kind.
func leading(text string, is func(byte) bool) int {
	n := 0
	for n < len(text) && is(text[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
