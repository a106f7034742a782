package awsapi

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"thaw/internal/lambda"
)

// CodeSerialization is the error of a body that is not JSON or has wrong types.
const CodeSerialization = "SerializationException"

// maxDepth bounds the nesting of a JSON document.
const maxDepth = 128

// reader walks a JSON document once. It never copies but strings that are kept.
type reader struct {
	data  []byte
	pos   int
	depth int
}

func malformed(format string, args ...any) error {
	return lambda.Errorf(CodeSerialization, format, args...)
}

func (r *reader) syntax(what string) error {
	if r.pos >= len(r.data) {
		return malformed("Could not parse request body into json: unexpected end of input, expected %s", what)
	}
	return malformed("Could not parse request body into json: unexpected character %s at byte %d, expected %s",
		strconv.QuoteRune(rune(r.data[r.pos])), r.pos, what)
}

// peek skips white space and shows the next byte; 0 at the end.
func (r *reader) peek() byte {
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; c {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

// end demands that nothing but white space follows.
func (r *reader) end() error {
	if r.peek(); r.pos < len(r.data) {
		return r.syntax("the end")
	}
	return nil
}

// object calls member for each name, with the reader in front of the value.
func (r *reader) object(member func(name string) error) error {
	return r.sequence('{', '}', func() error {
		if r.peek() != '"' {
			return r.syntax("a member's name")
		}
		name, err := r.text()
		if err != nil {
			return err
		}
		if r.peek() != ':' {
			return r.syntax("a colon")
		}
		r.pos++
		return member(name)
	})
}

// array calls element with the reader in front of each element.
func (r *reader) array(element func() error) error { return r.sequence('[', ']', element) }

func (r *reader) sequence(open, shut byte, item func() error) error {
	if r.depth++; r.depth > maxDepth {
		return malformed("Could not parse request body into json: nested deeper than %d", maxDepth)
	}
	defer func() { r.depth-- }()
	r.pos++ // open, seen by the caller
	if r.peek() == shut {
		r.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch r.peek() {
		case ',':
			r.pos++
		case shut:
			r.pos++
			return nil
		default:
			return r.syntax(fmt.Sprintf("a comma or %q", rune(shut)))
		}
	}
}

// skip passes over one value of any kind.
func (r *reader) skip() error {
	switch c := r.peek(); {
	case c == '{':
		return r.object(func(string) error { return r.skip() })
	case c == '[':
		return r.array(r.skip)
	case c == '"':
		_, _, err := r.quoted()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := r.number()
		return err
	default:
		_, err := r.word()
		return err
	}
}

// word reads null, true or false.
func (r *reader) word() (string, error) {
	r.peek()
	for _, w := range []string{"null", "true", "false"} {
		if len(r.data)-r.pos >= len(w) && string(r.data[r.pos:r.pos+len(w)]) == w {
			r.pos += len(w)
			return w, nil
		}
	}
	return "", r.syntax("a value")
}

// null passes over a null, if it is next.
func (r *reader) null() bool {
	if r.peek() != 'n' {
		return false
	}
	_, err := r.word()
	return err == nil
}

// number reads a number's text.
func (r *reader) number() (string, error) {
	start := r.pos
	if r.at('-') {
		r.pos++
	}
	if r.at('0') {
		r.pos++
	} else if !r.digits() {
		return "", r.syntax("a digit")
	}
	if r.at('.') {
		if r.pos++; !r.digits() {
			return "", r.syntax("a digit")
		}
	}
	if r.at('e') || r.at('E') {
		if r.pos++; r.at('+') || r.at('-') {
			r.pos++
		}
		if !r.digits() {
			return "", r.syntax("a digit")
		}
	}
	return string(r.data[start:r.pos]), nil
}

func (r *reader) at(c byte) bool { return r.pos < len(r.data) && r.data[r.pos] == c }

func (r *reader) digits() bool {
	start := r.pos
	for r.pos < len(r.data) && r.data[r.pos] >= '0' && r.data[r.pos] <= '9' {
		r.pos++
	}
	return r.pos > start
}

// quoted passes over a string and returns what is between the quotes.
func (r *reader) quoted() (raw []byte, escaped bool, err error) {
	r.pos++
	start := r.pos
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; {
		case c == '"':
			r.pos++
			return r.data[start : r.pos-1], escaped, nil
		case c == '\\':
			escaped = true
			if err := r.escape(); err != nil {
				return nil, false, err
			}
		case c < ' ':
			return nil, false, r.syntax("no control character in a string")
		default:
			r.pos++
		}
	}
	return nil, false, r.syntax("the end of a string")
}

// escape passes over one escape sequence.
func (r *reader) escape() error {
	r.pos++
	if r.pos >= len(r.data) {
		return r.syntax("an escape")
	}
	switch r.data[r.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		r.pos++
		return nil
	case 'u':
		r.pos++
		for range 4 {
			if r.pos >= len(r.data) || !isHex(r.data[r.pos]) {
				return r.syntax("a hexadecimal digit")
			}
			r.pos++
		}
		return nil
	default:
		return r.syntax("an escape")
	}
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// text reads a string.
func (r *reader) text() (string, error) {
	raw, escaped, err := r.quoted()
	if err != nil {
		return "", err
	}
	if !utf8.Valid(raw) {
		return "", malformed("Could not parse request body into json: a string is not valid UTF-8")
	}
	if escaped {
		raw = unescapeJSON(raw)
	}
	return string(raw), nil
}

// blob reads a string in base64.
func (r *reader) blob() ([]byte, error) {
	raw, escaped, err := r.quoted()
	if err != nil {
		return nil, err
	}
	if escaped {
		raw = unescapeJSON(raw)
	}
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Decode(plain, raw)
	if err != nil {
		return nil, malformed("Could not parse request body into json: a blob is not valid base64")
	}
	return plain[:n], nil
}

// unescapeJSON resolves escapes that quoted has checked. A surrogate without its
// partner becomes U+FFFD.
func unescapeJSON(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		if raw[i+1] == 'u' {
			c := hex4(raw[i+2:])
			i += 6
			if utf16.IsSurrogate(c) {
				c = utf16.DecodeRune(c, nextEscape(raw[i:]))
				if c != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, c)
			continue
		}
		out = append(out, plainEscapes[raw[i+1]])
		i += 2
	}
	return out
}

var plainEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func nextEscape(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return utf8.RuneError
	}
	return hex4(raw[2:])
}

func hex4(b []byte) rune {
	v, _ := strconv.ParseUint(string(b[:4]), 16, 16) // four checked digits
	return rune(v)
}
