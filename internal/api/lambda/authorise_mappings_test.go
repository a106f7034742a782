package lambda_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"thaw/internal/control"
	"thaw/internal/lambda"
)

// TestPoliciesNameTheFunctionOfAMapping: who may map one function's sources may
// neither touch another's mappings nor turn a mapping to another function.
func TestPoliciesNameTheFunctionOfAMapping(t *testing.T) {
	const any = `"Action":"lambda:*EventSourceMapping","Resource":"*","Condition":`
	mine := `{"ArnEquals":{"lambda:FunctionArn":"` + functionARN + `f"}}`
	others := `{"ArnEquals":{"lambda:FunctionArn":"` + functionARN + `g"}}`
	for name, document := range map[string]string{
		"allowed by condition": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` + any + mine + `}]}`,
		"denied by condition": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny",` +
			any + others + `}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, client := guest(t, "ann", document)
			ctx := t.Context()
			settings := control.Settings{Role: aws.String("arn:aws:iam::111111111111:role/r"), Runtime: aws.String("python3.12"), Handler: aws.String("index.handler")}
			for _, function := range []string{"f", "g"} {
				if _, err := s.control.CreateFunction(ctx, control.CreateFunctionInput{Name: function, Zip: zipBytes(t), Settings: settings}); err != nil {
					t.Fatal(err)
				}
			}
			disabled := control.MappingSettings{Enabled: new(false)} // and so settled
			theirs, err := s.control.CreateMapping(ctx, control.CreateMappingInput{
				Function: lambda.Ref{Name: "g"}, Source: lambda.EventSource{ARN: queueARN}, MappingSettings: disabled})
			if err != nil {
				t.Fatal(err)
			}
			made, err := client.CreateEventSourceMapping(ctx, &sdk.CreateEventSourceMappingInput{
				FunctionName: aws.String("f"), EventSourceArn: aws.String(queueARN), Enabled: aws.Bool(false)})
			if err != nil {
				t.Fatalf("create an own one: %v", err)
			}
			refused := func(what string, err error) {
				t.Helper()
				var denied smithy.APIError
				if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDeniedException" {
					t.Errorf("%s: %v", what, err)
				}
			}
			_, err = client.CreateEventSourceMapping(ctx, &sdk.CreateEventSourceMappingInput{
				FunctionName: aws.String(functionARN + "g"), EventSourceArn: aws.String(queueARN + "2")})
			refused("create another's", err)
			_, err = client.GetEventSourceMapping(ctx, &sdk.GetEventSourceMappingInput{UUID: &theirs.UUID})
			refused("get another's", err)
			_, err = client.DeleteEventSourceMapping(ctx, &sdk.DeleteEventSourceMappingInput{UUID: &theirs.UUID})
			refused("delete another's", err)
			_, err = client.UpdateEventSourceMapping(ctx, &sdk.UpdateEventSourceMappingInput{UUID: &theirs.UUID, FunctionName: aws.String("f")})
			refused("take another's", err)
			_, err = client.UpdateEventSourceMapping(ctx, &sdk.UpdateEventSourceMappingInput{UUID: made.UUID, FunctionName: aws.String("g")})
			refused("turn to another", err)
			if _, err := client.UpdateEventSourceMapping(ctx, &sdk.UpdateEventSourceMappingInput{UUID: made.UUID, BatchSize: aws.Int32(3)}); err != nil {
				t.Errorf("change an own one: %v", err)
			}
		})
	}
}
