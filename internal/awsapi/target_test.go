package awsapi_test

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/logs"
	"thaw/internal/lambda"
)

func TestTargets(t *testing.T) {
	targets := awsapi.NewTargets(model.Service())
	for target, want := range map[string]string{
		"Logs_20140328.PutLogEvents": model.OpPutLogEvents,
		"Logs_20140328.PutLogEvent":  "",
		"Logs_20140328":              "",
		"Logs.PutLogEvents":          "",
		"":                           "",
	} {
		op, ok := targets.Find(target)
		if ok != (want != "") || ok && op.Name != want {
			t.Errorf("%q: %v %v, want %q", target, op, ok, want)
		}
	}
	if !targets.Ours("Logs_20140328.Anything") || targets.Ours("AWSEvents.PutEvents") {
		t.Error("a service does not know its own header")
	}
}

// TestAwsJSON: members in the body, the code of an error too.
func TestAwsJSON(t *testing.T) {
	codec, targets := awsapi.NewCodec(model.Service()), awsapi.NewTargets(model.Service())
	op, _ := targets.Find("Logs_20140328.PutRetentionPolicy")
	in, err := codec.Decode(&awsapi.Request{Route: awsapi.Route{Operation: op}, Body: []byte(`{"logGroupName":"g","retentionInDays":7}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got := in.(*model.PutRetentionPolicyRequest); *got.LogGroupName != "g" || *got.RetentionInDays != 7 {
		t.Errorf("decoded %+v", got)
	}
	w := httptest.NewRecorder()
	codec.Encode(op, nil).Write(w, "id")
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("an empty answer: %d %q %v", w.Code, w.Body, w.Header())
	}
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{lambda.Errorf("ResourceNotFoundException", "not \"here\""), 400, `{"__type":"ResourceNotFoundException","message":"not \"here\""}`},
		{lambda.Errorf("NotImplementedException", "no"), 501, `{"__type":"NotImplementedException","message":"no"}`},
		{errors.New("secret"), 500, `{"__type":"ServiceException","Message":"An internal error occurred."}`},
	} {
		got := codec.EncodeError(c.err)
		if got.Status != c.status || string(got.Body) != c.body {
			t.Errorf("%v: %d %s, want %d %s", c.err, got.Status, got.Body, c.status, c.body)
		}
	}
}

func TestEventStream(t *testing.T) {
	codec := awsapi.NewCodec(model.Service())
	var buf bytes.Buffer
	s, err := codec.EventStream(&buf)
	if err != nil {
		t.Fatal(err)
	}
	sampled := true
	update := &model.LiveTailSessionUpdate{SessionMetadata: &model.LiveTailSessionMetadata{Sampled: &sampled}}
	if err := s.Send("sessionUpdate", model.ShapeLiveTailSessionUpdate, update); err != nil {
		t.Fatal(err)
	}
	if err := s.Fail("SessionTimeoutException", "over"); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][4]string{
		{"event", ":event-type", "initial-response", "{}"},
		{"event", ":event-type", "sessionUpdate", `{"sessionMetadata":{"sampled":true}}`},
		{"exception", ":exception-type", "SessionTimeoutException", `{"message":"over"}`},
	} {
		m, err := eventstream.NewDecoder().Decode(&buf, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Headers.Get(":message-type").String(); got != want[0] {
			t.Errorf("message type %s, want %s", got, want[0])
		}
		if got := m.Headers.Get(want[1]).String(); got != want[2] || string(m.Payload) != want[3] {
			t.Errorf("%s %s, want %s %s", got, m.Payload, want[2], want[3])
		}
	}
}
