package e2e_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ills are functions of each language, beside Python's, that do what they should
// not do.
func ills(t *testing.T) map[string]spec {
	t.Helper()
	all := map[string]spec{
		"go":   {runtime: "provided.al2023", handler: "bootstrap", zip: bootstrap(t, "bad"), memory: 128, timeout: 5},
		"node": {runtime: node(t), handler: "index.handler", zip: source(t, "node/bad"), memory: 192, timeout: 5},
	}
	if hasJDK(t) {
		java := managed(t, "java")[0]
		all["java"] = spec{runtime: java, handler: "app.Bad::handle", zip: javaClasses(t, java), memory: 512, timeout: 8}
	}
	return all
}

// ill is one way to fail, and what is told of it. An empty text is not compared.
type ill struct {
	name               string
	event              map[string]any
	errorType, message string // of the answer; the message without the request's id before it
	reported           string // error type of REPORT; the answer's if empty, and "-" for none
	logged             string
}

var ends = []ill{
	{name: "exit 3", event: map[string]any{"do": "exit", "code": 3},
		errorType: "Runtime.ExitError", message: "Runtime exited with error: exit status 3"},
	{name: "exit 0", event: map[string]any{"do": "exit", "code": 0},
		errorType: "Runtime.ExitError", message: "Runtime exited without providing a reason"},
	{name: "killed", event: map[string]any{"do": "signal", "signal": 9},
		errorType: "Runtime.ExitError", message: "Runtime exited with error: signal: killed"},
	{name: "timeout", event: map[string]any{"do": "loop"}, errorType: "Sandbox.Timedout"},
	{name: "memory", event: map[string]any{"do": "memory"},
		errorType: "Runtime.ExitError", message: "Runtime exited with error: signal: killed", reported: "Runtime.OutOfMemory"},
}

// TestEndsOfRuntimes ends the runtimes of Go, Node and Java in the middle of an
// invocation; TestExits and TestTimeouts do it to Python's.
func TestEndsOfRuntimes(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	all := ills(t)
	for _, language := range slices.Sorted(maps.Keys(all)) {
		name := "ends-" + language
		s.deploy(t, name, all[language])
		for _, tc := range ends {
			if language == "java" && tc.name == "memory" {
				continue // its machine knows its limit: see TestErrorsOfClients
			}
			t.Run(language+" "+tc.name, func(t *testing.T) {
				s.state(t, name)
				a := s.invoke(t, name, tc.event)
				s.checkIll(t, a, tc)
				if st := s.state(t, name); st.Count != 1 {
					t.Errorf("the next invocation: %+v, want a new runtime", st)
				}
			})
		}
	}
}

// checkIll holds an answer and its log to how an invocation was to fail.
func (s *server) checkIll(t *testing.T, a answer, want ill) {
	t.Helper()
	var e struct{ ErrorType, ErrorMessage string } // stack traces differ
	if err := json.Unmarshal([]byte(a.Payload), &e); err != nil || a.FunctionError != "Unhandled" {
		t.Fatalf("function error %q, answer %.500s: %v", a.FunctionError, a.Payload, err)
	}
	message := strings.TrimPrefix(e.ErrorMessage, "RequestId: "+a.RequestID+" Error: ")
	if e.ErrorType != want.errorType || !strings.Contains(message, want.message) {
		t.Errorf("answer %.500s\nwant %s, %s", a.Payload, want.errorType, want.message)
	}
	if strings.HasPrefix(want.errorType, "Sandbox.") {
		a.match(t, a.RequestID+` Task timed out after \d+\.00 seconds\n\nEND RequestId: `)
		a.match(t, `\tStatus: timeout\n$`)
		return
	}
	reported := want.reported
	if reported == "" {
		reported = want.errorType
	}
	if message != e.ErrorMessage { // the platform's own words
		a.match(t, `RequestId: `+a.RequestID+` Error: .*\n`+want.errorType+`\nEND RequestId: `)
	}
	if reported == "-" {
		a.match(t, `REPORT RequestId: [^\n]*MB\t(Init Duration: [\d.]+ ms\t)?\n$`)
	} else {
		a.match(t, `REPORT RequestId: .*\tStatus: error\tError Type: `+reported+`\n$`)
	}
	if want.logged != "" {
		a.match(t, want.logged)
	}
}

