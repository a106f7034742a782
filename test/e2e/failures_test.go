package e2e_test

import (
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bad deploys the function of testdata that does what it is told.
func (s *server) bad(t testing.TB, name string, memory, timeout int32) {
	t.Helper()
	s.deploy(t, name, spec{
		runtime: python(t), handler: "handler.handler", zip: source(t, "python/bad"), memory: memory, timeout: timeout,
	})
}

// state is what the function tells of its environment.
type state struct {
	Count     int  `json:"count"`
	Marked    bool `json:"marked"`
	Processes int  `json:"processes"`
}

func (s *server) state(t testing.TB, name string) state {
	t.Helper()
	var st state
	s.invoke(t, name, map[string]any{"do": "state"}).decode(t, &st)
	return st
}

// TestExits ends the runtime in the middle of an invocation, in every way.
func TestExits(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "exits", 128, 10)
	for _, tc := range []struct {
		name    string
		event   map[string]any
		message string
	}{
		{"exit 0", map[string]any{"do": "exit", "code": 0}, "Runtime exited without providing a reason"},
		{"exit 1", map[string]any{"do": "exit", "code": 1}, "Runtime exited with error: exit status 1"},
		{"exit 255", map[string]any{"do": "exit", "code": 255}, "Runtime exited with error: exit status 255"},
		{"killed", map[string]any{"do": "signal", "signal": 9}, "Runtime exited with error: signal: killed"},
		{"segmentation fault", map[string]any{"do": "signal", "signal": 11}, "Runtime exited with error: signal: segmentation fault"},
		{"terminated", map[string]any{"do": "signal", "signal": 15}, "Runtime exited with error: signal: terminated"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.invoke(t, "exits", map[string]any{"do": "mark"})
			a := s.invoke(t, "exits", tc.event)
			want := functionError{ErrorType: "Runtime.ExitError", ErrorMessage: "RequestId: " + a.RequestID + " Error: " + tc.message}
			if diff := cmp.Diff(want, a.failed(t)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if tc.event["do"] == "exit" {
				a.match(t, `last words\n`)
			}
			a.match(t, `RequestId: `+a.RequestID+` Error: `+tc.message+`\nRuntime.ExitError\nEND RequestId: `)
			a.match(t, `REPORT RequestId: .*\tStatus: error\tError Type: Runtime.ExitError\n`)
			if st := s.state(t, "exits"); st.Count != 1 || !st.Marked {
				t.Errorf("the next invocation: %+v; want a new runtime with the old /tmp", st)
			}
		})
	}
}

