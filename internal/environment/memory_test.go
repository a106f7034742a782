package environment_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/fake"
)

// TestWhoRanOutOfMemory ends runtimes in sandboxes where the kernel has killed some
// process for the memory limit: it need not have been the runtime.
func TestWhoRanOutOfMemory(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		want string
	}{
		"a child, once":           {1, "Error Type: Runtime.ExitError"},
		"a child, and no trouble": {0, "Error Type: Runtime.ExitError"},
		"below a shell":           {137, "Error Type: Runtime.OutOfMemory"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, serve(t, 0, func(context.Context, *fake.Process, []byte) (string, []byte) { panic(exitCode(c.code)) }))
				f.env = environment.New(environment.Options{
					Function: "f", CodeRoot: bootstrapped(t), Runtime: runtimes.Runtime{Bootstrap: []string{"/var/task/bootstrap"}},
					Version: &lambda.Version{Number: lambda.Latest, Resources: lambda.Resources{MemoryMB: 128, Timeout: 3 * time.Second}},
					Driver:  killing{f.driver}, Logs: f.store, Logger: slog.New(slog.DiscardHandler),
				})
				f.init()
				if r := f.invoke("{}"); !strings.Contains(string(r.Payload), "Runtime.ExitError") {
					t.Errorf("answer %s", r.Payload)
				}
				if !strings.Contains(f.log(), c.want) {
					t.Errorf("log %s", f.log())
				}
				f.close()
			})
		})
	}
}

// killing makes sandboxes in which the kernel has killed something.
type killing struct{ sandbox.Driver }

func (d killing) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	box, err := d.Driver.Create(ctx, spec)
	return killingBox{box}, err
}

type killingBox struct{ sandbox.Sandbox }

func (b killingBox) Start(ctx context.Context, p sandbox.Process) (sandbox.Running, error) {
	r, err := b.Sandbox.Start(ctx, p)
	return survivor{r}, err
}

type survivor struct{ sandbox.Running }

func (s survivor) Status() sandbox.ExitStatus {
	st := s.Running.Status()
	st.OutOfMemory = true
	return st
}
