package fake_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/sandbox"
	"thaw/internal/sandbox/fake"
)

const address = "169.254.100.1:9001"

func create(t *testing.T, programs map[string]fake.Program) *fake.Sandbox {
	t.Helper()
	s, err := fake.New(fake.Options{Programs: programs}).Create(t.Context(), sandbox.Spec{ID: "box"})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*fake.Sandbox)
}

// block runs until it is killed.
func block(ctx context.Context, _ *fake.Process) int { <-ctx.Done(); return 0 }

func TestHTTPUnderVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := create(t, map[string]fake.Program{"/var/task/bootstrap": func(ctx context.Context, p *fake.Process) int {
			client := http.Client{Transport: &http.Transport{DialContext: p.Dial, DisableKeepAlives: true}}
			resp, err := client.Get("http://" + address + "/next")
			if err != nil {
				return 2
			}
			defer resp.Body.Close()
			if _, err := io.Copy(p.Stdout, resp.Body); err != nil {
				return 3
			}
			return 7
		}})
		l, err := s.Listen(t.Context(), "tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.Repeat("x", 300<<10)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			io.WriteString(w, body)
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		r, w, err := s.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		run, err := s.Start(t.Context(), sandbox.Process{Path: "/var/task/bootstrap", Stdout: w})
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		got, err := io.ReadAll(r)
		if err != nil || string(got) != body {
			t.Errorf("read %d bytes, %v; want %d", len(got), err, len(body))
		}
		<-run.Exited()
		if got, want := run.Status(), (sandbox.ExitStatus{Code: 7}); got != want {
			t.Errorf("status %+v, want %+v", got, want)
		}
		server.Close()
		<-served
		if err := s.Destroy(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestFreezeHoldsAProgramAtItsNextStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := create(t, map[string]fake.Program{"/tick": func(ctx context.Context, p *fake.Process) int {
			for ctx.Err() == nil {
				time.Sleep(time.Second)
				p.Stdout.Write([]byte("."))
			}
			return 0
		}})
		r, w, _ := s.Pipe()
		if _, err := s.Start(t.Context(), sandbox.Process{Path: "/tick", Stdout: w}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		b := make([]byte, 10)
		io.ReadFull(r, b[:1])
		s.Freeze()
		s.Freeze()
		time.Sleep(time.Hour)
		s.Thaw()
		synctest.Wait()
		if n, _ := r.Read(b); n != 1 {
			t.Errorf("%d ticks were written while frozen, want the 1 that was held", n)
		}
		if got := s.Freezes(); got != 1 {
			t.Errorf("Freezes() = %d, want 1", got)
		}
		s.Freeze()
		if err := s.Destroy(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestEnds(t *testing.T) {
	tests := map[string]struct {
		program fake.Program
		act     func(*fake.Sandbox, sandbox.Running) error
		want    sandbox.ExitStatus
	}{
		"exit":  {func(context.Context, *fake.Process) int { return 3 }, nil, sandbox.ExitStatus{Code: 3}},
		"reset": {block, func(s *fake.Sandbox, _ sandbox.Running) error { return s.Reset(context.Background()) }, sandbox.ExitStatus{Signal: 9}},
		"reset while frozen": {block, func(s *fake.Sandbox, _ sandbox.Running) error {
			s.Freeze()
			return s.Reset(context.Background())
		}, sandbox.ExitStatus{Signal: 9}},
		"death":     {block, func(s *fake.Sandbox, _ sandbox.Running) error { s.Die(); return nil }, sandbox.ExitStatus{Signal: 9}},
		"terminate": {block, func(_ *fake.Sandbox, r sandbox.Running) error { return r.Signal(syscall.SIGTERM) }, sandbox.ExitStatus{Signal: 15}},
		"out of memory": {func(_ context.Context, p *fake.Process) int { p.RunOutOfMemory(); return 0 }, nil,
			sandbox.ExitStatus{Signal: 9, OutOfMemory: true}},
		"signal caught": {func(ctx context.Context, p *fake.Process) int {
			ch := p.Notify(syscall.SIGTERM)
			p.Stdout.Write([]byte("ready"))
			<-ch
			return 5
		}, func(s *fake.Sandbox, r sandbox.Running) error { return r.Signal(syscall.SIGTERM) }, sandbox.ExitStatus{Code: 5}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := create(t, map[string]fake.Program{"/p": test.program})
				run, err := s.Start(t.Context(), sandbox.Process{Path: "/p"})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if test.act != nil {
					if err := test.act(s, run); err != nil {
						t.Fatal(err)
					}
				}
				<-run.Exited()
				if got := run.Status(); got != test.want {
					t.Errorf("status %+v, want %+v", got, test.want)
				}
				if s.Frozen() {
					t.Error("frozen at the end")
				}
				s.Destroy(t.Context())
			})
		})
	}
}

func TestStartOfAnUnknownPath(t *testing.T) {
	s := create(t, nil)
	_, err := s.Start(t.Context(), sandbox.Process{Path: "/no"})
	if !errors.Is(err, sandbox.ErrExec) || !errors.Is(err, syscall.ENOENT) || err.Error() != "no such file or directory" {
		t.Errorf("Start = %v, want ErrExec with the kernel's text", err)
	}
}

func TestStartOfAPathThatIsRefused(t *testing.T) {
	d := fake.New(fake.Options{ExecErrors: map[string]syscall.Errno{"/no": syscall.EACCES}})
	s, err := d.Create(t.Context(), sandbox.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Destroy(t.Context())
	_, err = s.Start(t.Context(), sandbox.Process{Path: "/no"})
	if !errors.Is(err, sandbox.ErrExec) || !errors.Is(err, syscall.EACCES) {
		t.Errorf("Start = %v, want ErrExec with EACCES", err)
	}
}

func TestDestroyWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		s := create(t, map[string]fake.Program{"/deaf": func(context.Context, *fake.Process) int { <-stop; return 0 }})
		if _, err := s.Start(t.Context(), sandbox.Process{Path: "/deaf"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Destroy(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Destroy = %v, want a deadline error", err)
		}
		close(stop)
		if err := s.Destroy(t.Context()); err != nil {
			t.Errorf("second Destroy = %v", err)
		}
		<-s.Done()
	})
}
