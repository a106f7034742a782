package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// TestShutdownEvents: an extension is told why its environment ends, for every
// reason that there is.
func TestShutdownEvents(t *testing.T) {
	const spindown = `agent: event {"eventType":"SHUTDOWN","deadlineMs":\d{13},"shutdownReason":"spindown"}\n`
	t.Run("function deleted", func(t *testing.T) {
		s := shared(t)
		t.Cleanup(func() { s.forgetLog(t, "ends-deleted") })
		sp := goEcho(t)
		sp.layers = []string{s.agents(t, "ends-deleted", "agent")}
		s.deployKeeping(t, "ends-deleted", sp)
		s.invoke(t, "ends-deleted", say("hello"))
		s.remove(t, "ends-deleted")
		s.eventuallyLogged(t, "ends-deleted", spindown)
	})
	t.Run("function changed", func(t *testing.T) {
		s := shared(t)
		sp := goEcho(t)
		sp.layers = []string{s.agents(t, "ends-changed", "agent")}
		s.deployLogged(t, "ends-changed", sp)
		s.invoke(t, "ends-changed", say("hello"))
		in := &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("ends-changed"), Layers: []string{}}
		if _, err := s.client.UpdateFunctionConfiguration(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		s.waitUpdated(t, "ends-changed")
		s.eventuallyLogged(t, "ends-changed", spindown)
	})
	t.Run("server stopped", func(t *testing.T) {
		dir := t.TempDir()
		s := startIn(t, dir)
		sp := goEcho(t)
		sp.layers = []string{aws.ToString(s.layerKeeping(t, "ends-stopped", agentFiles(t, "agent")).LayerVersionArn)}
		s.deployKeeping(t, "ends-stopped", sp)
		s.invoke(t, "ends-stopped", say("hello"))
		if err := s.end(); err != nil {
			t.Fatal(err)
		}
		startIn(t, dir).wantLogged(t, "ends-stopped", spindown)
	})
	t.Run("not used", func(t *testing.T) {
		s := start(t, "--keep-alive", "1s")
		sp := goEcho(t)
		sp.layers = []string{s.agents(t, "ends-unused", "agent")}
		s.deploy(t, "ends-unused", sp)
		s.invoke(t, "ends-unused", say("hello"))
		s.eventuallyLogged(t, "ends-unused", spindown)
	})
	t.Run("crash", func(t *testing.T) {
		s := shared(t)
		s.deployLogged(t, "ends-crash", spec{
			runtime: python(t), handler: "handler.handler", zip: source(t, "python/bad"), timeout: 5,
			layers: []string{s.agents(t, "ends-crash", "agent")},
		})
		a := s.invoke(t, "ends-crash", map[string]any{"do": "exit", "code": 3})
		if e := a.failed(t); e.ErrorType != "Runtime.ExitError" {
			t.Errorf("answer %s", a.Payload)
		}
		s.eventuallyLogged(t, "ends-crash", `agent: event {"eventType":"SHUTDOWN","deadlineMs":\d{13},"shutdownReason":"failure"}\n`)
		if st := s.state(t, "ends-crash"); st.Count != 1 {
			t.Errorf("the next invocation: %+v, want a new runtime", st)
		}
	})
}

// TestTimeoutWithExtension: at the deadline the caller has his answer, the runtime
// a SIGTERM, and the extension its SHUTDOWN; one that stays is killed when its
// two seconds are over.
func TestTimeoutWithExtension(t *testing.T) {
	s := shared(t)
	layer := s.agents(t, "late", "agent")
	for name, does := range map[string]string{"late-good": "", "late-stubborn": "stay"} {
		t.Run(name, func(t *testing.T) {
			s.deployLogged(t, name, spec{
				runtime: python(t), handler: "handler.handler", zip: source(t, "python/bad"), timeout: 3,
				layers: []string{layer}, env: map[string]string{"AGENT_DOES": does},
			})
			s.invoke(t, name, map[string]any{"do": "mark"})
			a := s.invoke(t, name, map[string]any{"do": "loop"})
			if e := a.failed(t); e.ErrorType != "Sandbox.Timedout" || e.ErrorMessage != "RequestId: "+a.RequestID+" Error: Task timed out after 3.00 seconds" {
				t.Errorf("answer %s", a.Payload)
			}
			if a.Took < 3*time.Second || a.Took > 6*time.Second {
				t.Errorf("the answer took %v", a.Took)
			}
			a.match(t, `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ `+a.RequestID+` Task timed out after 3.00 seconds\n\nEND `)
			a.match(t, `\tStatus: timeout\n`)
			s.eventuallyLogged(t, name, `agent: event {"eventType":"SHUTDOWN","deadlineMs":\d{13},"shutdownReason":"timeout"}\n`)
			// One that is reset at once is free again when the caller has his answer.
			if st := s.state(t, name); st.Count != 1 || does == "" && !st.Marked {
				t.Errorf("the next invocation: %+v; want a new runtime", st)
			}
		})
	}
}