// TestErrorsOfClients has the runtimes' own clients find and report what is wrong.
// The type in REPORT is the client's word where it says one of the platform's.
func TestErrorsOfClients(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	py := func(handler string, files map[string]string) spec {
		return spec{runtime: python(t), handler: handler, zip: zipFiles(t, files), timeout: 10}
	}
	js := func(handler string, files map[string]string) spec {
		return spec{runtime: node(t), handler: handler, zip: zipFiles(t, files), timeout: 10}
	}
	all := ills(t)
	jv := func(handler string) spec {
		sp := all["java"]
		sp.handler, sp.timeout = handler, 20
		return sp
	}
	// The client of Node.js 24 and later leaves rejections to Node.js, which ends.
	newest := all["node"]
	newest.runtime = managed(t, "nodejs24")[0]
	for _, tc := range []struct {
		ill
		spec spec
	}{
		{ill{name: "python syntax", errorType: "Runtime.UserCodeSyntaxError", message: "Syntax error in module 'm'"}, py("m.handler", map[string]string{"m.py": "def handler(:\n"})},
		{ill{name: "python import", errorType: "Runtime.ImportModuleError", message: "Unable to import module 'm': No module named 'absent'"}, py("m.handler", map[string]string{"m.py": "import absent\n"})},
		{ill{name: "python handler", errorType: "Runtime.MalformedHandlerName", message: "Bad handler 'nodot'"}, py("nodot", map[string]string{"m.py": ""})},
		{ill{name: "python answer", errorType: "Runtime.MarshalError", message: "Unable to marshal response", reported: "-"}, py("m.handler", map[string]string{"m.py": "def handler(e, c): return object()\n"})},
		{ill{name: "node syntax", errorType: "Runtime.UserCodeSyntaxError", message: "SyntaxError: "}, js("m.handler", map[string]string{"m.js": "exports.handler = async ( => {}\n"})},
		{ill{name: "node import", errorType: "Runtime.ImportModuleError", message: "Cannot find module 'absent'"}, js("m.handler", map[string]string{"m.js": "require('absent');\n"})},
		{ill{name: "node handler", errorType: "Runtime.MalformedHandlerName", message: ""}, js("nodot", map[string]string{"m.js": ""})},
		{ill{name: "node rejection", event: map[string]any{"do": "reject"}, errorType: "Runtime.ExitError", message: "Runtime exited with error: exit status 1", logged: `RangeError: nobody has caught me\n`}, newest},
		{ill{name: "java class", errorType: "java.lang.ClassNotFoundException", message: "Class not found: app.Absent", reported: "-"}, jv("app.Absent::handle")},
		{ill{name: "java method", message: "No public method named absent", reported: "-"}, jv("app.Bad::absent")},
		{ill{name: "java memory", event: map[string]any{"do": "memory"}, errorType: "java.lang.OutOfMemoryError", message: "Java heap space",
			reported: "Runtime.ExitError", logged: `Error: Runtime exited without providing a reason\nRuntime.ExitError\nEND `}, all["java"]},
		{ill{name: "go panic", event: map[string]any{"do": "panic"}, errorType: "string", message: "it is hopeless",
			reported: "Runtime.ExitError", logged: `Error: Runtime exited with error: exit status 1\nRuntime.ExitError\nEND `}, all["go"]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.spec.runtime == "" {
				t.Skip("this machine has no JDK, and the runtimes are made of the machine's own")
			}
			name := "client-" + strings.ReplaceAll(tc.name, " ", "-")
			s.deploy(t, name, tc.spec)
			s.checkIll(t, s.invoke(t, name, tc.event), tc.ill)
		})
	}
}

// TestFailuresOfExtensions: what an extension does wrong is the function's failure,
// as the service tells it.
func TestFailuresOfExtensions(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	layer := s.agents(t, "ill", "agent")
	initFails := func(errorType, message string) ill {
		return ill{errorType: errorType, message: message}
	}
	for _, tc := range []struct {
		does string
		ill  ill
		init bool // it fails before the runtime is asked
	}{
		{"exit-at-start", initFails("Extension.Crash", "exit code 4"), true},
		{"exit-in-init", initFails("Extension.Crash", "exit code 6"), true},
		{"init-error", initFails("Extension.InitError", "Agent.NoConfiguration"), true},
		{"exit", ill{errorType: "Extension.Crash", message: "exit code 8"}, false},
		{"die", ill{errorType: "Extension.Crash", message: "signal: killed"}, false},
		{"exit-error", ill{errorType: "Extension.ExitError", message: "Agent.Tired"}, false},
	} {
		t.Run(tc.does, func(t *testing.T) {
			name, sp := "ill-"+tc.does, goEcho(t)
			sp.layers, sp.env, sp.timeout = []string{layer}, map[string]string{"AGENT_DOES": tc.does}, 10
			s.deployLogged(t, name, sp)
			for range 2 { // the environment is reset, and the next one fails as well
				s.checkIll(t, s.invoke(t, name, map[string]any{"value": 1, "sleepMS": 3000}), tc.ill)
			}
			if tc.init {
				s.wantLogged(t, name, `INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: `+tc.ill.errorType+`\n`)
				s.wantLogged(t, name, `INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: invoke\tStatus: error\tError Type: `+tc.ill.errorType+`\n`)
			}
		})
	}
	for name, content := range map[string]string{"not executable": "no program\n", "no program": "\x7fELF and nothing else"} {
		t.Run(name, func(t *testing.T) {
			sp := goEcho(t)
			function := "launch-" + strings.ReplaceAll(name, " ", "-")
			sp.layers = []string{s.layer(t, function, map[string]string{"extensions/agent": content})}
			s.deploy(t, function, sp)
			message := map[bool]string{true: "permission denied", false: "exec format error"}[name == "not executable"]
			s.checkIll(t, s.invoke(t, function, map[string]any{"value": 1}),
				ill{errorType: "Extension.LaunchError", message: "fork/exec /opt/extensions/agent: " + message})
		})
	}
}

