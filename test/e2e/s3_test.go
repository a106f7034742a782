package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// objectStore is an S3 that runs beside the tests and verifies signatures.
type objectStore struct {
	address, key, secret string
}

// openCalls are those that moto's server lets pass unsigned: as many as make a user.
const openCalls = "3"

// startObjects starts moto's server and makes a user who may do everything.
func startObjects(t *testing.T) *objectStore {
	t.Helper()
	program, python := client(t, "moto_server"), client(t, "python")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	_, port, _ := strings.Cut(address, ":")
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	cmd.Env = append(os.Environ(), "INITIAL_NO_AUTH_ACTION_COUNT="+openCalls)
	log := &tail{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	house.mark(cmd.Process.Pid, true) // no leak of the server under test
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		house.mark(cmd.Process.Pid, false)
		if t.Failed() {
			t.Logf("the object store's log:\n%s", log)
		}
	})
	s := &objectStore{address: "http://" + address}
	err = eventually(startLimit, func() error {
		resp, err := http.Get(s.address + "/moto-api/")
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	if err != nil {
		t.Fatalf("start the object store: %v", err)
	}
	user := exec.CommandContext(t.Context(), python, "-c", `
import boto3, json, sys
iam = boto3.client("iam", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
iam.create_user(UserName="deployer")
key = iam.create_access_key(UserName="deployer")["AccessKey"]
iam.put_user_policy(UserName="deployer", PolicyName="all", PolicyDocument=json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
print(key["AccessKeyId"], key["SecretAccessKey"])`, s.address)
	out, err := user.Output()
	if err != nil {
		t.Fatalf("make a user of the object store: %v\n%s", err, log)
	}
	if _, err := fmt.Sscan(string(out), &s.key, &s.secret); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return s
}

// serves starts a server that fetches from the store, with a secret in the shared
// credentials file.
func (o *objectStore) serves(t *testing.T, secret string, flags ...string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	content := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", o.key, secret)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(credentialsFile, file)
	return start(t, append([]string{"--s3-endpoint", o.address}, flags...)...)
}

// TestS3 deploys from an object store with boto3: functions, layers, versions of
// objects, more than fits into a request, and what is not there.
func TestS3(t *testing.T) {
	objects := startObjects(t)
	s := objects.serves(t, objects.secret)
	script, err := filepath.Abs("testdata/clients/s3.py")
	if err != nil {
		t.Fatal(err)
	}
	out := s.run(t, t.TempDir(), client(t, "python"), script, objects.address, objects.key, objects.secret, python(t))
	var got, want any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const (
		invalid = `400, "InvalidParameterValueException"`
		zip     = `"Could not unzip uploaded file. Please check your file, then try to upload again."`
		bucket  = `"Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"`
		key     = `"Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."`
	)
	err = json.Unmarshal([]byte(`{
		"create": [201, true], "first": ["first", false], "second": ["second", false], "layer": ["second", true],
		"location": true, "another location": 403, "large": true,
		"no zip": [`+invalid+`, `+zip+`, `+zip+`, "User"],
		"no bucket": [`+invalid+`, `+bucket+`, `+bucket+`, "User"],
		"no key": [`+invalid+`, `+key+`, `+key+`, "User"],
		"update": [`+invalid+`, `+key+`, `+key+`, "User"]
	}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what boto3 saw (-want +got):\n%s", diff)
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "incoming")); err != nil || len(left) > 0 {
		t.Errorf("left of the objects: %v, %v", left, err)
	}
}

// TestS3Denied has a server whose secret is not the store's.
func TestS3Denied(t *testing.T) {
	objects := startObjects(t)
	s := objects.serves(t, "another secret")
	_, err := s.client.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("denied"), Runtime: types.Runtime(python(t)), Handler: aws.String("app.handler"),
		Role: aws.String("arn:aws:iam::000000000000:role/any"), Code: &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("key")},
	})
	told, ok := errors.AsType[smithy.APIError](err)
	const want = "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for bucket/key."
	if !ok || told.ErrorCode() != "AccessDeniedException" || !strings.HasPrefix(told.ErrorMessage(), want) {
		t.Errorf("error %v", err)
	}
}
