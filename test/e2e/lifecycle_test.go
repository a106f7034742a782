package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
)

// TestInvoke runs a function of every runtime cold and warm, with the official
// client inside, and looks at all that the caller is told.
func TestInvoke(t *testing.T) {
	s := shared(t)
	for runtime, sp := range echoes(t) {
		t.Run(runtime, func(t *testing.T) {
			name := "echo-" + regexp.MustCompile(`\W`).ReplaceAllString(runtime, "-")
			s.deploy(t, name, sp)
			event := map[string]any{"value": map[string]any{"text": "Grüße\n\u2028", "number": 1.5, "none": nil}, "print": "printed line"}
			cold, warm := s.invoke(t, name, event), s.invoke(t, name, event)
			checkEcho(t, name, cold, 1)
			checkEcho(t, name, warm, 2)
			checkLog(t, cold, true)
			checkLog(t, warm, false)
			checkRaise(t, s, name)
		})
	}
}

func checkEcho(t *testing.T, name string, a answer, count int) {
	t.Helper()
	var got echoed
	a.decode(t, &got)
	var value any
	if err := json.Unmarshal(got.Value, &value); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"text": "Grüße\n\u2028", "number": 1.5, "none": nil}
	if diff := cmp.Diff(any(want), value); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
	if got.RequestID != a.RequestID || got.RequestID == "" {
		t.Errorf("request id inside %q, in the header %q", got.RequestID, a.RequestID)
	}
	if want := "arn:aws:lambda:us-east-1:000000000000:function:" + name; got.ARN != want {
		t.Errorf("ARN %q, want %q", got.ARN, want)
	}
	if got.Function != name || got.MemoryMB != "128" || a.Version != "$LATEST" {
		t.Errorf("function %q, memory %q, version %q", got.Function, got.MemoryMB, a.Version)
	}
	if got.RemainingMS <= 0 || got.RemainingMS > 10_000 {
		t.Errorf("%d ms remain", got.RemainingMS)
	}
	if got.Count != count {
		t.Errorf("it is this environment's invocation %d, want %d", got.Count, count)
	}
}

// checkLog holds a tail to the contract's text format.
func checkLog(t *testing.T, a answer, cold bool) {
	t.Helper()
	init := ""
	if cold {
		init = `Init Duration: \d+\.\d\d ms\t`
	}
	id := regexp.QuoteMeta(a.RequestID)
	a.match(t, `(?s)START RequestId: `+id+` Version: \$LATEST\n`+
		`.*printed line\n.*`+
		`END RequestId: `+id+`\n`+
		`REPORT RequestId: `+id+`\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t`+
		`Memory Size: 128 MB\tMax Memory Used: \d+ MB\t`+init+`\n$`)
	if len(a.Log) > 4096 {
		t.Errorf("the tail has %d bytes", len(a.Log))
	}
}

// checkRaise fails the handler: the caller gets the client's own words, in the
// shape recorded for its language, and the environment goes on.
func checkRaise(t *testing.T, s *server, name string) {
	t.Helper()
	a := s.invoke(t, name, map[string]any{"raise": "some_error_msg"})
	e := a.failed(t)
	if e.ErrorMessage != "some_error_msg" {
		t.Errorf("error message %q", e.ErrorMessage)
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(a.Payload), &members); err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(func(yield func(string) bool) {
		for k := range members {
			if !yield(k) {
				return
			}
		}
	})
	wantType, wantKeys := "errorString", []string{"errorMessage", "errorType"}
	switch {
	case strings.Contains(name, "python"):
		wantType, wantKeys = "ValueError", []string{"errorMessage", "errorType", "requestId", "stackTrace"}
	case strings.Contains(name, "node"):
		wantType, wantKeys = "RangeError", []string{"errorMessage", "errorType", "trace"}
	}
	if e.ErrorType != wantType {
		t.Errorf("error type %q, want %q", e.ErrorType, wantType)
	}
	if diff := cmp.Diff(wantKeys, keys); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if e.RequestID != nil && *e.RequestID != a.RequestID {
		t.Errorf("requestId %q, want %q", *e.RequestID, a.RequestID)
	}
	var after echoed
	s.invoke(t, name, map[string]any{}).decode(t, &after)
	if after.Count != 4 {
		t.Errorf("the environment counts %d invocations, want 4: an exception is no reason to end it", after.Count)
	}
}

