package lambda_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	layers   = "/2018-10-31/layers"
	layerARN = "arn:aws:lambda:us-east-1:111111111111:layer:"
)

// publishBody is a request for a new version of a layer.
func publishBody(t *testing.T, content string, extra map[string]any) string {
	t.Helper()
	body := map[string]any{"Content": map[string]any{"ZipFile": zipFile(content)}}
	maps.Copy(body, extra)
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (s *server) publish(name, content string, extra map[string]any) map[string]any {
	s.t.Helper()
	a := s.do("POST", layers+"/"+name+"/versions", publishBody(s.t, content, extra))
	if a.status != http.StatusCreated {
		s.t.Fatalf("publish %s: %d %s", name, a.status, a.body)
	}
	return a.json
}

var createdDate = regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$`)

// knownLayer takes out, after a look at it, what a test cannot know beforehand.
func knownLayer(t *testing.T, version map[string]any) map[string]any {
	t.Helper()
	v := maps.Clone(version)
	if date, _ := v["CreatedDate"].(string); !createdDate.MatchString(date) {
		t.Errorf("CreatedDate %v", v["CreatedDate"])
	}
	delete(v, "CreatedDate")
	if content, ok := v["Content"].(map[string]any); ok {
		if sum, _ := base64.StdEncoding.DecodeString(content["CodeSha256"].(string)); len(sum) != 32 || content["CodeSize"].(float64) < 1 {
			t.Errorf("content %v", content)
		}
		if got := slices.Sorted(maps.Keys(content)); !slices.Equal(got, []string{"CodeSha256", "CodeSize", "Location"}) {
			t.Errorf("content has %v", got)
		}
		v["Content"] = "present"
	}
	return v
}

// TestLifeOfALayer compares answers, member by member, with what the service was
// recorded to answer.
func TestLifeOfALayer(t *testing.T) {
	s := newServer(t, setup{})
	said := map[string]any{"CompatibleRuntimes": []any{"python3.12"}, "CompatibleArchitectures": []any{"x86_64"}}
	first := map[string]any{
		"Content": "present", "Description": "", "Version": 1.0,
		"LayerArn": layerARN + "l", "LayerVersionArn": layerARN + "l:1",
		"CompatibleRuntimes": []any{"python3.12"}, "CompatibleArchitectures": []any{"x86_64"},
	}
	published := s.publish("l", "one", said)
	if diff := cmp.Diff(first, knownLayer(t, published)); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	for _, target := range []string{
		"/l/versions/1", "/" + url.PathEscape(layerARN+"l") + "/versions/1", "?find=LayerVersion&Arn=" + url.QueryEscape(layerARN+"l:1"),
	} {
		a := s.do("GET", layers+target, "")
		if a.status != http.StatusOK {
			t.Fatalf("GET %s: %d %s", target, a.status, a.body)
		}
		if diff := cmp.Diff(first, knownLayer(t, a.json)); diff != "" || a.json["CreatedDate"] != published["CreatedDate"] {
			t.Errorf("GET %s (-want +got):\n%s", target, diff)
		}
	}

	second := s.publish(url.PathEscape(layerARN+"l"), "two", map[string]any{"Description": "d", "LicenseInfo": "MIT",
		"CompatibleRuntimes": []any{}, "CompatibleArchitectures": []any{}})
	if diff := cmp.Diff(map[string]any{
		"Content": "present", "Description": "d", "LicenseInfo": "MIT", "Version": 2.0,
		"LayerArn": layerARN + "l", "LayerVersionArn": layerARN + "l:2",
		"CompatibleRuntimes": []any{}, "CompatibleArchitectures": []any{},
	}, knownLayer(t, second)); diff != "" {
		t.Errorf("published with empty lists (-want +got):\n%s", diff)
	}

	a := s.do("GET", layers+"/l/versions", "")
	var numbers []any
	for _, v := range a.json["LayerVersions"].([]any) {
		numbers = append(numbers, v.(map[string]any)["Version"])
	}
	if diff := cmp.Diff([]any{2.0, 1.0}, numbers); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	item := maps.Clone(first)
	delete(item, "Content")
	delete(item, "LayerArn")
	a = s.do("GET", layers+"?CompatibleRuntime=python3.12", "")
	listed := a.json["Layers"].([]any)[0].(map[string]any)
	if diff := cmp.Diff(item, knownLayer(t, listed["LatestMatchingVersion"].(map[string]any))); diff != "" {
		t.Errorf("latest of a runtime (-want +got):\n%s", diff)
	}
	if listed["LayerName"] != "l" || listed["LayerArn"] != layerARN+"l" || len(a.json) != 1 {
		t.Errorf("listed %s", a.body)
	}

	for range 2 { // the second time it is not there, which is no error
		if a := s.do("DELETE", layers+"/l/versions/2", ""); a.status != http.StatusNoContent || a.body != "" {
			t.Errorf("delete: %d %q", a.status, a.body)
		}
	}
	if v := s.publish("l", "three", nil); v["Version"] != 3.0 || v["CompatibleRuntimes"] != nil {
		t.Errorf("published after a deletion: %v", v)
	}
}

func TestLayerPages(t *testing.T) {
	s := newServer(t, setup{})
	for _, name := range []string{"a", "b", "c"} {
		s.publish(name, name, nil)
		s.publish(name, name, nil)
	}
	for _, list := range []struct{ target, member string }{{layers, "Layers"}, {layers + "/b/versions", "LayerVersions"}} {
		count, marker := 0, ""
		for range 10 {
			a := s.do("GET", list.target+"?MaxItems=1&Marker="+url.QueryEscape(marker), "")
			count += len(a.json[list.member].([]any))
			if marker, _ = a.json["NextMarker"].(string); marker == "" {
				break
			}
		}
		if want := map[string]int{"Layers": 3, "LayerVersions": 2}[list.member]; count != want {
			t.Errorf("%s: %d in pages, want %d", list.target, count, want)
		}
	}
	if a := s.do("GET", layers+"/absent/versions", ""); a.status != http.StatusOK || strings.TrimSpace(a.body) != `{"LayerVersions":[]}` {
		t.Errorf("versions of a layer that is not there: %d %s", a.status, a.body)
	}
}

func TestLayerContentCanBeFetched(t *testing.T) {
	s := newServer(t, setup{})
	published := s.publish("l", "one", nil)
	location, err := url.Parse(published["Content"].(map[string]any)["Location"].(string))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, newRequest("GET", location.RequestURI(), nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK || base64.StdEncoding.EncodeToString(body) != zipFile("one") {
		t.Errorf("%d, %d bytes, %v", w.Code, len(body), err)
	}
}

// TestLayerErrors holds answers to what was recorded of the service, where the
// request is one that it knows.
func TestLayerErrors(t *testing.T) {
	s := newServer(t, setup{})
	s.publish("l", "one", nil)
	const runtimes = "failed to satisfy constraint: Member must satisfy enum value set: ["
	for _, test := range []struct {
		name, method, target, body string
		status                     int
		code, text                 string // text is how the message begins
	}{
		{"version zero", "GET", "/l/versions/0", "", 400, "InvalidParameterValueException", "Layer Version Cannot be less than 1"},
		{"negative version", "GET", "/l/versions/-1", "", 400, "InvalidParameterValueException", "Layer Version Cannot be less than 1"},
		{"no such version", "GET", "/l/versions/2", "", 404, "ResourceNotFoundException", "The resource you requested does not exist."},
		{"no such layer", "GET", "/m/versions/1", "", 404, "ResourceNotFoundException", "The resource you requested does not exist."},
		{"no such ARN", "GET", "?find=LayerVersion&Arn=" + url.QueryEscape(layerARN+"l:2"), "", 404, "ResourceNotFoundException", "The resource you requested does not exist."},
		{"layer of the service", "GET", "?find=LayerVersion&Arn=" + url.QueryEscape("arn:aws:lambda:::awslayer:X"), "", 404, "ResourceNotFoundException", "The resource you requested does not exist."},
		{"ARN without a version", "GET", "?find=LayerVersion&Arn=" + url.QueryEscape(layerARN+"l"), "", 400, "ValidationException",
			"1 validation error detected: Value '" + layerARN + "l' at 'arn' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:"},
		{"delete version zero", "DELETE", "/l/versions/0", "", 400, "InvalidParameterValueException", "Layer Version Cannot be less than 1"},
		{"list by an unknown runtime", "GET", "?CompatibleRuntime=none", "", 400, "ValidationException",
			"1 validation error detected: Value 'none' at 'compatibleRuntime' " + runtimes},
		{"list by an unknown architecture", "GET", "?CompatibleArchitecture=none", "", 400, "ValidationException",
			"1 validation error detected: Value 'none' at 'compatibleArchitecture' failed to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]"},
		{"publish for unknown ones", "POST", "/l/versions", publishBody(t, "x", map[string]any{
			"CompatibleRuntimes": []string{"none", "python3.12"}, "CompatibleArchitectures": []string{"none", "x86_64"}}), 400, "ValidationException",
			"2 validation errors detected: "},
		{"publish nothing", "POST", "/l/versions", `{}`, 400, "ValidationException",
			"1 validation error detected: Value null at 'content' failed to satisfy constraint: Member must not be null"},
		{"publish no source", "POST", "/l/versions", `{"Content":{}}`, 400, "InvalidParameterValueException", "Please provide a source for layer content."},
		{"publish from S3", "POST", "/l/versions", `{"Content":{"S3Bucket":"bucket","S3Key":"k"}}`, 400, "InvalidParameterValueException",
			"This server cannot fetch objects from S3"},
		{"publish no zip", "POST", "/l/versions", `{"Content":{"ZipFile":"AAAA"}}`, 400, "InvalidParameterValueException",
			"Could not unzip uploaded file. Please check your file, then try to upload again."},
		{"attach an unversioned layer", "POST", "!" + functions, createBody("f", map[string]any{"Layers": []string{layerARN + "l"}}), 400, "ValidationException",
			"1 validation error detected: Value '[" + layerARN + "l]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: ["},
		{"attach what is not there", "POST", "!" + functions, createBody("f", map[string]any{"Layers": []string{layerARN + "l:9"}}), 400, "InvalidParameterValueException",
			"Layer version " + layerARN + "l:9 does not exist."},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			target := layers + test.target
			if whole, ok := strings.CutPrefix(test.target, "!"); ok {
				target = whole
			}
			a := s.do(test.method, target, test.body)
			message, _ := a.json["message"].(string)
			if message == "" {
				message, _ = a.json["Message"].(string)
			}
			if a.status != test.status || a.header.Get("X-Amzn-Errortype") != test.code || !strings.HasPrefix(message, test.text) {
				t.Errorf("%d %s %s\nwant %d %s %s", a.status, a.header.Get("X-Amzn-Errortype"), a.body, test.status, test.code, test.text)
			}
		})
	}
}

func TestFunctionsShowTheirLayers(t *testing.T) {
	s := newServer(t, setup{})
	size := s.publish("l", "one", nil)["Content"].(map[string]any)["CodeSize"]
	s.publish("m", "two two two", nil)
	created := s.create("f", map[string]any{"Layers": []string{layerARN + "m:1", layerARN + "l:1"}})
	shown := created["Layers"].([]any)
	if diff := cmp.Diff(map[string]any{"Arn": layerARN + "l:1", "CodeSize": size}, shown[1]); diff != "" || len(shown) != 2 {
		t.Errorf("%d layers, the second (-want +got):\n%s", len(shown), diff)
	}
	if a := s.do("DELETE", layers+"/l/versions/1", ""); a.status != http.StatusNoContent {
		t.Fatal(a.body)
	}
	if diff := cmp.Diff(created["Layers"], s.await("f")["Layers"]); diff != "" {
		t.Errorf("after a layer's deletion (-want +got):\n%s", diff)
	}
	if a := s.do("PUT", functions+"/f/configuration", fmt.Sprintf(`{"Layers":[%q]}`, layerARN+"m:1")); a.status != http.StatusOK {
		t.Fatal(a.body)
	}
	if got := s.await("f")["Layers"].([]any); len(got) != 1 {
		t.Errorf("layers that were replaced: %v", got)
	}
	if a := s.do("PUT", functions+"/f/configuration", `{"Layers":[]}`); a.status != http.StatusOK {
		t.Fatal(a.body)
	}
	if got, ok := s.await("f")["Layers"]; ok {
		t.Errorf("layers that were taken away: %v", got)
	}
}
