package lambda_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tagsOf(arn string) string { return "/2017-03-31/tags/" + url.PathEscape(arn) }

// tags is a body with some tags from, and without, two numbers.
func tags(from, to int) string {
	m := map[string]string{}
	for i := from; i < to; i++ {
		m[fmt.Sprintf("%d_key", i)] = fmt.Sprintf("%d_value", i)
	}
	text, _ := json.Marshal(map[string]any{"Tags": m})
	return string(text)
}

func TestTags(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", map[string]any{"Tags": map[string]string{"a": "1"}})
	check := func(what string, want map[string]any) {
		t.Helper()
		a := s.do("GET", tagsOf(arn), "")
		a.want(t, what, 200)
		if diff := cmp.Diff(map[string]any{"Tags": want}, a.json); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("of the creation", map[string]any{"a": "1"})
	if a := s.do("POST", tagsOf(arn), `{"Tags":{"a":"2","b":"","c d:é":"e"}}`); a.status != 204 || a.body != "" {
		t.Errorf("tag: %d %s", a.status, a.body)
	}
	check("merged", map[string]any{"a": "2", "b": "", "c d:é": "e"})
	if a := s.do("DELETE", tagsOf(arn)+"?tagKeys=a&tagKeys=none&tagKeys="+url.QueryEscape("c d:é"), ""); a.status != 204 || a.body != "" {
		t.Errorf("untag: %d %s", a.status, a.body)
	}
	check("some are gone", map[string]any{"b": ""})
	got := s.do("GET", functions+"/f", "").json
	if diff := cmp.Diff(map[string]any{"b": ""}, got["Tags"]); diff != "" {
		t.Errorf("GetFunction (-want +got):\n%s", diff)
	}
	s.do("DELETE", tagsOf(arn)+"?tagKeys=b", "").want(t, "untag", 204)
	check("all are gone", map[string]any{})
	s.do("POST", tagsOf(arn), tags(0, 51)).want(t, "too many", 400, "message", "Number of tags exceeds resource tag limit.", "Type", "User")
	s.do("POST", tagsOf(arn), tags(0, 50)).want(t, "fifty", 204)
	s.do("POST", tagsOf(arn), tags(50, 51)).want(t, "one more", 400, "message", "Number of tags exceeds resource tag limit.", "Type", "User")
	s.do("POST", tagsOf(arn), tags(49, 50)).want(t, "one of them again", 204)
}

func TestTagsAreRefused(t *testing.T) {
	s := published(t)
	const (
		base    = "arn:aws:lambda:us-east-1:111111111111:"
		mapping = base + "event-source-mapping:6f0f7c2e-0000-4000-8000-000000000001"
		signing = base + "code-signing-config:csc-0123456789abcdefg"
		some    = `{"Tags":{"k":"v"}}`
	)
	type request struct{ method, query, body string }
	for _, r := range []request{{"GET", "", ""}, {"POST", "", some}, {"DELETE", "?tagKeys=k", ""}} {
		for arn, want := range map[string]string{
			base + "function:none":          "Function not found: " + base + "function:none",
			mapping:                         "Event source mapping not found: " + mapping,
			base + "capacity-provider:none": "Capacity provider not found: " + base + "capacity-provider:none",
			signing:                         "The Lambda code signing configuration " + signing + " can not be found.",
			"arn:aws:lambda:eu-west-1:111111111111:function:f": "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
		} {
			s.do(r.method, tagsOf(arn)+r.query, r.body).want(t, r.method+" "+arn, 404, "Message", want, "Type", "User")
		}
		for _, qualified := range []string{arn + ":1", arn + ":$LATEST", arn + ":alias"} {
			s.do(r.method, tagsOf(qualified)+r.query, r.body).want(t, r.method+" "+qualified, 400, "Type", "User", "message",
				"Tags on function aliases and versions are not supported. Please specify a function ARN.")
		}
		for _, bad := range []string{base + "foobar:x", "arn:aws:something", mapping + ":alias"} {
			a := s.do(r.method, tagsOf(bad)+r.query, r.body)
			a.want(t, r.method+" "+bad, 400, "Type", nil)
			if text, _ := a.json["message"].(string); !strings.HasPrefix(text, "1 validation error detected: Value '"+bad+"' at 'resource' failed") {
				t.Errorf("%s %s: %s", r.method, bad, a.body)
			}
		}
	}
	for body, want := range map[string]string{
		`{"Tags":{}}`:           "An error occurred and the request cannot be processed.",
		`{"Tags":{"AWS:k":""}}`: "Tag keys that begin with aws: are reserved.",
	} {
		s.do("POST", tagsOf(arn), body).want(t, body, 400, "message", want, "Type", "User")
	}
	for body, at := range map[string]string{
		`{"Tags":{"":"v"}}`: "1 validation error detected: Value '{=v}' at 'tags'",
		`{"Tags":{"` + strings.Repeat("k", 129) + `":""}}`:  "1 validation error detected: Value '{kkk",
		`{"Tags":{"k":"` + strings.Repeat("é", 257) + `"}}`: "1 validation error detected: Value '{k=é",
	} {
		a := s.do("POST", tagsOf(arn), body)
		a.want(t, body, 400, "Type", nil)
		if text, _ := a.json["message"].(string); !strings.HasPrefix(text, at) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	s.do("POST", tagsOf(arn), `{"Tags":{"`+strings.Repeat("é", 128)+`":"`+strings.Repeat("é", 256)+`"}}`).want(t, "the longest tag", 204)
	s.do("DELETE", tagsOf(arn), "").want(t, "no keys", 400, "Type", nil, "message",
		"1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null")
	s.do("POST", functions, createBody("g", map[string]any{"Tags": map[string]string{"aws:k": "v"}})).want(t, "create", 400,
		"message", "Tag keys that begin with aws: are reserved.")
}

// TestTagsOfMappings: what an event source mapping was made with is listed by its
// ARN, and changed.
func TestTagsOfMappings(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	made := s.do("POST", "/2015-03-31/event-source-mappings",
		`{"FunctionName":"f","EventSourceArn":"arn:aws:sqs:us-east-1:111111111111:q","Tags":{"testtag":"custom"}}`)
	made.want(t, "create", 202)
	mapping, _ := made.json["EventSourceMappingArn"].(string)
	s.do("POST", tagsOf(mapping), `{"Tags":{"k":"v"}}`).want(t, "tag", 204)
	s.do("DELETE", tagsOf(mapping)+"?tagKeys=testtag", "").want(t, "untag", 204)
	a := s.do("GET", tagsOf(mapping), "")
	if diff := cmp.Diff(map[string]any{"Tags": map[string]any{"k": "v"}}, a.json); diff != "" {
		t.Errorf("%d (-want +got):\n%s", a.status, diff)
	}
	s.do("POST", tagsOf(mapping), tags(0, 50)).want(t, "too many", 400, "message", "Number of tags exceeds resource tag limit.", "Type", "User")
}
