package lambda_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"thaw/internal/iam"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/vault"
)

func newKeyring(t *testing.T) *iam.Keyring {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, vault.FileName)
	if err := vault.Create(path); err != nil {
		t.Fatal(err)
	}
	box, err := vault.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := iam.Open(dir, box)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// standing is a server behind a socket, with keys, and a client with some.
func standing(t *testing.T, change func(*sdk.Options)) (*server, *sdk.Client, string) {
	t.Helper()
	ring := newKeyring(t)
	s := newServer(t, setup{keys: ring})
	front := httptest.NewServer(s.handler)
	t.Cleanup(front.Close)
	key := ring.First()
	options := sdk.Options{
		Region: scope.Region, BaseEndpoint: &front.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.ID, key.Secret, ""),
	}
	if change != nil {
		change(&options)
	}
	return s, sdk.New(options), front.URL
}

// TestSDKClient drives the handler with the real client, signatures included.
func TestSDKClient(t *testing.T) {
	s, client, _ := standing(t, nil)
	ctx := t.Context()
	code, err := base64.StdEncoding.DecodeString(zipFile("hello"))
	if err != nil {
		t.Fatal(err)
	}
	created, err := client.CreateFunction(ctx, &sdk.CreateFunctionInput{
		FunctionName: aws.String("f"), Runtime: types.RuntimePython312, Handler: aws.String("index.handler"),
		Role: aws.String("arn:aws:iam::111111111111:role/r"), Code: &types.FunctionCode{ZipFile: code},
		Environment: &types.Environment{Variables: map[string]string{"KEY": "value <é>"}}, Tags: map[string]string{"t": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.Environment.Variables["KEY"] != "value <é>" || created.CodeSize != int64(len(code)) {
		t.Errorf("created %+v", created)
	}
	waiter := sdk.NewFunctionActiveV2Waiter(client, func(o *sdk.FunctionActiveV2WaiterOptions) { o.MinDelay = time.Millisecond })
	if err := waiter.Wait(ctx, &sdk.GetFunctionInput{FunctionName: aws.String(arn)}, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	s.invoke = func(r invoke.Request) (lambda.Result, error) {
		return lambda.Result{Payload: r.Payload, ExecutedVersion: "$LATEST", LogTail: []byte("START"), FunctionError: lambda.Unhandled}, nil
	}
	out, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String(arn + ":$LATEST"), Payload: []byte(`{"a":1}`), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	if string(out.Payload) != `{"a":1}` || *out.ExecutedVersion != "$LATEST" || *out.FunctionError != "Unhandled" || *out.LogResult != "U1RBUlQ=" {
		t.Errorf("answer %+v", out)
	}
	got, err := client.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("f")})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(*got.Code.Location)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if zip, _ := io.ReadAll(resp.Body); string(zip) != string(code) {
		t.Errorf("the location has %d bytes (status %d), uploaded were %d", len(zip), resp.StatusCode, len(code))
	}
	if _, err := client.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil {
		t.Fatal(err)
	}
	var gone *types.ResourceNotFoundException
	_, err = client.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("f")})
	if !errors.As(err, &gone) || *gone.Message != "Function not found: "+arn || *gone.Type != "User" {
		t.Errorf("get after delete: %v", err)
	}
	var unbuilt smithy.APIError
	_, err = client.ListCapacityProviders(ctx, &sdk.ListCapacityProvidersInput{})
	if !errors.As(err, &unbuilt) || unbuilt.ErrorCode() != "NotImplementedException" {
		t.Errorf("an operation that is not built: %v", err)
	}
}

func TestSignaturesAreDemanded(t *testing.T) {
	ring := newKeyring(t)
	for name, tt := range map[string]struct {
		id, secret, region string
		code               string
	}{
		"right":         {ring.First().ID, ring.First().Secret, "us-east-1", ""},
		"other secret":  {ring.First().ID, "secret", "us-east-1", "InvalidSignatureException"},
		"other key":     {"AKIAOTHER", ring.First().Secret, "us-east-1", "UnrecognizedClientException"},
		"other region":  {ring.First().ID, ring.First().Secret, "eu-west-1", "InvalidSignatureException"},
		"no credential": {"", "", "us-east-1", "MissingAuthenticationTokenException"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, setup{keys: ring})
			front := httptest.NewServer(s.handler)
			defer front.Close()
			options := sdk.Options{Region: tt.region, BaseEndpoint: &front.URL, RetryMaxAttempts: 1,
				Credentials: credentials.NewStaticCredentialsProvider(tt.id, tt.secret, "")}
			if tt.id == "" {
				options.Credentials = aws.AnonymousCredentials{}
			}
			_, err := sdk.New(options).ListFunctions(t.Context(), &sdk.ListFunctionsInput{MaxItems: aws.Int32(1), Marker: aws.String("ZjokTEFURVNU")})
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refused smithy.APIError
			if !errors.As(err, &refused) || refused.ErrorCode() != tt.code {
				t.Errorf("list: %v, want %s", err, tt.code)
			}
		})
	}
}

