package lambda_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"thaw/internal/control"
	"thaw/internal/lambda"
)

// byTeam lets whoever has it do everything with what is of one team, make such
// things, give them one more tag, and not hand them over.
const byTeam = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Action":"lambda:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}},
	{"Effect":"Allow","Action":["lambda:Create*","lambda:TagResource"],"Resource":"*","Condition":{
		"StringEquals":{"aws:RequestTag/team":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["team","stage"]}}},
	{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"},
	{"Effect":"Deny","Action":"lambda:TagResource","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestTag/team":"red"},"Null":{"aws:RequestTag/team":"false"}}},
	{"Effect":"Deny","Action":"lambda:UntagResource","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}}]}`

// TestTagsInConditions: functions, their versions and aliases, event source mappings
// and code signing configurations are known to policies by their tags, and requests
// by those that they give and take.
func TestTagsInConditions(t *testing.T) {
	s, client := guest(t, "ann", byTeam)
	ctx := t.Context()
	red, blue := map[string]string{"team": "red"}, map[string]string{"team": "blue"}
	settings := control.Settings{Role: aws.String("arn:aws:iam::111111111111:role/r"), Runtime: aws.String("python3.12"), Handler: aws.String("index.handler")}
	for name, tags := range map[string]map[string]string{"mine": red, "theirs": blue, "nobodys": nil} {
		if _, err := s.control.CreateFunction(ctx, control.CreateFunctionInput{Name: name, Zip: zipBytes(t), Settings: settings, Tags: tags, Publish: true}); err != nil {
			t.Fatal(err)
		}
	}
	mapping, err := s.control.CreateMapping(ctx, control.CreateMappingInput{Function: lambda.Ref{Name: "mine"}, Tags: blue,
		Source: lambda.EventSource{ARN: queueARN}, MappingSettings: control.MappingSettings{Enabled: new(false)}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := s.control.CreateSigningConfig(ctx, control.SigningSettings{Publishers: []string{"arn:aws:signer:us-east-1:111111111111:/signing-profiles/p/1234567890"}}, red)
	if err != nil {
		t.Fatal(err)
	}
	name := func(s string) *string { return &s }
	get := func(function, qualifier string) func() error {
		return func() error {
			in := &sdk.GetFunctionInput{FunctionName: &function}
			if qualifier != "" {
				in.Qualifier = &qualifier
			}
			_, err := client.GetFunction(ctx, in)
			return err
		}
	}
	create := func(function string, tags map[string]string) func() error {
		return func() error {
			_, err := client.CreateFunction(ctx, &sdk.CreateFunctionInput{FunctionName: &function, Role: settings.Role, Runtime: "python3.12",
				Handler: settings.Handler, Code: &types.FunctionCode{ZipFile: zipBytes(t)}, Tags: tags})
			return err
		}
	}
	tag := func(arn string, tags map[string]string) func() error {
		return func() error {
			_, err := client.TagResource(ctx, &sdk.TagResourceInput{Resource: &arn, Tags: tags})
			return err
		}
	}
	untag := func(keys ...string) func() error {
		return func() error {
			_, err := client.UntagResource(ctx, &sdk.UntagResourceInput{Resource: name(functionARN + "mine"), TagKeys: keys})
			return err
		}
	}
	for _, row := range []struct {
		what    string
		call    func() error
		allowed bool
	}{
		{"an own function", get("mine", ""), true},
		{"its version", get("mine", "1"), true},
		{"another team's", get("theirs", ""), false},
		{"one without tags", get("nobodys", ""), false},
		{"one that is not there", get("missing", ""), false},
		{"all of them", func() error { _, err := client.ListFunctions(ctx, nil); return err }, false},
		{"a function for the team", create("new", red), true},
		{"one for another", create("other", blue), false},
		{"one for nobody", create("other", nil), false},
		{"one with a further tag", create("other", map[string]string{"team": "red", "owner": "ann"}), false},
		{"a tag that is allowed", tag(functionARN+"mine", map[string]string{"team": "red", "stage": "dev"}), true},
		{"a tag without the team", tag(functionARN+"mine", map[string]string{"stage": "dev"}), true},
		{"another team", tag(functionARN+"mine", blue), false},
		{"another's function", tag(functionARN+"theirs", map[string]string{"stage": "dev"}), false},
		{"no more stage", untag("stage"), true},
		{"no more team", untag("stage", "team"), false},
		{"another's mapping of an own function", func() error {
			_, err := client.GetEventSourceMapping(ctx, &sdk.GetEventSourceMappingInput{UUID: &mapping.UUID})
			return err
		}, false},
		{"an own mapping", func() error {
			_, err := client.CreateEventSourceMapping(ctx, &sdk.CreateEventSourceMappingInput{FunctionName: name("mine"), EventSourceArn: name(queueARN + "2"),
				Enabled: aws.Bool(false), Tags: red})
			return err
		}, true},
		{"an own configuration", func() error {
			_, err := client.GetCodeSigningConfig(ctx, &sdk.GetCodeSigningConfigInput{CodeSigningConfigArn: &config.ARN})
			return err
		}, true},
		{"a configuration for another team", func() error {
			_, err := client.CreateCodeSigningConfig(ctx, &sdk.CreateCodeSigningConfigInput{Tags: blue,
				AllowedPublishers: &types.AllowedPublishers{SigningProfileVersionArns: config.Publishers}})
			return err
		}, false},
	} {
		err := row.call()
		var refused smithy.APIError
		denied := errors.As(err, &refused) && refused.ErrorCode() == "AccessDeniedException"
		if denied == row.allowed || err != nil && !denied {
			t.Errorf("%s: %v", row.what, err)
		}
	}
}

// TestTagsOfLongRequests: what a request says in its body is not judged before the
// body is there.
func TestTagsOfLongRequests(t *testing.T) {
	_, client := guest(t, "ann", byTeam)
	_, err := client.CreateCodeSigningConfig(t.Context(), &sdk.CreateCodeSigningConfigInput{
		Description: aws.String(strings.Repeat("d", 300<<10)), Tags: map[string]string{"team": "red"},
		AllowedPublishers: &types.AllowedPublishers{SigningProfileVersionArns: []string{"arn:aws:signer:us-east-1:111111111111:/signing-profiles/p/1234567890"}}})
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() == "AccessDeniedException" || !strings.Contains(refused.ErrorMessage(), "description") {
		t.Errorf("a description that is too long: %v", err)
	}
}
