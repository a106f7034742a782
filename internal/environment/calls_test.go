package environment_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"thaw/internal/telemetry"
)

// What the actors of transcripts can ask of the Runtime API.

const (
	runtimePath    = "/2018-06-01/runtime/"
	extensionPath  = "/2020-01-01/extension/"
	runtimeAPI     = "169.254.100.1:9001"
	telemetryPath  = "/2022-07-01/telemetry"
	logsPath       = "/2020-08-15/logs"
	identifierName = "Lambda-Extension-Identifier"
)

// request sends one request; without an answer, the process was killed or its
// connection was cut.
func (a *actor) request(method, path, body string, header ...string) (*http.Response, []byte) {
	req, err := http.NewRequestWithContext(a.ctx, method, "http://"+runtimeAPI+path, strings.NewReader(body))
	if err != nil {
		a.s.t.Errorf("%s: %v", a.name, err)
		return nil, nil
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, "=")
		req.Header.Set(name, value)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil
	}
	return resp, answer
}

// tell sends a request and notes the answer, whose body only if there is
// something in it that is worth reading.
func (a *actor) tell(verb, method, path, body string, header ...string) *http.Response {
	resp, answer := a.request(method, path, body, header...)
	switch {
	case resp == nil:
		a.note("%s: no answer", verb)
		a.pause()
	case string(bytes.TrimSpace(answer)) == `{"status":"OK"}` || len(answer) == 0:
		a.note("%s: %d", verb, resp.StatusCode)
	default:
		a.note("%s: %d %s", verb, resp.StatusCode, answer)
	}
	return resp
}

// pause holds an actor whose peer is gone until it is killed: it has nothing
// else to do.
func (a *actor) pause() { <-a.ctx.Done() }

// next is the runtime's: "headers" notes what came with the event.
func (a *actor) next(args string) {
	resp, body := a.request("GET", runtimePath+"invocation/next", "")
	if resp == nil {
		a.pause()
		return
	}
	id := resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
	a.mu.Lock()
	a.event = id
	a.mu.Unlock()
	if resp.StatusCode != 200 {
		a.note("next: %d %s", resp.StatusCode, body)
		return
	}
	a.note("event %s %s", id, shorten(string(body)))
	if args != "headers" {
		return
	}
	var names []string
	for name := range resp.Header {
		if strings.HasPrefix(name, "Lambda-") || name == "Content-Type" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		a.note("  %s: %s", name, resp.Header.Get(name))
	}
}

// answer posts to the open event.
func (a *actor) answer(verb, body string, header ...string) {
	a.mu.Lock()
	id := a.event
	a.mu.Unlock()
	a.tell(verb, "POST", runtimePath+"invocation/"+id+"/"+verb, body, header...)
}

// respond answers the event: a text, or "bytes=N" for a body of that length.
func (a *actor) respond(args string) {
	if size, ok := strings.CutPrefix(args, "bytes="); ok {
		n, err := strconv.Atoi(size)
		if err != nil {
			a.s.t.Errorf("%s: respond %q", a.name, args)
		}
		args = strings.Repeat("x", n)
	}
	a.answer("response", args)
}

// respondHalf announces more than it sends, and breaks off.
func (a *actor) respondHalf(text string) {
	conn, err := a.p.Dial(a.ctx, "tcp", runtimeAPI)
	if err != nil {
		a.note("response: %v", err)
		return
	}
	defer conn.Close()
	a.mu.Lock()
	id := a.event
	a.mu.Unlock()
	fmt.Fprintf(conn, "POST %sinvocation/%s/response HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", runtimePath, id, len(text)+1, text)
}

// fail reports the handler's error: TYPE BODY; "-" for no type.
func (a *actor) fail(args string) {
	header, body := errorHeader("Lambda-Runtime-Function-Error-Type", args)
	a.answer("error", body, header...)
}

// initError is the runtime's report that it cannot start: TYPE BODY.
func (a *actor) initError(args string) {
	header, body := errorHeader("Lambda-Runtime-Function-Error-Type", args)
	a.tell("init-error", "POST", runtimePath+"init/error", body, header...)
}

func errorHeader(name, args string) (header []string, body string) {
	errorType, body, _ := strings.Cut(args, " ")
	if errorType != "-" {
		header = []string{name + "=" + errorType}
	}
	return header, body
}

