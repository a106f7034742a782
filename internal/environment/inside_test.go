package environment_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/fake"
)

// house is what is inside: it remembers its guests.
type house struct {
	t      *testing.T
	driver *fake.Driver
	fails  error
	opened []environment.Resident
	closed int
}

func (h *house) Open(ctx context.Context, box sandbox.Network, r environment.Resident) (environment.Guest, error) {
	h.opened = append(h.opened, r)
	if h.fails != nil {
		return environment.Guest{}, h.fails
	}
	listener, err := box.Listen(ctx, "tcp4", "169.254.100.1:9002")
	if err != nil {
		return environment.Guest{}, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "the house")
			conn.Close()
		}
	}()
	return environment.Guest{
		Variables:   map[string]string{"AWS_ENDPOINT_URL_LAMBDA": "http://inside", "AWS_ENDPOINT_URL_LOGS": "http://inside"},
		Credentials: runtimes.Credentials{AccessKeyID: "ID", SecretAccessKey: "SECRET", SessionToken: "TOKEN"},
		Close: func() error {
			if n := len(h.driver.Sandboxes()); n != 0 {
				h.t.Errorf("a guest is closed before its sandbox: %d are left", n)
			}
			h.closed++
			return nil
		},
	}, nil
}

// openHouse makes an environment with something inside.
func openHouse(t *testing.T, program fake.Program) (*fixture, *house) {
	t.Helper()
	f := open(t, program)
	h := &house{t: t, driver: f.driver}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "bootstrap"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	f.env = environment.New(environment.Options{
		Function: "f", CodeRoot: root, Scope: lambda.DefaultScope, Driver: f.driver, Inside: h, Logs: f.store, Logger: slog.New(slog.DiscardHandler),
		Runtime: runtimes.Runtime{Name: "provided.al2023", Bootstrap: []string{"/var/task/bootstrap"}},
		Version: &lambda.Version{
			Number: lambda.Latest, Handler: "f", Runtime: "provided.al2023",
			Resources:   lambda.Resources{MemoryMB: 128, Timeout: 3 * time.Second, EphemeralStorageMB: 512},
			Logging:     lambda.Logging{Format: "Text", Group: group},
			Environment: map[string]string{"AWS_ENDPOINT_URL_LOGS": "http://own"},
		},
	})
	return f, h
}

func TestInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var env []string
		f, h := openHouse(t, serve(t, 0, func(ctx context.Context, p *fake.Process, event []byte) (string, []byte) {
			if string(event) == "crash" {
				panic(exitCode(1))
			}
			env = p.Env
			conn, err := p.Dial(ctx, "tcp4", "169.254.100.1:9002")
			if err != nil {
				t.Error(err)
				return "response", nil
			}
			defer conn.Close()
			said, _ := io.ReadAll(conn)
			return "response", said
		}))
		f.init()
		if got := string(f.invoke("1").Payload); got != "the house" {
			t.Errorf("inside: %q", got)
		}
		for _, want := range []string{
			"AWS_ENDPOINT_URL_LAMBDA=http://inside", "AWS_ENDPOINT_URL_LOGS=http://own",
			"AWS_ACCESS_KEY_ID=ID", "AWS_SECRET_ACCESS_KEY=SECRET", "AWS_SESSION_TOKEN=TOKEN",
		} {
			if !slices.Contains(env, want) {
				t.Errorf("%s is not in %v", want, env)
			}
		}
		f.invoke("crash")
		if got := string(f.invoke("2").Payload); got != "the house" {
			t.Errorf("after a reset: %q", got)
		}
		f.close()
		if len(h.opened) != 1 || h.closed != 1 || h.opened[0].Function != "f" || h.opened[0].Environment != f.env.ID() {
			t.Errorf("opened %+v, closed %d times; want once each", h.opened, h.closed)
		}
	})
}

func TestInsideThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := openHouse(t, serve(t, 0, echo))
		h.fails = errors.New("no room")
		if err := f.env.Init(t.Context()); !errors.Is(err, h.fails) {
			t.Errorf("Init = %v, want %v", err, h.fails)
		}
		f.close()
		if h.closed != 0 {
			t.Error("what was never opened is closed")
		}
	})
}
