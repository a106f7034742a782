package awsapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/lambda"
)

// The SDK's module holds, for each operation, the request that its client sends
// with every member filled, and the response and the errors it understands.

// missing ends a test that lacks something: with a skip, or, where everything is
// to be there, as in "make test", with a failure.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("THAW_E2E_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func sdkDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/lambda").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		missing(t, "the SDK's module is not in the module cache: %v", err)
	}
	return dir
}

// snapshot is a file of the SDK: a first line, headers, a body.
type snapshot struct {
	first  string
	header http.Header
	body   []byte
}

func readSnapshot(t *testing.T, path string) snapshot {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := snapshot{header: http.Header{}}
	r := bufio.NewReader(bytes.NewReader(data))
	line := func() string {
		text, err := r.ReadString('\n')
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return strings.TrimSuffix(text, "\n")
	}
	s.first = line()
	line()
	for text := line(); text != ""; text = line() {
		name, value, _ := strings.Cut(text, ": ")
		s.header.Add(name, value)
	}
	if s.body, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	if len(bytes.TrimSpace(s.body)) == 0 {
		s.body = nil
	}
	return s
}

func snapshots(t *testing.T, folder, suffix string) map[string]snapshot {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(sdkDir(t), folder, "*"+suffix))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no snapshots *%s: %v", suffix, err)
	}
	all := map[string]snapshot{}
	for _, path := range paths {
		all[strings.TrimSuffix(filepath.Base(path), suffix)] = readSnapshot(t, path)
	}
	return all
}

func normalJSON(t *testing.T, data []byte) any {
	t.Helper()
	if len(data) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v: %q", err, data)
	}
	return v
}

func operation(t *testing.T, name string) *awsapi.Operation {
	t.Helper()
	ops := model.Service().Operations
	for i := range ops {
		if ops[i].Name == name {
			return &ops[i]
		}
	}
	t.Fatalf("no operation %s", name)
	return nil
}

func TestSDKRequests(t *testing.T) {
	codec, router := awsapi.NewCodec(model.Service()), awsapi.NewRouter(model.Service())
	all := snapshots(t, "request_snapshot", ".request.snap")
	if len(all) < 80 {
		t.Errorf("%d snapshots, want one for nearly each of 88 operations", len(all))
	}
	for name, snap := range all {
		t.Run(name, func(t *testing.T) {
			method, target, _ := strings.Cut(snap.first, " ")
			path, query, _ := strings.Cut(target, "?")
			route, ok := router.Find(method, path, query)
			if !ok || route.Operation.Name != name {
				t.Fatalf("%s %s is routed to %+v", method, target, route.Operation)
			}
			if slash, ok := router.Find(method, path+"/", query); !ok || slash != route {
				t.Errorf("with a slash behind, it is routed to %+v", slash)
			}
			input, err := codec.Decode(&awsapi.Request{Route: route, Query: query, Header: snap.header, Body: snap.body})
			if err != nil {
				t.Fatal(err)
			}
			op := route.Operation
			checkEveryMember(t, op, input)
			checkBindings(t, op, input, target, snap.header)
			checkBody(t, codec, op, input, snap.body)
		})
	}
}

// checkEveryMember demands that nothing was left out: the snapshots fill all.
func checkEveryMember(t *testing.T, op *awsapi.Operation, input any) {
	t.Helper()
	v := reflect.ValueOf(input).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			t.Errorf("%s.%s is nil", op.Name, v.Type().Field(i).Name)
		}
	}
}

// checkBindings writes labels, query and headers again from the input and
// compares them with what was sent.
func checkBindings(t *testing.T, op *awsapi.Operation, input any, target string, header http.Header) {
	t.Helper()
	path, fixed, _ := strings.Cut(op.Path, "?")
	query, _ := url.ParseQuery(fixed)
	v := reflect.ValueOf(input).Elem()
	for i, m := range model.Service().Shapes[op.Input].Members {
		texts := texts(v.Field(i))
		switch m.In {
		case awsapi.InLabel:
			path = strings.Replace(path, "{"+m.WireName()+"}", url.PathEscape(texts[0]), 1)
		case awsapi.InQuery:
			query[m.WireName()] = texts
		case awsapi.InHeader:
			if diff := cmp.Diff(header.Values(m.WireName()), texts); diff != "" {
				t.Errorf("header %s (-sent +decoded):\n%s", m.WireName(), diff)
			}
		}
	}
	sentPath, sentQuery, _ := strings.Cut(target, "?")
	if path != sentPath {
		t.Errorf("path %s, sent was %s", path, sentPath)
	}
	sent, err := url.ParseQuery(sentQuery)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent, query); diff != "" {
		t.Errorf("query (-sent +decoded):\n%s", diff)
	}
}

func texts(field reflect.Value) []string {
	switch field.Kind() {
	case reflect.Pointer:
		return texts(field.Elem())
	case reflect.Slice:
		var all []string
		if field.Type().Elem().Kind() != reflect.Uint8 {
			for i := range field.Len() {
				all = append(all, texts(field.Index(i))...)
			}
		}
		return all
	case reflect.Struct:
		if at, ok := field.Interface().(interface{ Format(string) string }); ok {
			return []string{at.Format("2006-01-02T15:04:05Z07:00")}
		}
		return nil
	default:
		return []string{fmt.Sprint(field.Interface())}
	}
}

