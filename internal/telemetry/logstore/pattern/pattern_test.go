package pattern_test

import (
	"testing"

	"thaw/internal/telemetry/logstore/pattern"
)

const request = `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`

const document = `{"level":"ERROR","took":12.5,"size":1e3,"code":"400","ok":true,"off":false,"nothing":null,"a.b":1,
	"user":{"id":1,"mail":"jo@example.com"},"tags":["x","y"],"list":[{"n":1},{"n":2}],"grid":[[0,1],[2,3]],"ip":"10.1.2.3"}`

// TestMatch goes through the forms; the comments of the service's documentation
// say what each means.
func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"  ", "anything", true},

		{"ERROR", "an ERROR here", true},
		{"ERROR", "an error here", false},
		{"ERROR", "UNERRORED", true},
		{"ERROR Exception", "Exception: ERROR", true},
		{"ERROR Exception", "only ERROR", false},
		{`"two words"`, "these two words", true},
		{`"two words"`, "words two", false},
		{`"a \"quote\""`, `with a "quote"`, true},
		{"ERROR -WARN", "ERROR", true},
		{"ERROR -WARN", "ERROR WARN", false},
		{`ERROR - "Exiting"`, "Exiting with ERRORCODE: -1", false},
		{"-ERROR", "fine", true},
		{"-ERROR", "ERROR", false},
		{"?ERROR ?WARN", "a WARN", true},
		{"?ERROR ?WARN", "an INFO", false},
		{`?"one two" ?three`, "one two", true},
		{"?ERROR request", "a request", true}, // beside others, ? is ignored
		{"?ERROR request", "ERROR", false},
		{"START RequestId:", "START RequestId: 1 Version: $LATEST\n", true},
		{"%colou?r%", "the color", true},
		{"%colou?r%", "the culor", false},
		{"-%[0-9]{3}%", "code 500", false},
		{"%^START% RequestId", "START RequestId", true},

		{`{ $.level = "ERROR" }`, document, true},
		{`{ $.level = ERROR }`, document + "\n", true},
		{`{$.level=ERROR}`, document, true},
		{`{ $.level != "ERROR" }`, document, false},
		{`{ $.level = "ERR*" }`, document, true},
		{`{ $.level = *RR* }`, document, true},
		{`{ $.level = E*O* }`, document, true},
		{`{ $.level = "*X*" }`, document, false},
		{`{ $.level = %^E.*R$% }`, document, true},
		{`{ $.level != %^E.*R$% }`, document, false},
		{`{ $.ip != 123.123.* }`, document, true},
		{`{ $.ip = 10.1.* }`, document, true},
		{`{ $.took > 12 }`, document, true},
		{`{ $.took >= 12.5 }`, document, true},
		{`{ $.took < +12.5 }`, document, false},
		{`{ $.took <= 1.25e1 }`, document, true},
		{`{ $.took = 12.5 }`, document, true},
		{`{ $.took != 12 }`, document, true},
		{`{ $.size = 1000 }`, document, true},
		{`{ $.size = 1* }`, document, true},
		{`{ $.code = 400 }`, document, true},
		{`{ $.code > 300 }`, document, false}, // a text has no order
		{`{ $.ok IS TRUE }`, document, true},
		{`{ $.off IS FALSE }`, document, true},
		{`{ $.off is true }`, document, false},
		{`{ $.ok = true }`, document, true},
		{`{ $.nothing IS NULL }`, document, true},
		{`{ $.level IS NULL }`, document, false},
		{`{ $.absent IS NULL }`, document, false},
		{`{ $.absent NOT EXISTS }`, document, true},
		{`{ $.level NOT EXISTS }`, document, false},
		{`{ $.nothing EXISTS }`, document, true},
		{`{ $.absent = "x" }`, document, false},
		{`{ $.absent != "x" }`, document, false},
		{`{ $.tags != "x" }`, document, false},
		{`{ $.user.id = 1 }`, document, true},
		{`{ $.user.mail = "jo@example.com" }`, document, true},
		{`{ $.tags[1] = "y" }`, document, true},
		{`{ $.tags[2] = "y" }`, document, false},
		{`{ $.tags[*] = "y" }`, document, true},
		{`{ $.list[1].n = 2 }`, document, true},
		{`{ $.list[*].n > 1 }`, document, true},
		{`{ $.grid[1][0] = 2 }`, document, true},
		{`{ $.["a.b"] = 1 }`, document, true},
		{`{ $['a.b'] = 1 }`, document, true},
		{`{ ($.user.id = 1) && ($.tags[0] = "x") }`, document, true},
		{`{ ($.user.id = 2 && $.tags[0] = "x") || $.took = 1 }`, document, false},
		{`{ $.level = ERROR || $.took = 1 && $.took = 2 }`, document, true},
		{`{ ($.level = ERROR || $.took = 1) && $.took = 2 }`, document, false},
		{`{ $.level = "ERROR" }`, "level ERROR", false},
		{`{ $.level = "ERROR" }`, `{"level":"ERROR"`, false},
		{`{ $[0] = 1 }`, "[1,2]", true},

		{"[ip, user, name, at, request, status, bytes]", request, true},
		{"[ip, user, name]", request, false},
		{"[ip, ...]", request, true},
		{"[..., status, bytes]", request, true},
		{"[ip, ..., bytes > 1000]", request, true},
		{"[ip, ..., bytes > 2000]", request, false},
		{"[..., status = 4*, bytes]", request, true},
		{"[..., status_code = 5*, bytes]", request, false},
		{"[ip, user, name, at, request = *html*, status = 4* && status != 403, bytes]", request, true},
		{"[ip, user, name, at = \"10/Oct/2000*\", ...]", request, true},
		{"[..., status = 404 || status = 500, bytes,]", request, true},
		{"[w1=ERROR, w2]", "ERROR message", true},
		{"[w1=ERROR || w1=WARN, w2]", "WARN message", true},
		{"[w1!=ERROR && w1!=WARN, w2]", "WARN message", false},
		{"[w1=%ER+OR%, w2]", "ERRROR message", true},
		{`[a, b]`, `one "not closed`, false},
		{`[a, b, c]`, `one "not closed`, true},
		{"[]", "", true},
		{"[a, ..., b]", "one", false},
	}
	for _, tt := range tests {
		p, err := pattern.Parse(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if got := p.Match([]byte(tt.message)); got != tt.want {
			t.Errorf("%s on %q: %v, want %v", tt.pattern, tt.message, got, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{
		"{", "{}", "{ level = 1 }", "{ $ = 1 }", "{ $.a }", "{ $.a = }", "{ $.a = 1", "{ $.a = 1 } x", "{ $.a > b }", `{ $.a > "1" }`,
		"{ $.a IS 1 }", "{ $.a NOT NULL }", "{ ($.a = 1 }", "{ $.a = 1 && }", "{ $.a[x] = 1 }", "{ $.a[-1] = 1 }", "{ $.a[0 = 1 }",
		"{ $.a > %x% }", "[", "[a", "[a b]", "[a = 1 && b = 2]", "[..., a, ...]", "[a > x]", `"open`, "-", "?", "%open", "%%",
		"%a% %b% %c%", "%(a)%", "%[%", "{ $.a = \"x }",
	} {
		if _, err := pattern.Parse(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"a -b ?c", `{ $.a[*].b = "x*" && ($.c IS NULL || $.d > 1e3) }`, "[a, ..., b = 4* && b != 403]", "%a|b%"} {
		f.Add(seed, document)
		f.Add(seed, request)
	}
	f.Fuzz(func(t *testing.T, text, message string) {
		p, err := pattern.Parse(text)
		if err != nil {
			return
		}
		if p.Match([]byte(message)) != p.Match([]byte(message)) {
			t.Error("a pattern changes its mind")
		}
	})
}
