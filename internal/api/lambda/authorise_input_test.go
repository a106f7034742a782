package lambda_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"thaw/internal/control"
)

// TestObjectsNeedTheCallersPermission: the server's credentials for S3 are not lent
// to whoever may make functions.
func TestObjectsNeedTheCallersPermission(t *testing.T) {
	_, client := guest(t, "ann", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:*","iam:PassRole"],"Resource":"*"},`+
		`{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::mine/*"}]}`)
	ctx := t.Context()
	for _, row := range []struct {
		bucket, code, message string
		version               *string
	}{
		{"mine", "InvalidParameterValueException", "This server cannot fetch objects from S3: it was started without --s3-endpoint. " +
			"Please provide ZipFile instead of S3Bucket and S3Key.", nil},
		{"others", "AccessDeniedException", "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for others/a/f.zip. " +
			"S3 Error Code: AccessDenied. S3 Error Message: User: arn:aws:iam::111111111111:user/ann is not authorized to perform: s3:GetObject " +
			"on resource: arn:aws:s3:::others/a/f.zip because no identity-based policy allows the s3:GetObject action", nil},
		{"others", "AccessDeniedException", "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for others/a/f.zip. " +
			"S3 Error Code: AccessDenied. S3 Error Message: User: arn:aws:iam::111111111111:user/ann is not authorized to perform: s3:GetObjectVersion " +
			"on resource: arn:aws:s3:::others/a/f.zip because no identity-based policy allows the s3:GetObjectVersion action", aws.String("7")},
	} {
		key := aws.String("a/f.zip")
		create := createInput(t, "f")
		create.Code = &types.FunctionCode{S3Bucket: &row.bucket, S3Key: key, S3ObjectVersion: row.version}
		_, err := client.CreateFunction(ctx, create)
		wantAPIError(t, err, row.code, row.message)
		_, err = client.PublishLayerVersion(ctx, &sdk.PublishLayerVersionInput{LayerName: aws.String("l"),
			Content: &types.LayerVersionContentInput{S3Bucket: &row.bucket, S3Key: key, S3ObjectVersion: row.version}})
		wantAPIError(t, err, row.code, row.message)
		if row.code == "AccessDeniedException" { // where the function is not asked for first
			_, err = client.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"),
				S3Bucket: &row.bucket, S3Key: key, S3ObjectVersion: row.version})
			wantAPIError(t, err, row.code, row.message)
		}
	}
}

// TestKeysThatLeadElsewhere: a pattern of keys says nothing of what "..", as a file's
// name, leads to.
func TestKeysThatLeadElsewhere(t *testing.T) {
	_, client := guest(t, "ann", allow(`"*"`, `"*"`))
	for key, refused := range map[string]bool{"../others/f.zip": true, "a/../../others/f.zip": true, "a/./f.zip": true, "a/..": true,
		"a..b/...": false, ".f.zip": false, "a//f.zip": false} {
		_, err := client.PublishLayerVersion(t.Context(), &sdk.PublishLayerVersionInput{LayerName: aws.String("l"),
			Content: &types.LayerVersionContentInput{S3Bucket: aws.String("mine"), S3Key: &key}})
		var told smithy.APIError
		if !errors.As(err, &told) || (told.ErrorCode() == "AccessDeniedException") != refused {
			t.Errorf("%s: %v, want refused: %v", key, err, refused)
		}
	}
}

// TestSigningConfigsAreGivenByWhoMay: to give a function a configuration is asked
// for both of them.
func TestSigningConfigsAreGivenByWhoMay(t *testing.T) {
	s, client := guest(t, "ann", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:*","iam:PassRole"],"Resource":"*"},`+
		`{"Effect":"Deny","Action":"lambda:PutFunctionCodeSigningConfig","Resource":"arn:aws:lambda:*:*:code-signing-config:*"}]}`)
	ctx := t.Context()
	config, err := s.control.CreateSigningConfig(ctx, control.SigningSettings{Publishers: []string{"arn:aws:signer:us-east-1:111111111111:/signing-profiles/p"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	denied := "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: lambda:PutFunctionCodeSigningConfig on resource: " +
		config.ARN + " with an explicit deny in an identity-based policy"
	create := createInput(t, "f")
	create.CodeSigningConfigArn = &config.ARN
	_, err = client.CreateFunction(ctx, create)
	wantAPIError(t, err, "AccessDeniedException", denied)
	_, err = client.PutFunctionCodeSigningConfig(ctx, &sdk.PutFunctionCodeSigningConfigInput{FunctionName: aws.String("f"), CodeSigningConfigArn: &config.ARN})
	wantAPIError(t, err, "AccessDeniedException", denied)
	create.CodeSigningConfigArn = nil
	if _, err := client.CreateFunction(ctx, create); err != nil {
		t.Errorf("a function without one: %v", err)
	}
}

// passed is the Roles of a server, which keeps what it was asked last.
type passed struct{ role, function string }

func (p *passed) CheckPass(role, function string) error {
	p.role, p.function = role, function
	return nil
}

// TestRolesAreForFunctions: a role is asked about with the function that is to have it,
// however that is named.
func TestRolesAreForFunctions(t *testing.T) {
	var asked passed
	s := newServer(t, setup{roles: &asked})
	const role = "arn:aws:iam::111111111111:role/r"
	s.create(arn, nil)
	if want := (passed{role, arn}); asked != want {
		t.Errorf("at its creation: %v", asked)
	}
	for _, name := range []string{"f", "111111111111:function:f", arn + ":$LATEST"} {
		asked = passed{}
		s.do("PUT", functions+"/"+name+"/configuration", `{"Role":"`+role+`2"}`).want(t, name, 200)
		if want := (passed{role + "2", arn}); asked != want {
			t.Errorf("%s: %v", name, asked)
		}
		s.await("f")
	}
	asked = passed{}
	s.do("PUT", functions+"/f/configuration", `{"Timeout":5}`).want(t, "without a role", 200)
	if asked != (passed{}) {
		t.Errorf("without a role: %v", asked)
	}
}