// TestTimeouts runs into the function's timeout. The answer comes at once, /tmp
// survives, and nothing of the process does.
func TestTimeouts(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	for _, tc := range []struct{ name, do string }{{"endless loop", "loop"}, {"endless forks", "fork"}} {
		t.Run(tc.name, func(t *testing.T) {
			s.bad(t, tc.do, 128, 2)
			s.invoke(t, tc.do, map[string]any{"do": "state"})
			a := s.invoke(t, tc.do, map[string]any{"do": tc.do})
			want := functionError{ErrorType: "Sandbox.Timedout", ErrorMessage: "RequestId: " + a.RequestID + " Error: Task timed out after 2.00 seconds"}
			if diff := cmp.Diff(want, a.failed(t)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if a.Took < 2*time.Second || a.Took > 4*time.Second {
				t.Errorf("the answer took %v", a.Took)
			}
			a.match(t, `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ `+a.RequestID+` Task timed out after 2.00 seconds\n\nEND `)
			a.match(t, `\tStatus: timeout\n$`)
			if st := s.state(t, tc.do); st.Count != 1 || !st.Marked || st.Processes > 3 {
				t.Errorf("the next invocation: %+v; want a new runtime with the old /tmp, alone", st)
			}
		})
	}
}

// TestMemory fills the memory of a function: the kernel kills it, and only it.
func TestMemory(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "memory", 128, 10)
	a := s.invoke(t, "memory", map[string]any{"do": "memory"})
	want := functionError{ErrorType: "Runtime.ExitError", ErrorMessage: "RequestId: " + a.RequestID + " Error: Runtime exited with error: signal: killed"}
	if diff := cmp.Diff(want, a.failed(t)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	a.match(t, `\tMemory Size: 128 MB\tMax Memory Used: 1[0-2]\d MB\t.*Status: error\tError Type: Runtime.OutOfMemory\n`)
	if st := s.state(t, "memory"); st.Count != 1 {
		t.Errorf("the next invocation: %+v, want a new runtime", st)
	}
}

// TestDisk fills /tmp, which is four times the function's memory.
func TestDisk(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "disk", 128, 60)
	var full struct {
		Written int64
		Error   string
	}
	s.invoke(t, "disk", map[string]any{"do": "tmp"}).decode(t, &full)
	if full.Error != "ENOSPC" || full.Written < 450<<20 || full.Written > 550<<20 {
		t.Errorf("wrote %d MiB, then %s; want about 512 MiB and ENOSPC", full.Written>>20, full.Error)
	}
	var again struct{ Size int64 }
	s.invoke(t, "disk", map[string]any{"do": "clear"}).decode(t, &again)
	if again.Size != 100<<20 {
		t.Errorf("after clearing /tmp a file has %d bytes", again.Size)
	}
	if st := s.state(t, "disk"); st.Count != 3 {
		t.Errorf("%d invocations in this environment, want 3: a full disk is no reason to end it", st.Count)
	}
}

// TestOutput prints a hundred megabytes: the tail is the end of it, and the
// server does not keep it.
func TestOutput(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "talker", 512, 60)
	s.invoke(t, "talker", map[string]any{"do": "state"})
	before := s.resident(t)
	a := s.invoke(t, "talker", map[string]any{"do": "print", "megabytes": 100})
	if a.Payload != `"printed"` {
		t.Errorf("answer %q", a.Payload)
	}
	if len(a.Log) > 4096 {
		t.Errorf("the tail has %d bytes", len(a.Log))
	}
	a.match(t, `x\nthe last line\nEND RequestId: `+a.RequestID+`\nREPORT RequestId: `)
	if grown := s.resident(t) - before; grown > 150<<20 {
		t.Errorf("the server has grown by %d MiB", grown>>20)
	}
}

// resident is the memory of the server's process, in bytes.
func (s *server) resident(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	kB, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kB << 10
}

// TestResponseSize answers with as much as is allowed, and with one byte more.
func TestResponseSize(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "large", 512, 20)
	const limit = 6<<20 + 100
	a := s.invoke(t, "large", map[string]any{"do": "large", "size": limit})
	if a.FunctionError != "" || len(a.Payload) != limit {
		t.Errorf("%d bytes, %s: %.200s", len(a.Payload), a.FunctionError, a.Payload)
	}
	a = s.invoke(t, "large", map[string]any{"do": "large", "size": limit + 1})
	want := `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`
	if e := a.failed(t); e.ErrorType != "Function.ResponseSizeTooLarge" || e.ErrorMessage != "Response payload size exceeded maximum allowed payload size (6291556 bytes)." {
		t.Errorf("answer %.200s, want %s", a.Payload, want)
	}
	s.state(t, "large")
}

