package runtimeapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/lambda"
	"thaw/internal/runtimeapi"
)

// client is an extension as somebody would write it with the service's manual:
// net/http and two endpoints.
type client struct {
	t    *testing.T
	base string
	id   string
	http *http.Client
}

func newClient(t *testing.T, address, name, body string) *client {
	t.Helper()
	c := &client{t: t, base: "http://" + address, http: &http.Client{Timeout: patience}}
	t.Cleanup(c.http.CloseIdleConnections)
	header, answer := c.do("POST", "/2020-01-01/extension/register", body, "Lambda-Extension-Name", name, "Lambda-Extension-Accept-Feature", "accountId")
	c.id = header.Get("Lambda-Extension-Identifier")
	if c.id == "" || answer["functionName"] != "hello" || answer["accountId"] != "000000000000" {
		t.Fatalf("register %s: %v", name, answer)
	}
	return c
}

// do sends a request that must be taken, and reads its answer.
func (c *client) do(method, path, body string, fields ...string) (http.Header, map[string]any) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Lambda-Extension-Identifier", c.id)
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	r, err := c.http.Do(req)
	if err != nil {
		c.t.Errorf("%s: %v", path, err)
		return nil, nil
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode/100 != 2 {
		c.t.Errorf("%s: %v, %s %s", path, err, r.Status, text)
	}
	var answer map[string]any
	json.Unmarshal(text, &answer) // a subscription's is no object
	return r.Header, answer
}

// TestLongFailureName has an extension call its failure by a name that no log
// should carry.
func TestLongFailureName(t *testing.T) {
	s, address := serve(t, runtimeapi.Options{
		Function:   runtimeapi.FunctionInfo{Name: "hello", AccountID: "000000000000"},
		Extensions: []string{"first"},
	})
	c := newClient(t, address, "first", `{}`)
	c.do("POST", "/2020-01-01/extension/exit/error", "", "Lambda-Extension-Function-Error-Type", strings.Repeat("e", 5000))
	await(t, "fault", s.Failed())
	if got := len(s.Fault().Reported); got != 1024 {
		t.Errorf("%d bytes are kept, want 1024", got)
	}
}

// live asks for events until the end, and gives away what it was told.
func (c *client) live(events chan<- string) {
	defer close(events)
	for {
		header, event := c.do("GET", "/2020-01-01/extension/event/next", "")
		if event == nil || header.Get("Lambda-Extension-Event-Identifier") == "" {
			c.t.Errorf("event: %v %v", header, event)
			return
		}
		events <- fmt.Sprintf("%v %v %v", event["eventType"], event["requestId"], event["shutdownReason"])
		if event["eventType"] == "SHUTDOWN" {
			return
		}
	}
}

// nobody takes all subscriptions.
type nobody struct{}

func (nobody) Subscribe(string, string, []byte) error { return nil }

// TestClients has extensions on net/http's client and AWS's Go client as the
// runtime, which registers an internal extension: a whole life.
func TestClients(t *testing.T) {
	s, address := serve(t, runtimeapi.Options{
		Function:      runtimeapi.FunctionInfo{Name: "hello", AccountID: "000000000000"},
		Extensions:    []string{"first", "second"},
		Subscriptions: nobody{},
	})
	told := map[string]chan string{}
	for _, name := range s.Extensions() {
		c := newClient(t, address, name.Name, `{"events":["INVOKE","SHUTDOWN"]}`)
		c.do("PUT", "/2022-07-01/telemetry", `{"schemaVersion":"2022-12-13","types":["platform"]}`)
		told[name.Name] = make(chan string, 10)
		go c.live(told[name.Name])
	}
	await(t, "registration", s.Registered())
	run(t, buildEcho(t), address, "with SIGTERM")
	await(t, "init", s.Ready())
	for _, id := range []string{"1", "2", "3"} {
		o := invoke(t, s, lambda.Invocation{RequestID: id, Payload: []byte(`{}`), Deadline: time.Now().Add(patience)})
		if string(o.Payload) != "{}" {
			t.Errorf("invocation %s: %s", id, render(o))
		}
	}
	s.Shutdown("spindown", time.Now().Add(patience))
	for name, events := range told {
		var got []string
		for event := range events {
			got = append(got, event)
		}
		want := []string{"INVOKE 1 <nil>", "INVOKE 2 <nil>", "INVOKE 3 <nil>", "SHUTDOWN <nil> spindown"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s was told (-want +got):\n%s", name, diff)
		}
	}
	want := []runtimeapi.Extension{
		{Name: "first", External: true, Events: []string{"INVOKE", "SHUTDOWN"}, State: "Running"},
		{Name: "second", External: true, Events: []string{"INVOKE", "SHUTDOWN"}, State: "Running"},
		{Name: "GoLangEnableSIGTERM", Events: []string{}, State: "Ready"},
	}
	if diff := cmp.Diff(want, s.Extensions()); diff != "" {
		t.Errorf("extensions (-want +got):\n%s", diff)
	}
}
