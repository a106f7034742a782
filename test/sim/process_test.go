package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"thaw/internal/sandbox/fake"
)

const (
	api        = "169.254.100.1:9001"
	runtimeAPI = "/2018-06-01/runtime/"
	extensions = "/2020-01-01/extension/"
	identifier = "Lambda-Extension-Identifier"
)

// process is one life of a runtime or an extension.
type process struct {
	*fake.Process
	ctx    context.Context
	random *rand.Rand
	client http.Client
	code   int
	done   bool
	asked  string // the event that next was asked for in vain
}

// live makes a program of what a process does. What it draws comes from the
// history's seed, the program and the moment of its start.
func (h *history) live(name string, does func(*process)) fake.Program {
	return func(ctx context.Context, p *fake.Process) int {
		sum := fnv.New64a()
		fmt.Fprint(sum, name, time.Now().UnixNano())
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		transport := &http.Transport{DialContext: p.Dial}
		defer transport.CloseIdleConnections()
		l := &process{Process: p, ctx: ctx, random: rand.New(rand.NewPCG(h.seed, sum.Sum64())), client: http.Client{Transport: transport}}
		if l.random.IntN(4) == 0 { // one that wants to know when it has to end
			l.trap()
		}
		does(l)
		return l.code
	}
}

// trap takes SIGTERM, and ends in its own time, or not at all.
func (p *process) trap() {
	came, takes, deaf := p.Notify(syscall.SIGTERM), pause(p.random), p.random.IntN(3) == 0
	go func() {
		select {
		case <-came:
		case <-p.ctx.Done():
			return
		}
		if !deaf {
			p.sleep(takes)
			p.Signal(syscall.SIGKILL)
		}
	}()
}

// over tells whether the process has to end.
func (p *process) over() bool { return p.done || p.ctx.Err() != nil || p.Wait() != nil }

func (p *process) exit(code int) { p.code, p.done = code, true }

func (p *process) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.ctx.Done():
	}
}

func (p *process) hang() { <-p.ctx.Done() }

// call sends a request; its status is 0 if there was no answer.
func (p *process) call(method, path, body string, header ...string) (status int, answer []byte, h http.Header) {
	req, err := http.NewRequestWithContext(p.ctx, method, "http://"+api+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, nil
	}
	return resp.StatusCode, answer, resp.Header
}

// raw sends what is no good request.
func (p *process) raw(text string) {
	c, err := p.Dial(p.ctx, "tcp", api)
	if err != nil {
		return
	}
	defer c.Close()
	io.WriteString(c, text)
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	io.Copy(io.Discard, c)
}

// runtime is a runtime: its start goes wrong in one of eight lives.
func (h *history) runtime(p *process) {
	p.sleep(pause(p.random))
	switch p.random.IntN(24) {
	case 0:
		p.call("POST", runtimeAPI+"init/error", `{"errorType":"No","errorMessage":"start"}`)
		p.exit(1)
	case 1:
		p.exit(p.random.IntN(3))
	case 2:
		p.hang()
	}
	for !p.over() {
		status, body, header := p.call("GET", runtimeAPI+"invocation/next", "")
		if status != 200 {
			p.sleep(time.Millisecond)
			continue
		}
		var a act
		if err := json.Unmarshal(body, &a); err != nil {
			h.t.Errorf("an event that nobody sent: %q", body)
			return
		}
		h.steps.Add(1)
		p.perform(a, header.Get("Lambda-Runtime-Aws-Request-Id"))
	}
}