// TestStartFailures invokes functions that never come to their handler.
func TestStartFailures(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	py, js := source(t, "python/echo"), source(t, "node/echo")
	for _, tc := range []struct {
		name             string
		spec             spec
		errorType        string
		message, payload string // parts
	}{
		{"python raises", spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/broken")}, "Exception", "Runtime startup fails", `"requestId":`},
		{"python has no module", spec{runtime: python(t), handler: "absent.handler", zip: py}, "Runtime.ImportModuleError", "Unable to import module 'absent'", ""},
		{"python has no handler", spec{runtime: python(t), handler: "handler.absent", zip: py}, "Runtime.HandlerNotFound", "Handler 'absent' missing on module 'handler'", ""},
		{"node throws", spec{runtime: node(t), handler: "index.handler", zip: source(t, "node/broken")}, "RangeError", "Runtime startup fails", ""},
		{"node has no module", spec{runtime: node(t), handler: "absent.handler", zip: js}, "Runtime.ImportModuleError", "Cannot find module 'absent'", ""},
		{"node has no handler", spec{runtime: node(t), handler: "index.absent", zip: js}, "Runtime.HandlerNotFound", "index.absent is undefined or not exported", ""},
		{"no bootstrap", spec{runtime: "provided.al2023", handler: "x", zip: py}, "Runtime.InvalidEntrypoint", "", ""},
		{"bootstrap is no program", spec{runtime: "provided.al2023", handler: "x", zip: zipOf(t, "bootstrap", 0o755, []byte("\x00\x01\x02"))}, "Runtime.InvalidEntrypoint", "exec format error", ""},
		{"bootstrap is not executable", spec{runtime: "provided.al2023", handler: "x", zip: zipOf(t, "bootstrap", 0o644, []byte("#!/bin/sh\n"))}, "Runtime.InvalidEntrypoint", "permission denied", ""},
		{"bootstrap exits 0", spec{runtime: "provided.al2023", handler: "x", zip: zipOf(t, "bootstrap", 0o755, []byte("#!/bin/sh\nexit 0\n"))}, "Runtime.ExitError", "Runtime exited without providing a reason", ""},
		{"bootstrap exits 3", spec{runtime: "provided.al2023", handler: "x", zip: zipOf(t, "bootstrap", 0o755, []byte("#!/bin/sh\nexit 3\n"))}, "Runtime.ExitError", "Runtime exited with error: exit status 3", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := strings.ReplaceAll(tc.name, " ", "-")
			tc.spec.timeout = 10
			s.deploy(t, name, tc.spec)
			for range 2 { // it stays broken, and says so every time
				a := s.invoke(t, name, map[string]any{})
				if e := a.failed(t); e.ErrorType != tc.errorType || !strings.Contains(e.ErrorMessage, tc.message) || !strings.Contains(a.Payload, tc.payload) {
					t.Errorf("answer %s\nwant %s, %q, %s", a.Payload, tc.errorType, tc.message, tc.payload)
				}
				a.match(t, `START RequestId: `+a.RequestID+`(?s).*END RequestId: `+a.RequestID+`\nREPORT RequestId: `+a.RequestID)
			}
			s.wantLogged(t, name, `INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: [\w.]+\n`)
			s.wantLogged(t, name, `INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: invoke\tStatus: error\tError Type: [\w.]+\n`)
		})
	}
}

// TestSlowStart has an init that never ends. It is cut off after ten seconds;
// the invocation starts it again and runs into the function's own timeout.
func TestSlowStart(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.deploy(t, "slow", spec{
		runtime: "provided.al2023", handler: "x", timeout: 1,
		zip: zipOf(t, "bootstrap", 0o755, []byte("#!/bin/sh\nexec sleep 100\n")),
	})
	a := s.invoke(t, "slow", map[string]any{})
	if e := a.failed(t); e.ErrorType != "Sandbox.Timedout" || !strings.HasSuffix(e.ErrorMessage, "Task timed out after 1.00 seconds") {
		t.Errorf("answer %s", a.Payload)
	}
	if a.Took < 11*time.Second || a.Took > 14*time.Second {
		t.Errorf("it took %v, want 10 s of init and 1 s of invocation", a.Took)
	}
	s.wantLogged(t, "slow", `INIT_REPORT Init Duration: (9999|10\d\d\d)\.\d\d ms\tPhase: init\tStatus: timeout\n`)
}