// TestLifeCycle takes a function through everything that a client can do to it,
// with aws-sdk-go-v2.
func TestLifeCycle(t *testing.T) {
	s := shared(t)
	const name = "life"
	sp := goEcho(t)
	sp.env = map[string]string{"GREETING": "hello"}
	created, err := s.client.CreateFunction(t.Context(), sp.input(name))
	if err != nil {
		t.Fatal(err)
	}
	removed := false
	t.Cleanup(func() {
		if !removed {
			s.remove(t, name)
		}
	})
	if created.State != types.StatePending || created.StateReasonCode != types.StateReasonCodeCreating {
		t.Errorf("a new function is %s, %s", created.State, created.StateReasonCode)
	}
	s.waitActive(t, name)
	checkGet(t, s, name, created, sp.zip)
	checkConflict(t, s, name, sp)
	checkInvokeForms(t, s, name)
	checkUpdates(t, s, name)

	if _, err := s.client.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
	removed = true
	_, err = s.client.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String(name)})
	wantError(t, err, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:life")
	_, err = s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(name)})
	wantError(t, err, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:life:$LATEST")
}

// checkGet reads a function back: what was asked for, the recorded defaults, and
// the package itself.
func checkGet(t *testing.T, s *server, name string, created *lambda.CreateFunctionOutput, zip []byte) {
	t.Helper()
	got, err := s.client.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	c := got.Configuration
	type view struct {
		State, Update, Handler, Runtime, PackageType, Arch, Group, Format, SHA, Tracing, SnapStart string
		Memory, Timeout, Tmp                                                                       int32
		Size                                                                                       int64
	}
	want := view{
		"Active", "Successful", "bootstrap", "provided.al2023", "Zip", "x86_64", "/aws/lambda/life", "Text",
		aws.ToString(created.CodeSha256), "PassThrough", "None", 128, 3, 512, int64(len(zip)),
	}
	have := view{
		string(c.State), string(c.LastUpdateStatus), aws.ToString(c.Handler), string(c.Runtime), string(c.PackageType),
		string(c.Architectures[0]), aws.ToString(c.LoggingConfig.LogGroup), string(c.LoggingConfig.LogFormat),
		aws.ToString(c.CodeSha256), string(c.TracingConfig.Mode), string(c.SnapStart.ApplyOn),
		aws.ToInt32(c.MemorySize), aws.ToInt32(c.Timeout), aws.ToInt32(c.EphemeralStorage.Size), c.CodeSize,
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("function (-want +got):\n%s", diff)
	}
	if aws.ToString(c.RevisionId) == aws.ToString(created.RevisionId) {
		t.Error("the revision id did not change when the function became active")
	}
	res, err := http.Get(aws.ToString(got.Code.Location))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || string(body) != string(zip) {
		t.Errorf("Code.Location: %s, %d bytes, %v", res.Status, len(body), err)
	}
}

func checkConflict(t *testing.T, s *server, name string, sp spec) {
	t.Helper()
	_, err := s.client.CreateFunction(t.Context(), sp.input(name))
	wantError(t, err, 409, "ResourceConflictException", "")
}

// checkInvokeForms invokes in the ways that the API offers.
func checkInvokeForms(t *testing.T, s *server, name string) {
	t.Helper()
	invoke := func(in lambda.InvokeInput) *lambda.InvokeOutput {
		t.Helper()
		out, err := s.client.Invoke(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	dry := invoke(lambda.InvokeInput{FunctionName: aws.String(name), InvocationType: types.InvocationTypeDryRun})
	if dry.StatusCode != 204 || len(dry.Payload) != 0 {
		t.Errorf("dry run: status %d, payload %q", dry.StatusCode, dry.Payload)
	}
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:life"
	context := base64.StdEncoding.EncodeToString([]byte(`{"custom":{"who":"a caller"}}`))
	for _, tc := range []struct {
		name string
		in   lambda.InvokeInput
		arn  string
	}{
		{"no payload", lambda.InvokeInput{FunctionName: aws.String(name)}, arn},
		{"partial ARN", lambda.InvokeInput{FunctionName: aws.String("000000000000:function:life")}, arn},
		{"ARN", lambda.InvokeInput{FunctionName: aws.String(arn), Payload: []byte("{}")}, arn},
		{"qualifier", lambda.InvokeInput{FunctionName: aws.String(name), Qualifier: aws.String("$LATEST")}, arn + ":$LATEST"},
		{"qualified ARN", lambda.InvokeInput{FunctionName: aws.String(arn + ":$LATEST")}, arn + ":$LATEST"},
	} {
		tc.in.ClientContext = &context
		out := invoke(tc.in)
		var got echoed
		if err := json.Unmarshal(out.Payload, &got); err != nil {
			t.Fatalf("%s: answer %q: %v", tc.name, out.Payload, err)
		}
		if got.ARN != tc.arn || got.Client != "a caller" || got.Greeting != "hello" {
			t.Errorf("%s: ARN %q, client %q, greeting %q", tc.name, got.ARN, got.Client, got.Greeting)
		}
		if out.LogResult != nil {
			t.Errorf("%s: a log that nobody asked for", tc.name)
		}
	}
	_, err := s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(arn + ":$LATEST"), Qualifier: aws.String("1")})
	wantError(t, err, 400, "InvalidParameterValueException", "The derived qualifier from the function name does not match the specified qualifier.")
	_, err = s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("arn:aws:lambda:eu-west-1:000000000000:function:life")})
	wantError(t, err, 404, "ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
}

