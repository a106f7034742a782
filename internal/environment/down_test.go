package environment_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
)

// TestShutdownAtTheBeginOfAnInit shuts an environment down between the begin of
// an init and the start of its runtime, which comes before the end of the sandbox
// if it comes at all. What the init has begun must end: the bubble fails
// otherwise.
func TestShutdownAtTheBeginOfAnInit(t *testing.T) {
	layer := t.TempDir()
	for i := range 200 { // looking through them takes a moment
		if err := os.MkdirAll(filepath.Join(layer, "extensions", fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		synctest.Test(t, func(t *testing.T) { shutdownAtTheBegin(t, layer) })
	}
}

func shutdownAtTheBegin(t *testing.T, layer string) {
	f := open(t, serve(t, 0, echo))
	d := &slowEnd{Driver: f.driver}
	d.begun, d.begin = context.WithCancel(t.Context())
	f.env = environment.New(environment.Options{
		Function: "f", Version: &lambda.Version{Number: lambda.Latest, Resources: lambda.Resources{MemoryMB: 128}},
		Runtime: runtimes.Runtime{Bootstrap: []string{"/var/task/bootstrap"}}, CodeRoot: bootstrapped(t), Layers: []string{layer},
		Driver: d, Logs: f.store, Logger: slog.New(slog.DiscardHandler),
	})
	var init sync.WaitGroup
	defer init.Wait()
	init.Go(func() {
		_ = f.env.Init(t.Context()) // which may be over before the shutdown begins
		d.begin()
	})
	for f.env.State() == environment.Uninitialised {
		runtime.Gosched()
	}
	f.close()
}

// slowEnd makes sandboxes that end when something was started in them, or when
// begin is called.
type slowEnd struct {
	sandbox.Driver
	begun context.Context
	begin context.CancelFunc
}

func (d *slowEnd) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	box, err := d.Driver.Create(ctx, spec)
	return &slowBox{box, d}, err
}

type slowBox struct {
	sandbox.Sandbox
	driver *slowEnd
}

func (b *slowBox) Start(ctx context.Context, p sandbox.Process) (sandbox.Running, error) {
	r, err := b.Sandbox.Start(ctx, p)
	b.driver.begin()
	return r, err
}

func (b *slowBox) Destroy(ctx context.Context) error {
	<-b.driver.begun.Done()
	return b.Sandbox.Destroy(ctx)
}

// bootstrapped is code with a bootstrap.
func bootstrapped(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "bootstrap"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}
