package lambda_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// want checks an answer's status and some members of its body.
func (a answer) want(t *testing.T, what string, status int, members ...any) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: status %d, want %d: %s", what, a.status, status, a.body)
		return
	}
	for i := 0; i < len(members); i += 2 {
		name := members[i].(string)
		if got := a.json[name]; got != members[i+1] {
			t.Errorf("%s: %s is %v, want %v", what, name, got, members[i+1])
		}
	}
}

// numbers is the versions on a page of ListVersionsByFunction.
func numbers(a answer) (list []string) {
	versions, _ := a.json["Versions"].([]any)
	for _, v := range versions {
		list = append(list, v.(map[string]any)["Version"].(string))
	}
	return list
}

// TestLifeOfVersions takes the steps of a recorded one. Revisions change as there.
func TestLifeOfVersions(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", map[string]any{"Description": "No version :("})
	list := s.do("GET", functions+"/f/versions", "")
	list.want(t, "list", 200, "NextMarker", nil)
	if got := list.json["Versions"].([]any)[0].(map[string]any); got["FunctionArn"] != arn+":$LATEST" || got["State"] != nil ||
		got["LastUpdateStatus"] != nil || got["RuntimeVersionConfig"] != nil || got["RevisionId"] == nil {
		t.Errorf("listed %v", got)
	}
	s.do("PUT", functions+"/f/configuration", `{"Description":"First version :)"}`)
	latest := s.await("f")

	first := s.do("POST", functions+"/f/versions", `{"Description":"First version description :)"}`)
	first.want(t, "publish", 201, "Version", "1", "FunctionArn", arn+":1", "Description", "First version description :)",
		"State", "Active", "StateReason", nil, "LastUpdateStatus", "Successful", "CodeSha256", latest["CodeSha256"])
	revision := first.json["RevisionId"]
	afterwards := s.do("GET", functions+"/f/configuration", "")
	afterwards.want(t, "$LATEST after it was published", 200, "Description", "First version :)", "LastModified", latest["LastModified"])
	if now := afterwards.json["RevisionId"]; now == latest["RevisionId"] || now == revision {
		t.Errorf("revision of $LATEST %v, before %v, of the version %v", now, latest["RevisionId"], revision)
	}
	s.do("GET", functions+"/f/configuration?Qualifier=1", "").want(t, "version 1", 200, "RevisionId", revision, "FunctionArn", arn+":1")
	s.do("POST", functions+"/f/versions", "").want(t, "publish what is published", 201, "Version", "1", "RevisionId", revision)
	s.do("POST", functions+"/f/versions", `{"Description":"other"}`).want(t, "publish it under another description", 201,
		"Version", "1", "Description", "First version description :)")
	s.do("GET", functions+"/f/configuration", "").want(t, "$LATEST, not published", 200, "RevisionId", afterwards.json["RevisionId"])

	s.do("PUT", functions+"/f/configuration", `{"Description":"Second version :))"}`)
	s.await("f")
	s.do("POST", functions+"/f/versions", "").want(t, "publish", 201, "Version", "2", "Description", "Second version :))")
	if got, want := numbers(s.do("GET", functions+"/"+arn+"/versions", "")), []string{"$LATEST", "1", "2"}; !slices.Equal(got, want) {
		t.Errorf("versions %v, want %v", got, want)
	}
	s.do("DELETE", functions+"/f?Qualifier=1", "").want(t, "delete a version", 204)
	s.do("DELETE", functions+"/f:1", "").want(t, "delete it again", 204)
	s.do("GET", functions+"/f:1", "").want(t, "get it", 404, "Message", "Function not found: "+arn+":1")
	if got, want := numbers(s.do("GET", functions+"/f/versions", "")), []string{"$LATEST", "2"}; !slices.Equal(got, want) {
		t.Errorf("versions %v, want %v", got, want)
	}
}

func TestVersionsComeInPages(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	want := []string{"$LATEST"}
	for i := range 5 {
		s.do("PUT", functions+"/f/configuration", fmt.Sprintf(`{"Timeout":%d}`, i+4))
		s.await("f")
		published := s.do("POST", functions+"/f/versions", "")
		want = append(want, published.json["Version"].(string))
	}
	var got []string
	marker := ""
	for range want {
		page := s.do("GET", functions+"/f/versions?MaxItems=2"+marker, "")
		if n := numbers(page); len(n) <= 2 {
			got = append(got, n...)
		} else {
			t.Fatalf("a page of two has %v", n)
		}
		next, more := page.json["NextMarker"].(string)
		if !more {
			break
		}
		marker = "&Marker=" + next
	}
	if !slices.Equal(got, want) {
		t.Errorf("versions %v, want %v", got, want)
	}
	s.do("GET", functions+"/f/versions?Marker=%C3%A4", "").want(t, "bad marker", 400)
}

func TestPublishingIsRefused(t *testing.T) {
	s := newServer(t, setup{settle: time.Second})
	if a := s.do("POST", functions, createBody("new", nil)); a.status != 201 {
		t.Fatal(a.body)
	}
	s.do("POST", functions+"/new/versions", "").want(t, "publish what is being created", 409,
		"message", "The operation cannot be performed at this time. The function is currently in the following state: Pending")
	s.create("f", nil)
	sum := s.do("GET", functions+"/f/configuration", "").json["CodeSha256"].(string)
	const name = functions + "/f/versions"
	for _, test := range []struct {
		what, path, body string
		status           int
		key, text        string
	}{
		{"another digest", name, `{"CodeSha256":"somenonexistentsha256"}`, 400, "message", "CodeSHA256 (somenonexistentsha256) is different from current CodeSHA256 in $LATEST (" +
			sum + "). Please try again with the CodeSHA256 in $LATEST."},
		{"another revision", name, `{"RevisionId":"wrong"}`, 412, "message",
			"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"},
		{"no function", functions + "/none/versions", "", 404, "Message", "Function not found: " + strings.TrimSuffix(arn, "f") + "none"},
		{"a version", functions + "/f:1/versions", "", 400, "message", "This operation is permitted on Lambda functions only. " +
			"Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."},
		{"for managed instances", name, `{"PublishTo":"LATEST_PUBLISHED"}`, 400, "message",
			"PublishTo is for functions on managed instances, which this server does not support. Remove PublishTo from your request and try again."},
	} {
		s.do("POST", test.path, test.body).want(t, test.what, test.status, test.key, test.text, "Type", "User")
	}
	s.do("GET", functions+"/none/versions", "").want(t, "list of no function", 404, "Message", "Function not found: "+strings.TrimSuffix(arn, "f")+"none")
	s.do("PUT", functions+"/f/configuration", `{"Timeout":9}`)
	s.do("POST", name, "").want(t, "publish during an update", 409, "message",
		"The operation cannot be performed at this time. An update is in progress for resource: "+arn)
	s.do("POST", name, fmt.Sprintf(`{"CodeSha256":%q}`, sum)).want(t, "likewise", http.StatusConflict)
}
