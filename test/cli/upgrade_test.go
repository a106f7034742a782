package cli_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// load invokes without end by clients that retry as they do by default, each
// with its own connections, and counts the answers.
type load struct {
	answers atomic.Int64
	cancel  context.CancelFunc
	done    sync.WaitGroup
	mu      sync.Mutex
	errs    []error
}

func (s *server) load(t *testing.T, name string, clients int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel}
	for range clients {
		client := s.client(t)
		l.done.Go(func() {
			for ctx.Err() == nil {
				out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"name":"world"}`)})
				switch {
				case ctx.Err() != nil:
				case err != nil:
					l.fail(err)
				case out.FunctionError != nil:
					l.fail(fmt.Errorf("function error: %s", out.Payload))
				default:
					l.answers.Add(1)
				}
			}
		})
	}
	return l
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// more waits for further answers, so that every server has given some.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	want := l.answers.Load() + n
	for deadline := time.Now().Add(startLimit); l.answers.Load() < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d answers: %v", l.answers.Load(), want, l.errs)
		}
	}
}

func (l *load) end(t *testing.T) {
	t.Helper()
	l.cancel()
	l.done.Wait()
	t.Logf("%d answers, %d failures", l.answers.Load(), len(l.errs))
	for _, err := range l.errs[:min(len(l.errs), 5)] {
		t.Errorf("an invocation has failed: %v", err)
	}
}

func deployHello(t *testing.T, s *server) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "hello")
	s.thaw(t, "init", dir, "--template", "go-hello")
	s.thaw(t, "deploy", dir)
	return dir
}

const (
	upgrades = 5
	// upgradeLimit is half of how long a request of one who follows a log waits.
	upgradeLimit = 10 * time.Second
)

// TestUpgrade replaces the program of a running server several times by SIGHUP,
// the first times with one that does not run. No invocation fails, and the
// process stays the same.
func TestUpgrade(t *testing.T) {
	original := program(t)
	own := filepath.Join(t.TempDir(), "thaw")
	install(t, original, own)
	s := startServerOf(t, own)
	dir := deployHello(t, s)
	l := s.load(t, "hello", 4)
	l.more(t, 20)

	install(t, "/bin/false", own)
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.log.await(t, "the server goes on as it is", startLimit)
	l.more(t, 20)
	install(t, original, own)

	_, dev := s.follow(t, "dev", dir) // one who follows the log does not hold the server up
	dev.await(t, "deployed hello", startLimit)
	for range upgrades {
		s.cmd.Process.Signal(syscall.SIGHUP)
		s.log.await(t, "msg=ready", upgradeLimit)
		l.more(t, 20)
	}
	l.end(t)
	select {
	case <-s.ended:
		t.Error("the process has ended")
	default:
	}
}

// install puts a program in the place of another in one step, as a package
// manager does.
func install(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".new", content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

// TestRestart ends the server and starts another several times, with the socket
// kept by the one who starts it, as systemd does. No invocation fails.
func TestRestart(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	s := startServerOf(t, program(t), func(s *server) {
		s.address, s.wrap = listener.Addr().String(), func(cmd *exec.Cmd) {
			// The shell knows the process's number, which the variable has to name.
			cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`}, cmd.Args...)
			cmd.Path = "/bin/sh"
			cmd.ExtraFiles = []*os.File{socket}
		}
	})
	deployHello(t, s)
	l := s.load(t, "hello", 4)
	for range upgrades {
		l.more(t, 20)
		s.stop(t)
		s.start(t)
	}
	l.more(t, 20)
	l.end(t)
}
