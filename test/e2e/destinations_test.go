package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
)

// TestDestinations sends dead letters and records to each kind of target: those of
// this server, and those of moto's, which verifies signatures, beside it.
func TestDestinations(t *testing.T) {
	others := startObjects(t)
	s := others.serves(t, others.secret, "--sqs-endpoint", others.address, "--sns-endpoint", others.address, "--events-endpoint", others.address)
	script, err := filepath.Abs("testdata/clients/destinations.py")
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	out := s.run(t, t.TempDir(), client(t, "python"), script, others.address, others.key, others.secret, python(t))
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal([]byte(wantedDeliveries()), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
	for _, action := range []string{"sqs:SendMessage", "sns:Publish"} {
		denied := regexp.MustCompile(`assumed-role/mute/denied is not authorized to perform: ` + action + `.*--function-allow ` + action)
		err := eventually(settleLimit, func() error {
			if !denied.MatchString(s.stderr.String()) {
				return fmt.Errorf("the log does not tell that the role lacks %s", action)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// wantedDeliveries is what the script prints.
func wantedDeliveries() string {
	// record is of an invocation of a function; its response is what came of it.
	record := func(function, id, condition, event, response, failed string) string {
		return fmt.Sprintf(`{"version": "1.0", "timestamp": "TIME", "requestContext": {"requestId": %q, "condition": %q, "approximateInvokeCount": 1,
			"functionArn": "arn:aws:lambda:us-east-1:000000000000:function:%s:$LATEST"}, "requestPayload": %s,
			"responseContext": {"statusCode": 200, "executedVersion": "$LATEST"%s}, "responsePayload": %s}`, id, condition, function, event, failed, response)
	}
	succeeded := func(function, event string) string {
		return record(function, "ID 0", "Success", event, `{"got": `+event+`}`, "")
	}
	failed := func(function, event string) string {
		return record(function, "ID 0", "RetriesExhausted", event,
			`{"errorMessage": "intended", "errorType": "Exception", "requestId": "ID 0", "stackTrace": []}`, `, "functionError": "Unhandled"`)
	}
	const letter = `{"ErrorCode": ["Number", "200"], "ErrorMessage": ["String", "intended"], "RequestID": ["String", "ID 0"]}`
	event := func(outcome, record string) string {
		return `{"version": "0", "id": "ID 1", "source": "lambda", "region": "us-east-1", "time": "TIME",
			"detail-type": "Lambda Function Invocation Result - ` + outcome + `", "resources": [
				"arn:aws:events:us-east-1:123456789012:event-bus/bus", "arn:aws:lambda:us-east-1:000000000000:function:to-bus:$LATEST"], "detail": ` + record + `}`
	}
	queue := func(name string) string {
		return `[{"fail": true}, ` + letter + `, true, ` + succeeded("to-"+name, `{"n": 1}`) + `, {}]`
	}
	second := record("second", "ID 1", "Success", succeeded("to-function", `{"n": 5}`), `{"got": `+succeeded("to-function", `{"n": 5}`)+`}`, "")
	return "{" + strings.Join([]string{
		`"theirs": ` + queue("theirs"), `"ours": ` + queue("ours"),
		`"topic": [` + succeeded("to-topic", `{"n": 2}`) + `, false]`,
		`"dead letter to a topic": [{"fail": 2}, ` + letter + `]`,
		`"bus": [` + event("Success", succeeded("to-bus", `{"n": 3}`)) + `, ` + event("Failure", failed("to-bus", `{"fail": 3}`)) + `]`,
		`"bucket": [` + failed("to-bucket", `{"fail": 4}`) + `, "application/json", 1, true]`,
		`"function": [` + second + `, true]`,
		`"loop": true`, `"denied": true`,
	}, ", ") + "}"
}

// topics stands for an SNS that is down at first.
type topics struct {
	mu        sync.Mutex
	up        bool
	refused   int
	published []string
}

func (p *topics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up {
		p.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	p.published = append(p.published, r.FormValue("Message"))
	fmt.Fprint(w, `<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>`)
}

// wait waits until as many messages have been refused and published, and returns the
// latter.
func (p *topics) wait(t *testing.T, refused, published int) (messages []string) {
	t.Helper()
	err := eventually(settleLimit, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.refused < refused || len(p.published) < published {
			return fmt.Errorf("%d refused and %d published", p.refused, len(p.published))
		}
		messages = slices.Clone(p.published)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// TestDestinationComesBack: a record whose target is down outlives the server, and
// is delivered without the function running again.
func TestDestinationComesBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = none\naws_secret_access_key = none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(credentialsFile, file)
	service := &topics{}
	front := httptest.NewServer(service)
	t.Cleanup(front.Close)
	dir, flags := t.TempDir(), []string{"--sns-endpoint", front.URL, "--function-allow", "sns:Publish"}
	s := startIn(t, dir, flags...)
	s.deployEvents(t, "told")
	if _, err := s.client.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName:      aws.String("told"),
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: aws.String("arn:aws:sns:us-east-1:000000000000:t")}},
	}); err != nil {
		t.Fatal(err)
	}
	id := s.sendEvent(t, "told", map[string]any{"name": "once"})
	service.wait(t, 1, 0)
	s.kill()
	service.mu.Lock()
	service.up = true
	service.mu.Unlock()
	again := startIn(t, dir, flags...)
	text := service.wait(t, 1, 1)[0]
	var record struct {
		RequestContext struct {
			RequestID              string
			ApproximateInvokeCount int
		}
	}
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		t.Fatal(err)
	}
	if c := record.RequestContext; c.RequestID != id || c.ApproximateInvokeCount != 1 {
		t.Errorf("record %s, want one of %s", text, id)
	}
	if runs := again.told(t, "told", "once"); len(runs) > 1 {
		t.Errorf("runs %v", runs)
	}
}
