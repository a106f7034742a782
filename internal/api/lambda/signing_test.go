package lambda_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/signing"
)

const (
	signings  = "/2020-04-22/code-signing-configs"
	publisher = "arn:aws:signer:us-east-1:111111111111:/signing-profiles/test"
)

// newSigning makes a code signing configuration and returns its ARN.
func newSigning(t *testing.T, s *server, policy string) string {
	t.Helper()
	a := s.do("POST", signings, fmt.Sprintf(`{"AllowedPublishers":{"SigningProfileVersionArns":[%q]},"CodeSigningPolicies":{"UntrustedArtifactOnDeployment":%q}}`, publisher, policy))
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return a.json["CodeSigningConfig"].(map[string]any)["CodeSigningConfigArn"].(string)
}

// signed is the path of a function's code signing configuration.
func signed(name string) string { return "/2020-06-30/functions/" + name + "/code-signing-config" }

// TestSigningConfigs takes a configuration through its life.
func TestSigningConfigs(t *testing.T) {
	s := newServer(t, setup{})
	a := s.do("POST", signings+"/", `{"Description":"one","AllowedPublishers":{"SigningProfileVersionArns":["`+publisher+`"]},"Tags":{"k":"v"}}`)
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	config := a.json["CodeSigningConfig"].(map[string]any)
	arn, id := config["CodeSigningConfigArn"].(string), config["CodeSigningConfigId"].(string)
	if !regexp.MustCompile(`^csc-[a-z0-9]{17}$`).MatchString(id) || arn != "arn:aws:lambda:us-east-1:111111111111:code-signing-config:"+id {
		t.Errorf("ARN %s, ID %s", arn, id)
	}
	delete(config, "LastModified")
	want := map[string]any{
		"Description": "one", "CodeSigningConfigArn": arn, "CodeSigningConfigId": id,
		"AllowedPublishers":   map[string]any{"SigningProfileVersionArns": []any{publisher}},
		"CodeSigningPolicies": map[string]any{"UntrustedArtifactOnDeployment": "Warn"}, // unless it is told otherwise
	}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	at := signings + "/" + url.PathEscape(arn)
	a = s.do("PUT", at, `{"CodeSigningPolicies":{"UntrustedArtifactOnDeployment":"Enforce"}}`)
	want["CodeSigningPolicies"] = map[string]any{"UntrustedArtifactOnDeployment": "Enforce"}
	for _, a := range []answer{a, s.do("GET", at, "")} {
		config := a.json["CodeSigningConfig"].(map[string]any)
		if config["LastModified"] == nil || a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		delete(config, "LastModified")
		if diff := cmp.Diff(want, config); diff != "" {
			t.Errorf("updated (-want +got):\n%s", diff)
		}
	}
	tags := "/2017-03-31/tags/" + url.PathEscape(arn)
	if a = s.do("POST", tags, `{"Tags":{"l":"w"}}`); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a = s.do("GET", tags, ""); !cmp.Equal(a.json["Tags"], map[string]any{"k": "v", "l": "w"}) {
		t.Errorf("tags %s", a.body)
	}
	if a = s.do("DELETE", at, ""); a.status != 204 || a.body != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a = s.do("GET", signings, ""); a.status != 200 || a.body != `{"CodeSigningConfigs":[]}` {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestFunctionSigning gives functions configurations, and takes them away.
func TestFunctionSigning(t *testing.T) {
	s := newServer(t, setup{})
	arn := newSigning(t, s, "Warn")
	at := signings + "/" + url.PathEscape(arn)
	s.create("f", nil)
	if a := s.do("GET", signed("f"), ""); a.status != 200 || a.body != "{}" {
		t.Errorf("without one: %d %s", a.status, a.body)
	}
	put := s.do("PUT", signed("f"), fmt.Sprintf(`{"CodeSigningConfigArn":%q}`, arn))
	for _, a := range []answer{put, s.do("GET", signed("f"), "")} {
		if a.status != 200 || !cmp.Equal(a.json, map[string]any{"CodeSigningConfigArn": arn, "FunctionName": "f"}) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	s.create("g", map[string]any{"CodeSigningConfigArn": arn})
	first := s.do("GET", at+"/functions?MaxItems=1", "")
	if !cmp.Equal(first.json["FunctionArns"], []any{"arn:aws:lambda:us-east-1:111111111111:function:f"}) {
		t.Errorf("%d %s", first.status, first.body)
	}
	second := s.do("GET", at+"/functions?Marker="+first.json["NextMarker"].(string), "")
	if !cmp.Equal(second.json, map[string]any{"FunctionArns": []any{"arn:aws:lambda:us-east-1:111111111111:function:g"}}) {
		t.Errorf("%d %s", second.status, second.body)
	}
	if a := s.do("DELETE", at, ""); a.status != 409 || a.header.Get("X-Amzn-ErrorType") != "ResourceConflictException" {
		t.Errorf("delete while functions have it: %d %s", a.status, a.body)
	}
	for _, target := range []string{signed("f"), signed("f"), functions + "/g", at} {
		if a := s.do("DELETE", target, ""); a.status != 204 {
			t.Errorf("delete %s: %d %s", target, a.status, a.body)
		}
	}
	if a := s.do("GET", signed("f"), ""); a.body != "{}" {
		t.Errorf("taken away: %d %s", a.status, a.body)
	}
}

// TestListSigningConfigs pages through configurations.
func TestListSigningConfigs(t *testing.T) {
	s := newServer(t, setup{})
	made := map[string]bool{}
	for range 5 {
		made[newSigning(t, s, "Warn")] = true
	}
	marker, pages := "", 0
	for {
		a := s.do("GET", signings+"?MaxItems=2&Marker="+marker, "")
		for _, config := range a.json["CodeSigningConfigs"].([]any) {
			arn := config.(map[string]any)["CodeSigningConfigArn"].(string)
			if !made[arn] {
				t.Errorf("%s is shown twice, or was never made", arn)
			}
			delete(made, arn)
		}
		pages++
		next, ok := a.json["NextMarker"].(string)
		if !ok {
			break
		}
		marker = next
	}
	if pages != 3 || len(made) > 0 {
		t.Errorf("%d pages lack %v", pages, made)
	}
}

// TestUnsignedCode deploys code that nobody has signed.
func TestUnsignedCode(t *testing.T) {
	s := newServer(t, setup{})
	warn, enforce := newSigning(t, s, "Warn"), newSigning(t, s, "Enforce")
	a := s.do("POST", layers+"/l/versions", publishBody(t, "layer", nil))
	layer := a.json["LayerVersionArn"].(string)
	s.create("f", map[string]any{"CodeSigningConfigArn": warn})
	code, attach := fmt.Sprintf(`{"ZipFile":%q}`, zipFile("other")), fmt.Sprintf(`{"Layers":[%q]}`, layer)
	refused := func(what string, a answer) {
		t.Helper()
		const text = "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for "
		if a.status != 400 || a.header.Get("X-Amzn-ErrorType") != "CodeVerificationFailedException" || !strings.HasPrefix(a.json["Message"].(string), text) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if a := s.do("PUT", functions+"/f/code", code); a.status != 200 {
		t.Errorf("where it is warned only: %d %s", a.status, a.body)
	}
	s.await("f")
	if a := s.do("PUT", signed("f"), fmt.Sprintf(`{"CodeSigningConfigArn":%q}`, enforce)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	refused("create", s.do("POST", functions, createBody("g", map[string]any{"CodeSigningConfigArn": enforce})))
	refused("code", s.do("PUT", functions+"/f/code", code))
	refused("dry run", s.do("PUT", functions+"/f/code", strings.Replace(code, "{", `{"DryRun":true,`, 1)))
	refused("layer", s.do("PUT", functions+"/f/configuration", attach))
	for _, harmless := range []string{`{"Timeout":9}`, `{"Layers":[]}`} {
		if a := s.do("PUT", functions+"/f/configuration", harmless); a.status != 200 {
			t.Errorf("%s: %d %s", harmless, a.status, a.body)
		}
		s.await("f")
	}
}

// TestMissingSigningConfigs names configurations and functions that are not there.
func TestMissingSigningConfigs(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	arn := newSigning(t, s, "Warn")
	const (
		none      = "arn:aws:lambda:us-east-1:111111111111:code-signing-config:csc-00000000000000000"
		elsewhere = "arn:aws:lambda:eu-west-1:111111111111:code-signing-config:csc-00000000000000000"
		config    = "The Lambda code signing configuration " + none + " can not be found."
		function  = "The code signing configuration cannot be found. Check that the provided configuration is not deleted: " + none + "."
		missing   = "Function not found: arn:aws:lambda:us-east-1:111111111111:function:none"
	)
	at := signings + "/" + url.PathEscape(none)
	put := fmt.Sprintf(`{"CodeSigningConfigArn":%q}`, none)
	for _, test := range []struct{ name, method, target, body, code, text string }{
		{"get", "GET", at, "", "ResourceNotFoundException", config},
		{"get from elsewhere", "GET", signings + "/" + url.PathEscape(elsewhere), "", "ResourceNotFoundException", strings.ReplaceAll(config, "us-east-1", "eu-west-1")},
		{"update", "PUT", at, "{}", "ResourceNotFoundException", config},
		{"delete", "DELETE", at, "", "ResourceNotFoundException", config},
		{"list its functions", "GET", at + "/functions", "", "ResourceNotFoundException", config},
		{"tags", "GET", "/2017-03-31/tags/" + url.PathEscape(none), "", "ResourceNotFoundException", config},
		{"put", "PUT", signed("f"), put, "CodeSigningConfigNotFoundException", function},
		{"put to none", "PUT", signed("none"), put, "CodeSigningConfigNotFoundException", function},
		{"create", "POST", functions, createBody("g", map[string]any{"CodeSigningConfigArn": none}), "CodeSigningConfigNotFoundException", function},
		{"put to no function", "PUT", signed("none"), fmt.Sprintf(`{"CodeSigningConfigArn":%q}`, arn), "ResourceNotFoundException", missing},
		{"get of no function", "GET", signed("none"), "", "ResourceNotFoundException", missing},
		{"delete of no function", "DELETE", signed("none"), "", "ResourceNotFoundException", missing},
	} {
		a := s.do(test.method, test.target, test.body)
		if a.status != 404 || a.header.Get("X-Amzn-ErrorType") != test.code || a.json["Message"] != test.text || a.json["Type"] != "User" {
			t.Errorf("%s: %d %s %s", test.name, a.status, a.header.Get("X-Amzn-ErrorType"), a.body)
		}
	}
}

// TestSignedBy shows who has signed code and layers, wherever they are shown.
func TestSignedBy(t *testing.T) {
	s := newServer(t, setup{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	profile, err := s.control.AddSigner(t.Context(), "release", der)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := base64.StdEncoding.DecodeString(zipFile("hello"))
	if err != nil {
		t.Fatal(err)
	}
	zip, err := signing.Sign(plain, key, signing.Statement{Job: "0b8e3c2a-0000-4000-8000-000000000000", ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	source := map[string]any{"ZipFile": base64.StdEncoding.EncodeToString(zip)}
	shown := func(what string, at any) {
		t.Helper()
		members, _ := at.(map[string]any)
		if members["SigningProfileVersionArn"] != profile || members["SigningJobArn"] != "arn:aws:signer:us-east-1:111111111111:/signing-jobs/0b8e3c2a-0000-4000-8000-000000000000" {
			t.Errorf("%s: %v", what, at)
		}
	}
	layer := s.do("POST", layers+"/l/versions", publishBody(t, "", map[string]any{"Content": source}))
	shown("layer", layer.json["Content"])
	created := s.create("f", map[string]any{"Code": source, "Layers": []any{layer.json["LayerVersionArn"]}})
	shown("function", created)
	shown("attached layer", created["Layers"].([]any)[0])
	shown("published", s.do("POST", functions+"/f/versions", "{}").json)
}
