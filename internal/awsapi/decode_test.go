package awsapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/lambda"
)

// decode routes and decodes one request.
func decode(t testing.TB, method, target, body string) (*awsapi.Operation, any, error) {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	route, ok := awsapi.NewRouter(model.Service()).Find(method, path, query)
	if !ok {
		t.Fatalf("no route for %s %s", method, target)
	}
	input, err := awsapi.NewCodec(model.Service()).Decode(&awsapi.Request{Route: route, Query: query, Header: http.Header{}, Body: []byte(body)})
	return route.Operation, input, err
}

func TestDecodeRefuses(t *testing.T) {
	const list = "/2015-03-31/functions"
	tests := []struct{ name, method, target, body, want string }{
		{"not JSON", "POST", list, `{"FunctionName":`, "unexpected end"},
		{"half a word", "POST", list, `{"FunctionName":nul}`, "unexpected character"},
		{"not an object", "POST", list, `[]`, "can not be converted to a structure"},
		{"not an object and broken", "POST", list, `[1,`, "unexpected end"},
		{"more behind", "POST", list, `{} {}`, "expected the end"},
		{"no comma", "POST", list, `{"A":1 "B":2}`, "a comma"},
		{"no colon", "POST", list, `{"A" 1}`, "a colon"},
		{"no name", "POST", list, `{1:1}`, "member's name"},
		{"trailing comma", "POST", list, `{"A":1,}`, "member's name"},
		{"bad escape", "POST", list, `{"A":"\x"}`, "an escape"},
		{"short escape", "POST", list, `{"A":"\u12"}`, "hexadecimal"},
		{"line break in a string", "POST", list, "{\"A\":\"\n\"}", "control character"},
		{"not UTF-8", "POST", list, "{\"Role\":\"\xff\"}", "UTF-8"},
		{"leading zero", "POST", list, `{"A":01}`, "a comma"},
		{"no digits", "POST", list, `{"A":-}`, "a digit"},
		{"no fraction", "POST", list, `{"A":1.}`, "a digit"},
		{"no exponent", "POST", list, `{"A":1e}`, "a digit"},
		{"number for a string", "POST", list, `{"FunctionName":1}`, "NUMBER_VALUE can not be converted to a String"},
		{"string for an integer", "POST", list, `{"Timeout":"3"}`, "STRING_VALUE can not be converted to an Integer"},
		{"fraction for an integer", "POST", list, `{"Timeout":3.5}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"too great an integer", "POST", list, `{"Timeout":3000000000}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"word for an integer", "POST", list, `{"Timeout":true}`, "TRUE_VALUE can not be converted to an Integer"},
		{"string for a boolean", "POST", list, `{"Publish":"true"}`, "STRING_VALUE can not be converted to a Boolean"},
		{"object for a list", "POST", list, `{"Layers":{}}`, "START_OBJECT can not be converted to a List"},
		{"list for an object", "POST", list, `{"Code":[]}`, "START_ARRAY can not be converted to a structure"},
		{"list for a map", "POST", list, `{"Tags":[]}`, "START_ARRAY can not be converted to a Map"},
		{"null in a list", "POST", list, `{"Layers":[null]}`, "must not hold null"},
		{"null in a map", "POST", list, `{"Tags":{"a":null}}`, "must not hold null"},
		{"blob not in base64", "POST", list, `{"Code":{"ZipFile":"*"}}`, "base64"},
		{"deep", "POST", list, `{"A":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, "nested deeper"},
		{"word in the query", "GET", list + "?MaxItems=many", "", `"many" at "maxItems" is not an integer`},
		{"broken query", "GET", list + "?Marker=%zz", "", "query string"},
		{"broken time", "GET", "/2025-12-01/functions/f/durable-executions?StartedAfter=now", "", "not a timestamp"},
		{"broken boolean", "GET", "/2025-12-01/functions/f/durable-executions?ReverseOrder=yes", "", "not a boolean"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := decode(t, tt.method, tt.target, tt.body)
			var refused *lambda.Error
			if !errors.As(err, &refused) || refused.Code != awsapi.CodeSerialization || !strings.Contains(refused.Message, tt.want) {
				t.Errorf("Decode: %v, want a %s with %q", err, awsapi.CodeSerialization, tt.want)
			}
		})
	}
}

func TestDecodeAccepts(t *testing.T) {
	_, input, err := decode(t, "POST", "/2015-03-31/functions", `{
		"FunctionName": "a\u00e9\ud83d\ude00\/\n\ud800", "Unknown": {"a": [1, -2.5e3, true, null, "x"]}, "Role": null, "Timeout": 1, "Timeout": 2,
		"Code": {"ZipFile": "YWJj\/w=="}, "Layers": [], "Environment": {"Variables": {}}, "Tags": {"k": ""}}`)
	if err != nil {
		t.Fatal(err)
	}
	name, timeout := "aé😀/\n�", 2
	want := &model.CreateFunctionRequest{
		FunctionName: &name, Timeout: &timeout, Code: &model.FunctionCode{ZipFile: []byte("abc\xff")},
		Layers: []string{}, Environment: &model.Environment{Variables: map[string]string{}}, Tags: map[string]string{"k": ""},
	}
	if diff := cmp.Diff(want, input); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
}

func TestEmptyBodyIsNoMembers(t *testing.T) {
	_, input, err := decode(t, "POST", "/2015-03-31/functions", "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&model.CreateFunctionRequest{}, input); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("POST", "/2015-03-31/functions", "", `{"FunctionName":"f","Timeout":1e2,"Layers":["a"],"Environment":{"Variables":{"A":"b"}}}`)
	f.Add("GET", "/2015-03-31/functions/f%3A", "MaxItems=1&FunctionVersion=ALL", "")
	f.Add("PUT", "/2015-03-31/functions/f/code", "", `{"ZipFile":"AAAA","DryRun":true}`)
	f.Add("POST", "/2020-04-22/event-source-mappings", "x=%zz", `{"StartingPositionTimestamp":1e300}`)
	codec, router := awsapi.NewCodec(model.Service()), awsapi.NewRouter(model.Service())
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		route, ok := router.Find(method, path, query)
		if !ok {
			return
		}
		input, err := codec.Decode(&awsapi.Request{Route: route, Query: query, Header: http.Header{}, Body: []byte(body)})
		if err == nil {
			err = codec.Validate(route.Operation, input)
		} else if json.Valid([]byte(body)) && strings.Contains(err.Error(), "unexpected") {
			t.Errorf("Decode says %v of valid JSON", err)
		}
		var refused *lambda.Error
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("%v is not a *lambda.Error", err)
		}
	})
}