// TestSignatureBeforeInput: who has no key learns no more of an input than its
// path and its size.
func TestSignatureBeforeInput(t *testing.T) {
	s, _, _ := standing(t, nil)
	for name, tt := range map[string]struct{ method, target, body, want string }{
		"broken input":       {"POST", functions, `{"FunctionName":`, "MissingAuthenticationTokenException"},
		"broken constraints": {"POST", functions, `{}`, "MissingAuthenticationTokenException"},
		"no such function":   {"GET", functions + "/none", "", "MissingAuthenticationTokenException"},
		"not built":          {"GET", "/2018-10-31/layers", "", "MissingAuthenticationTokenException"},
		"no such path":       {"GET", "/none", "", "UnknownOperationException"},
		"too large":          {"POST", functions + "/f/aliases", strings.Repeat(" ", 64<<20), "MissingAuthenticationTokenException"},
	} {
		if a := s.do(tt.method, tt.target, tt.body); a.header.Get("X-Amzn-ErrorType") != tt.want {
			t.Errorf("%s: %d %s, want %s", name, a.status, a.body, tt.want)
		}
	}
}

// TestPresignedURL: whoever has the URL may send the request, and no other.
func TestPresignedURL(t *testing.T) {
	ring := newKeyring(t)
	s := newServer(t, setup{keys: ring})
	front := httptest.NewServer(s.handler)
	defer front.Close()
	key := ring.First()
	req, err := http.NewRequest("GET", front.URL+functions+"?MaxItems=1&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	const hashOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret},
		req, hashOfNothing, "lambda", scope.Region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		url    string
		status int
	}{
		"as it is": {signed, 200},
		"changed":  {strings.Replace(signed, "MaxItems=1", "MaxItems=2", 1), 403},
	} {
		resp, err := http.Get(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, tt.status)
		}
	}
}

// TestStrangersGetNoMemory: a large body is not kept for a caller without a key.
func TestStrangersGetNoMemory(t *testing.T) {
	s, _, _ := standing(t, nil)
	body := strings.NewReader(strings.Repeat(" ", 1<<20))
	r := newRequest("POST", functions, body)
	a := s.send(r)
	if a.status != 403 || a.header.Get("X-Amzn-ErrorType") != "MissingAuthenticationTokenException" {
		t.Errorf("answer %d %s", a.status, a.body)
	}
}

// TestOversizeOverASocket: the client sees the answer, not a broken connection.
func TestOversizeOverASocket(t *testing.T) {
	_, client, _ := standing(t, nil)
	payload := []byte(`"` + strings.Repeat("x", 6<<20) + `"`)
	_, err := client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), Payload: payload})
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != "RequestEntityTooLargeException" ||
		refused.ErrorMessage() != "6291458 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)" {
		t.Errorf("invoke: %v", err)
	}
}

func TestVerified(t *testing.T) {
	s, _, url := standing(t, nil)
	inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	w := httptest.NewRecorder()
	s.handler.Verified(inner).ServeHTTP(w, httptest.NewRequest("GET", url+"/_thaw/logs/f", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("without a signature: %d, want 403", w.Code)
	}
	open := newServer(t, setup{})
	w = httptest.NewRecorder()
	open.handler.Verified(inner).ServeHTTP(w, newRequest("GET", "/_thaw/logs/f", nil))
	if w.Code != http.StatusTeapot {
		t.Errorf("on a server without keys: %d, want %d", w.Code, http.StatusTeapot)
	}
	r := newRequest("GET", "/_thaw/logs/f", nil)
	r.Host = "example.com"
	w = httptest.NewRecorder()
	open.handler.Verified(inner).ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("on a server without keys, with another host's name: %d, want 403", w.Code)
	}
}

// FuzzHandler sends anything to a server without keys.
func FuzzHandler(f *testing.F) {
	f.Add("GET", functions+"?MaxItems=1", "", "", "")
	f.Add("POST", functions, `{"FunctionName":"f"}`, "", "")
	f.Add("POST", functions+"/f/invocations", `{}`, "Tail", "DryRun")
	f.Add("GET", "/_thaw/code/00?expires=1&signature=2", "", "", "")
	f.Fuzz(func(t *testing.T, method, target, body, logType, kind string) {
		r, err := http.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		r.RequestURI = target
		r.Header.Set("X-Amz-Log-Type", logType)
		r.Header.Set("X-Amz-Invocation-Type", kind)
		newServer(t, setup{}).send(r) // fails on any status of 500 or more but 501
	})
}
