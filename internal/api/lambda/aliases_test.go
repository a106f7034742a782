package lambda_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// published makes function f with versions 1 and 2.
func published(t *testing.T) *server {
	t.Helper()
	s := newServer(t, setup{})
	s.create("f", map[string]any{"Publish": true})
	s.do("PUT", functions+"/f/configuration", `{"Timeout":9}`)
	s.await("f")
	s.do("POST", functions+"/f/versions", "").want(t, "publish", 201, "Version", "2")
	return s
}

const aliases = functions + "/f/aliases"

func TestLifeOfAnAlias(t *testing.T) {
	s := published(t)
	check := func(what string, a answer, status int, want map[string]any) string {
		t.Helper()
		a.want(t, what, status)
		revision, _ := a.json["RevisionId"].(string)
		if len(revision) != 36 {
			t.Errorf("%s: revision %q", what, revision)
		}
		delete(a.json, "RevisionId")
		if diff := cmp.Diff(want, a.json); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		return revision
	}
	shape := func(version, description string, weights map[string]any) map[string]any {
		m := map[string]any{"AliasArn": arn + ":live", "Name": "live", "FunctionVersion": version, "Description": description}
		if weights != nil {
			m["RoutingConfig"] = map[string]any{"AdditionalVersionWeights": weights}
		}
		return m
	}
	before := s.do("GET", functions+"/f/configuration", "").json["RevisionId"]
	created := check("create", s.do("POST", aliases, `{"Name":"live","FunctionVersion":"1"}`), 201, shape("1", "", nil))
	if got := check("get", s.do("GET", aliases+"/live", ""), 200, shape("1", "", nil)); got != created {
		t.Error("the revision changes without a change")
	}
	updated := check("describe", s.do("PUT", aliases+"/live", `{"Description":"d","RevisionId":"`+created+`"}`), 200, shape("1", "d", nil))
	if updated == created {
		t.Error("the revision stays")
	}
	s.do("PUT", aliases+"/live", `{"Description":"e","RevisionId":"`+created+`"}`).want(t, "stale revision", 412, "Type", "User", "message",
		"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
	half := map[string]any{"2": 0.5}
	check("shift", s.do("PUT", aliases+"/live", `{"RoutingConfig":{"AdditionalVersionWeights":{"2":0.5}}}`), 200, shape("1", "d", half))
	check("describe alone", s.do("PUT", aliases+"/live", `{"Description":""}`), 200, shape("1", "", half))
	check("roll back", s.do("PUT", aliases+"/live", `{"RoutingConfig":{}}`), 200, shape("1", "", nil))
	check("shift all", s.do("PUT", aliases+"/live", `{"RoutingConfig":{"AdditionalVersionWeights":{"2":1}}}`), 200, shape("1", "", map[string]any{"2": 1.0}))
	check("move", s.do("PUT", aliases+"/live", `{"FunctionVersion":"2","RoutingConfig":{"AdditionalVersionWeights":{}}}`), 200, shape("2", "", nil))
	check("move to $LATEST", s.do("PUT", aliases+"/live", `{"FunctionVersion":"$LATEST"}`), 200, shape("$LATEST", "", nil))
	if after := s.do("GET", functions+"/f/configuration", "").json["RevisionId"]; after != before {
		t.Error("aliases change the revision of $LATEST")
	}
	for range 2 {
		if a := s.do("DELETE", aliases+"/live", ""); a.status != 204 || a.body != "" {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
	}
	s.do("GET", aliases+"/live", "").want(t, "get after delete", 404, "Message", "Cannot find alias arn: "+arn+":live", "Type", "User")
}

func TestQualifiersOfAliases(t *testing.T) {
	s := published(t)
	s.do("POST", aliases, `{"Name":"live","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":0.9}}}`).want(t, "create", 201)
	for _, path := range []string{"/f?Qualifier=live", "/f:live", "/" + arn + ":live", "/111111111111:function:f:live", "/function:f:live?Qualifier=live"} {
		name, query, _ := strings.Cut(path, "?")
		a := s.do("GET", functions+name+"/configuration?"+query, "")
		a.want(t, path, 200, "FunctionArn", arn+":live", "Version", "1", "Timeout", 3.0)
	}
	whole := s.do("GET", functions+"/f:live", "")
	whole.want(t, "get", 200)
	if c := whole.json["Configuration"].(map[string]any); c["FunctionArn"] != arn+":live" || c["Version"] != "1" {
		t.Errorf("configuration %v", c)
	}
	s.do("GET", functions+"/f:live?Qualifier=2", "").want(t, "qualifiers differ", 400, "message",
		"The derived qualifier from the function name does not match the specified qualifier.")
	s.do("GET", functions+"/f:none", "").want(t, "no alias", 404, "Message", "Function not found: "+arn+":none")
	s.do("DELETE", functions+"/f:live", "").want(t, "delete by alias", 400, "message", "Deletion of aliases is not currently supported.")
	const pointed = " of function f cannot be deleted: aliases point to it: live."
	s.do("DELETE", functions+"/f:1", "").want(t, "delete the first version", 409, "message", "Version 1"+pointed, "Type", "User")
	s.do("DELETE", functions+"/f:2", "").want(t, "delete the additional version", 409, "message", "Version 2"+pointed)
	s.do("DELETE", aliases+"/live", "").want(t, "delete the alias", 204)
	s.do("DELETE", functions+"/f:2", "").want(t, "delete the version", 204)
}

// TestAliasesAreRefused has the recorded refusals.
func TestAliasesAreRefused(t *testing.T) {
	s := published(t)
	unknown := functions + "/f-unknown/aliases"
	s.do("POST", aliases, `{"Name":"custom","FunctionVersion":"1"}`).want(t, "create", 201)
	s.do("POST", aliases, `{"Name":"custom-latest","FunctionVersion":"$LATEST"}`).want(t, "create for $LATEST", 201, "RoutingConfig", nil)
	s.do("POST", aliases, `{"Name":"custom-empty","FunctionVersion":"1","RoutingConfig":{}}`).want(t, "create with no weights", 201, "RoutingConfig", nil)
	const functionsOnly = "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. " +
		"Please specify either a function name or an unqualified function ARN."
	for _, test := range []struct {
		what, method, path, body string
		status                   int
		key, text                string
	}{
		{"function", "POST", unknown, `{"Name":"a","FunctionVersion":"1"}`, 404, "Message", "Function not found: " + arn + "-unknown:1"},
		{"version", "POST", aliases, `{"Name":"a","FunctionVersion":"10"}`, 404, "Message", "Function not found: " + arn + ":10"},
		{"additional version", "POST", aliases, weighted("1", `"10":0.5`), 404, "Message", "Function not found: " + arn + ":10"},
		{"too many", "POST", aliases, weighted("1", `"1":0.5,"2":0.5`), 400, "message", "Number of items in AdditionalVersionWeights cannot be greater than 1"},
		{"the same version", "POST", aliases, weighted("1", `"1":0.5`), 400, "message",
			"Invalid function version 1. Function version 1 is already included in routing configuration."},
		{"exists", "POST", aliases, `{"Name":"custom","FunctionVersion":"1"}`, 409, "message", "Alias already exists: " + arn + ":custom"},
		{"get", "GET", aliases + "/non-existent", "", 404, "Message", "Cannot find alias arn: " + arn + ":non-existent"},
		{"update", "PUT", aliases + "/non-existent", `{"Description":"d"}`, 404, "Message", "Alias not found: " + arn + ":non-existent"},
		{"move to the additional version", "PUT", aliases + "/custom", weighted("2", `"2":0.5`), 400, "message",
			"Invalid function version 2. Function version 2 is already included in routing configuration."},
		{"of a version", "POST", functions + "/f:1/aliases", `{"Name":"a","FunctionVersion":"1"}`, 400, "message", functionsOnly},
		{"of no function", "GET", unknown, "", 404, "Message", "Function not found: " + arn + "-unknown"},
		{"delete of no function", "DELETE", unknown + "/a", "", 404, "Message", "Function not found: " + arn + "-unknown"},
		{"bad marker", "GET", aliases + "?Marker=%C3%A4", "", 400, "message", "Invalid Marker: ä"},
	} {
		s.do(test.method, test.path, test.body).want(t, test.what, test.status, test.key, test.text, "Type", "User")
	}
	s.do("POST", aliases, weighted("$LATEST", `"1":0.5`)).want(t, "$LATEST and another", 400, "Type", nil,
		"message", "$LATEST is not supported for an alias pointing to more than 1 version")
	s.do("POST", aliases, `{"Name":"2024","FunctionVersion":"1"}`).want(t, "number", 400, "Type", nil, "message",
		"1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
}

func weighted(version, weights string) string {
	return `{"Name":"a","FunctionVersion":"` + version + `","RoutingConfig":{"AdditionalVersionWeights":{` + weights + `}}}`
}

func TestAliasesAreListed(t *testing.T) {
	s := published(t)
	for name, version := range map[string]string{"c": "1", "a": "1", "d": "2", "b": "$LATEST"} {
		s.do("POST", aliases, `{"Name":"`+name+`","FunctionVersion":"`+version+`"}`).want(t, "create", 201)
	}
	list := func(query string) (names []string, next string) {
		t.Helper()
		a := s.do("GET", aliases+query, "")
		a.want(t, "list", 200)
		for _, item := range a.json["Aliases"].([]any) {
			names = append(names, item.(map[string]any)["Name"].(string))
		}
		next, _ = a.json["NextMarker"].(string)
		return names, next
	}
	if got, next := list(""); !slices.Equal(got, []string{"a", "b", "c", "d"}) || next != "" {
		t.Errorf("aliases %v, next %q", got, next)
	}
	got, next := list("?MaxItems=3")
	rest, end := list("?MaxItems=3&Marker=" + next)
	if !slices.Equal(append(got, rest...), []string{"a", "b", "c", "d"}) || len(rest) != 1 || end != "" {
		t.Errorf("pages %v and %v, next %q", got, rest, end)
	}
	if got, next := list("?FunctionVersion=1&MaxItems=2"); !slices.Equal(got, []string{"a", "c"}) || next != "" {
		t.Errorf("aliases of version 1: %v, next %q", got, next)
	}
	s.do("DELETE", aliases+"/c", "").want(t, "delete", 204)
	if got, _ := list("?Marker=" + next); !slices.Equal(got, []string{"d"}) { // next is after c
		t.Errorf("after a deleted alias come %v", got)
	}
}
