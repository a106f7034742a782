package lambda

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"thaw/internal/lambda"
)

// checkJSON demands that a payload is one JSON value in UTF-8. The good case is
// a scan; a bad payload is looked at again for the words that the service's
// parser has for it.
func checkJSON(payload []byte) error {
	if validJSON(payload) {
		return nil
	}
	what, column, line := complain(payload)
	return lambda.Errorf(lambda.CodeInvalidRequestContent,
		"Could not parse request body into json: Could not parse payload into json: %s\n"+
			" at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]", what, line, column)
}

// expectedValue is the service's parser's list of what may start a value.
const expectedValue = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

// complain words what is wrong and where: on record for a payload that starts
// wrong and for bytes that are not UTF-8; elsewhere in the same manner.
func complain(payload []byte) (what string, column, line int) {
	at := offence(payload)
	line = 1 + bytes.Count(payload[:at], []byte("\n"))
	start := bytes.LastIndexByte(payload[:at], '\n') + 1
	column = at - start + 1
	if at >= len(payload) {
		return "Unexpected end-of-input", column, line
	}
	c := payload[at]
	switch word := wordAt(payload, at); {
	case word != "" && at+len(word) < len(payload) && payload[at+len(word)] >= utf8.RuneSelf:
		return invalidUTF8(payload[at+len(word)]), column + len(word) + 1, line
	case word != "":
		return fmt.Sprintf("Unrecognized token '%s': was expecting %s", word, expectedValue), column + len(word), line
	case insideString(payload, at) && c >= utf8.RuneSelf:
		return invalidUTF8(c), column + 1, line
	default:
		return fmt.Sprintf("Unexpected character (%s): expected a valid value %s", character(c), expectedValue), column, line
	}
}

func invalidUTF8(c byte) string { return fmt.Sprintf("Invalid UTF-8 start byte 0x%02x", c) }

func character(c byte) string {
	if c < ' ' || c >= 0x7f {
		return fmt.Sprintf("(CTRL-CHAR, code %d)", c)
	}
	return fmt.Sprintf("'%c' (code %d)", c, c)
}

// offence is the index of the first byte that cannot be part of a JSON value, of
// the word that it is in, or the length if the value is not finished.
func offence(payload []byte) int {
	at := len(payload)
	d := json.NewDecoder(bytes.NewReader(payload))
	var value json.RawMessage
	err := d.Decode(&value)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		at = int(d.InputOffset())
		for at < len(payload) && bytes.IndexByte([]byte(" \t\r\n"), payload[at]) >= 0 {
			at++
		}
	case asSyntax(err, &syntax):
		at = min(int(syntax.Offset)-1, len(payload))
		if syntax.Error() == "unexpected end of JSON input" {
			at = len(payload)
		}
	}
	if bad := notUTF8(payload); bad < at {
		at = bad
	}
	at = max(at, 0)
	if at < len(payload) && !insideString(payload, at) { // then the word before it is outside too
		for at > 0 && isLetter(payload[at-1]) {
			at--
		}
	}
	return at
}

func asSyntax(err error, target **json.SyntaxError) bool {
	s, ok := err.(*json.SyntaxError) // the decoder returns it bare
	*target = s
	return ok
}

// notUTF8 is the index of the first byte that is not UTF-8, or the length.
func notUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(b)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// maxWord bounds the part of a payload that an error repeats, in bytes.
const maxWord = 256

// wordAt is the letters and digits at an index, if they start with a letter.
func wordAt(b []byte, at int) string {
	end := at
	for end < min(len(b), at+maxWord) && (isLetter(b[end]) || end > at && (b[end] >= '0' && b[end] <= '9' || b[end] == '_')) {
		end++
	}
	return string(b[at:end])
}

// insideString tells whether an index is between quotes.
func insideString(b []byte, at int) bool {
	inside := false
	for i := 0; i < at; i++ {
		switch {
		case b[i] == '"':
			inside = !inside
		case inside && b[i] == '\\':
			i++
		}
	}
	return inside
}
