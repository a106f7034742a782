package control_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/control"
	"thaw/internal/lambda"
)

const recordedRuntimes = "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, " +
	"python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, " +
	"dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2"

const (
	parameter  = lambda.CodeInvalidParameterValue
	validation = lambda.CodeValidation
)

func layers(arns ...string) *[]string { return &arns }

func layer(region, name string, version int) string {
	return fmt.Sprintf("arn:aws:lambda:%s:123456789012:layer:%s:%d", region, name, version)
}

// settingsRules are judged alike by CreateFunction and UpdateFunctionConfiguration.
var settingsRules = []struct {
	name     string
	settings control.Settings
	code     string // empty: accepted
	text     string
}{
	{"memory low", control.Settings{MemoryMB: new(127)}, validation,
		"1 validation error detected: Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
	{"memory high", control.Settings{MemoryMB: new(10241)}, validation,
		"1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240"},
	{"memory bounds", control.Settings{MemoryMB: new(10240)}, "", ""},
	{"timeout zero", control.Settings{TimeoutSeconds: new(0)}, validation,
		"1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"},
	{"timeout high", control.Settings{TimeoutSeconds: new(901)}, validation,
		"1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
	{"timeout bounds", control.Settings{TimeoutSeconds: new(900)}, "", ""},
	{"storage low", control.Settings{EphemeralStorageMB: new(511)}, validation,
		"1 validation error detected: Value '511' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512"},
	{"two faults", control.Settings{EphemeralStorageMB: new(10241), MemoryMB: new(1)}, validation,
		"2 validation errors detected: Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128; " +
			"Value '10241' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value less than or equal to 10240"},
	{"unknown runtime", control.Settings{Runtime: new("non-existent-runtime")}, parameter,
		"Value non-existent-runtime at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [" + recordedRuntimes + "] or be a valid ARN"},
	{"upper case runtime", control.Settings{Runtime: new("PYTHON3.9")}, parameter,
		"Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [" + recordedRuntimes + "] or be a valid ARN"},
	{"newer runtime", control.Settings{Runtime: new("nodejs26.x")}, "", ""},
	{"no handler", control.Settings{Handler: new("")}, parameter, ""},
	{"no runtime", control.Settings{Runtime: new("")}, parameter, ""},
	{"environment at the limit", control.Settings{Environment: &map[string]string{"K": strings.Repeat("v", 4088)}}, "", ""},
	{"environment over the limit", control.Settings{Environment: &map[string]string{"K": strings.Repeat("v", 4089)}}, parameter,
		"Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. " +
			`String measured: {"K":"` + strings.Repeat("v", 4089) + `"}`},
	{"environment in the recorded order", control.Settings{Environment: &map[string]string{"LARGE_VAR": strings.Repeat("x", 4096), "SMALL_VAR": "ok"}}, parameter,
		"Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. " +
			`String measured: {"SMALL_VAR":"ok","LARGE_VAR":"` + strings.Repeat("x", 4096) + `"}`},
	{"reserved variable", control.Settings{Environment: &map[string]string{"AWS_REGION": "x"}}, parameter, ""},
	{"variable like a reserved one", control.Settings{Environment: &map[string]string{"AWS_REGIONS": "x", "LANG": "C"}}, "", ""},
	{"log level with text", control.Settings{Logging: &lambda.Logging{ApplicationLevel: "DEBUG"}}, parameter,
		`LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to "JSON" and try again.`},
	{"system level with text", control.Settings{Logging: &lambda.Logging{Format: "Text", SystemLevel: "WARN"}}, parameter,
		`LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to "JSON" and try again.`},
	{"six layers", control.Settings{Layers: layers("a", "b", "c", "d", "e", "f")}, parameter, "Cannot reference more than 5 layers."},
	{"layer elsewhere", control.Settings{Layers: layers(layer("us-east-1", "l", 1))}, parameter,
		"Layers are not in the same region as the function. Layers are expected to be in region eu-central-1."},
	{"two versions of a layer", control.Settings{Layers: layers(layer("eu-central-1", "l", 1), layer("eu-central-1", "m", 1), layer("eu-central-1", "l", 2))}, parameter,
		"Two different versions of the same layer are not allowed to be referenced in the same function. " +
			layer("eu-central-1", "l", 1) + " and " + layer("eu-central-1", "l", 2) + " are versions of the same layer."},
	{"layer that is not there", control.Settings{Layers: layers(layer("eu-central-1", "l", 1))}, parameter,
		"Layer version " + layer("eu-central-1", "l", 1) + " does not exist."},
	{"layer of another account", control.Settings{Layers: layers("arn:aws:lambda:eu-central-1:999999999999:layer:l:1")}, lambda.CodeAccessDenied,
		"User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:GetLayerVersion on resource: " +
			"arn:aws:lambda:eu-central-1:999999999999:layer:l:1 because no resource-based policy allows the lambda:GetLayerVersion action"},
	{"layer of the service", control.Settings{Layers: layers("arn:aws:lambda:::awslayer:AmazonLinux2")}, parameter,
		"Layer version arn:aws:lambda:::awslayer:AmazonLinux2 does not exist."},
	{"layer with a number beyond all", control.Settings{Layers: layers("arn:aws:lambda:eu-central-1:123456789012:layer:l:99999999999999999999")}, parameter,
		"Layer version arn:aws:lambda:eu-central-1:123456789012:layer:l:99999999999999999999 does not exist."},
	{"no layers", control.Settings{Layers: layers()}, "", ""},
}

func TestSettingsRules(t *testing.T) {
	for _, rule := range settingsRules {
		t.Run(rule.name, func(t *testing.T) {
			run(t, func(t *testing.T, s *server) {
				create(t, s, input("there"))
				rest()
				before := get(t, s, "there", "")
				in := input("f")
				overlay(&in.Settings, rule.settings)
				_, createErr := s.CreateFunction(t.Context(), in)
				_, updateErr := s.UpdateFunctionConfiguration(t.Context(), lambda.Ref{Name: "there"}, rule.settings, "")
				for _, err := range []error{createErr, updateErr} {
					if rule.code != "" {
						wantError(t, err, rule.code, rule.text)
					} else if err != nil {
						t.Error(err)
					}
				}
				if rule.code == "" {
					return
				}
				if diff := cmp.Diff(before.Function, get(t, s, "there", "").Function); diff != "" {
					t.Errorf("a refused update changed (-before +after):\n%s", diff)
				}
				if _, err := s.GetFunction(t.Context(), lambda.Ref{Name: "f"}); err == nil {
					t.Error("a refused function is there")
				}
			})
		})
	}
}

// overlay sets what is set in over.
func overlay(s *control.Settings, over control.Settings) {
	role, runtime, handler := s.Role, s.Runtime, s.Handler
	*s = over
	if s.Role == nil {
		s.Role = role
	}
	if s.Runtime == nil {
		s.Runtime = runtime
	}
	if s.Handler == nil {
		s.Handler = handler
	}
}

func TestDeprecatedRuntimes(t *testing.T) {
	for _, runtime := range []string{"dotnetcore3.1", "go1.x", "java8", "nodejs12.x", "nodejs14.x", "provided", "python3.7", "ruby2.7"} {
		run(t, func(t *testing.T, s *server) {
			in := input("f")
			in.Runtime = &runtime
			_, err := s.CreateFunction(t.Context(), in)
			wantError(t, err, parameter, "The runtime parameter of "+runtime+" is no longer supported for creating or updating "+
				"AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.")
		})
	}
}

func TestSupportedRuntimes(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		for i, runtime := range strings.Split(recordedRuntimes, ", ") {
			in := input(fmt.Sprintf("f%d", i))
			in.Runtime = &runtime
			create(t, s, in)
		}
	})
}

