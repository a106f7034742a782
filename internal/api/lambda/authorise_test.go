package lambda_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"thaw/internal/iam"
)

const (
	sessionARN  = "arn:aws:sts::111111111111:assumed-role/worker/caller"
	functionARN = "arn:aws:lambda:us-east-1:111111111111:function:"
)

func newAccess(t *testing.T, allowed ...string) *iam.Access {
	t.Helper()
	a, err := iam.NewAccess(iam.AccessOptions{Keyring: newKeyring(t), Scope: scope, Allowed: allowed})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func denial(action, resource string) string {
	return "User: " + sessionARN + " is not authorized to perform: " + action + " on resource: " + resource +
		" because no identity-based policy allows the " + action + " action"
}

// On a server without keys the connection tells who it is.
func TestFunctionsMayDoNothingByDefault(t *testing.T) {
	s := newServer(t, setup{access: newAccess(t)})
	inside := iam.WithCaller(t.Context(), iam.Caller{Session: &iam.Session{ARN: sessionARN}})
	for _, test := range []struct{ method, target, body, action, resource string }{
		{"GET", functions, "", "lambda:ListFunctions", "*"},
		{"GET", functions + "/f", "", "lambda:GetFunction", functionARN + "f"},
		{"POST", functions + "/f:live/invocations", "{}", "lambda:InvokeFunction", functionARN + "f:live"},
		{"POST", functions + "/f/invocations?Qualifier=live", "{}", "lambda:InvokeFunction", functionARN + "f:live"},
		{"GET", functions + "/f?Qualifier=%24LATEST", "", "lambda:GetFunction", functionARN + "f:$LATEST"},
		{"POST", functions + "/f:live/invocations?Qualifier=other", "{}", "lambda:InvokeFunction", functionARN + "f:live"},
		{"POST", functions + "/f/invocations", strings.Repeat(" ", 1<<20), "lambda:InvokeFunction", functionARN + "f"},
		{"POST", functions, `{"FunctionName":"new"}` + strings.Repeat(" ", 1<<20), "lambda:CreateFunction", functionARN + "new"},
		{"POST", "/2014-11-13/functions/f/invoke-async", "{}", "lambda:InvokeFunction", functionARN + "f"},
		{"POST", "/2021-11-15/functions/f/response-streaming-invocations", "{}", "lambda:InvokeFunction", functionARN + "f"},
		{"DELETE", functions + "/" + functionARN + "f", "", "lambda:DeleteFunction", functionARN + "f"},
		{"POST", functions, `{"FunctionName":"new"}`, "lambda:CreateFunction", functionARN + "new"},
		{"POST", functions, `{"FunctionName":"new","functionname":"other"}`, "lambda:CreateFunction", functionARN + "new"},
		{"POST", functions, `{"FunctionName":"other","FunctionName":"new"}`, "lambda:CreateFunction", functionARN + "new"},
		{"POST", functions, `{"functionName":"other"}`, "lambda:CreateFunction", "*"},
		{"POST", functions, `{"FunctionName":`, "lambda:CreateFunction", "*"},
		{"GET", "/2018-10-31/layers/l/versions/1", "", "lambda:GetLayerVersion", "arn:aws:lambda:us-east-1:111111111111:layer:l:1"},
		{"GET", "/2018-10-31/layers?find=LayerVersion&Arn=x", "", "lambda:GetLayerVersion", "*"},
		{"GET", "/2017-03-31/tags/arn:aws-cn:lambda:us-east-1:111111111111:event-source-mapping:AB", "", "lambda:ListTags", "arn:aws:lambda:us-east-1:111111111111:event-source-mapping:ab"},
		{"DELETE", "/2015-03-31/event-source-mappings/u", "", "lambda:DeleteEventSourceMapping", "arn:aws:lambda:us-east-1:111111111111:event-source-mapping:u"},
	} {
		r := newRequest(test.method, test.target, strings.NewReader(test.body)).WithContext(inside)
		r.Host = "169.254.100.1:9002" // no loopback, and no browser either
		a := s.send(r)
		text, _ := a.json["Message"].(string)
		if lower, ok := a.json["message"].(string); ok {
			text = lower
		}
		if a.status != 403 || a.header.Get("X-Amzn-ErrorType") != "AccessDeniedException" || text != denial(test.action, test.resource) {
			t.Errorf("%s %s: %d %s", test.method, test.target, a.status, a.body)
		}
	}
	if a := s.do("GET", functions, ""); a.status != 200 {
		t.Errorf("whoever comes from outside: %d %s", a.status, a.body)
	}
}

// A session's key is good from anywhere, for what it is allowed.
func TestSessionsBySignature(t *testing.T) {
	access := newAccess(t, "lambda:List*")
	s := newServer(t, setup{keys: access, access: access})
	front := httptest.NewServer(s.handler)
	t.Cleanup(front.Close)
	key, token := access.Open(iam.Session{ARN: sessionARN, Function: functionARN + "caller"})
	client := sdk.New(sdk.Options{
		Region: scope.Region, BaseEndpoint: &front.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.ID, key.Secret, token),
	})
	if _, err := client.ListFunctions(t.Context(), &sdk.ListFunctionsInput{}); err != nil {
		t.Errorf("what is allowed: %v", err)
	}
	_, err := client.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f")})
	wantAPIError(t, err, "AccessDeniedException", denial("lambda:GetFunction", functionARN+"f"))
	_, err = client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), Payload: make([]byte, 1<<20)})
	wantAPIError(t, err, "AccessDeniedException", denial("lambda:InvokeFunction", functionARN+"f"))
	access.Close(key.ID)
	_, err = client.ListFunctions(t.Context(), &sdk.ListFunctionsInput{})
	wantAPIError(t, err, "UnrecognizedClientException", "The security token included in the request is invalid.")
}

func wantAPIError(t *testing.T, err error, code, message string) {
	t.Helper()
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != code || refused.ErrorMessage() != message {
		t.Errorf("%v, want %s: %s", err, code, message)
	}
}

// What is not the Lambda API, backups above all, is for users, whatever functions
// are allowed.
func TestVerifiedIsForUsers(t *testing.T) {
	inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	s := newServer(t, setup{access: newAccess(t, "lambda:*", "thaw:*")})
	inside := iam.WithCaller(t.Context(), iam.Caller{Session: &iam.Session{ARN: sessionARN}})
	w := httptest.NewRecorder()
	s.handler.Verified(inner).ServeHTTP(w, newRequest("GET", "/_thaw/backup", nil).WithContext(inside))
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), denial("thaw:Administer", "*")) {
		t.Errorf("%d %s, want 403", w.Code, w.Body)
	}
}
