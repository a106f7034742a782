package e2e_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// role is any role: the service does not look it up.
const role = "arn:aws:iam::000000000000:role/e2e"

// spec is a function to deploy. Zero means the service's default.
type spec struct {
	runtime, handler     string
	zip                  []byte
	memory, timeout, tmp int32 // MB, seconds, MB
	env                  map[string]string
	layers               []string // ARNs of layer versions
}

func (sp spec) input(name string) *lambda.CreateFunctionInput {
	in := &lambda.CreateFunctionInput{
		FunctionName: aws.String(name), Role: aws.String(role), Handler: aws.String(sp.handler),
		Runtime: types.Runtime(sp.runtime), Code: &types.FunctionCode{ZipFile: sp.zip}, Layers: sp.layers,
	}
	if sp.memory != 0 {
		in.MemorySize = aws.Int32(sp.memory)
	}
	if sp.timeout != 0 {
		in.Timeout = aws.Int32(sp.timeout)
	}
	if sp.tmp != 0 {
		in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(sp.tmp)}
	}
	if sp.env != nil {
		in.Environment = &types.Environment{Variables: sp.env}
	}
	return in
}

// deploy creates a function, waits until it is active, and deletes it when the
// test is over.
func (s *server) deploy(t testing.TB, name string, sp spec) {
	t.Helper()
	s.deployKeeping(t, name, sp)
	t.Cleanup(func() { s.remove(t, name) })
}

func (s *server) deployKeeping(t testing.TB, name string, sp spec) {
	t.Helper()
	if _, err := s.client.CreateFunction(t.Context(), sp.input(name)); err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	s.waitActive(t, name)
}

func (s *server) waitActive(t testing.TB, name string) {
	t.Helper()
	waiter := lambda.NewFunctionActiveV2Waiter(s.client, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	})
	if err := waiter.Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, settleLimit); err != nil {
		t.Fatalf("wait for %s: %v", name, err)
	}
}

func (s *server) waitUpdated(t testing.TB, name string) {
	t.Helper()
	waiter := lambda.NewFunctionUpdatedV2Waiter(s.client, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	})
	if err := waiter.Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, settleLimit); err != nil {
		t.Fatalf("wait for the update of %s: %v", name, err)
	}
}

func (s *server) remove(t testing.TB, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), settleLimit)
	defer cancel()
	if _, err := s.client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name}); err != nil {
		t.Errorf("delete %s: %v", name, err)
	}
}

// answer is what an invocation came to.
type answer struct {
	Payload       string
	FunctionError string
	Log           string // the tail
	RequestID     string
	Version       string
	Took          time.Duration
}

// invoke runs a function with the log's tail.
func (s *server) invoke(t testing.TB, name string, event any) answer {
	t.Helper()
	a, err := s.tryInvoke(t.Context(), name, event)
	if err != nil {
		t.Fatalf("invoke %s: %v", name, err)
	}
	return a
}

func (s *server) tryInvoke(ctx context.Context, name string, event any) (answer, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return answer{}, err
	}
	began := time.Now()
	out, err := s.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload, LogType: types.LogTypeTail})
	if err != nil {
		return answer{}, err
	}
	log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		return answer{}, err
	}
	id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return answer{
		Payload: string(out.Payload), FunctionError: aws.ToString(out.FunctionError), Log: string(log),
		RequestID: id, Version: aws.ToString(out.ExecutedVersion), Took: time.Since(began),
	}, nil
}

// decode reads a successful answer.
func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if a.FunctionError != "" {
		t.Fatalf("function error %s: %s\n%s", a.FunctionError, a.Payload, a.Log)
	}
	if err := json.Unmarshal([]byte(a.Payload), v); err != nil {
		t.Fatalf("answer %q: %v", a.Payload, err)
	}
}

// functionError is the body of a failed invocation.
type functionError struct {
	ErrorType    string   `json:"errorType"`
	ErrorMessage string   `json:"errorMessage"`
	RequestID    *string  `json:"requestId"`
	StackTrace   []string `json:"stackTrace"`
	Trace        []string `json:"trace"`
}

