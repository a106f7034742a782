package badinput_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "thaw/internal/api/lambda"
	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/catalog"
	"thaw/internal/code"
	"thaw/internal/control"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
)

const (
	account = "111111111111"
	roleARN = "arn:aws:iam::" + account + ":role/r"
	fARN    = "arn:aws:lambda:us-east-1:" + account + ":function:f"
)

// there is what the server of the tests has, or what it takes, by the shape that
// names it.
func there(shape string) (string, bool) {
	name, ok := map[string]string{
		"FunctionName": "f", "NamespacedFunctionName": "f", "UnqualifiedFunctionName": "f", "FunctionUrlFunctionName": "f",
		"FunctionArn": fARN, "NameSpacedFunctionArn": fARN, "TaggableResource": fARN, "PolicyResourceArn": fARN,
		"Alias": "live", "Qualifier": "$LATEST", "Version": "$LATEST", "VersionWithLatestPublished": "$LATEST",
		"LayerName": "l", "LayerVersionArn": "arn:aws:lambda:us-east-1:" + account + ":layer:l:1", "RoleArn": roleARN,
		"Arn": "arn:aws:sqs:us-east-1:" + account + ":q", "DestinationArn": "arn:aws:sqs:us-east-1:" + account + ":q",
		"KMSKeyArn": "arn:aws:kms:us-east-1:" + account + ":key/k", "UUIDString": "00000000-0000-4000-8000-000000000000",
		"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "Pattern": `{"body":["a"]}`, "Topic": "topic",
		"Endpoint": "kafka:9092", "Runtime": "python3.12", "Handler": "index.handler",
		"LayerPermissionAllowedAction": "lambda:GetLayerVersion", "LayerPermissionAllowedPrincipal": account,
	}[shape]
	return name, ok
}

// usual are members that an operation needs, besides those that the model
// requires, for a member to be taken.
func usual(operation, member string) map[string]any {
	switch operation {
	case model.OpCreateFunction:
		code := map[string]any{"ZipFile": zipped()}
		in := map[string]any{"FunctionName": "new", "Runtime": "python3.12", "Handler": "index.handler", "Code": code}
		if member == "LoggingConfig" {
			in[member] = map[string]any{"LogFormat": "JSON"}
		}
		return in
	case model.OpUpdateFunctionConfiguration:
		if member == "LoggingConfig" {
			return map[string]any{member: map[string]any{"LogFormat": "JSON"}}
		}
		return nil
	case model.OpUpdateFunctionCode:
		return map[string]any{"ZipFile": zipped()}
	case model.OpPublishLayerVersion:
		return map[string]any{"Content": map[string]any{"ZipFile": zipped()}}
	case model.OpCreateEventSourceMapping:
		return mapped(member)
	case model.OpCreateAlias:
		return map[string]any{"Name": "another", "FunctionVersion": "1"}
	case model.OpUpdateAlias:
		return map[string]any{"FunctionVersion": "1"}
	case model.OpPutFunctionEventInvokeConfig, model.OpUpdateFunctionEventInvokeConfig:
		return map[string]any{"MaximumRetryAttempts": int64(1)}
	default:
		return nil
	}
}

// mapped are the members of an event source mapping of a source that has a member.
func mapped(member string) map[string]any {
	const prefix = "arn:aws:%s:us-east-1:" + account + ":"
	source := func(service, resource string) string { return fmt.Sprintf(prefix, service) + resource }
	access := []any{map[string]any{"Type": "BASIC_AUTH", "URI": source("secretsmanager", "secret:s")}}
	switch member {
	case "ParallelizationFactor", "StartingPosition", "DestinationConfig", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "TumblingWindowInSeconds":
		return map[string]any{"EventSourceArn": source("kinesis", "stream/s"), "StartingPosition": "LATEST"}
	case "Topics", "AmazonManagedKafkaEventSourceConfig", "MetricsConfig":
		return map[string]any{"EventSourceArn": source("kafka", "cluster/c/u"), "Topics": []any{"topic"}}
	case "SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig", "SourceAccessConfigurations":
		return map[string]any{"Topics": []any{"topic"}, "SourceAccessConfigurations": access,
			"SelfManagedEventSource": map[string]any{"Endpoints": map[string]any{"KAFKA_BOOTSTRAP_SERVERS": []any{"kafka:9092"}}}}
	case "Queues":
		return map[string]any{"EventSourceArn": source("mq", "broker:b:b-1"), "Queues": []any{"queue"}, "SourceAccessConfigurations": access}
	case "DocumentDBEventSourceConfig":
		return map[string]any{"EventSourceArn": source("rds", "cluster:c"), "StartingPosition": "LATEST", "SourceAccessConfigurations": access,
			"DocumentDBEventSourceConfig": map[string]any{"DatabaseName": "d"}}
	case "BatchSize":
		return map[string]any{"EventSourceArn": source("sqs", "q"), "MaximumBatchingWindowInSeconds": int64(1)}
	default:
		return map[string]any{"EventSourceArn": source("sqs", "q")}
	}
}

