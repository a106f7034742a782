package environment_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/fake"
	"thaw/internal/telemetry/logs"
)

const (
	id    = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
	group = "/aws/lambda/f"
)

// client is a runtime written for these tests: it speaks the Runtime API over
// the sandbox's network.
type client struct {
	t    *testing.T
	p    *fake.Process
	http http.Client
}

func (c *client) call(ctx context.Context, method, path string, body []byte) (*http.Response, []byte) {
	req, err := http.NewRequestWithContext(ctx, method, "http://169.254.100.1:9001/2018-06-01/runtime/"+path, bytes.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return nil, nil
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil // killed
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return resp, answer
}

// handler is what a test's function does with an event: it returns the path to
// post to ("response", "error", or "" to post nothing) and the body.
type handler func(ctx context.Context, p *fake.Process, event []byte) (path string, body []byte)

// serve makes a program that answers events until its handler stops it.
func serve(t *testing.T, init time.Duration, h handler) fake.Program {
	return func(ctx context.Context, p *fake.Process) (code int) {
		c := &client{t: t, p: p, http: http.Client{Transport: &http.Transport{DialContext: p.Dial}}}
		defer c.http.CloseIdleConnections()
		defer func() {
			if e, ok := recover().(exitCode); ok {
				code = int(e)
			}
		}()
		time.Sleep(init)
		for ctx.Err() == nil {
			resp, event := c.call(ctx, "GET", "invocation/next", nil)
			if resp == nil {
				return 0
			}
			path, body := h(ctx, p, event)
			if path == "" {
				continue
			}
			c.call(ctx, "POST", "invocation/"+resp.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/"+path, body)
		}
		return 0
	}
}

func echo(_ context.Context, p *fake.Process, event []byte) (string, []byte) {
	fmt.Fprintf(p.Stdout, "got %s\n", event)
	return "response", event
}

type fixture struct {
	t      *testing.T
	driver *fake.Driver
	store  *logs.Store
	env    *environment.Environment
	free   chan bool
}

func open(t *testing.T, program fake.Program, change ...func(*lambda.Version)) *fixture {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "bootstrap"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		t:      t,
		driver: fake.New(fake.Options{Programs: map[string]fake.Program{"/var/task/bootstrap": program}}),
		store:  logs.NewStore(logs.Options{}),
		free:   make(chan bool, 1),
	}
	v := &lambda.Version{
		Number: lambda.Latest, Handler: "f", Runtime: "provided.al2023",
		Resources: lambda.Resources{MemoryMB: 128, Timeout: 3 * time.Second, EphemeralStorageMB: 512},
		Logging:   lambda.Logging{Format: "Text", Group: group},
	}
	for _, c := range change {
		c(v)
	}
	f.env = environment.New(environment.Options{
		Function: "f", Version: v, Scope: lambda.DefaultScope, CodeRoot: root,
		Runtime: runtimes.Runtime{Name: "provided.al2023", Bootstrap: []string{"/var/task/bootstrap", "/opt/bootstrap"}},
		Driver:  f.driver, Logs: f.store, Logger: slog.New(slog.DiscardHandler),
	})
	return f
}

func (f *fixture) init() {
	f.t.Helper()
	if err := f.env.Init(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// invoke runs one invocation and waits until the environment is free.
func (f *fixture) invoke(payload string) lambda.Result {
	f.t.Helper()
	r, err := f.env.Invoke(f.t.Context(), lambda.Invocation{RequestID: id, ARN: "arn", Payload: []byte(payload)}, true, f.watch())
	if err != nil {
		f.t.Fatal(err)
	}
	if !<-f.free {
		f.t.Error("the environment is of no further use")
	}
	return r
}

func (f *fixture) watch() environment.Watch {
	return environment.Watch{Responded: func() {}, Free: func(ok bool) { f.free <- ok }}
}

func (f *fixture) box() *fake.Sandbox { return f.driver.Sandboxes()[0] }

func (f *fixture) close() {
	f.t.Helper()
	if err := f.env.Shutdown(f.t.Context()); err != nil {
		f.t.Error(err)
	}
	if n := len(f.driver.Sandboxes()); n != 0 {
		f.t.Errorf("%d sandboxes left", n)
	}
}

func (f *fixture) log() string {
	events, _ := f.store.Read(group, 0, 0)
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.Message)
	}
	return b.String()
}

func TestColdThenWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, serve(t, 80*time.Millisecond, func(_ context.Context, p *fake.Process, event []byte) (string, []byte) {
			time.Sleep(5 * time.Millisecond)
			return echo(nil, p, event)
		}))
		f.init()
		f.box().SetUsage(sandbox.Usage{MemoryPeakBytes: 36 << 20})
		want := lambda.Result{
			Payload: []byte(`{"n":1}`), ExecutedVersion: lambda.Latest,
			LogTail: []byte("START RequestId: " + id + " Version: $LATEST\n" +
				"got {\"n\":1}\n" +
				"END RequestId: " + id + "\n" +
				"REPORT RequestId: " + id + "\tDuration: 5.00 ms\tBilled Duration: 85 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 80.00 ms\t\n"),
		}
		if diff := cmp.Diff(want, f.invoke(`{"n":1}`)); diff != "" {
			t.Errorf("cold (-want +got):\n%s", diff)
		}
		want.LogTail = []byte("START RequestId: " + id + " Version: $LATEST\n" +
			"got {\"n\":1}\n" +
			"END RequestId: " + id + "\n" +
			"REPORT RequestId: " + id + "\tDuration: 5.00 ms\tBilled Duration: 5 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n")
		if diff := cmp.Diff(want, f.invoke(`{"n":1}`)); diff != "" {
			t.Errorf("warm (-want +got):\n%s", diff)
		}
		f.close()
	})
}

