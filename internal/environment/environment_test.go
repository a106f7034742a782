package environment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/fake"
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
	store  *printed
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
		store:  &printed{},
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

func (f *fixture) log() string { return f.store.String() }

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

// TestInitHasABurstOfCPU is about suppressed inits, too.
func TestInitHasABurstOfCPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *fixture
		var during []int
		run := serve(t, time.Second, func(_ context.Context, _ *fake.Process, event []byte) (string, []byte) {
			if string(event) == "1" {
				panic(exitCode(1))
			}
			during = append(during, f.box().Spec().Limits.CPUMilli)
			return "response", event
		})
		f = open(t, func(ctx context.Context, p *fake.Process) int {
			during = append(during, f.box().Spec().Limits.CPUMilli)
			return run(ctx, p)
		})
		f.init()
		f.invoke("1")
		f.invoke("2")
		if diff := cmp.Diff([]int{2000, 2000, 72}, during); diff != "" {
			t.Errorf("thousandths of a core in two inits and an invocation of a 128 MB function (-want +got):\n%s", diff)
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