func zipped() []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	f, _ := z.Create("index.py")
	io.WriteString(f, "def handler(event, context): pass")
	z.Close()
	return buf.Bytes()
}

// server is the handler over the real control and a store in memory, with a
// function, an alias and a layer.
type server struct{ handler *api.Handler }

// Invoke answers for every function.
func (s *server) Invoke(context.Context, invoke.Request) (lambda.Result, error) {
	return lambda.Result{}, nil
}

func newServer(t *testing.T) *server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	scope := lambda.Scope{Partition: "aws", Region: "us-east-1", Account: account}
	engine := memory.New()
	cat, err := catalog.Open(t.Context(), engine.Metadata(), catalog.Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	packages, err := code.Open(code.Options{Dir: filepath.Join(t.TempDir(), "code"), Blobs: engine.Blobs(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := control.Open(t.Context(), control.Options{Catalog: cat, Code: packages, Scope: scope, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctl.Close()
		cat.Close()
		engine.Close()
	})
	s := new(server)
	s.handler = api.New(api.Options{Control: ctl, Invoke: s, Packages: packages, Scope: scope, Logger: log})
	settings := control.Settings{Runtime: new("python3.12"), Handler: new("index.handler"), Role: new(roleARN)}
	_, err = ctl.CreateFunction(t.Context(), control.CreateFunctionInput{Name: "f", Settings: settings, Zip: zipped(), Publish: true})
	if err == nil {
		_, err = ctl.CreateAlias(t.Context(), lambda.Ref{Name: "f"}, "live", control.AliasSettings{Version: new("$LATEST")})
	}
	if err == nil {
		_, err = ctl.PublishLayerVersion(t.Context(), lambda.LayerRef{Name: "l"}, control.PublishLayerInput{Zip: zipped()})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.await(t, ctl)
	return s
}

// await polls until the function may be changed: activation has no other sign.
func (s *server) await(t *testing.T, ctl *control.Control) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		view, err := ctl.GetFunction(t.Context(), lambda.Ref{Name: "f"})
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the function is not active: %v", err)
		}
		if view.Version.Status.State == lambda.StateActive {
			return
		}
	}
}

// answer is what a request came to.
type answer struct {
	status  int
	code    string // of an error
	message string
}

// send sends an input as the model binds it to a request.
func (s *server) send(t *tables, op *awsapi.Operation, input map[string]any) answer {
	path, fixed, _ := strings.Cut(op.Path, "?")
	query, err := url.ParseQuery(fixed)
	if err != nil {
		return answer{message: err.Error()}
	}
	shape := t.shape(op.Input)
	header, body := http.Header{}, map[string]any{}
	var payload []byte
	for i := range shape.Members {
		m := &shape.Members[i]
		value, ok := input[m.Name]
		switch {
		case !ok:
		case shape.Payload == i+1:
			payload, _ = value.([]byte)
			if payload == nil {
				payload, _ = json.Marshal(value)
			}
		case m.In == awsapi.InLabel:
			path = strings.Replace(path, "{"+m.WireName()+"}", url.PathEscape(show(value)), 1)
		case m.In == awsapi.InQuery:
			list, isList := value.([]any)
			if !isList {
				list = []any{value}
			}
			for _, v := range list {
				query.Add(m.WireName(), show(v))
			}
		case m.In == awsapi.InHeader:
			header.Set(m.WireName(), show(value))
		default:
			body[m.Name] = value
		}
	}
	if payload == nil && len(body) > 0 {
		payload, _ = json.Marshal(plain(body))
	}
	target := path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r := httptest.NewRequest(op.Method, "/", bytes.NewReader(payload))
	r.RequestURI, r.Host, r.Header = target, "localhost:4566", header
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	a := answer{status: w.Code, code: w.Result().Header.Get("X-Amzn-Errortype")}
	var told map[string]any
	if json.Unmarshal(w.Body.Bytes(), &told) == nil && a.status >= 400 {
		for _, key := range []string{"message", "Message"} {
			if text, ok := told[key].(string); ok {
				a.message = text
			}
		}
	}
	return a
}

// plain has bytes in base64, as JSON has them.
func plain(value any) any {
	switch v := value.(type) {
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = plain(v[k])
		}
		return out
	default:
		return value
	}
}
