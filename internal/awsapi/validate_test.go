package awsapi_test

import (
	"errors"
	"strings"
	"testing"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/lambda"
)

// TestValidationTexts compares with texts that were recorded from the service.
func TestValidationTexts(t *testing.T) {
	const (
		functions = "/2015-03-31/functions"
		base      = `"FunctionName":"f","Role":"arn:aws:iam::111111111111:role/r","Code":{}`
		one       = "1 validation error detected: "
		failed    = " failed to satisfy constraint: "
		pattern   = "Member must satisfy regular expression pattern: "
	)
	tests := []struct{ name, method, target, body, want string }{
		{"valid", "POST", functions, "{" + base + "}", ""},
		{"role", "POST", functions, `{"FunctionName":"f","Role":"r1","Code":{}}`,
			one + "Value 'r1' at 'role'" + failed + pattern + `arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`},
		{"two architectures", "POST", functions, `{` + base + `,"Architectures":["x86_64","arm64"]}`,
			one + "Value '[x86_64, arm64]' at 'architectures'" + failed + "Member must have length less than or equal to 1"},
		{"upper-case architecture", "POST", functions, `{` + base + `,"Architectures":["X86_64"]}`,
			one + "Value '[X86_64]' at 'architectures'" + failed + "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"},
		{"subnet", "POST", functions, `{` + base + `,"VpcConfig":{"SubnetIds":["bad"]}}`,
			one + "Value '[bad]' at 'vpcConfig.subnetIds'" + failed + "Member must satisfy constraint: [Member must have length less than or equal to 1024, " +
				"Member must have length greater than or equal to 0, " + pattern + "subnet-[0-9a-z]*]"},
		{"snap start", "POST", functions, `{` + base + `,"SnapStart":{"ApplyOn":"invalidOption"}}`,
			one + "Value 'invalidOption' at 'snapStart.applyOn'" + failed + "Member must satisfy enum value set: [PublishedVersions, None]"},
		{"runtimes of a layer", "POST", "/2018-10-31/layers/l/versions", `{"Content":{},"CompatibleRuntimes":["none"],"CompatibleArchitectures":["none"]}`,
			"2 validation errors detected: Value '[none]' at 'compatibleRuntimes'" + failed + "Member must satisfy enum value set: [nodejs20.x, python3.14, " +
				"provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, " +
				"python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2]; Value '[none]' at 'compatibleArchitectures'" +
				failed + "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"},
		{"runtime is the service's to check", "POST", functions, `{` + base + `,"Runtime":"none"}`, ""},
		{"nothing", "POST", functions, `{}`,
			"3 validation errors detected: Value null at 'functionName'" + failed + "Member must not be null; Value null at 'role'" + failed +
				"Member must not be null; Value null at 'code'" + failed + "Member must not be null"},
		{"weights too great", "POST", functions + "/f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":2}}}`,
			one + "Value '{2=2.0}' at 'routingConfig.additionalVersionWeights'" + failed +
				"Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"},
		{"weights below zero", "POST", functions + "/f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":-1.0}}}`,
			one + "Value '{2=-1.0}' at 'routingConfig.additionalVersionWeights'" + failed +
				"Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"},
		{"weight of $LATEST", "POST", functions + "/f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"$LATEST":0.5}}}`,
			one + "Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights'" + failed +
				"Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, " + pattern + "[0-9]+]"},
		{"numeric alias", "POST", functions + "/f/aliases", `{"Name":"2024","FunctionVersion":"1"}`,
			one + "Value '2024' at 'name'" + failed + pattern + "(?!^[0-9]+$)([a-zA-Z0-9-_]+)"},
		{"function name", "PUT", functions + "/invalid:function:name/code", `{}`,
			one + "Value 'invalid:function:name' at 'functionName'" + failed + pattern +
				`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`},
		{"name with an at sign", "POST", functions + "/arn:aws:lambda:us-east-1:123400000000@function:myfn/invocations", ``,
			one + "Value 'arn:aws:lambda:us-east-1:123400000000@function:myfn' at 'functionName'" + failed + pattern +
				`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`},
		{"qualifier", "GET", functions + "/f?Qualifier=invalid-qualifier-with-%3F-char", ``,
			one + "Value 'invalid-qualifier-with-?-char' at 'qualifier'" + failed + pattern + `\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`},
		{"long name", "PUT", functions + "/" + strings.Repeat("a", 141) + "/code", `{}`,
			one + "Value '" + strings.Repeat("a", 141) + "' at 'functionName'" + failed + "Member must have length less than or equal to 140"},
		{"function version", "GET", functions + "?FunctionVersion=invalid", ``,
			one + "Value 'invalid' at 'functionVersion'" + failed + "Member must satisfy enum value set: [ALL]"},
		{"tag keys", "DELETE", "/2017-03-31/tags/arn:aws:lambda:us-east-1:111111111111:function:f", ``,
			one + "Value null at 'tagKeys'" + failed + "Member must not be null"},
		{"provisioned", "PUT", "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=1", `{"ProvisionedConcurrentExecutions":0}`,
			one + "Value '0' at 'provisionedConcurrentExecutions'" + failed + "Member must have value greater than or equal to 1"},
		{"recursion", "PUT", "/2024-08-31/functions/f/recursion-config", `{"RecursiveLoop":"InvalidValue"}`, one + "Value 'InvalidValue' at 'recursiveLoop'" + failed + "Member must satisfy enum value set: [Terminate, Allow]"},
		{"URL's qualifier", "GET", "/2021-10-31/functions/f/url?Qualifier=1", ``,
			one + "Value '1' at 'qualifier'" + failed + pattern + `((?!^\d+$)^[0-9a-zA-Z-_]+$)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op, input, err := decode(t, tt.method, tt.target, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			err = awsapi.NewCodec(model.Service()).Validate(op, input)
			if tt.want == "" {
				if err != nil {
					t.Errorf("Validate: %v", err)
				}
				return
			}
			var refused *lambda.Error
			if !errors.As(err, &refused) || refused.Code != lambda.CodeValidation {
				t.Fatalf("Validate: %v, want a ValidationException", err)
			}
			if refused.Message != tt.want {
				t.Errorf("text\n%s\nwant\n%s", refused.Message, tt.want)
			}
		})
	}
}

// TestPatterns matches each pattern that looks around, and that every pattern of
// the model compiles.
func TestPatterns(t *testing.T) {
	const urlName = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`
	tests := []struct {
		pattern   string
		good, bad []string
	}{
		{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, []string{"a", "1a", "-", "_1"}, []string{"", "1", "a.b", "é"}},
		{`((?!^\d+$)^[0-9a-zA-Z-_]+$)`, []string{"a", "1a"}, []string{"", "1", "$LATEST"}},
		{`(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`, []string{"a", "system", "_é x"}, []string{"", "system.x", "a$b", "-a", "é"}},
		{`[0-9A-Za-z\.\-_]*(?<!\.)`, []string{"", "a.b", "-"}, []string{".", "a.", "a/b"}},
		{urlName, []string{"f", "f:a", "f:1a", "function:f", "function:1", "arn:aws:lambda:us-east-1:111111111111:function:f:a"},
			[]string{"", "f:1", "f:", "function:f:1", "f:a:b", strings.Repeat("a", 65)}},
	}
	for _, tt := range tests {
		match, err := awsapi.Matcher(tt.pattern)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, s := range tt.good {
			if !match(s) {
				t.Errorf("%s does not match %q", tt.pattern, s)
			}
		}
		for _, s := range tt.bad {
			if match(s) {
				t.Errorf("%s matches %q", tt.pattern, s)
			}
		}
	}
	for _, shape := range model.Service().Shapes {
		if shape.Pattern == "" {
			continue
		}
		if _, err := awsapi.Matcher(shape.Pattern); err != nil {
			t.Errorf("%s: %v", shape.Name, err)
		}
	}
	if _, err := awsapi.Matcher(`(?!a)b`); err == nil {
		t.Error("an unknown pattern that looks ahead compiles")
	}
}
