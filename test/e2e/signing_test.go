package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// keyPair writes a new key and its public half as openssl does.
func keyPair(t *testing.T, dir string) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte, err error) string {
		path := filepath.Join(dir, name)
		if err == nil {
			err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	private = write("release.key", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(key.Public())
	return private, write("release.pub", "PUBLIC KEY", der, err)
}

// TestCodeSigning signs a package by the command line and deploys it by the SDK, to
// a function that takes no other; then its key is revoked.
func TestCodeSigning(t *testing.T) {
	s := shared(t)
	ctx, dir := t.Context(), t.TempDir()
	private, public := keyPair(t, dir)
	thaw := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(string(s.run(t, dir, s.program, args...)))
	}
	profile := thaw("signers", "add", "release", "--public-key", public, "--data", s.dir)
	config, err := s.client.CreateCodeSigningConfig(ctx, &lambda.CreateCodeSigningConfigInput{
		AllowedPublishers:   &types.AllowedPublishers{SigningProfileVersionArns: []string{profile}},
		CodeSigningPolicies: &types.CodeSigningPolicies{UntrustedArtifactOnDeployment: types.CodeSigningPolicyEnforce},
	})
	if err != nil {
		t.Fatal(err)
	}
	echo := pythonEcho(t, python(t))
	create := func(zip []byte) (*lambda.CreateFunctionOutput, error) {
		return s.client.CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: aws.String("signed"), Runtime: types.Runtime(echo.runtime), Handler: &echo.handler,
			Role: aws.String("arn:aws:iam::000000000000:role/any"), Code: &types.FunctionCode{ZipFile: zip},
			CodeSigningConfigArn: config.CodeSigningConfig.CodeSigningConfigArn,
		})
	}
	refused := func(what, want string, err error) {
		t.Helper()
		if told, ok := errors.AsType[smithy.APIError](err); !ok || told.ErrorCode() != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	_, err = create(echo.zip)
	refused("unsigned", "CodeVerificationFailedException", err)

	path := filepath.Join(dir, "function.zip")
	if err := os.WriteFile(path, echo.zip, 0o600); err != nil {
		t.Fatal(err)
	}
	thaw("sign", path, "--key", private)
	signed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	created, err := create(signed)
	if err != nil {
		t.Fatal(err)
	}
	defer s.client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("signed")})
	if aws.ToString(created.SigningProfileVersionArn) != profile || !strings.Contains(aws.ToString(created.SigningJobArn), ":/signing-jobs/") {
		t.Errorf("signed by %v in %v", created.SigningProfileVersionArn, created.SigningJobArn)
	}
	thaw("invoke", "signed", "--payload", "{}", "--data", s.dir)

	changed := append([]byte{}, signed...)
	changed[35] ^= 1
	update := &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("signed"), ZipFile: changed}
	_, err = s.client.UpdateFunctionCode(ctx, update)
	refused("changed", "InvalidCodeSignatureException", err)

	version := profile[strings.LastIndex(profile, "/")+1:]
	thaw("signers", "revoke", "release", version, "--data", s.dir)
	var list []struct{ Name, Version, Status string }
	if err := json.Unmarshal([]byte(thaw("signers", "--json", "--data", s.dir)), &list); err != nil || len(list) != 1 || list[0].Status != "Revoked" {
		t.Errorf("signers %+v, %v", list, err)
	}
	update.ZipFile = signed
	_, err = s.client.UpdateFunctionCode(ctx, update)
	refused("revoked", "CodeVerificationFailedException", err)
	thaw("invoke", "signed", "--payload", "{}", "--data", s.dir) // what is deployed goes on
}