// TestRuntimeAPIAbuse speaks nonsense to the Runtime API from inside, beside the
// function's own client, which must not suffer.
func TestRuntimeAPIAbuse(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "abuser", 256, 20)

	const response = "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\n"
	messages := map[string]string{
		"\x00\xff\xfe\x01\r\n\r\n":                                                               "HTTP/1.1 400",
		"GET / HTTP/9.9\r\n\r\n":                                                                 "HTTP/1.1 ",
		"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n":                                      "HTTP/1.1 404",
		response + "Content-Length: -1\r\n\r\n":                                                  "HTTP/1.1 400",
		response + "Content-Length: 2\r\n\r\n{}":                                                 "HTTP/1.1 400",
		response + "Transfer-Encoding: chunked\r\n\r\nzz\r\n":                                    "HTTP/1.1 400",
		response + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n":            "HTTP/1.1 400",
		response + "Content-Length: 99999999999999999999\r\n\r\n":                                "HTTP/1.1 4",
		"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}": "HTTP/1.1 403",
	}
	var encoded []string
	var want []string
	for message, prefix := range messages {
		encoded, want = append(encoded, hex.EncodeToString([]byte(message))), append(want, prefix)
	}
	var replies []string
	s.invoke(t, "abuser", map[string]any{"do": "garbage", "messages": encoded}).decode(t, &replies)
	for i, reply := range replies {
		if !strings.HasPrefix(reply, want[i]) {
			sent, _ := hex.DecodeString(encoded[i])
			t.Errorf("%q is answered with %q, want %q", sent, reply, want[i])
		}
	}
	var flood struct{ Megabytes int }
	s.invoke(t, "abuser", map[string]any{"do": "flood"}).decode(t, &flood)
	if flood.Megabytes > 50 {
		t.Errorf("a header of %d MB was taken", flood.Megabytes)
	}
	var sockets struct{ Opened int }
	s.invoke(t, "abuser", map[string]any{"do": "sockets", "count": 900}).decode(t, &sockets)
	if sockets.Opened < 1 {
		t.Error("no further connection could be made")
	}
	if st := s.state(t, "abuser"); st.Count != 4 {
		t.Errorf("%d invocations in this environment, want 4: its client should have suffered nothing", st.Count)
	}
}

// TestHangUp closes the runtime client's connection in the middle of an
// invocation. The client makes another one and answers on it.
func TestHangUp(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "hangup", 128, 5)
	for range 3 {
		var got struct{ Closed int }
		s.invoke(t, "hangup", map[string]any{"do": "hangup"}).decode(t, &got)
		if got.Closed == 0 {
			t.Error("the client's connection was not found")
		}
	}
	s.state(t, "hangup")
}

// TestOpenFiles opens as many files as it may.
func TestOpenFiles(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "files", 128, 10)
	for range 2 {
		var got struct {
			Opened int
			Error  string
		}
		s.invoke(t, "files", map[string]any{"do": "files"}).decode(t, &got)
		if got.Error != "EMFILE" || got.Opened < 900 || got.Opened > 1024 {
			t.Errorf("opened %d files, then %s", got.Opened, got.Error)
		}
	}
}

// TestBackground leaves a process behind after the answer. It runs on while the
// environment is thawed and stands still while it is frozen; it ends with the
// environment, which the leak check sees.
func TestBackground(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "background", 128, 10)
	s.invoke(t, "background", map[string]any{"do": "background"}).decode(t, &struct{}{})
	const rest = time.Second
	time.Sleep(rest) // what is looked at is what happens in a second without an invocation
	var got struct {
		Beats int
		Pause float64
	}
	s.invoke(t, "background", map[string]any{"do": "beats"}).decode(t, &got)
	if got.Beats == 0 || got.Pause < 0.8*rest.Seconds() {
		t.Errorf("%d beats, the longest pause %.2f s: it was not frozen for a second", got.Beats, got.Pause)
	}
}
