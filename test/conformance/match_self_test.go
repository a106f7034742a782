package conformance_test

import (
	"encoding/json"
	"testing"
)

// TestMatch compares small answers with small recordings.
func TestMatch(t *testing.T) {
	const other = "6b5f1a0e-0000-4000-8000-000000000002"
	for _, test := range []struct {
		name, want, got string
		differences     int
	}{
		{"equal", `{"A":1,"B":["x",null,true]}`, `{"A":1,"B":["x",null,true]}`, 0},
		{"another number", `{"A":1}`, `{"A":2}`, 1},
		{"null is not empty", `{"A":null}`, `{"A":""}`, 1},
		{"a member less", `{"A":1,"B":2}`, `{"A":1}`, 1},
		{"a member more", `{"A":1}`, `{"A":1,"B":2}`, 1},
		{"an item more", `["a"]`, `["a","b"]`, 1},
		{"no object", `{"A":1}`, `"A"`, 1},
		{"headers are not compared", `{"ResponseMetadata":{"HTTPHeaders":{},"HTTPStatusCode":200}}`, `{"ResponseMetadata":{"HTTPStatusCode":200}}`, 0},
		{"one token, one value", `["<uuid:1>","<uuid:1>"]`, `["a","a"]`, 0},
		{"one token, two values", `["<uuid:1>","<uuid:1>"]`, `["a","b"]`, 1},
		{"two tokens, one value", `["<uuid:1>","<uuid:2>"]`, `["a","a"]`, 1},
		{"tokens of two kinds, one value", `["<uuid:1>","<resource:1>"]`, `["a","a"]`, 0},
		{"a token that is not counted", `["<location>","<location>"]`, `["a","b"]`, 0},
		{"a token for a number", `["<code-size>"]`, `[7]`, 0},
		{"tokens in a text", `["arn:<partition>:<resource:1>:x","<resource:1>"]`, `["arn:aws:r:x","r"]`, 0},
		{"tokens in another text", `["arn:<partition>:<resource:1>:x"]`, `["arn:aws:r:y"]`, 1},
		{"a token in a token", `["<<code-sha-256>:1>"]`, `["digest"]`, 0},
		{"a date", `["date"]`, `["2026-01-02T03:04:05.678+0000"]`, 0},
		{"no date", `["date"]`, `["yesterday"]`, 1},
		{"a date in a line", `["[INFO]\tdate\t<uuid:1>\tx"]`, `["[INFO]\t2026-01-02T03:04:05.678Z\t` + other + `\tx"]`, 0},
		{"JSON in a text", `{"Policy":{"A":"<uuid:1>"}}`, `{"Policy":"{\"A\":\"a\"}"}`, 0},
		{"other JSON in a text", `{"Policy":{"A":1}}`, `{"Policy":"{\"A\":2}"}`, 1},
		{"a text of JSON that is text", `["\"a\""]`, `["a"]`, 1},
	} {
		m := newMatch(nil)
		m.compare("", parse(t, test.want), parse(t, test.got))
		if len(m.differences) != test.differences {
			t.Errorf("%s: %d differences, want %d: %v", test.name, len(m.differences), test.differences, m.differences)
		}
	}
}

func parse(t *testing.T, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// TestDigest tells which changes of an answer a digest notices.
func TestDigest(t *testing.T) {
	const one, two = "6b5f1a0e-0000-4000-8000-000000000001", "6b5f1a0e-0000-4000-8000-000000000002"
	base, _ := digest(m{"a": m{"RevisionId": one}, "b": m{"RevisionId": one, "LastModified": "2026-01-02T03:04:05.678+0000"}})
	for name, test := range map[string]struct {
		answers m
		same    bool
	}{
		"other values, the same identity": {m{"a": m{"RevisionId": two}, "b": m{"RevisionId": two, "LastModified": "2027-01-02T03:04:05.678+0000"}}, true},
		"another identity":                {m{"a": m{"RevisionId": one}, "b": m{"RevisionId": two, "LastModified": "2026-01-02T03:04:05.678+0000"}}, false},
		"another member":                  {m{"a": m{"Revision": one}, "b": m{"RevisionId": one, "LastModified": "2026-01-02T03:04:05.678+0000"}}, false},
		"no date":                         {m{"a": m{"RevisionId": one}, "b": m{"RevisionId": one, "LastModified": "never"}}, false},
	} {
		if sum, text := digest(test.answers); (sum == base) != test.same {
			t.Errorf("%s: equal %v, want %v\n%s", name, sum == base, test.same, text)
		}
	}
}