func TestCallerIsAnsweredBeforeTheEnvironmentIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asks := make(chan struct{})
		c := 0
		f := open(t, func(ctx context.Context, p *fake.Process) int {
			cl := &client{t: t, p: p, http: http.Client{Transport: &http.Transport{DialContext: p.Dial}}}
			defer cl.http.CloseIdleConnections()
			for {
				resp, event := cl.call(ctx, "GET", "invocation/next", nil)
				if resp == nil {
					return 0
				}
				cl.call(ctx, "POST", "invocation/"+resp.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", event)
				if c++; c == 1 {
					<-asks
				}
			}
		})
		f.init()
		responded := false
		w := f.watch()
		w.Responded = func() { responded = true }
		r, err := f.env.Invoke(t.Context(), lambda.Invocation{RequestID: id, Payload: []byte("1")}, false, w)
		if err != nil || string(r.Payload) != "1" || r.LogTail != nil || !responded {
			t.Errorf("result %+v, responded %v, %v", r, responded, err)
		}
		synctest.Wait()
		if f.env.State() != environment.Busy {
			t.Errorf("environment is %v, want busy until the runtime asks again", f.env.State())
		}
		close(asks)
		<-f.free
		if f.env.State() != environment.Idle {
			t.Errorf("environment is %v, want idle", f.env.State())
		}
		f.close()
	})
}

func TestInitHasABurstOfCPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *fixture
		during := 0
		run := serve(t, time.Second, echo)
		f = open(t, func(ctx context.Context, p *fake.Process) int {
			during = f.box().Spec().Limits.CPUMilli
			return run(ctx, p)
		})
		f.init()
		if after := f.box().Spec().Limits.CPUMilli; during != 2000 || after != 72 {
			t.Errorf("%d thousandths of a core during init and %d after, want 2000 and 72 of a 128 MB function", during, after)
		}
		f.close()
	})
}

func TestFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, serve(t, 0, echo))
		f.init()
		f.invoke("1")
		for range 2 {
			if err := f.env.Freeze(); err != nil {
				t.Error(err)
			}
		}
		if f.env.State() != environment.Frozen || f.box().Freezes() != 1 {
			t.Errorf("%v after %d freezes", f.env.State(), f.box().Freezes())
		}
		if r := f.invoke("2"); string(r.Payload) != "2" {
			t.Errorf("thawed environment answers %q", r.Payload)
		}
		f.env.Freeze()
		f.close()
		if err := f.env.Freeze(); err != nil {
			t.Errorf("Freeze after Shutdown: %v", err)
		}
	})
}

func TestFreezeNeverCatchesABusyEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, serve(t, 0, func(_ context.Context, _ *fake.Process, event []byte) (string, []byte) {
			time.Sleep(time.Second)
			return "response", event
		}))
		f.init()
		go func() {
			time.Sleep(time.Second / 2)
			f.env.Freeze()
		}()
		if r := f.invoke("1"); string(r.Payload) != "1" || f.box().Freezes() != 0 {
			t.Errorf("answer %q, %d freezes", r.Payload, f.box().Freezes())
		}
		f.close()
	})
}

