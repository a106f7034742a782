// Command agent is an external extension made of nothing but the service's
// documentation of its Extensions API and Telemetry API. It registers under the
// name of its file, subscribes to telemetry, and prints what it sees and is told: each
// event of its own, and each record of telemetry.
//
// The function's variable AGENT_DOES tells what it does besides: see deeds.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// agent is the extension.
type agent struct {
	api  string // host and port
	name string
	id   string // given by the registration
	does string
}

// deeds are the ways to misbehave; the moment is when one is asked for.
var deeds = map[string]func(a *agent, moment string){
	"exit-at-start":  at("start", func(*agent) { os.Exit(4) }),
	"never-register": at("start", func(*agent) { select {} }),
	"init-error":     at("init", func(a *agent) { a.fail("init/error", "Agent.NoConfiguration"); os.Exit(5) }),
	"exit-in-init":   at("init", func(*agent) { os.Exit(6) }),
	"never-ready":    at("init", func(*agent) { select {} }),
	"exit-error":     at("INVOKE", func(a *agent) { a.fail("exit/error", "Agent.Tired"); os.Exit(7) }),
	"exit":           at("INVOKE", func(*agent) { os.Exit(8) }),
	"die":            at("INVOKE", func(*agent) { syscall.Kill(os.Getpid(), syscall.SIGKILL) }),
	"hang":           at("INVOKE", func(*agent) { select {} }),
	"work":           at("INVOKE", func(*agent) { time.Sleep(2 * time.Second) }),
	"stay":           at("SHUTDOWN", func(*agent) { select {} }),
}

// at makes a deed of what is done at one moment.
func at(when string, do func(*agent)) func(*agent, string) {
	return func(a *agent, moment string) {
		if moment == when {
			do(a)
		}
	}
}

func main() {
	a := &agent{
		api: os.Getenv("AWS_LAMBDA_RUNTIME_API"), name: filepath.Base(os.Args[len(os.Args)-1]), does: os.Getenv("AGENT_DOES"),
	}
	if err := a.run(); err != nil {
		a.say("gives up: " + err.Error())
		os.Exit(1)
	}
}

func (a *agent) say(text string) { fmt.Printf("%s: %s\n", a.name, text) }

// variables names what is in the environment.
func variables() (names []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	return names
}

func (a *agent) reach(moment string) {
	if deed, ok := deeds[a.does]; ok {
		deed(a, moment)
	}
}

func (a *agent) run() error {
	a.reach("start")
	a.say("sees " + strings.Join(variables(), " "))
	if err := a.register(); err != nil {
		return err
	}
	if err := a.subscribe(); err != nil {
		return err
	}
	a.reach("init")
	for {
		kind, err := a.next()
		if err != nil {
			return err
		}
		a.reach(kind)
		if kind == "SHUTDOWN" {
			return nil
		}
	}
}

// call makes one request of the API and returns its answer.
func (a *agent) call(method, path, body string, header ...string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, "http://"+a.api+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if a.id != "" {
		req.Header.Set("Lambda-Extension-Identifier", a.id)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s %s", method, path, res.Status, answer)
	}
	return res, string(answer), err
}

func (a *agent) register() error {
	res, answer, err := a.call("POST", "/2020-01-01/extension/register", `{"events":["INVOKE","SHUTDOWN"]}`,
		"Lambda-Extension-Name", a.name, "Lambda-Extension-Accept-Feature", "accountId")
	if err != nil {
		return err
	}
	a.id = res.Header.Get("Lambda-Extension-Identifier")
	a.say("registered " + answer)
	return nil
}

// subscribe listens for telemetry and asks for it. What the agents print is not
// asked for: it would be printed, and asked for, without end.
func (a *agent) subscribe() error {
	l, err := net.Listen("tcp", "sandbox.localdomain:0")
	if err != nil {
		return err
	}
	go http.Serve(l, http.HandlerFunc(a.receive))
	_, answer, err := a.call("PUT", "/2022-07-01/telemetry", fmt.Sprintf(
		`{"schemaVersion":"2022-12-13","types":["platform","function"],
		  "buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},
		  "destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:%d"}}`, l.Addr().(*net.TCPAddr).Port),
		"Content-Type", "application/json")
	a.say("subscribed " + answer)
	return err
}

func (a *agent) receive(w http.ResponseWriter, r *http.Request) {
	var events []json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, e := range events {
		var line bytes.Buffer
		if err := json.Compact(&line, e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.say("telemetry " + line.String())
	}
}

func (a *agent) next() (kind string, err error) {
	_, answer, err := a.call("GET", "/2020-01-01/extension/event/next", "")
	if err != nil {
		return "", err
	}
	a.say("event " + answer)
	var event struct{ EventType string }
	err = json.Unmarshal([]byte(answer), &event)
	return event.EventType, err
}

func (a *agent) fail(how, why string) {
	_, answer, err := a.call("POST", "/2020-01-01/extension/"+how, `{"errorMessage":"it is said","errorType":"`+why+`"}`,
		"Lambda-Extension-Function-Error-Type", why)
	a.say(fmt.Sprint("reported ", answer, err))
}