// failed reads the answer of an invocation that must have failed.
func (a answer) failed(t testing.TB) functionError {
	t.Helper()
	if a.FunctionError != "Unhandled" {
		t.Fatalf("function error %q, want Unhandled; answer %.300s\n%s", a.FunctionError, a.Payload, a.Log)
	}
	var e functionError
	if err := json.Unmarshal([]byte(a.Payload), &e); err != nil {
		t.Fatalf("answer %q: %v", a.Payload, err)
	}
	return e
}

// match fails the test unless the log's tail has what the expression says.
func (a answer) match(t testing.TB, expression string) {
	t.Helper()
	if !regexp.MustCompile(expression).MatchString(a.Log) {
		t.Errorf("the log does not match %s:\n%s", expression, a.Log)
	}
}

// wantLogged fails the test unless a function's log, which has more than the
// tails that invocations return, says what the expression says.
func (s *server) wantLogged(t testing.TB, name, expression string) {
	t.Helper()
	log, err := s.log(t, name)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(expression).MatchString(log) {
		t.Errorf("the log of %s does not match %s:\n%s", name, expression, log)
	}
}

// log reads the log of a function, all streams together.
func (s *server) log(t testing.TB, name string) (string, error) {
	t.Helper()
	group, ctx := "/aws/lambda/"+name, t.Context()
	var b strings.Builder
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(s.logs(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("log of %s: %w", name, err)
		}
		for _, e := range page.Events {
			b.WriteString(*e.Message)
		}
	}
	return b.String(), nil
}

// echoed is what the echo functions of every language answer.
type echoed struct {
	Language    string          `json:"language"`
	Value       json.RawMessage `json:"value"`
	RequestID   string          `json:"requestId"`
	ARN         string          `json:"arn"`
	Function    string          `json:"function"`
	MemoryMB    string          `json:"memoryMB"`
	RemainingMS int             `json:"remainingMS"`
	Client      string          `json:"client"`
	Greeting    string          `json:"greeting"`
	Count       int             `json:"count"`
}

// echo reads the answer of an echo function that was sent a value.
func (a answer) echo(value any) (echoed, error) {
	var got echoed
	if a.FunctionError != "" {
		return got, fmt.Errorf("%s: function error %s: %.300s", a.RequestID, a.FunctionError, a.Payload)
	}
	if err := json.Unmarshal([]byte(a.Payload), &got); err != nil {
		return got, fmt.Errorf("%s: answer %.300q: %w", a.RequestID, a.Payload, err)
	}
	want, err := json.Marshal(value)
	if err != nil {
		return got, err
	}
	if string(got.Value) != string(want) || got.RequestID != a.RequestID {
		return got, fmt.Errorf("%s: answer %.300s, sent %s", a.RequestID, a.Payload, want)
	}
	return got, nil
}

// source zips a directory of testdata/functions.
func source(t testing.TB, dir string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	root := filepath.Join("testdata", "functions", dir)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return addFile(w, name, 0o644, content)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// bootstrap zips a Go function of testdata/functions/go as a custom runtime.
func bootstrap(t testing.TB, dir string) []byte {
	t.Helper()
	program, err := os.ReadFile(house.program(t, "./test/e2e/testdata/functions/go/"+dir, "-tags=lambda.norpc"))
	if err != nil {
		t.Fatal(err)
	}
	return zipOf(t, "bootstrap", 0o755, program)
}

// zipOf makes a zip of one file.
func zipOf(t testing.TB, name string, mode fs.FileMode, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	if err := addFile(w, name, mode, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func addFile(w *zip.Writer, name string, mode fs.FileMode, content []byte) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	f, err := w.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return err
}

// The echo functions.
func goEcho(t testing.TB) spec {
	return spec{runtime: "provided.al2023", handler: "bootstrap", zip: bootstrap(t, "echo")}
}

func pythonEcho(t testing.TB, runtime string) spec {
	return spec{runtime: runtime, handler: "handler.handler", zip: source(t, "python/echo"), timeout: 10}
}

func nodeEcho(t testing.TB, runtime string) spec {
	return spec{runtime: runtime, handler: "index.handler", zip: source(t, "node/echo"), timeout: 10}
}

// echo is a function of each language and version that there is.
func echoes(t testing.TB) map[string]spec {
	all := map[string]spec{"provided.al2023": goEcho(t)}
	for _, name := range managed(t, "python") {
		all[name] = pythonEcho(t, name)
	}
	for _, name := range managed(t, "nodejs") {
		all[name] = nodeEcho(t, name)
	}
	return all
}