// TestExtensionKeepsEnvironment: the caller has his answer while an extension is
// still at work; the environment is free only when that is done, too.
func TestExtensionKeepsEnvironment(t *testing.T) {
	s := shared(t)
	sp := goEcho(t)
	sp.layers, sp.env, sp.timeout = []string{s.agents(t, "busy", "agent")}, map[string]string{"AGENT_DOES": "work"}, 10
	s.deployLogged(t, "busy", sp)
	s.invoke(t, "busy", say("first"))
	began := time.Now()
	out, err := s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("busy"), Payload: []byte(`{"value":1}`)})
	if err != nil || out.FunctionError != nil {
		t.Fatalf("%v: %+v", err, out)
	}
	if took := time.Since(began); took > 1900*time.Millisecond {
		t.Errorf("the answer took %v, and the extension works for two seconds", took)
	}
	s.eventuallyLogged(t, "busy", `REPORT RequestId: .*\tDuration: [2-9]\d{3}\.\d\d ms\tBilled Duration: [2-9]\d{3} ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t\n`)

	sp.env = map[string]string{"AGENT_DOES": "hang"}
	sp.timeout = 2
	s.deployLogged(t, "hangs", sp)
	out, err = s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("hangs"), Payload: []byte(`{"value":1}`)})
	if err != nil || out.FunctionError != nil {
		t.Fatalf("%v: %+v", err, out)
	}
	s.eventuallyLogged(t, "hangs", `Task timed out after 2.00 seconds\n\nEND RequestId: .*\nREPORT RequestId: .*\tStatus: timeout\n`)
}

// TestSIGTERM: a runtime that has an extension beside it is asked to end, as the
// service does, and has time for last words; one that has none is killed.
func TestSIGTERM(t *testing.T) {
	s := shared(t)
	layer := s.agents(t, "terminated", "agent")
	py := spec{runtime: python(t), handler: "m.handler", zip: zipFiles(t, map[string]string{"m.py": "import signal, sys\n" +
		"def end(number, frame):\n    print('terminated', flush=True)\n    sys.exit(0)\n" +
		"signal.signal(signal.SIGTERM, end)\n" +
		"def handler(event, context):\n    return event\n"})}
	js := spec{runtime: node(t), handler: "m.handler", zip: zipFiles(t, map[string]string{"m.js": "process.on('SIGTERM', () => {\n" +
		"  process.stdout.write('terminated\\n');\n  process.exit(0);\n});\nexports.handler = async (event) => event;\n"})}
	var jv spec
	if hasJDK(t) {
		java := managed(t, "java")[0]
		jv = spec{runtime: java, handler: "app.Graceful::handle", zip: javaClasses(t, java), memory: 512, timeout: 20}
	}
	golang := spec{runtime: "provided.al2023", handler: "bootstrap", zip: bootstrap(t, "bad"), env: map[string]string{"GRACEFUL": "1"}}
	for _, tc := range []struct {
		name   string
		spec   spec
		layers []string
		asked  bool
	}{
		{"python", py, []string{layer}, true},
		{"node", js, []string{layer}, true},
		{"java", jv, []string{layer}, true},
		{"go", golang, nil, true},
		{"python-alone", py, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			switch minor, isPython := strings.CutPrefix(tc.spec.runtime, "python3."); {
			case tc.spec.runtime == "":
				t.Skip("this machine has no JDK, and the runtimes are made of the machine's own")
			case isPython && tc.asked && (len(minor) < 2 || minor < "12"):
				t.Skip("before Python 3.12 the client waits for its next event where Python handles no signal, here as in the service")
			}
			name := "terminated-" + tc.name
			tc.spec.layers = tc.layers
			t.Cleanup(func() { s.forgetLog(t, name) })
			s.deployKeeping(t, name, tc.spec)
			a := s.invoke(t, name, map[string]any{"do": "state"})
			if a.FunctionError != "" {
				t.Errorf("answer %s", a.Payload)
			}
			s.remove(t, name)
			if tc.asked {
				s.eventuallyLogged(t, name, `REPORT [^\n]*\n(?s:.*)(?m:^terminated$)`)
				return
			}
			s.noMoreThan(t, house.full)
			if log, err := s.log(t, name); err != nil || strings.Contains(log, "terminated") {
				t.Errorf("nobody beside it, and it was asked to end: %v\n%s", err, log)
			}
		})
	}
}