func checkBody(t *testing.T, codec *awsapi.Codec, op *awsapi.Operation, input any, sent []byte) {
	t.Helper()
	shape := &model.Service().Shapes[op.Input]
	var again []byte
	if shape.Payload == 0 {
		again = codec.Marshal(op.Input, input)
	} else {
		m := shape.Members[shape.Payload-1]
		field := reflect.ValueOf(input).Elem().Field(shape.Payload - 1)
		if model.Service().Shapes[m.Shape].Kind == awsapi.Blob {
			if !bytes.Equal(field.Bytes(), sent) {
				t.Errorf("payload %q, sent was %q", field.Bytes(), sent)
			}
			return
		}
		again = codec.Marshal(m.Shape, field.Interface())
	}
	if len(sent) == 0 {
		sent = []byte("{}")
	}
	if diff := cmp.Diff(normalJSON(t, sent), normalJSON(t, again)); diff != "" {
		t.Errorf("body (-sent +decoded):\n%s", diff)
	}
}

func TestSDKResponses(t *testing.T) {
	codec := awsapi.NewCodec(model.Service())
	for name, snap := range snapshots(t, "response_snapshot", ".response.snap") {
		t.Run(name, func(t *testing.T) {
			op := operation(t, name)
			if !op.HasOutput {
				if resp := codec.Encode(op, nil); len(resp.Body) > 0 || len(snap.body) > 0 {
					t.Errorf("body %q, want %q", resp.Body, snap.body)
				}
				return
			}
			output := op.NewOutput()
			fillOutput(t, codec, op, output, snap)
			resp := codec.Encode(op, output)
			// The snapshots' status is 200 throughout, whatever the model says.
			if resp.Status != op.Status {
				t.Errorf("status %d, want %d", resp.Status, op.Status)
			}
			for header, values := range snap.header {
				if header == "Content-Type" {
					continue
				}
				if diff := cmp.Diff(values, resp.Header.Values(header)); diff != "" {
					t.Errorf("header %s (-want +got):\n%s", header, diff)
				}
			}
			shape := model.Service().Shapes[op.Output]
			if shape.Payload != 0 && model.Service().Shapes[shape.Members[shape.Payload-1].Shape].Kind == awsapi.Blob {
				if !bytes.Equal(resp.Body, snap.body) {
					t.Errorf("body %q, want %q", resp.Body, snap.body)
				}
				return
			}
			got := resp.Body
			if string(got) == "{}" && snap.body == nil {
				got = nil
			}
			if diff := cmp.Diff(withoutStatus(t, shape, snap.body), normalJSON(t, got)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

// withoutStatus drops the member that stands for the HTTP status: it is no
// member of the body, but the snapshots show it there.
func withoutStatus(t *testing.T, shape awsapi.Shape, body []byte) any {
	t.Helper()
	v := normalJSON(t, body)
	members, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for _, m := range shape.Members {
		if m.In == awsapi.InStatus {
			delete(members, m.Name)
			if len(members) == 0 {
				return nil
			}
		}
	}
	return members
}

// fillOutput does what a client does: it reads a response into the structure.
func fillOutput(t *testing.T, codec *awsapi.Codec, op *awsapi.Operation, output any, snap snapshot) {
	t.Helper()
	shape := &model.Service().Shapes[op.Output]
	v := reflect.ValueOf(output).Elem()
	if shape.Payload == 0 {
		if len(snap.body) > 0 {
			if err := codec.Unmarshal(op.Output, snap.body, output); err != nil {
				t.Fatal(err)
			}
		}
	} else if m := shape.Members[shape.Payload-1]; model.Service().Shapes[m.Shape].Kind == awsapi.Blob {
		v.Field(shape.Payload - 1).SetBytes(snap.body)
	} else if len(snap.body) > 0 {
		t.Skipf("the body of %s is a stream of events", op.Name)
	}
	for i, m := range shape.Members {
		if value := snap.header.Get(m.WireName()); m.In == awsapi.InHeader && value != "" {
			v.Field(i).Set(reflect.ValueOf(&value))
		}
	}
}

func TestSDKErrors(t *testing.T) {
	codec := awsapi.NewCodec(model.Service())
	all := snapshots(t, "response_snapshot", ".error.snap")
	if len(all) != 56 {
		t.Errorf("%d snapshots of errors, want 56", len(all))
	}
	for name, snap := range all {
		t.Run(name, func(t *testing.T) {
			want := normalJSON(t, snap.body).(map[string]any)
			e := &lambda.Error{Code: name}
			for _, key := range []string{"message", "Message"} {
				if text, ok := want[key].(string); ok {
					e.Message = text
				}
			}
			e.Reason, _ = want["Reason"].(string)
			resp := codec.EncodeError(e)
			if strconv.Itoa(resp.Status) != snap.first {
				t.Errorf("status %d, want %s", resp.Status, snap.first)
			}
			if got := resp.Header.Get("X-Amzn-ErrorType"); got != name {
				t.Errorf("X-Amzn-ErrorType %q", got)
			}
			got := normalJSON(t, resp.Body).(map[string]any)
			if kind := got["Type"]; kind != "User" && kind != "Service" || (kind == "Service") != (resp.Status >= 500) {
				t.Errorf("Type %v with status %d", kind, resp.Status)
			}
			delete(got, "Type")
			for _, free := range []string{"Type", "__type", "EC2ErrorCode"} /* of one error only; nothing here sends it */ {
				delete(want, free)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}