// checkUpdates changes configuration and code; the next invocation sees both.
func checkUpdates(t *testing.T, s *server, name string) {
	t.Helper()
	updated, err := s.client.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String(name), Timeout: aws.Int32(7), Handler: aws.String("handler.handler"), Runtime: types.Runtime(python(t)),
		Environment: &types.Environment{Variables: map[string]string{"GREETING": "good evening"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if updated.LastUpdateStatus != types.LastUpdateStatusInProgress || updated.State != types.StateActive {
		t.Errorf("after an update: %s, %s", updated.LastUpdateStatus, updated.State)
	}
	s.waitUpdated(t, name)
	code := source(t, "python/echo")
	if _, err := s.client.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: aws.String(name), ZipFile: code}); err != nil {
		t.Fatal(err)
	}
	s.waitUpdated(t, name)
	var got echoed
	s.invoke(t, name, map[string]any{}).decode(t, &got)
	if got.Language != "python" || got.Greeting != "good evening" || got.RemainingMS > 7000 || got.RemainingMS < 3000 {
		t.Errorf("after the updates: %+v", got)
	}
	_, err = s.client.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{
		FunctionName: aws.String(name), ZipFile: code, RevisionId: updated.RevisionId,
	})
	wantError(t, err, 412, "PreconditionFailedException", "")
}

// TestInvokeAnswer looks at the raw answer of an invocation: status and headers
// as recorded.
func TestInvokeAnswer(t *testing.T) {
	s := shared(t)
	s.deploy(t, "raw", goEcho(t))
	path := functionsPath + "/raw/invocations"
	r := s.send(t, "POST", path, []byte(`{"value":1}`), time.Now(), "X-Amz-Log-Type", "Tail")
	if r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for name, want := range map[string]string{
		"Content-Type":                   `^application/json$`,
		"X-Amz-Executed-Version":         `^\$LATEST$`,
		"X-Amz-Function-Error":           `^$`,
		"X-Amz-Log-Result":               `^[A-Za-z0-9+/]+=*$`,
		"X-Amzn-Requestid":               `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
		"X-Amzn-Remapped-Content-Length": `^0$`,
		"X-Amzn-Trace-Id":                `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0`,
		"Date":                           ` GMT$`,
	} {
		if got := r.header.Get(name); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
	if r := s.send(t, "POST", path, []byte(`{"raise":"x"}`), time.Now()); r.status != 200 || r.header.Get("X-Amz-Function-Error") != "Unhandled" {
		t.Errorf("a failure: %d, function error %q", r.status, r.header.Get("X-Amz-Function-Error"))
	}
	if r := s.send(t, "POST", path, nil, time.Now(), "X-Amz-Invocation-Type", "DryRun"); r.status != 204 || r.body != "" {
		t.Errorf("a dry run: %d %q", r.status, r.body)
	}
}

// TestList pages through functions in the order of their names.
func TestList(t *testing.T) {
	s := shared(t)
	sp := goEcho(t)
	want := []string{"list-a", "list-b", "list-c", "list-d", "list-e"}
	for _, name := range want {
		s.deploy(t, name, sp)
	}
	var got []string
	pages := lambda.NewListFunctionsPaginator(s.client, &lambda.ListFunctionsInput{MaxItems: aws.Int32(2)})
	n := 0
	for ; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Functions) > 2 {
			t.Errorf("page %d has %d functions", n, len(page.Functions))
		}
		for _, f := range page.Functions {
			got = append(got, aws.ToString(f.FunctionName))
			if f.State != "" || f.LastUpdateStatus != "" {
				t.Errorf("%s is listed with its state", *f.FunctionName)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || n < 3 {
		t.Errorf("%d pages (-want +got):\n%s", n, diff)
	}
}
