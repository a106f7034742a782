package lambda_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const asyncOf = "/2019-09-25/functions/"

func config(name string) string { return asyncOf + name + "/event-invoke-config" }

// eventConfig checks an answer with an event invoke configuration.
func eventConfig(t *testing.T, what string, a answer, qualifier string, want map[string]any) {
	t.Helper()
	a.want(t, what, 200)
	at, _ := a.json["LastModified"].(float64)
	if age := float64(time.Now().UnixMilli())/1e3 - at; age < -1 || age > 60 {
		t.Errorf("%s: modified at %v", what, at)
	}
	delete(a.json, "LastModified")
	full := map[string]any{"FunctionArn": arn + ":" + qualifier, "DestinationConfig": map[string]any{"OnSuccess": map[string]any{}, "OnFailure": map[string]any{}}}
	for k, v := range want {
		full[k] = v
	}
	if diff := cmp.Diff(full, a.json); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestEventInvokeConfig(t *testing.T) {
	s := published(t)
	s.create("other", nil)
	s.do("POST", aliases, `{"Name":"live","FunctionVersion":"1"}`).want(t, "alias", 201)
	const (
		attempt = `{"MaximumRetryAttempts":1}`
		both    = `{"MaximumRetryAttempts":2,"MaximumEventAgeInSeconds":21600}`
	)
	one := map[string]any{"MaximumRetryAttempts": 1.0}
	eventConfig(t, "both", s.do("PUT", config("f"), both), "$LATEST", map[string]any{"MaximumRetryAttempts": 2.0, "MaximumEventAgeInSeconds": 21600.0})
	eventConfig(t, "put replaces", s.do("PUT", config("f"), `{"MaximumRetryAttempts":0}`), "$LATEST", map[string]any{"MaximumRetryAttempts": 0.0})
	eventConfig(t, "get", s.do("GET", config("f"), ""), "$LATEST", map[string]any{"MaximumRetryAttempts": 0.0})
	eventConfig(t, "post changes", s.do("POST", config("f"), `{"MaximumEventAgeInSeconds":60}`), "$LATEST", map[string]any{"MaximumRetryAttempts": 0.0, "MaximumEventAgeInSeconds": 60.0})
	for _, put := range []struct{ name, qualifier string }{
		{"f:$LATEST?Qualifier=$LATEST", "$LATEST"}, {"f:$LATEST", "$LATEST"}, {"f:1", "1"}, {"f:live", "live"},
		{"f:live?Qualifier=live", "live"}, {arn + ":live", "live"}, {arn + ":live?Qualifier=live", "live"}, {"f?Qualifier=live", "live"},
	} {
		name, query, _ := strings.Cut(put.name, "?")
		eventConfig(t, put.name, s.do("PUT", config(name)+"?"+query, attempt), put.qualifier, one)
	}
	other := "arn:aws:lambda:us-east-1:111111111111:function:other"
	to := func(success, failure map[string]any) map[string]any {
		return map[string]any{"DestinationConfig": map[string]any{"OnSuccess": success, "OnFailure": failure}}
	}
	none := map[string]any{}
	for body, want := range map[string]map[string]any{
		`{"DestinationConfig":{"OnSuccess":{"Destination":"` + other + `"}}}`:                            to(map[string]any{"Destination": other}, none),
		`{"DestinationConfig":{"OnFailure":{}}}`:                                                         to(none, none),
		`{"DestinationConfig":{"OnSuccess":{"Destination":""}}}`:                                         to(none, none),
		`{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:s3:::b"}}}`:                           to(none, map[string]any{"Destination": "arn:aws:s3:::b"}),
		`{"DestinationConfig":{"OnSuccess":{"Destination":"` + arn + `:1"}}}`:                            to(map[string]any{"Destination": arn + ":1"}, none),
		`{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:sqs:us-east-1:111111111111:queue"}}}`: to(none, map[string]any{"Destination": "arn:aws:sqs:us-east-1:111111111111:queue"}),
	} {
		eventConfig(t, body, s.do("PUT", config("f"), body), "$LATEST", want)
	}
	s.do("PUT", config("f"), `{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:s3:::b"}}}`).want(t, "put", 200)
	merged := to(map[string]any{"Destination": other}, map[string]any{"Destination": "arn:aws:s3:::b"})
	eventConfig(t, "post keeps what is set", s.do("POST", config("f"), `{"DestinationConfig":{"OnSuccess":{"Destination":"`+other+`"}}}`), "$LATEST", merged)
	list := func(query string) (arns []string, next string) {
		t.Helper()
		a := s.do("GET", config("f")+"/list"+query, "")
		a.want(t, "list", 200)
		for _, item := range a.json["FunctionEventInvokeConfigs"].([]any) {
			arns = append(arns, item.(map[string]any)["FunctionArn"].(string))
		}
		next, _ = a.json["NextMarker"].(string)
		return arns, next
	}
	all := []string{arn + ":$LATEST", arn + ":1", arn + ":live"}
	if got, next := list(""); !slices.Equal(got, all) || next != "" {
		t.Errorf("listed %v, next %q", got, next)
	}
	first, next := list("?MaxItems=2")
	if rest, end := list("?MaxItems=2&Marker=" + next); !slices.Equal(append(first, rest...), all) || len(rest) != 1 || end != "" {
		t.Errorf("pages %v and %v, next %q", first, rest, end)
	}
	for _, q := range []string{"$LATEST", "1", "live"} {
		if a := s.do("DELETE", config("f")+"?Qualifier="+q, ""); a.status != 204 || a.body != "" {
			t.Errorf("delete %s: %d %s", q, a.status, a.body)
		}
	}
	if got, _ := list(""); len(got) != 0 {
		t.Errorf("after deletion: %v", got)
	}
}

func TestEventInvokeConfigIsRefused(t *testing.T) {
	s := published(t)
	s.create("other", nil)
	s.do("POST", aliases, `{"Name":"live","FunctionVersion":"1"}`).want(t, "alias", 201)
	const (
		attempt   = `{"MaximumRetryAttempts":1}`
		noSuch    = "The function doesn't exist."
		mismatch  = "The derived qualifier from the function name does not match the specified qualifier."
		otherBase = "arn:aws:lambda:us-east-1:111111111111:function:"
	)
	has := func(name, qualifier string) string {
		return "The function " + otherBase + name + ":" + qualifier + " doesn't have an EventInvokeConfig"
	}
	success := func(to string) string { return `{"DestinationConfig":{"OnSuccess":{"Destination":"` + to + `"}}}` }
	unknown := func(success, failure string) string {
		return fmt.Sprintf("The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.", success, failure)
	}
	for _, test := range []struct {
		what, method, path, body string
		status                   int
		key, text                string
	}{
		{"nothing", "PUT", config("f"), `{}`, 400, "message", "You must specify at least one of error handling or destination setting."},
		{"no function", "PUT", config("doesnotexist"), attempt, 404, "Message", noSuch},
		{"no function by ARN", "PUT", config(otherBase + "doesnotexist"), attempt, 404, "Message", noSuch},
		{"no alias", "PUT", config("f") + "?Qualifier=none", attempt, 404, "Message", noSuch},
		{"update of no function", "POST", config("doesnotexist"), attempt, 404, "Message", noSuch},
		{"update of nothing", "POST", config("f"), attempt, 404, "Message", has("f", "$LATEST")},
		{"update of nothing by alias", "POST", config("f") + "?Qualifier=live", attempt, 404, "Message", has("f", "live")},
		{"get of no function", "GET", config("doesnotexist"), "", 404, "Message", has("doesnotexist", "$LATEST")},
		{"get of no alias", "GET", config("f") + "?Qualifier=doesnotexist", "", 404, "Message", has("f", "doesnotexist")},
		{"get of no version", "GET", config("f") + "?Qualifier=1221", "", 404, "Message", has("f", "1221")},
		{"get elsewhere", "GET", config("arn:aws:lambda:eu-west-1:111111111111:function:f"), "", 404, "Message",
			"Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"},
		{"delete of nothing", "DELETE", config("f"), "", 404, "Message", has("f", "$LATEST")},
		{"delete of no function", "DELETE", config("doesnotexist"), "", 404, "Message", has("doesnotexist", "$LATEST")},
		{"list of no function", "GET", config("doesnotexist") + "/list", "", 404, "Message", noSuch},
		{"qualifiers differ", "PUT", config("f:live") + "?Qualifier=1", attempt, 400, "message", mismatch},
		{"qualifiers differ by ARN", "PUT", config(arn+":live") + "?Qualifier=$LATEST", attempt, 400, "message", mismatch},
		{"to itself", "PUT", config("f"), success(arn), 400, "message", "You can't specify the function as a destination for itself."},
		{"to its own qualifier", "PUT", config("f:1"), success(arn + ":1"), 400, "message", "You can't specify the function as a destination for itself."},
		{"to no function", "PUT", config("f"), success(otherBase + "doesnotexist"), 400, "message", "The destination ARN " + otherBase + "doesnotexist is invalid."},
		{"to no version", "PUT", config("f"), success(otherBase + "other:7"), 400, "message", "The destination ARN " + otherBase + "other:7 is invalid."},
		{"to another account", "PUT", config("f"), success("arn:aws:lambda:us-east-1:222222222222:function:other"), 400, "message",
			"The destination ARN arn:aws:lambda:us-east-1:222222222222:function:other is invalid."},
		{"to another service", "PUT", config("f"), success("arn:aws:iam:us-east-1:111111111111:function:f"), 400, "message",
			unknown("OnSuccess(destination=arn:aws:iam:us-east-1:111111111111:function:f)", "null")},
		{"success to S3", "PUT", config("f"), success("arn:aws:s3:::b"), 400, "message", unknown("OnSuccess(destination=arn:aws:s3:::b)", "null")},
		{"failure to a queue with an order", "PUT", config("f"), `{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:sqs:us-east-1:111111111111:q.fifo"}}}`,
			400, "message", unknown("null", "OnFailure(destination=arn:aws:sqs:us-east-1:111111111111:q.fifo)")},
	} {
		s.do(test.method, test.path, test.body).want(t, test.what, test.status, test.key, test.text, "Type", "User")
	}
	for body, at := range map[string]string{
		`{"MaximumRetryAttempts":3}`:      "'3' at 'maximumRetryAttempts'",
		`{"MaximumEventAgeInSeconds":59}`: "'59' at 'maximumEventAgeInSeconds'",
		`{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:_-/!lambda:x"}}}`: "'arn:aws:_-/!lambda:x' at 'destinationConfig.onFailure.destination'",
	} {
		a := s.do("PUT", config("f"), body)
		a.want(t, body, 400, "Type", nil)
		if text, _ := a.json["message"].(string); !strings.HasPrefix(text, "1 validation error detected: Value "+at+" failed") {
			t.Errorf("%s: %s", body, a.body)
		}
	}
}
