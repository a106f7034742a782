package filter_test

import (
	"strings"
	"testing"

	"thaw/internal/source/filter"
)

func TestCheck(t *testing.T) {
	for _, pattern := range []string{
		`{"data":{"event_type":["function_1"]}}`,
		`{"eventName":["INSERT","MODIFY"],"eventSource":["aws:dynamodb"]}`,
		`{"dynamodb":{"NewImage":{"presentKey":[{"exists":false}]}}}`,
		`{"dynamodb":{"NewImage":{"n":{"N":[{"numeric":[">",100]},{"anything-but":"101"}]}}}}`,
		`{"dynamodb":{"NewImage":{"prefix":{"S":[{"prefix":"us-1"}]}}}}`,
		`{"body":[null,"",1,true]}`,
		`{"body":[{"suffix":"x"},{"equals-ignore-case":"Y"},{"anything-but":["a",2]},{"anything-but":{"prefix":"z"}}]}`,
		`{"body":{"n":[{"numeric":[">=",0,"<",5.5]},{"numeric":["=",7]},{"numeric":["<",3]}]}}`,
		`{"$or":[{"body":["a"]},{"data":{"b":["c"]}}]}`,
		` {"body" : [ "a" ] } `,
	} {
		if err := filter.Check(pattern); err != nil {
			t.Errorf("%s is refused: %v", pattern, err)
		}
	}
	for _, pattern := range []string{
		``, `single-string`, `"text"`, `[{"eventName":["INSERT"=123}]`, `[{"eventName":["INSERT"]}]`, `null`, `{}`, `{"a":["b"]}{}`,
		`{"a":"b"}`, `{"a":1}`, `{"a":null}`, `{"a":[]}`, `{"a":{}}`, `{"a":[["b"]]}`, `{"a":[{}]}`, `{"a":[{"unknown":"b"}]}`,
		`{"a":[{"prefix":"b","suffix":"c"}]}`, `{"a":[{"prefix":1}]}`, `{"a":[{"exists":"true"}]}`, `{"a":[{"wildcard":"*"}]}`,
		`{"a":[{"anything-but":[]}]}`, `{"a":[{"anything-but":[null]}]}`, `{"a":[{"anything-but":{"exists":true}}]}`, `{"a":[{"anything-but":true}]}`,
		`{"a":[{"numeric":[]}]}`, `{"a":[{"numeric":[">"]}]}`, `{"a":[{"numeric":[">","1"]}]}`, `{"a":[{"numeric":["<",1,">",2]}]}`,
		`{"a":[{"numeric":["=",1,"=",2]}]}`, `{"a":[{"numeric":["!",1]}]}`, `{"a":[{"numeric":1}]}`,
		`{"$or":[{"a":"b"}]}`, `{"$or":[{}]}`, `{"$or":[]}`,
		strings.Repeat(`{"a":`, 70) + `["b"]` + strings.Repeat(`}`, 70),
	} {
		if filter.Check(pattern) == nil {
			t.Errorf("%s is taken", pattern)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(`{"a":[{"numeric":[">",0,"<",5]}]}`)
	f.Add(`{"$or":[{"a":[{"anything-but":{"prefix":"b"}}]}]}`)
	f.Fuzz(func(t *testing.T, pattern string) {
		if filter.Check(pattern) == nil && !strings.Contains(pattern, "[") {
			t.Errorf("%s has no leaf", pattern)
		}
	})
}
