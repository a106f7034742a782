package environment_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox/fake"
)

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
			report: "REPORT RequestId: " + id + "\tDuration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"exit 0": {
			h:    exit(0),
			body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited without providing a reason"}`,
			log:  "RequestId: " + id + " Error: Runtime exited without providing a reason\nRuntime.ExitError\n", errorType: "Runtime.ExitError",
			report: "REPORT RequestId: " + id + "\tDuration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"segmentation fault": {
			h: func(_ context.Context, p *fake.Process, _ []byte) (string, []byte) {
				p.Signal(syscall.SIGSEGV)
				return "", nil
			},
			body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited with error: signal: segmentation fault"}`,
			log:  "RequestId: " + id + " Error: Runtime exited with error: signal: segmentation fault\nRuntime.ExitError\n", errorType: "Runtime.ExitError",
			report: "REPORT RequestId: " + id + "\tDuration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"out of memory": {
			h: func(_ context.Context, p *fake.Process, _ []byte) (string, []byte) {
				p.RunOutOfMemory()
				return "", nil
			},
			body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + id + ` Error: Runtime exited with error: signal: killed"}`,
			log:  "RequestId: " + id + " Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n", errorType: "Runtime.OutOfMemory",
			report: "REPORT RequestId: " + id + "\tDuration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n",
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
			log: "INIT_REPORT Init Duration: 0.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n" +
				"INIT_REPORT Init Duration: 0.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n",
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