// TestSlowExtensions: an init that waits for an extension in vain is cut off after
// ten seconds, and again at the function's own timeout.
func TestSlowExtensions(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	sp := goEcho(t)
	sp.layers, sp.env, sp.timeout = []string{s.agents(t, "slow-agent", "agent")}, map[string]string{"AGENT_DOES": "never-ready"}, 1
	s.deployLogged(t, "slow-agent", sp)
	a := s.invoke(t, "slow-agent", map[string]any{"value": 1})
	want := functionError{ErrorType: "Sandbox.Timedout", ErrorMessage: "RequestId: " + a.RequestID + " Error: Task timed out after 1.00 seconds"}
	if diff := cmp.Diff(want, a.failed(t)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	s.wantLogged(t, "slow-agent", `INIT_REPORT Init Duration: (9999|10\d\d\d)\.\d\d ms\tPhase: init\tStatus: timeout\n`)
}

// TestMissingWrapper: the shell's status for a program that is not there.
func TestMissingWrapper(t *testing.T) {
	s := shared(t)
	all := ills(t)
	delete(all, "go") // it has no client to be wrapped
	all["python"] = pythonEcho(t, python(t))
	for language, sp := range all {
		sp.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/absent"}
		s.deploy(t, "unwrapped-"+language, sp)
		s.checkIll(t, s.invoke(t, "unwrapped-"+language, map[string]any{}), ill{
			errorType: "Runtime.ExitError", message: "Runtime exited with error: exit status 127", logged: "/opt/absent: does not exist\n",
		})
	}
}

// TestTooLargeOfClients answers with more than is allowed, by each client, and
// goes on.
func TestTooLargeOfClients(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	all := ills(t)
	for _, language := range slices.Sorted(maps.Keys(all)) {
		t.Run(language, func(t *testing.T) {
			name, sp := "large-"+language, all[language]
			sp.memory, sp.timeout = 512, 20
			s.deploy(t, name, sp)
			a := s.invoke(t, name, map[string]any{"do": "large", "size": 6<<20 + 101})
			want := functionError{
				ErrorType: "Function.ResponseSizeTooLarge", ErrorMessage: "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
			}
			if diff := cmp.Diff(want, a.failed(t)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			s.state(t, name)
		})
	}
}

// TestSlowStartOfRuntimes: modules and classes that do not come to an end of their
// being loaded are cut off after ten seconds, and then at the function's timeout.
func TestSlowStartOfRuntimes(t *testing.T) {
	s := shared(t)
	all := map[string]spec{
		"python": {runtime: python(t), handler: "m.handler", zip: zipFiles(t, map[string]string{"m.py": "import time\nprint('loading', flush=True)\ntime.sleep(100)\n"})},
		"node":   {runtime: node(t), handler: "m.handler", zip: zipFiles(t, map[string]string{"m.mjs": "console.log('loading');\nawait new Promise((resolve) => setTimeout(resolve, 100000));\n"})},
	}
	if hasJDK(t) {
		java := managed(t, "java")[0]
		all["java"] = spec{runtime: java, handler: "app.Slow::handle", zip: javaClasses(t, java), memory: 512}
	}
	type ending struct {
		language string
		answer   answer
		err      error
	}
	endings := make(chan ending, len(all))
	for language, sp := range all {
		sp.timeout = 2
		s.deployLogged(t, "slow-"+language, sp)
		go func() { // beside each other, because each takes its twelve seconds
			a, err := s.tryInvoke(t.Context(), "slow-"+language, map[string]any{})
			endings <- ending{language, a, err}
		}()
	}
	for range all {
		e := <-endings
		if e.err != nil {
			t.Errorf("%s: %v", e.language, e.err)
			continue
		}
		want := functionError{ErrorType: "Sandbox.Timedout", ErrorMessage: "RequestId: " + e.answer.RequestID + " Error: Task timed out after 2.00 seconds"}
		if diff := cmp.Diff(want, e.answer.failed(t)); diff != "" {
			t.Errorf("%s: answer (-want +got):\n%s", e.language, diff)
		}
		if e.answer.Took < 12*time.Second || e.answer.Took > 16*time.Second {
			t.Errorf("%s: it took %v, want 10 s of init and 2 s of invocation", e.language, e.answer.Took)
		}
		name := "slow-" + e.language
		s.wantLogged(t, name, `INIT_REPORT Init Duration: (9999|10\d\d\d)\.\d\d ms\tPhase: init\tStatus: timeout\n`)
		s.wantLogged(t, name, `Task timed out after 2.00 seconds\n\nEND RequestId: .*\nREPORT RequestId: .*\tStatus: timeout\n`)
		if e.language != "java" {
			s.wantLogged(t, name, `(?s)loading.*loading`)
		}
	}
}
