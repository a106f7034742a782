package lambda_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	reservedOf    = "/2017-10-31/functions"
	provisionedOf = "/2019-09-30/functions"
	accountPath   = "/2016-08-19/account-settings"
)

const functionsOnly = "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. " +
	"Please specify either a function name or an unqualified function ARN."

func reserve(n int) string   { return `{"ReservedConcurrentExecutions":` + strconv.Itoa(n) + `}` }
func provision(n int) string { return `{"ProvisionedConcurrentExecutions":` + strconv.Itoa(n) + `}` }

func (s *server) unreserved() float64 {
	s.t.Helper()
	limit, _ := s.do("GET", accountPath, "").json["AccountLimit"].(map[string]any)
	n, _ := limit["UnreservedConcurrentExecutions"].(float64)
	return n
}

func TestReservedConcurrency(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	get := func() string { return s.do("GET", "/2019-09-30/functions/f/concurrency", "").body }
	if got := get(); got != "{}" {
		t.Errorf("without a reservation: %s", got)
	}
	before := s.do("GET", functions+"/f", "").json["Configuration"].(map[string]any)["RevisionId"]
	for _, n := range []int{0, 900, 3} { // 3 is less than before: always allowed
		if a := s.do("PUT", reservedOf+"/f/concurrency", reserve(n)); a.status != 200 || a.body != reserve(n) {
			t.Errorf("reserve %d: %d %s", n, a.status, a.body)
		}
		if got := get(); got != reserve(n) {
			t.Errorf("get: %s, want %d", got, n)
		}
		if got := s.unreserved(); got != float64(1000-n) {
			t.Errorf("%v are unreserved after %d", got, n)
		}
	}
	whole := s.do("GET", functions+"/f", "")
	if diff := cmp.Diff(map[string]any{"ReservedConcurrentExecutions": 3.0}, whole.json["Concurrency"]); diff != "" {
		t.Errorf("GetFunction (-want +got):\n%s", diff)
	}
	if after := whole.json["Configuration"].(map[string]any)["RevisionId"]; after != before {
		t.Error("a reservation changes the revision of $LATEST")
	}
	s.create("g", nil)
	s.do("PUT", reservedOf+"/g/concurrency", reserve(898)).want(t, "too much for two", 400, "Type", nil, "message",
		"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
	s.do("PUT", reservedOf+"/g/concurrency", reserve(897)).want(t, "all that there is", 200)
	for range 2 {
		if a := s.do("DELETE", reservedOf+"/f/concurrency", ""); a.status != 204 || a.body != "" {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
	}
	if got := get(); got != "{}" || s.unreserved() != 103 {
		t.Errorf("after deletion: %s, %v unreserved", got, s.unreserved())
	}
}

func TestReservedConcurrencyIsRefused(t *testing.T) {
	s := published(t)
	const latest = "Function not found: arn:aws:lambda:us-east-1:111111111111:function:none:$LATEST"
	for _, test := range []struct {
		what, method, path, body string
		status                   int
		key, text                string
	}{
		{"put for no function", "PUT", reservedOf + "/none/concurrency", reserve(1), 404, "Message", latest},
		{"put too much for no function", "PUT", reservedOf + "/none/concurrency", reserve(100000), 404, "Message", latest},
		{"put for $LATEST", "PUT", reservedOf + "/" + arn + ":$LATEST/concurrency", reserve(1), 400, "message", functionsOnly},
		{"put for a version", "PUT", reservedOf + "/f:1/concurrency", reserve(1), 400, "message", functionsOnly},
		{"get of no function", "GET", provisionedOf + "/none/concurrency", "", 404, "Message",
			"Function not found: arn:aws:lambda:us-east-1:111111111111:function:none"},
		{"get elsewhere", "GET", provisionedOf + "/arn:aws:lambda:eu-west-1:111111111111:function:f/concurrency", "", 404, "Message",
			"Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"},
		{"delete of no function", "DELETE", reservedOf + "/none/concurrency", "", 404, "Message",
			"Function not found: arn:aws:lambda:us-east-1:111111111111:function:none"},
	} {
		s.do(test.method, test.path, test.body).want(t, test.what, test.status, test.key, test.text, "Type", "User")
	}
	s.do("PUT", reservedOf+"/f/concurrency", reserve(-1)).want(t, "negative", 400, "Type", nil, "message",
		"1 validation error detected: Value '-1' at 'reservedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 0")
}

func TestProvisionedConcurrency(t *testing.T) {
	s := published(t)
	s.do("POST", aliases, `{"Name":"live","FunctionVersion":"1"}`).want(t, "alias", 201)
	path := func(qualifier string) string {
		return provisionedOf + "/f/provisioned-concurrency?Qualifier=" + qualifier
	}
	s.do("GET", path("live"), "").want(t, "get before", 404, "Type", "User", "message", "No Provisioned Concurrency Config found for this function")
	revision := s.do("GET", functions+"/f/configuration?Qualifier=1", "").json["RevisionId"]
	want := map[string]any{"RequestedProvisionedConcurrentExecutions": 5.0, "AllocatedProvisionedConcurrentExecutions": 0.0,
		"AvailableProvisionedConcurrentExecutions": 0.0, "Status": "IN_PROGRESS"}
	check := func(what string, got map[string]any) {
		t.Helper()
		if at, _ := got["LastModified"].(string); len(at) != len("2019-11-14T18:16:05.568+0000") {
			t.Errorf("%s: modified at %q", what, at)
		}
		delete(got, "LastModified")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	put := s.do("PUT", path("live"), provision(5))
	put.want(t, "put", 202)
	check("put", put.json)
	check("get", s.do("GET", path("live"), "").json)
	if s.do("GET", functions+"/f/configuration?Qualifier=1", "").json["RevisionId"] == revision {
		t.Error("the version's revision stays")
	}
	if got := s.unreserved(); got != 995 {
		t.Errorf("%v are unreserved", got)
	}
	s.do("PUT", path("2"), provision(1)).want(t, "a version beside", 202)
	list := s.do("GET", provisionedOf+"/f/provisioned-concurrency?List=ALL&MaxItems=1", "")
	items := list.json["ProvisionedConcurrencyConfigs"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["FunctionArn"] != arn+":2" {
		t.Errorf("first page %v", items)
	}
	next, _ := list.json["NextMarker"].(string)
	rest := s.do("GET", provisionedOf+"/f/provisioned-concurrency?List=ALL&Marker="+next, "")
	item := rest.json["ProvisionedConcurrencyConfigs"].([]any)[0].(map[string]any)
	if item["FunctionArn"] != arn+":live" || rest.json["NextMarker"] != nil {
		t.Errorf("second page %s", rest.body)
	}
	delete(item, "FunctionArn")
	check("list", item)
	for range 2 {
		if a := s.do("DELETE", path("2"), ""); a.status != 204 || a.body != "" {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
	}
	s.do("DELETE", aliases+"/live", "").want(t, "delete the alias", 204)
	if got := s.unreserved(); got != 1000 {
		t.Errorf("%v are unreserved after all", got)
	}
}

func TestProvisionedConcurrencyIsRefused(t *testing.T) {
	s := published(t)
	path := func(function, qualifier string) string {
		return provisionedOf + "/" + function + "/provisioned-concurrency?Qualifier=" + qualifier
	}
	for name, version := range map[string]string{"live": "1", "two": "2", "latest": "$LATEST"} {
		s.do("POST", aliases, `{"Name":"`+name+`","FunctionVersion":"`+version+`"}`).want(t, "alias", 201)
	}
	s.do("PUT", path("f", "live"), provision(2)).want(t, "by alias", 202)
	s.do("PUT", path("f", "2"), provision(2)).want(t, "by version", 202)
	const (
		user        = "User"
		unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
		published   = "The function resource provided must be an alias or a published version."
		provisioned = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
	)
	var untyped any
	for _, test := range []struct {
		what, method, path, body string
		status                   int
		key, text                string
		kind                     any
	}{
		{"$LATEST", "PUT", path("f", "$LATEST"), provision(1), 400, "message", unpublished, user},
		{"alias of $LATEST", "PUT", path("f", "latest"), provision(1), 400, "message", unpublished, user},
		{"get of $LATEST", "GET", path("f", "$LATEST"), "", 400, "message", published, user},
		{"delete of $LATEST", "DELETE", path("f", "$LATEST"), "", 400, "message", published, user},
		{"no alias", "GET", path("f", "noalias"), "", 404, "Message", "Cannot find alias arn: " + arn + ":noalias", user},
		{"no version", "GET", path("f", "10"), "", 404, "Message", "Function not found: " + arn + ":10", user},
		{"delete of no version", "DELETE", path("f", "10"), "", 404, "Message", "Function not found: " + arn + ":10", user},
		{"put for no alias", "PUT", path("f", "noalias"), provision(1), 404, "Message", "Cannot find alias arn: " + arn + ":noalias", user},
		{"put for no version", "PUT", path("f", "10"), provision(1), 404, "Message", "Function not found: " + arn + ":10", user},
		{"list of no function", "GET", provisionedOf + "/fn/provisioned-concurrency?List=ALL", "", 404, "Message", "Function not found: " + arn + "n", user},
		{"version of the alias", "PUT", path("f", "1"), provision(1), 409, "message", "Version is pointed by a Provisioned Concurrency alias", user},
		{"alias of the version", "PUT", path("f", "two"), provision(1), 409, "message", provisioned, user},
		{"move the alias to the version", "PUT", aliases + "/live", `{"FunctionVersion":"2"}`, 409, "message", provisioned, user},
		{"move the alias to $LATEST", "PUT", aliases + "/live", `{"FunctionVersion":"$LATEST"}`, 400, "message", unpublished, user},
		{"more than the account has", "PUT", path("f", "2"), provision(999), 400, "message",
			"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [998].", untyped},
		{"more than it may take", "PUT", path("f", "2"), provision(899), 400, "message",
			"Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].", untyped},
		{"reserve less", "PUT", reservedOf + "/f/concurrency", reserve(3), 400, "message",
			" ReservedConcurrentExecutions  3 should not be lower than function's total provisioned concurrency [4].", untyped},
		{"none", "PUT", path("f", "2"), provision(0), 400, "message",
			"1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1", untyped},
	} {
		s.do(test.method, test.path, test.body).want(t, test.what, test.status, test.key, test.text, "Type", test.kind)
	}
	s.do("PUT", path("f", "2"), provision(898)).want(t, "all that there is", 202)
	s.do("PUT", path("f", "2"), provision(2)).want(t, "less again", 202)
	s.do("PUT", reservedOf+"/f/concurrency", reserve(4)).want(t, "reserve as much", 200)
	s.do("PUT", path("f", "2"), provision(3)).want(t, "more than reserved", 400, "Type", user, "message",
		"Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
	s.do("POST", functions+"/f/versions", "").want(t, "publish", 201, "Version", "2")
	s.do("PUT", aliases+"/two", `{"RoutingConfig":{"AdditionalVersionWeights":{"1":0.5}}}`).want(t, "an alias without a wish may lead anywhere", 200)
}

func TestAccountSettings(t *testing.T) {
	s := newServer(t, setup{})
	usage := func() (size, count float64) {
		a := s.do("GET", accountPath, "")
		a.want(t, "account", 200)
		want := map[string]any{"TotalCodeSize": 80530636800.0, "CodeSizeUnzipped": 262144000.0, "CodeSizeZipped": 52428800.0,
			"ConcurrentExecutions": 1000.0, "UnreservedConcurrentExecutions": 1000.0}
		if diff := cmp.Diff(want, a.json["AccountLimit"]); diff != "" {
			t.Errorf("limits (-want +got):\n%s", diff)
		}
		u := a.json["AccountUsage"].(map[string]any)
		return u["TotalCodeSize"].(float64), u["FunctionCount"].(float64)
	}
	if size, count := usage(); size != 0 || count != 0 {
		t.Errorf("an empty account has %v bytes in %v functions", size, count)
	}
	one := s.create("f", nil)["CodeSize"].(float64)
	if size, count := usage(); size != one || count != 1 {
		t.Errorf("%v bytes in %v functions, want %v in one", size, count, one)
	}
	s.do("POST", functions+"/f/versions", "").want(t, "publish", 201)
	if size, count := usage(); size != 2*one || count != 1 {
		t.Errorf("with a version: %v bytes in %v functions, want %v in one", size, count, 2*one)
	}
}