func TestCreateRules(t *testing.T) {
	long := strings.Repeat("a", 65)
	tags := map[string]string{}
	for i := range 51 {
		tags[fmt.Sprint(i)] = ""
	}
	fifty := maps.Clone(tags)
	delete(fifty, "0")
	for _, rule := range []struct {
		name string
		edit func(*control.CreateFunctionInput)
		code string
		text string
	}{
		{"name of 64", func(in *control.CreateFunctionInput) { in.Name = long[1:] }, "", ""},
		{"name of 65", func(in *control.CreateFunctionInput) { in.Name = long }, parameter,
			"1 validation error detected: Value '" + long + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"whole ARN", func(in *control.CreateFunctionInput) { in.Name = arn + "f" }, "", ""},
		{"partial ARN", func(in *control.CreateFunctionInput) { in.Name = "123456789012:function:f" }, "", ""},
		{"other account", func(in *control.CreateFunctionInput) { in.Name = "210987654321:function:f" }, lambda.CodeAccessDenied, ""},
		{"other region", func(in *control.CreateFunctionInput) {
			in.Name = "arn:aws:lambda:ap-southeast-1:123456789012:function:f"
		}, lambda.CodeResourceNotFound, "Functions from 'ap-southeast-1' are not reachable in this region ('eu-central-1')"},
		{"qualified", func(in *control.CreateFunctionInput) { in.Name = "f:1" }, parameter, ""},
		{"exists", func(in *control.CreateFunctionInput) { in.Name = "there" }, lambda.CodeResourceConflict, "Function already exist: there"},
		{"bad zip", func(in *control.CreateFunctionInput) { in.Zip = []byte("bad") }, parameter,
			"Could not unzip uploaded file. Please check your file, then try to upload again."},
		{"51 tags", func(in *control.CreateFunctionInput) { in.Tags = tags }, parameter, "Number of tags exceeds resource tag limit."},
		{"50 tags", func(in *control.CreateFunctionInput) { in.Tags = fifty }, "", ""},
		{"image", func(in *control.CreateFunctionInput) { in.PackageType = "Image" }, parameter, ""},
		{"zip named", func(in *control.CreateFunctionInput) { in.PackageType = "Zip" }, "", ""},
		{"no handler", func(in *control.CreateFunctionInput) { in.Handler = nil }, parameter, ""},
		{"no runtime", func(in *control.CreateFunctionInput) { in.Runtime = nil }, parameter, ""},
		{"arm64", func(in *control.CreateFunctionInput) { in.Architecture = "arm64" }, "", ""},
	} {
		t.Run(rule.name, func(t *testing.T) {
			run(t, func(t *testing.T, s *server) {
				create(t, s, input("there"))
				in := input("f")
				rule.edit(&in)
				_, err := s.CreateFunction(t.Context(), in)
				if rule.code != "" {
					wantError(t, err, rule.code, rule.text)
				} else if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestReferences(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx := t.Context()
		create(t, s, input("f"))
		rest()
		wrongRegion := "Functions from 'ap-southeast-1' are not reachable in this region ('eu-central-1')"
		long := strings.Repeat("a", 65)
		for _, c := range []struct {
			ref        lambda.Ref
			code, text string
		}{
			{lambda.Ref{Name: "f"}, "", ""},
			{lambda.Ref{Name: "f", Qualifier: "$LATEST"}, "", ""},
			{lambda.Ref{Name: "f", Region: "eu-central-1", Account: "123456789012"}, "", ""},
			{lambda.Ref{Name: "g"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "g"},
			{lambda.Ref{Name: "g", Qualifier: "$LATEST"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "g:$LATEST"},
			{lambda.Ref{Name: "f", Qualifier: "1221"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "f:1221"},
			{lambda.Ref{Name: "f", Qualifier: "live"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "f:live"},
			{lambda.Ref{Name: "f", Qualifier: "$latest"}, lambda.CodeResourceNotFound, "Function not found: " + arn + "f:$latest"},
			{lambda.Ref{Name: long}, lambda.CodeResourceNotFound, "Function not found: " + arn + long},
			{lambda.Ref{Name: "f", Region: "ap-southeast-1"}, lambda.CodeResourceNotFound, wrongRegion},
			{lambda.Ref{Name: "f", Account: "210987654321"}, lambda.CodeAccessDenied, ""},
		} {
			if _, err := s.GetFunction(ctx, c.ref); c.code != "" {
				wantError(t, err, c.code, c.text)
			} else if err != nil {
				t.Error(err)
			}
		}
		elsewhere := lambda.Ref{Name: "f", Region: "ap-southeast-1"}
		wantError(t, s.DeleteFunction(ctx, elsewhere), lambda.CodeResourceNotFound, wrongRegion)
		_, err := s.UpdateFunctionCode(ctx, elsewhere, control.UpdateCodeInput{})
		wantError(t, err, lambda.CodeResourceNotFound, wrongRegion)
		for _, ref := range []lambda.Ref{{Name: "g"}, {Name: "f", Qualifier: "1"}} {
			code := map[bool]string{true: parameter, false: lambda.CodeResourceNotFound}[ref.Qualifier != ""]
			_, err = s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip")})
			wantError(t, err, code, "")
			_, err = s.UpdateFunctionConfiguration(ctx, ref, control.Settings{}, "")
			wantError(t, err, code, "")
		}
	})
}

func TestLoggingIsMerged(t *testing.T) {
	const group = "/aws/lambda/f"
	for _, c := range []struct {
		name          string
		create, patch *lambda.Logging
		want          lambda.Logging
	}{
		{"none", nil, nil, lambda.Logging{Format: "Text", Group: group}},
		{"JSON at creation", &lambda.Logging{Format: "JSON"}, nil,
			lambda.Logging{Format: "JSON", Group: group, ApplicationLevel: "INFO", SystemLevel: "INFO"}},
		{"JSON, then a group", &lambda.Logging{Format: "JSON"}, &lambda.Logging{Group: "cool"},
			lambda.Logging{Format: "JSON", Group: "cool", ApplicationLevel: "INFO", SystemLevel: "INFO"}},
		{"Text, then JSON", nil, &lambda.Logging{Format: "JSON"},
			lambda.Logging{Format: "JSON", Group: group, ApplicationLevel: "INFO", SystemLevel: "INFO"}},
		{"application level", nil, &lambda.Logging{Format: "JSON", ApplicationLevel: "DEBUG"},
			lambda.Logging{Format: "JSON", Group: group, ApplicationLevel: "DEBUG", SystemLevel: "INFO"}},
		{"system level", nil, &lambda.Logging{Format: "JSON", SystemLevel: "DEBUG"},
			lambda.Logging{Format: "JSON", Group: group, ApplicationLevel: "INFO", SystemLevel: "DEBUG"}},
		{"Text, then a group", nil, &lambda.Logging{Group: "cool"}, lambda.Logging{Format: "Text", Group: "cool"}},
		{"back to Text", &lambda.Logging{Format: "JSON", SystemLevel: "WARN"}, &lambda.Logging{Format: "Text"},
			lambda.Logging{Format: "Text", Group: group}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(t *testing.T, s *server) {
				in := input("f")
				in.Logging = c.create
				create(t, s, in)
				rest()
				if c.patch != nil {
					if _, err := s.UpdateFunctionConfiguration(t.Context(), lambda.Ref{Name: "f"}, control.Settings{Logging: c.patch}, ""); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(c.want, get(t, s, "f", "").Version.Logging); diff != "" {
					t.Errorf("logging (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestEnvironmentIsReplaced(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		update := func(env *map[string]string) map[string]string {
			t.Helper()
			if _, err := s.UpdateFunctionConfiguration(t.Context(), lambda.Ref{Name: "f"}, control.Settings{Environment: env}, ""); err != nil {
				t.Fatal(err)
			}
			rest()
			return get(t, s, "f", "").Version.Environment
		}
		create(t, s, input("f"))
		rest()
		if got := get(t, s, "f", "").Version.Environment; got != nil {
			t.Errorf("no environment is shown as %v", got)
		}
		for _, step := range []struct {
			env  *map[string]string
			want map[string]string
		}{
			{&map[string]string{"AB": "1", "CD": "2"}, map[string]string{"AB": "1", "CD": "2"}},
			{nil, map[string]string{"AB": "1", "CD": "2"}},
			{&map[string]string{"CD": "<&>"}, map[string]string{"CD": "<&>"}},
			{&map[string]string{}, map[string]string{}},
		} {
			if diff := cmp.Diff(step.want, update(step.env)); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		}
	})
}

func TestRecordedMembers(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		in := input("f")
		in.Recorded = map[string][]byte{"VpcConfig": []byte(`{"SubnetIds":[]}`), "KMSKeyArn": []byte(`"k"`)}
		create(t, s, in)
		rest()
		change := control.Settings{Recorded: map[string][]byte{"KMSKeyArn": nil, "DeadLetterConfig": []byte(`{}`)}}
		v, err := s.UpdateFunctionConfiguration(t.Context(), lambda.Ref{Name: "f"}, change, "")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]byte{"VpcConfig": []byte(`{"SubnetIds":[]}`), "DeadLetterConfig": []byte(`{}`)}
		if diff := cmp.Diff(want, v.Version.Recorded); diff != "" {
			t.Errorf("recorded members (-want +got):\n%s", diff)
		}
	})
}