// self is the name of an external extension; of the runtime it is that of the
// internal one that it registers as itself.
func (a *actor) self() string {
	return strings.TrimPrefix(a.name, "extension ")
}

// register makes an extension known: [as=NAME] EVENT...
func (a *actor) register(args string) {
	events := strings.Fields(args)
	name := a.self()
	if len(events) > 0 {
		if as, ok := strings.CutPrefix(events[0], "as="); ok {
			name, events = as, events[1:]
		}
	}
	body, err := json.Marshal(map[string][]string{"events": append([]string{}, events...)})
	if err != nil {
		a.s.t.Error(err)
	}
	resp := a.tell("register", "POST", extensionPath+"register", string(body), "Lambda-Extension-Name="+name)
	if resp != nil && resp.StatusCode == 200 {
		a.mu.Lock()
		a.identifiers[name] = resp.Header.Get(identifierName)
		a.mu.Unlock()
	}
}

// identify is the header of an extension: of the named one, or of its own.
func (a *actor) identify(name string) string {
	if name == "" {
		name = a.self()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return identifierName + "=" + a.identifiers[name]
}

// extensionEvent asks for an extension's next event: [NAME].
func (a *actor) extensionEvent(name string) {
	resp, body := a.request("GET", extensionPath+"event/next", "", a.identify(name))
	if resp == nil {
		a.pause()
		return
	}
	if resp.StatusCode != 200 {
		a.note("event: %d %s", resp.StatusCode, body)
		return
	}
	a.note("event %s", body)
}

func (a *actor) extensionError(phase, errorType string) {
	a.tell("extension-"+phase+"-error", "POST", extensionPath+phase+"/error", "",
		a.identify(""), "Lambda-Extension-Function-Error-Type="+errorType)
}

// subscribe asks for telemetry: telemetry|logs PROTOCOL PORT TYPE[,TYPE] [SCHEMA].
func (a *actor) subscribe(args string) {
	words := strings.Fields(args)
	if len(words) < 4 {
		a.s.t.Errorf("%s: subscribe %s", a.name, args)
		return
	}
	path, schema := telemetryPath, "2022-12-13"
	if words[0] == "logs" {
		path, schema = logsPath, "2021-03-18"
	}
	if len(words) > 4 {
		schema = words[4]
	}
	destination := fmt.Sprintf(`{"protocol":"HTTP","URI":"http://sandbox.localdomain:%s"}`, words[2])
	if words[1] == "tcp" {
		destination = fmt.Sprintf(`{"protocol":"TCP","port":%s}`, words[2])
	}
	types, err := json.Marshal(strings.Split(words[3], ","))
	if err != nil {
		a.s.t.Error(err)
	}
	body := fmt.Sprintf(`{"schemaVersion":%q,"types":%s,"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":100},"destination":%s}`, schema, types, destination)
	a.tell("subscribe", "PUT", path, body, a.identify(""))
}

// call sends any request: METHOD PATH [NAME=VALUE]... [BODY], the headers before
// the body. "$extension" in a value is the actor's own identifier.
func (a *actor) call(args string) {
	method, rest, _ := strings.Cut(args, " ")
	path, rest, _ := strings.Cut(rest, " ")
	var header []string
	for {
		word, after, _ := strings.Cut(rest, " ")
		name, value, isHeader := strings.Cut(word, "=")
		if !isHeader || strings.ContainsAny(name, `{["`) {
			break
		}
		_, own, _ := strings.Cut(a.identify(""), "=")
		header = append(header, name+"="+strings.ReplaceAll(value, "$extension", own))
		rest = after
	}
	a.tell(method+" "+path, method, path, rest, header...)
}

// elements puts each element of a JSON array on a line of its own.
func elements(body []byte) string {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) != nil {
		return string(body)
	}
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "\n%s", e)
	}
	return b.String()
}

// event renders an event as one line.
func (s *stage) event(e telemetry.Event) string {
	record, err := json.Marshal(e.Record)
	if err != nil {
		s.t.Error(err)
	}
	return fmt.Sprintf("%7.3f  %s %s", e.Time.Sub(s.began).Seconds(), e.Record.Type(), record)
}
