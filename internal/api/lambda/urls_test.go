package lambda_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func urlOf(name string) string { return "/2021-10-31/functions/" + name + "/url" }

var (
	urlText     = regexp.MustCompile(`^https://[a-z0-9]{32}\.lambda-url\.us-east-1\.on\.aws/$`)
	urlTimeText = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)
)

// urlAnswer checks an answer with a URL and returns that.
func urlAnswer(t *testing.T, what string, a answer, status int, want map[string]any) string {
	t.Helper()
	a.want(t, what, status)
	address, _ := a.json["FunctionUrl"].(string)
	if !urlText.MatchString(address) {
		t.Errorf("%s: URL %q", what, address)
	}
	delete(a.json, "FunctionUrl")
	for _, name := range []string{"CreationTime", "LastModifiedTime"} {
		at, present := a.json[name].(string)
		if wanted := name == "CreationTime" || status != 201; present != wanted || present && !urlTimeText.MatchString(at) {
			t.Errorf("%s: %s is %q", what, name, at)
		}
		delete(a.json, name)
	}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	return address
}

func TestLifeOfAURL(t *testing.T) {
	s := published(t)
	s.do("POST", aliases, `{"Name":"live","FunctionVersion":"1"}`).want(t, "alias", 201)
	shape := func(qualifier string, more ...any) map[string]any {
		m := map[string]any{"AuthType": "NONE", "FunctionArn": arn + qualifier}
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	const gone = "The resource you requested does not exist."
	s.do("GET", urlOf("f"), "").want(t, "get before", 404, "Message", gone, "Type", "User")
	own := urlAnswer(t, "create", s.do("POST", urlOf("f"), `{"AuthType":"NONE"}`), 201, shape(""))
	s.do("POST", urlOf("f"), `{"AuthType":"NONE"}`).want(t, "again", 409, "Type", "User", "message",
		"Failed to create function url config for [functionArn = "+arn+"]. Error message:  FunctionUrlConfig exists for this Lambda function")
	if got := urlAnswer(t, "get", s.do("GET", urlOf("f"), ""), 200, shape("", "InvokeMode", "BUFFERED")); got != own {
		t.Errorf("URL %s was %s", got, own)
	}
	urlAnswer(t, "update", s.do("PUT", urlOf("f"), `{"AuthType":"AWS_IAM"}`), 200, shape("", "AuthType", "AWS_IAM"))
	cors := map[string]any{"AllowOrigins": []any{"*"}, "MaxAge": 0.0, "AllowCredentials": false}
	urlAnswer(t, "with CORS", s.do("PUT", urlOf("f"), `{"AuthType":"NONE","Cors":{"AllowOrigins":["*"],"MaxAge":0,"AllowCredentials":false},"InvokeMode":"RESPONSE_STREAM"}`), 200,
		shape("", "InvokeMode", "RESPONSE_STREAM", "Cors", cors))
	if got := urlAnswer(t, "nothing changes", s.do("PUT", urlOf("f"), `{}`), 200, shape("", "InvokeMode", "RESPONSE_STREAM", "Cors", cors)); got != own {
		t.Errorf("after changes the URL %s is %s", own, got)
	}
	alias := urlAnswer(t, "create for an alias", s.do("POST", urlOf("f")+"?Qualifier=live", `{"AuthType":"NONE","InvokeMode":"BUFFERED"}`), 201,
		shape(":live", "InvokeMode", "BUFFERED"))
	if alias == own {
		t.Error("the alias has the function's URL")
	}
	list := func(query string) (found []string, next string) {
		t.Helper()
		a := s.do("GET", urlOf("f")+"s"+query, "")
		a.want(t, "list", 200)
		for _, item := range a.json["FunctionUrlConfigs"].([]any) {
			found = append(found, item.(map[string]any)["FunctionUrl"].(string))
		}
		next, _ = a.json["NextMarker"].(string)
		return found, next
	}
	if got, _ := list(""); !slices.Equal(got, []string{own, alias}) {
		t.Errorf("listed %v", got)
	}
	first, next := list("?MaxItems=1")
	if rest, end := list("?Marker=" + next); !slices.Equal(append(first, rest...), []string{own, alias}) || len(first) != 1 || end != "" {
		t.Errorf("pages %v and %v", first, rest)
	}
	s.do("DELETE", aliases+"/live", "").want(t, "delete the alias", 204)
	s.do("DELETE", urlOf("f"), "").want(t, "delete", 204)
	s.do("GET", urlOf("f"), "").want(t, "get after deletion", 404, "Message", gone)
	if got := urlAnswer(t, "of the alias that is gone", s.do("GET", urlOf("f:live"), ""), 200, shape(":live", "InvokeMode", "BUFFERED")); got != alias {
		t.Errorf("the alias's URL %s is %s", alias, got)
	}
	s.do("DELETE", urlOf("f")+"?Qualifier=live", "").want(t, "delete the alias's", 204)
}

func TestURLsAreRefused(t *testing.T) {
	s := published(t)
	s.do("POST", aliases, `{"Name":"live","FunctionVersion":"1"}`).want(t, "alias", 201)
	const (
		none     = "Function does not exist"
		gone     = "The resource you requested does not exist."
		mismatch = "The derived qualifier from the function name does not match the specified qualifier."
		body     = `{"AuthType":"NONE"}`
	)
	for method, answers := range map[string]struct{ body, function, config string }{
		"POST": {body, none, ""}, "PUT": {body, none, gone}, "GET": {"", gone, gone}, "DELETE": {"", gone, gone},
	} {
		for _, name := range []string{"doesnotexist", "arn:aws:lambda:us-east-1:111111111111:function:doesnotexist", "f:none"} {
			s.do(method, urlOf(name), answers.body).want(t, method+" "+name, 404, "Message", answers.function, "Type", "User")
		}
		if answers.config != "" {
			s.do(method, urlOf("f"), answers.body).want(t, method, 404, "Message", answers.config, "Type", "User")
		}
		s.do(method, urlOf("f:live")+"?Qualifier=other", answers.body).want(t, method+" qualifiers differ", 400, "message", mismatch, "Type", "User")
		for _, q := range []string{"1", "$LATEST"} {
			s.do(method, urlOf("f")+"?Qualifier="+q, answers.body).want(t, method+" "+q, 400, "Type", nil, "message",
				"1 validation error detected: Value '"+q+"' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: "+
					`((?!^\d+$)^[0-9a-zA-Z-_]+$)`)
		}
	}
	s.do("GET", urlOf("arn:aws:lambda:eu-west-1:111111111111:function:f"), "").want(t, "elsewhere", 404, "Message",
		"Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
	s.do("GET", urlOf("doesnotexist")+"s", "").want(t, "list of no function", 404, "Message",
		"Function not found: arn:aws:lambda:us-east-1:111111111111:function:doesnotexist")
}
