package lambda_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	api "thaw/internal/api/lambda"
)

// FuzzValidJSON holds the scanner to the standard library.
func FuzzValidJSON(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `{}`, `[]`, `null`, `true`, `false`, `nul`, `0`, `-0`, `01`, `-`, `1.`, `1.5e+3`, `1e`, `1E-2`, `+1`, `.5`,
		`{"a":1,"b":[1,2,{"c":null}]}`, `{"a":1,}`, `[1,]`, `[,]`, `{,}`, `{"a"}`, `{"a":}`, `{1:2}`, `{} {}`, "\t{ \"a\" :\r\n 1 } ",
		`"\u00e9\ud800\n\/"`, `"\x"`, `"\u12"`, `"` + strings.Repeat("a", 100) + `é"`, "\"aaaaaaaa\x01\"", "\"\xff\"", "\"aaaaaaaaaaaaaaa\xff\"",
		`"abcdefg\"hijklmnop"`, "n\x87r", `"unfinished`, `"unfinished\`, strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want := json.Valid(data) && utf8.Valid(data)
		if got := api.ValidJSON(data); got != want {
			t.Errorf("ValidJSON(%q) = %v, the standard library says %v", data, got, want)
		}
		if err := api.CheckJSON(data); (err == nil) != want {
			t.Errorf("CheckJSON(%q) = %v", data, err)
		}
	})
}

func TestValidJSONDepth(t *testing.T) {
	for depth, want := range map[int]bool{1000: true, 9000: true, 20000: false, 1 << 20: false} {
		nested := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		if got := api.ValidJSON([]byte(nested)); got != want {
			t.Errorf("depth %d: %v, want %v", depth, got, want)
		}
	}
}

// TestBadPayloadIsCheap: words about a bad payload take time in proportion to it.
func TestBadPayloadIsCheap(t *testing.T) {
	const size = 6 << 20
	for name, payload := range map[string]string{
		"letters":      strings.Repeat("a", size),
		"lines":        strings.Repeat("\n", size),
		"quotes":       strings.Repeat(`"`, size),
		"open":         strings.Repeat("[", size),
		"string":       `"` + strings.Repeat("a", size),
		"not UTF-8":    `"` + strings.Repeat("a", size) + "\xff\"",
		"almost whole": "[" + strings.Repeat("true,", size/5) + "x]",
	} {
		err := api.CheckJSON([]byte(payload))
		if err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: %.100v of %d bytes", name, err, len(err.Error()))
		}
	}
}

func BenchmarkValidJSON(b *testing.B) {
	data := []byte(`{"key":"` + strings.Repeat("x", 1000) + `","n":[1,2,3],"o":{"a":true}}`)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if !api.ValidJSON(data) {
			b.Fatal("not valid")
		}
	}
}

// BenchmarkStandardValid is what it is measured against.
func BenchmarkStandardValid(b *testing.B) {
	data := []byte(`{"key":"` + strings.Repeat("x", 1000) + `","n":[1,2,3],"o":{"a":true}}`)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if !json.Valid(data) || !utf8.Valid(data) {
			b.Fatal("not valid")
		}
	}
}