// perform does what the event says.
func (p *process) perform(a act, id string) {
	at := runtimeAPI + "invocation/" + id + "/"
	answer := func() { p.call("POST", at+"response", string(a.payload())) }
	if a.Print > 0 {
		p.Stdout.Write(bytes.Repeat([]byte("x\n"), a.Print/2))
	}
	p.sleep(a.First)
	switch a.Do {
	case "answer":
		answer()
	case "fail":
		p.call("POST", at+"error", `{"errorMessage":"`+a.Nonce+`","errorType":"E"}`, "Lambda-Runtime-Function-Error-Type", "Function.No")
	case "linger":
		answer()
		p.sleep(a.Then)
	case "exit", "answer-exit":
		if a.Do != "exit" {
			answer()
		}
		p.sleep(a.Then)
		p.exit(int(a.Extensions % 3))
	case "crash":
		p.Signal(syscall.SIGSEGV)
	case "oom":
		p.RunOutOfMemory()
	case "hang":
		p.hang()
	case "answer-hang":
		answer()
		p.hang()
	case "half":
		p.raw("POST " + at + "response HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
	case "large":
		p.call("POST", at+"response", strings.Repeat("x", 6<<20+101))
	case "twice":
		answer()
		answer()
	case "wrong":
		p.call("POST", runtimeAPI+"invocation/00000000-0000-0000-0000-000000000000/response", "{}")
		answer()
	case "garbage":
		p.raw("\x00\x01 what is this\r\n\r\n")
		answer()
	case "next-first": // the same event comes again
		if p.asked == id {
			answer()
		}
		p.asked = id
	case "hang-up":
		p.client.CloseIdleConnections()
		answer()
	case "close-outputs":
		if c, ok := p.Stdout.(io.Closer); ok {
			c.Close()
		}
		answer()
	}
}

// extension is an extension: it registers for something, subscribes perhaps, and
// fails at any time in one of some lives.
func (h *history) extension(name string) func(*process) {
	return func(p *process) {
		p.sleep(pause(p.random))
		events := []string{`"INVOKE","SHUTDOWN"`, `"INVOKE"`, `"SHUTDOWN"`, ``}[p.random.IntN(4)]
		fate := p.random.IntN(60)
		switch fate {
		case 0:
			p.exit(1)
			return
		case 1:
			p.hang()
			return
		}
		status, _, header := p.call("POST", extensions+"register", `{"events":[`+events+`]}`, "Lambda-Extension-Name", name)
		if status != 200 {
			p.hang()
			return
		}
		id := header.Get(identifier)
		if p.random.IntN(3) == 0 {
			p.subscribe(id)
		}
		switch fate {
		case 2:
			p.call("POST", extensions+"init/error", "", identifier, id, "Lambda-Extension-Function-Error-Type", "Extension.No")
			p.exit(1)
		case 3:
			p.hang() // it never asks for an event
		}
		for !p.over() {
			h.turn(p, id)
		}
	}
}

// turn is one event of an extension.
func (h *history) turn(p *process, id string) {
	status, body, _ := p.call("GET", extensions+"event/next", "", identifier, id)
	if status != 200 {
		p.sleep(time.Millisecond)
		return
	}
	h.steps.Add(1)
	p.sleep(pause(p.random))
	shutdown := bytes.Contains(body, []byte(`"SHUTDOWN"`))
	switch fate := p.random.IntN(40); {
	case fate == 0:
		p.call("POST", extensions+"exit/error", "", identifier, id, "Lambda-Extension-Function-Error-Type", "Extension.No")
		p.exit(1)
	case fate == 1:
		p.exit(p.random.IntN(2))
	case fate == 2:
		p.hang()
	case shutdown:
		p.exit(0)
	}
}

// subscribe takes telemetry, well or badly.
func (p *process) subscribe(id string) {
	const address = "169.254.100.1:8080"
	how := p.random.IntN(4)
	destination := `{"protocol":"TCP","port":8080}`
	if how%2 == 0 {
		destination = `{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080"}`
	}
	if how < 2 { // or nobody listens
		l, err := p.Listen("tcp", address)
		if err != nil {
			return
		}
		stop := context.AfterFunc(p.ctx, func() { l.Close() })
		go p.take(l, how == 0, p.random.IntN(3) == 0, stop)
	}
	p.call("PUT", "/2022-07-01/telemetry", `{"schemaVersion":"2022-12-13","types":["platform","function"],`+
		`"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},"destination":`+destination+`}`, identifier, id)
}

// take accepts what comes; with deaf set it does not read it.
func (p *process) take(l net.Listener, asHTTP, deaf bool, stop func() bool) {
	defer stop()
	if asHTTP {
		server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if deaf {
				<-p.ctx.Done()
			}
			io.Copy(io.Discard, r.Body)
		})}
		server.Serve(l)
		server.Close()
		return
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		closes := context.AfterFunc(p.ctx, func() { c.Close() })
		if !deaf {
			io.Copy(io.Discard, c)
			c.Close()
		}
		_ = closes
	}
}
