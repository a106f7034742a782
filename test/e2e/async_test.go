package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// eventLimit bounds how long an event may take to be run as often as it is.
const eventLimit = time.Minute

// deployEvents deploys functions that tell of their attempts.
func (s *server) deployEvents(t *testing.T, names ...string) {
	t.Helper()
	sp := spec{runtime: "provided.al2023", handler: "bootstrap", zip: bootstrap(t, "events"), timeout: 30, env: map[string]string{"GREETING": "first"}}
	for _, name := range names {
		s.deployKeeping(t, name, sp)
	}
}

// send enqueues an event and returns its request id.
func (s *server) sendEvent(t *testing.T, function string, event map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, InvocationType: types.InvocationTypeEvent, Payload: payload})
	if err != nil {
		t.Fatalf("event for %s: %v", function, err)
	}
	if out.StatusCode != 202 || len(out.Payload) != 0 || out.ExecutedVersion != nil || out.FunctionError != nil {
		t.Fatalf("event for %s: answer %+v", function, out)
	}
	id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return id
}

// told lists what the attempts of an event have told: greeting and request id.
func (s *server) told(t *testing.T, function, name string) [][2]string {
	t.Helper()
	log, err := s.log(t, function)
	if err != nil {
		return nil // nothing has run yet
	}
	var list [][2]string
	for _, m := range regexp.MustCompile(`attempt `+name+` (\S+) (\S+)\n`).FindAllStringSubmatch(log, -1) {
		list = append(list, [2]string{m[1], m[2]})
	}
	return list
}

// wantTold waits until an event's attempts are those that are wanted, by greeting,
// all under one request id.
func (s *server) wantTold(t *testing.T, function, name, id string, greetings ...string) {
	t.Helper()
	var got []string
	err := eventually(eventLimit, func() error {
		got = nil
		for _, one := range s.told(t, function, name) {
			got = append(got, one[0])
			if one[1] != id {
				return permanent{fmt.Errorf("request id %s, want %s", one[1], id)}
			}
		}
		if len(got) < len(greetings) {
			return fmt.Errorf("attempts %v, want %v", got, greetings)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", name, err)
	} else if !slices.Equal(got, greetings) {
		t.Errorf("%s: attempts %v, want %v", name, got, greetings)
	}
}

// TestEvents: events are run, run again when their function fails, by what is then
// its code and configuration, and not at all for want of reserved concurrency.
func TestEvents(t *testing.T) {
	s := start(t, "--async-retry-delays", "300ms,1500ms", "--function-allow", "lambda:InvokeFunction")
	ctx := t.Context()
	s.deployEvents(t, "events", "once", "updated", "off", "loop")
	good := s.sendEvent(t, "events", map[string]any{"name": "good"})
	bad := s.sendEvent(t, "events", map[string]any{"name": "bad", "fail": true})

	if _, err := s.client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String("once"), MaximumRetryAttempts: aws.Int32(0),
	}); err != nil {
		t.Fatal(err)
	}
	once := s.sendEvent(t, "once", map[string]any{"name": "bad", "fail": true})

	updated := s.sendEvent(t, "updated", map[string]any{"name": "bad", "fail": true})
	s.wantTold(t, "updated", "bad", updated, "first", "first") // the third is 1.5 s away
	if _, err := s.client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("updated"), Environment: &types.Environment{Variables: map[string]string{"GREETING": "second"}},
	}); err != nil {
		t.Fatal(err)
	}

	if _, err := s.client.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{
		FunctionName: aws.String("off"), ReservedConcurrentExecutions: aws.Int32(0),
	}); err != nil {
		t.Fatal(err)
	}
	s.sendEvent(t, "off", map[string]any{"name": "off"})

	s.sendEvent(t, "loop", map[string]any{"name": "loop", "again": true})

	s.wantTold(t, "events", "good", good, "first")
	s.wantTold(t, "events", "bad", bad, "first", "first", "first")
	s.wantTold(t, "once", "bad", once, "first")
	s.wantTold(t, "updated", "bad", updated, "first", "first", "second")
	err := eventually(eventLimit, func() error {
		if n := len(s.told(t, "loop", "loop")); n < 16 {
			return fmt.Errorf("%d of 16", n)
		}
		return nil
	})
	if err != nil {
		t.Errorf("a loop: %v", err)
	}
	for _, want := range []string{`event given up.*function=off condition=ZeroReservedConcurrency attempts=0`, `event given up.*function=loop condition=RecursiveLoop attempts=0`} {
		if err := eventually(eventLimit, func() error {
			if !regexp.MustCompile(want).MatchString(s.stderr.String()) {
				return fmt.Errorf("the log has no %s", want)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if n := len(s.told(t, "loop", "loop")); n != 16 {
		t.Errorf("a loop: %d attempts", n)
	}
	if n := len(s.told(t, "off", "off")); n != 0 {
		t.Errorf("reserved concurrency 0: %d attempts", n)
	}
	out, err := s.client.InvokeAsync(ctx, &lambda.InvokeAsyncInput{FunctionName: aws.String("events"), InvokeArgs: strings.NewReader(`{"name":"old"}`)}) //nolint:staticcheck // deprecated, and still called
	if err != nil || out.Status != 202 {
		t.Fatalf("InvokeAsync: %+v, %v", out, err)
	}
	id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	s.wantTold(t, "events", "old", id, "first")
}

// TestEventsOutliveKill: what was answered with 202 is run by the next server.
func TestEventsOutliveKill(t *testing.T) {
	const events = 20
	dir := t.TempDir()
	s := startIn(t, dir)
	s.deployEvents(t, "busy")
	if _, err := s.client.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{
		FunctionName: aws.String("busy"), ReservedConcurrentExecutions: aws.Int32(1),
	}); err != nil {
		t.Fatal(err)
	}
	// While this one runs, the events are refused.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	occupied := make(chan error, 1)
	go func() {
		_, err := s.tryInvoke(ctx, "busy", map[string]any{"name": "occupant", "sleepMS": 25_000})
		occupied <- err
	}()
	if err := eventually(eventLimit, func() error {
		if len(s.told(t, "busy", "occupant")) == 0 {
			return fmt.Errorf("the function is not occupied")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for i := range events {
		name := fmt.Sprintf("event-%d", i)
		ids[name] = s.sendEvent(t, "busy", map[string]any{"name": name})
	}
	s.kill()
	if err := <-occupied; err == nil {
		t.Error("the occupant was answered: its events may have run")
	}
	again := startIn(t, dir)
	for name, id := range ids {
		again.wantTold(t, "busy", name, id, "first")
	}
}

// TestEventsOutliveUpgrade: a server that goes on as the next program finishes what
// is running, and runs what waits there, each once.
func TestEventsOutliveUpgrade(t *testing.T) {
	const events = 10
	s := start(t)
	s.deployEvents(t, "busy")
	if _, err := s.client.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{
		FunctionName: aws.String("busy"), ReservedConcurrentExecutions: aws.Int32(1),
	}); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{"long": s.sendEvent(t, "busy", map[string]any{"name": "long", "sleepMS": 1500})}
	if err := eventually(eventLimit, func() error {
		if len(s.told(t, "busy", "long")) == 0 {
			return fmt.Errorf("the function is not occupied")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range events {
		name := fmt.Sprintf("event-%d", i)
		ids[name] = s.sendEvent(t, "busy", map[string]any{"name": name})
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := eventually(eventLimit, func() error {
		if strings.Count(s.stderr.String(), "msg=ready") < 2 {
			return fmt.Errorf("the next program is not ready")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, id := range ids {
		s.wantTold(t, "busy", name, id, "first")
	}
}