// failures are the ways in which a function's code can fail while it runs; each
// is followed by an invocation that must find the environment in order again.
func TestFailures(t *testing.T) {
	report := "\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: "
	for name, c := range map[string]struct {
		h         handler
		body      string
		errorType string
		log       string // between START and END
		report    string
	}{
		"handler error": {
			h: func(context.Context, *fake.Process, []byte) (string, []byte) {
				return "error", []byte(`{"errorMessage":"Handler fails","errorType":"Exception"}`)
			},
			body: `{"errorMessage":"Handler fails","errorType":"Exception"}`, errorType: "Runtime.Unknown",
			report: "REPORT RequestId: " + id + "\tDuration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\t\n",
		},
		"exit 1": {
			h:    exit(1),
			body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited with error: exit status 1"}`,
			log:  "RequestId: " + id + " Error: Runtime exited with error: exit status 1\nRuntime.ExitError\n", errorType: "Runtime.ExitError",
			report: "REPORT RequestId: " + id + "\tDuration: 50.00 ms\tBilled Duration: 50 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"exit 0": {
			h:    exit(0),
			body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited without providing a reason"}`,
			log:  "RequestId: " + id + " Error: Runtime exited without providing a reason\nRuntime.ExitError\n", errorType: "Runtime.ExitError",
			report: "REPORT RequestId: " + id + "\tDuration: 50.00 ms\tBilled Duration: 50 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"segmentation fault": {
			h: func(_ context.Context, p *fake.Process, _ []byte) (string, []byte) {
				p.Signal(syscall.SIGSEGV)
				return "", nil
			},
			body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited with error: signal: segmentation fault"}`,
			log:  "RequestId: " + id + " Error: Runtime exited with error: signal: segmentation fault\nRuntime.ExitError\n", errorType: "Runtime.ExitError",
			report: "REPORT RequestId: " + id + "\tDuration: 50.00 ms\tBilled Duration: 50 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"out of memory": {
			h: func(_ context.Context, p *fake.Process, _ []byte) (string, []byte) {
				p.RunOutOfMemory()
				return "", nil
			},
			body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited with error: signal: killed"}`,
			log:  "RequestId: " + id + " Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n", errorType: "Runtime.OutOfMemory",
			report: "REPORT RequestId: " + id + "\tDuration: 50.00 ms\tBilled Duration: 50 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n",
		},
		"timeout": {
			h: func(ctx context.Context, _ *fake.Process, _ []byte) (string, []byte) {
				<-ctx.Done()
				return "", nil
			},
			body: `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ` + id + ` Error: Task timed out after 3.00 seconds"}`,
			log:  "2000-01-01T00:00:03.000Z " + id + " Task timed out after 3.00 seconds\n\n", errorType: "Sandbox.Timedout",
			report: "REPORT RequestId: " + id + "\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: timeout\n",
		},
		"response too large": {
			h: func(context.Context, *fake.Process, []byte) (string, []byte) {
				return "response", make([]byte, lambda.MaxResponsePayload+1)
			},
			body:      `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`,
			errorType: "Function.ResponseSizeTooLarge",
			report:    "REPORT RequestId: " + id + "\tDuration: 0.00 ms" + report + "Function.ResponseSizeTooLarge\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := true
				f := open(t, serve(t, 0, func(ctx context.Context, p *fake.Process, event []byte) (string, []byte) {
					if first {
						first = false
						return c.h(ctx, p, event)
					}
					return "response", event
				}))
				f.init()
				r := f.invoke("1")
				if diff := cmp.Diff(c.body, string(r.Payload)); diff != "" {
					t.Errorf("body (-want +got):\n%s", diff)
				}
				if r.FunctionError != "Unhandled" || r.ErrorType != c.errorType {
					t.Errorf("FunctionError %q, ErrorType %q", r.FunctionError, r.ErrorType)
				}
				log := "START RequestId: " + id + " Version: $LATEST\n" + c.log + "END RequestId: " + id + "\n" + c.report
				if diff := cmp.Diff(log, string(r.LogTail)); diff != "" {
					t.Errorf("log (-want +got):\n%s", diff)
				}
				if !json.Valid(r.Payload) {
					t.Errorf("%s is not JSON", r.Payload)
				}
				if r := f.invoke("2"); string(r.Payload) != "2" || r.FunctionError != "" {
					t.Errorf("the next invocation: %q %s", r.Payload, r.FunctionError)
				}
				if n := len(f.driver.Sandboxes()); n != 1 {
					t.Errorf("%d sandboxes, want the same one", n)
				}
				f.close()
			})
		})
	}
}

