package lambda_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecursionConfig(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	const path = "/2024-08-31/functions/f/recursion-config"
	s.do("GET", path, "").want(t, "by default", 200, "RecursiveLoop", "Terminate")
	s.do("PUT", path, `{"RecursiveLoop":"Allow"}`).want(t, "put", 200, "RecursiveLoop", "Allow")
	s.do("GET", path, "").want(t, "get", 200, "RecursiveLoop", "Allow")
	s.do("PUT", path, `{"RecursiveLoop":"Terminate"}`).want(t, "put back", 200, "RecursiveLoop", "Terminate")
	s.do("GET", path, "").want(t, "get", 200, "RecursiveLoop", "Terminate")
	s.do("PUT", path, `{"RecursiveLoop":"Never"}`).want(t, "no such value", 400, "Type", nil)
	for method, body := range map[string]string{"GET": "", "PUT": `{"RecursiveLoop":"Allow"}`} {
		s.do(method, "/2024-08-31/functions/none/recursion-config", body).want(t, method+" of no function", 404, "Type", "User",
			"Message", "Function not found: arn:aws:lambda:us-east-1:111111111111:function:none")
	}
}

func TestRuntimeManagementConfig(t *testing.T) {
	s := published(t)
	path := func(name string) string { return "/2021-07-20/functions/" + name + "/runtime-management-config" }
	version := s.do("GET", functions+"/f/configuration", "").json["RuntimeVersionConfig"].(map[string]any)["RuntimeVersionArn"].(string)
	check := func(what string, a answer, want map[string]any) {
		t.Helper()
		a.want(t, what, 200)
		if diff := cmp.Diff(want, a.json); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	automatic := map[string]any{"FunctionArn": arn, "UpdateRuntimeOn": "Auto"}
	manual := map[string]any{"FunctionArn": arn, "UpdateRuntimeOn": "Manual", "RuntimeVersionArn": version}
	check("by default", s.do("GET", path("f"), ""), automatic)
	check("put", s.do("PUT", path("f"), `{"UpdateRuntimeOn":"Manual","RuntimeVersionArn":"`+version+`"}`), manual)
	check("get", s.do("GET", path("f"), ""), manual)
	check("a version is apart", s.do("GET", path("f")+"?Qualifier=1", ""), map[string]any{"FunctionArn": arn + ":1", "UpdateRuntimeOn": "Auto"})
	check("put of a version", s.do("PUT", path("f:1"), `{"UpdateRuntimeOn":"FunctionUpdate"}`), map[string]any{"FunctionArn": arn + ":1", "UpdateRuntimeOn": "FunctionUpdate"})
	check("put back", s.do("PUT", path("f"), `{"UpdateRuntimeOn":"Auto"}`), automatic)
	check("get back", s.do("GET", path("f"), ""), automatic)
	other := "arn:aws:lambda:us-east-1::runtime:" + "8eeff65f6809a3ce81507fe733fe09b835899b99481ba22fd75b5a7338290ec1"
	for body, want := range map[string]string{
		`{"UpdateRuntimeOn":"Manual"}`:                                     "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.",
		`{"UpdateRuntimeOn":"Auto","RuntimeVersionArn":"` + version + `"}`: "RuntimeVersionArn is for UpdateRuntimeOn Manual only.",
		`{"UpdateRuntimeOn":"Manual","RuntimeVersionArn":"` + other + `"}`: "Runtime version " + other + " is not available on this server. It has " + version + " for the runtime python3.12.",
	} {
		s.do("PUT", path("f"), body).want(t, body, 400, "message", want, "Type", "User")
	}
	for _, name := range []string{"none", "f:7", "f:alias"} {
		want := "Function not found: arn:aws:lambda:us-east-1:111111111111:function:" + name
		s.do("GET", path(name), "").want(t, "get "+name, 404, "Message", want)
		s.do("PUT", path(name), `{"UpdateRuntimeOn":"Auto"}`).want(t, "put "+name, 404, "Message", want)
	}
}

func TestFunctionScalingConfig(t *testing.T) {
	s := published(t)
	path := func(name, q string) string {
		return "/2025-11-30/functions/" + name + "/function-scaling-config?Qualifier=" + q
	}
	check := func(what string, want map[string]any) {
		t.Helper()
		a := s.do("GET", path("f", "1"), "")
		a.want(t, what, 200)
		if diff := cmp.Diff(want, a.json); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("by default", map[string]any{"FunctionArn": arn + ":1"})
	s.do("PUT", path("f", "1"), `{"FunctionScalingConfig":{"MinExecutionEnvironments":1,"MaxExecutionEnvironments":2}}`).want(t, "put", 202, "FunctionState", "Active")
	check("wanted, not applied", map[string]any{"FunctionArn": arn + ":1",
		"RequestedFunctionScalingConfig": map[string]any{"MinExecutionEnvironments": 1.0, "MaxExecutionEnvironments": 2.0}})
	s.do("PUT", path("f", "1"), `{}`).want(t, "take away", 202)
	check("after that", map[string]any{"FunctionArn": arn + ":1"})
	s.do("PUT", path("f", "1"), `{"FunctionScalingConfig":{"MinExecutionEnvironments":3,"MaxExecutionEnvironments":2}}`).want(t, "crossed", 400,
		"message", "MinExecutionEnvironments (3) must not be greater than MaxExecutionEnvironments (2).")
	for _, q := range []string{"9", "$LATEST.PUBLISHED"} {
		s.do("GET", path("f", q), "").want(t, "get "+q, 404, "Message", "Function not found: "+arn+":"+q)
		s.do("PUT", path("f", q), `{}`).want(t, "put "+q, 404, "Message", "Function not found: "+arn+":"+q)
	}
}

func TestConfigsGoWithTheirVersion(t *testing.T) {
	s := published(t)
	scaling := "/2025-11-30/functions/f/function-scaling-config?Qualifier=1"
	s.do("PUT", scaling, `{"FunctionScalingConfig":{"MaxExecutionEnvironments":2}}`).want(t, "scaling", 202)
	s.do("PUT", config("f:1"), `{"MaximumRetryAttempts":1}`).want(t, "asynchronous", 200)
	s.do("PUT", provisionedOf+"/f/provisioned-concurrency?Qualifier=1", provision(7)).want(t, "provisioned", 202)
	s.do("DELETE", functions+"/f?Qualifier=1", "").want(t, "delete", 204)
	s.do("GET", config("f:1"), "").want(t, "asynchronous after deletion", 404)
	if a := s.do("GET", config("f")+"/list", ""); a.body != `{"FunctionEventInvokeConfigs":[]}` {
		t.Errorf("listed after deletion: %s", a.body)
	}
	if got := s.unreserved(); got != 1000 {
		t.Errorf("%v are unreserved after deletion", got)
	}
}
