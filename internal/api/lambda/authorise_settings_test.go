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

// TestPoliciesAskWhatIsSet: the condition keys for what a request gives a function
// decide, on both sides.
func TestPoliciesAskWhatIsSet(t *testing.T) {
	const all = `{"Effect":"Allow","Action":"*","Resource":"*"},`
	ctx := t.Context()
	create := func(change func(*sdk.CreateFunctionInput)) func(*testing.T, *sdk.Client, *control.Control) error {
		return func(t *testing.T, client *sdk.Client, _ *control.Control) error {
			in := createInput(t, "new")
			change(in)
			_, err := client.CreateFunction(ctx, in)
			return err
		}
	}
	layers := func(arns ...string) func(*sdk.CreateFunctionInput) {
		return func(in *sdk.CreateFunctionInput) { in.Layers = arns }
	}
	vpc := func(subnet, group string) func(*sdk.CreateFunctionInput) {
		return func(in *sdk.CreateFunctionInput) {
			in.VpcConfig = &types.VpcConfig{SubnetIds: []string{subnet}, SecurityGroupIds: []string{group}}
		}
	}
	configure := func(in sdk.UpdateFunctionConfigurationInput) func(*testing.T, *sdk.Client, *control.Control) error {
		return func(_ *testing.T, client *sdk.Client, _ *control.Control) error {
			in.FunctionName = aws.String("f")
			_, err := client.UpdateFunctionConfiguration(ctx, &in)
			return err
		}
	}
	open := func(auth types.FunctionUrlAuthType) func(*testing.T, *sdk.Client, *control.Control) error {
		return func(_ *testing.T, client *sdk.Client, _ *control.Control) error {
			_, err := client.CreateFunctionUrlConfig(ctx, &sdk.CreateFunctionUrlConfigInput{FunctionName: aws.String("f"), AuthType: auth})
			return err
		}
	}
	// reopen changes a URL that is there without naming its AuthType.
	reopen := func(auth string) func(*testing.T, *sdk.Client, *control.Control) error {
		return func(t *testing.T, client *sdk.Client, c *control.Control) error {
			if _, err := c.CreateURL(ctx, lambda.Ref{Name: "f"}, control.URLSettings{AuthType: &auth}); err != nil {
				t.Fatal(err)
			}
			_, err := client.UpdateFunctionUrlConfig(ctx, &sdk.UpdateFunctionUrlConfigInput{FunctionName: aws.String("f"), InvokeMode: types.InvokeModeBuffered})
			return err
		}
	}
	plain := func(*sdk.CreateFunctionInput) {}
	const (
		own      = "arn:aws:lambda:us-east-1:111111111111:layer:own:1"
		others   = "arn:aws:lambda:us-east-1:222222222222:layer:x:1"
		layer    = all + `{"Effect":"Deny","Action":["lambda:CreateFunction","lambda:UpdateFunctionConfiguration"],"Resource":"*","Condition":{"ForAnyValue:StringNotLike":{"lambda:Layer":"arn:aws:lambda:*:111111111111:layer:*"}}}`
		inVPC    = all + `{"Effect":"Deny","Action":["lambda:CreateFunction","lambda:UpdateFunctionConfiguration"],"Resource":"*","Condition":{"Null":{"lambda:SubnetIds":"true"}}}`
		subnets  = all + `{"Effect":"Deny","Action":"lambda:CreateFunction","Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"lambda:SubnetIds":"subnet-1","lambda:SecurityGroupIds":"sg-1"}}}`
		noVPC    = all + `{"Effect":"Deny","Action":"lambda:*Function*","Resource":"*","Condition":{"Null":{"lambda:VpcIds":"false"}}}`
		signed   = all + `{"Effect":"Deny","Action":["lambda:CreateFunction","lambda:PutFunctionCodeSigningConfig"],"Resource":"*","Condition":{"Null":{"lambda:CodeSigningConfigArn":"true"}}}`
		protects = all + `{"Effect":"Deny","Action":"lambda:*FunctionUrlConfig","Resource":"*","Condition":{"StringNotEquals":{"lambda:FunctionUrlAuthType":"AWS_IAM"}}}`
	)
	for _, row := range []struct {
		name, statements string
		do               func(*testing.T, *sdk.Client, *control.Control) error
		denied           bool
	}{
		{"no layer", layer, create(plain), false},
		{"a layer of the account", layer, create(layers(own)), false},
		{"another's layer", layer, create(layers(others)), true},
		{"another's among them", layer, create(layers(own, others)), true},
		{"another's layer, later", layer, configure(sdk.UpdateFunctionConfigurationInput{Layers: []string{others}}), true},
		{"no layer, later", layer, configure(sdk.UpdateFunctionConfigurationInput{Timeout: aws.Int32(5)}), false},
		{"no subnet", inVPC, create(plain), true},
		{"a subnet", inVPC, create(vpc("subnet-1", "sg-1")), false},
		{"no subnet, later", inVPC, configure(sdk.UpdateFunctionConfigurationInput{Timeout: aws.Int32(5)}), true},
		{"other subnet and group", subnets, create(vpc("subnet-2", "sg-2")), true},
		{"the subnet and group", subnets, create(vpc("subnet-1", "sg-1")), false},
		{"out of VPCs", noVPC, create(plain), false},
		{"in a VPC that nobody knows", noVPC, create(vpc("subnet-1", "sg-1")), true},
		{"something else than VPCs", noVPC, func(_ *testing.T, client *sdk.Client, _ *control.Control) error {
			_, err := client.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("f")})
			return err
		}, false},
		{"not to be signed", signed, create(plain), true},
		{"to be signed", signed, create(func(in *sdk.CreateFunctionInput) {
			in.CodeSigningConfigArn = aws.String("arn:aws:lambda:us-east-1:111111111111:code-signing-config:csc-01234567890123456")
		}), false},
		{"an open URL", protects, open(types.FunctionUrlAuthTypeNone), true},
		{"a URL for who may", protects, open(types.FunctionUrlAuthTypeAwsIam), false},
		{"change an open URL", protects, reopen("NONE"), true},
		{"change a URL for who may", protects, reopen("AWS_IAM"), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, client := guest(t, "ann", `{"Version":"2012-10-17","Statement":[`+row.statements+`]}`)
			_, err := s.control.CreateFunction(ctx, control.CreateFunctionInput{Name: "f", Zip: zipBytes(t), Settings: control.Settings{
				Role: aws.String("arn:aws:iam::111111111111:role/r"), Runtime: aws.String("python3.12"), Handler: aws.String("index.handler")}})
			if err != nil {
				t.Fatal(err)
			}
			err = row.do(t, client, s.control)
			var told smithy.APIError
			denied := errors.As(err, &told) && told.ErrorCode() == "AccessDeniedException" && strings.Contains(told.ErrorMessage(), "explicit deny")
			if denied != row.denied {
				t.Errorf("%v, want denied: %v", err, row.denied)
			}
		})
	}
}