// exit ends the runtime's process from within a handler.
func exit(code int) handler {
	return func(_ context.Context, p *fake.Process, _ []byte) (string, []byte) {
		panic(exitCode(code))
	}
}

type exitCode int

func TestInit(t *testing.T) {
	for name, c := range map[string]struct {
		program fake.Program
		body    string
		log     string
	}{
		"reports an error": {
			program: func(ctx context.Context, p *fake.Process) int {
				c := &client{http: http.Client{Transport: &http.Transport{DialContext: p.Dial, DisableKeepAlives: true}}}
				time.Sleep(10 * time.Millisecond)
				c.call(ctx, "POST", "init/error", []byte(`{"errorMessage":"Runtime startup fails","errorType":"Exception","requestId":"","stackTrace":[]}`))
				return 1
			},
			body: `{"errorMessage":"Runtime startup fails","errorType":"Exception","requestId":"","stackTrace":[]}`,
			log: "INIT_REPORT Init Duration: 10.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.Unknown\n" +
				"INIT_REPORT Init Duration: 10.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.Unknown\n",
		},
		"exits": {
			program: func(context.Context, *fake.Process) int { return 3 },
			body:    `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited with error: exit status 3"}`,
			log: "INIT_REPORT Init Duration: 50.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n" +
				"INIT_REPORT Init Duration: 50.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"never ends": {
			program: func(ctx context.Context, _ *fake.Process) int { <-ctx.Done(); return 0 },
			body:    `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ` + id + ` Error: Task timed out after 3.00 seconds"}`,
			log: "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout\n" +
				"INIT_REPORT Init Duration: 3000.00 ms\tPhase: invoke\tStatus: timeout\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, c.program)
				f.init()
				r := f.invoke("1")
				if diff := cmp.Diff(c.body, string(r.Payload)); diff != "" {
					t.Errorf("body (-want +got):\n%s", diff)
				}
				if got := f.log(); !strings.HasPrefix(got, c.log+"START ") {
					t.Errorf("log begins %q, want %q", got[:min(len(got), len(c.log)+6)], c.log)
				}
				f.close()
			})
		})
	}
}

// TestFailedEnvironmentIsFreeForItsCaller has a caller whose invocation failed
// find the environment free when he is told so.
func TestFailedEnvironmentIsFreeForItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, serve(t, 0, func(context.Context, *fake.Process, []byte) (string, []byte) {
			panic(exitCode(1))
		}))
		f.init()
		r, err := f.env.Invoke(t.Context(), lambda.Invocation{RequestID: id, Payload: []byte("1")}, false, f.watch())
		if err != nil || r.ErrorType != "Runtime.ExitError" {
			t.Errorf("result %+v, %v", r, err)
		}
		select {
		case reusable := <-f.free:
			if !reusable || f.env.State() != environment.Uninitialised {
				t.Errorf("reusable %v, %v", reusable, f.env.State())
			}
		default:
			t.Error("the caller has his answer before the environment is free")
		}
		f.close()
	})
}

func TestSuppressedInitThatSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		good := serve(t, 0, echo)
		f := open(t, func(ctx context.Context, p *fake.Process) int {
			if tries++; tries == 1 {
				return 1
			}
			return good(ctx, p)
		})
		f.init()
		if r := f.invoke("1"); string(r.Payload) != "1" || strings.Contains(string(r.LogTail), "Init Duration") {
			t.Errorf("answer %q, log %s", r.Payload, r.LogTail)
		}
		f.close()
	})
}

func TestMissingBootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, nil)
		f.env = environment.New(environment.Options{
			Function: "f", Scope: lambda.DefaultScope, CodeRoot: t.TempDir(),
			Version: &lambda.Version{Number: lambda.Latest, Resources: lambda.Resources{MemoryMB: 128, Timeout: time.Second}, Logging: lambda.Logging{Group: group}},
			Runtime: runtimes.Runtime{Bootstrap: []string{"/var/task/bootstrap", "/opt/bootstrap"}},
			Driver:  f.driver, Logs: f.store, Logger: slog.New(slog.DiscardHandler),
		})
		f.init()
		want := `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ` + id + ` Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}`
		if r := f.invoke("1"); string(r.Payload) != want {
			t.Errorf("answer %s", r.Payload)
		}
		f.close()
	})
}

func TestRuntimeThatEndsWhileIdleIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		var stop context.CancelFunc
		f := open(t, func(ctx context.Context, p *fake.Process) int {
			starts++
			ctx, stop = context.WithCancel(ctx)
			return serve(t, 0, echo)(ctx, p)
		})
		f.init()
		f.invoke("1")
		stop()
		synctest.Wait()
		if r := f.invoke("2"); string(r.Payload) != "2" || starts != 2 {
			t.Errorf("answer %q after %d starts", r.Payload, starts)
		}
		f.close()
	})
}

func TestRuntimeThatExitsBecauseItsResponseIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, func(ctx context.Context, p *fake.Process) int {
			c := &client{t: t, p: p, http: http.Client{Transport: &http.Transport{DialContext: p.Dial}}}
			defer c.http.CloseIdleConnections()
			resp, _ := c.call(ctx, "GET", "invocation/next", nil)
			if resp != nil {
				c.call(ctx, "POST", "invocation/"+resp.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", make([]byte, lambda.MaxResponsePayload+1))
			}
			return 1
		})
		f.init()
		r := f.invoke("1")
		if r.ErrorType != "Function.ResponseSizeTooLarge" || !strings.HasSuffix(string(r.LogTail), "Status: error\tError Type: Function.ResponseSizeTooLarge\n") {
			t.Errorf("%s, log %s", r.ErrorType, r.LogTail)
		}
		f.close()
	})
}

func TestEventThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		good := serve(t, 0, echo)
		f := open(t, func(ctx context.Context, p *fake.Process) int {
			if starts++; starts > 1 {
				return good(ctx, p)
			}
			c, err := p.Dial(ctx, "tcp", "169.254.100.1:9001")
			if err != nil {
				t.Error(err)
				return 1
			}
			fmt.Fprint(c, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n")
			<-ctx.Done()
			return 0
		})
		f.init()
		began := time.Now()
		r := f.invoke(`"` + strings.Repeat("x", 1<<20) + `"`)
		if took := time.Since(began); r.ErrorType != "Sandbox.Timedout" || took > 4*time.Second {
			t.Errorf("%s after %v, want a timeout after 3 s", r.Payload, took)
		}
		if r := f.invoke("2"); string(r.Payload) != "2" {
			t.Errorf("the next invocation: %s", r.Payload)
		}
		f.close()
	})
}

func TestSandboxThatDiedWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, freeze := range []bool{false, true} {
			f := open(t, serve(t, 0, echo))
			f.init()
			f.invoke("1")
			if freeze {
				f.env.Freeze()
			}
			f.box().Die()
			synctest.Wait()
			_, err := f.env.Invoke(t.Context(), lambda.Invocation{RequestID: id}, false, f.watch())
			if !errors.Is(err, environment.ErrGone) {
				t.Errorf("Invoke: %v, want ErrGone", err)
			}
			if <-f.free {
				t.Error("it was given back for use")
			}
			f.close()
		}
	})
}

func TestShutdownCutsOffARunningInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, serve(t, 0, func(ctx context.Context, _ *fake.Process, _ []byte) (string, []byte) {
			<-ctx.Done()
			return "", nil
		}))
		f.init()
		done := make(chan lambda.Result)
		go func() {
			r, err := f.env.Invoke(t.Context(), lambda.Invocation{RequestID: id}, false, f.watch())
			if err != nil {
				t.Error(err)
			}
			done <- r
		}()
		synctest.Wait()
		go f.env.Shutdown(t.Context())
		if r := <-done; r.ErrorType != "Runtime.ExitError" {
			t.Errorf("result %+v", r)
		}
		if <-f.free {
			t.Error("an environment that is down was given back for use")
		}
		f.close()
		if _, err := f.env.Invoke(t.Context(), lambda.Invocation{RequestID: id}, false, f.watch()); !errors.Is(err, environment.ErrGone) {
			t.Errorf("Invoke after Shutdown: %v", err)
		}
	})
}

func TestSandboxThatCannotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, nil)
		f.driver = fake.New(fake.Options{Create: func(sandbox.Spec) error { return fmt.Errorf("no more loop devices") }})
		env := environment.New(environment.Options{
			Function: "f", Version: &lambda.Version{Number: lambda.Latest}, Driver: f.driver,
			Logs: f.store, Logger: slog.New(slog.DiscardHandler), CodeRoot: t.TempDir(),
		})
		if err := env.Init(t.Context()); err == nil || !strings.Contains(err.Error(), "no more loop devices") {
			t.Errorf("Init: %v", err)
		}
		if err := env.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
