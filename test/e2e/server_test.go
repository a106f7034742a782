package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

const (
	// startLimit bounds the start of a server, its sandboxes included.
	startLimit = 30 * time.Second
	// stopLimit bounds an end in good order, longest invocation included.
	stopLimit = 40 * time.Second
	// settleLimit bounds how long the kernel and the server need to take down what
	// is not used any more.
	settleLimit = 20 * time.Second
)

// server is a running "thaw serve".
type server struct {
	dir     string // its data
	program string
	cmd     *exec.Cmd
	stderr  *tail
	ended   chan struct{} // closed when the process has ended
	status  error         // of the process, valid then
	endOnce sync.Once

	address  string
	accessID string
	secret   string
	client   *lambda.Client

	// groups are the names of the cgroups that were seen to be this server's.
	groups map[string]bool
	// subnet is of its interfaces, once it was seen.
	subnet netip.Prefix
}

// shared is the server of all tests that need no own one. Afterwards the test's
// functions are gone, and with them what they held.
func shared(t *testing.T) *server {
	t.Helper()
	needRoot(t)
	if house.shared == nil {
		s := launch(t, filepath.Join(t.TempDir(), "unused"), true)
		house.shared, house.full = s, s.filled(t)
	}
	s := house.shared
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.stderr)
		}
		s.noMoreThan(t, house.full)
	})
	return s
}

// start starts a server with an empty data directory for one test.
func start(t *testing.T, flags ...string) *server {
	t.Helper()
	needRoot(t)
	return startIn(t, t.TempDir(), flags...)
}

// startIn starts a server on existing data. When the test is over the server is
// ended, if it still lives, and must have left nothing.
func startIn(t *testing.T, dir string, flags ...string) *server {
	t.Helper()
	s := launch(t, dir, false, flags...)
	t.Cleanup(func() {
		err := s.end()
		if t.Failed() || err != nil {
			t.Logf("the server's log:\n%s", s.stderr)
		}
		if err != nil {
			t.Error(err)
		}
	})
	return s
}

// credentialsFile is what a test may set for a server.
const credentialsFile = "AWS_SHARED_CREDENTIALS_FILE"

// launch starts the process and waits until it is ready. The data of a lasting
// one are in the workshop's directory, not in the test's.
func launch(t *testing.T, dir string, lasting bool, flags ...string) *server {
	t.Helper()
	s := &server{dir: dir, program: thaw(t), stderr: &tail{}, ended: make(chan struct{}), groups: make(map[string]bool)}
	if lasting {
		s.dir = filepath.Join(house.dir, "shared")
	}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", s.dir, "--runtimes", runtimesDir(t)}
	s.cmd = exec.Command(s.program, append(args, flags...)...)
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), credentialsFile + "=" + os.Getenv(credentialsFile)}
	s.cmd.Stderr = s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := s.cmd.Process.Pid
	house.mark(pid, true)
	go func() {
		s.status = s.cmd.Wait()
		house.mark(pid, false)
		close(s.ended)
	}()
	if err := s.ready(); err != nil {
		s.kill()
		t.Fatalf("%v\n%s", err, s.stderr)
	}
	s.observe()
	return s
}

// ready waits for server.json, which the server writes when it listens, and
// reads the key by which clients speak to it.
func (s *server) ready() error {
	var file struct {
		Address string
		PID     int
	}
	err := eventually(startLimit, func() error {
		select {
		case <-s.ended:
			return permanent{fmt.Errorf("the server has ended: %v", s.status)}
		default:
		}
		content, err := os.ReadFile(filepath.Join(s.dir, "server.json"))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(content, &file); err != nil {
			return permanent{err}
		}
		if file.PID != s.cmd.Process.Pid {
			return fmt.Errorf("server.json is of process %d", file.PID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	s.address = file.Address
	out, err := exec.Command(s.program, "env", "--json", "--data", s.dir).Output()
	if err != nil {
		return fmt.Errorf("thaw env: %w", err)
	}
	var env map[string]string
	if err := json.Unmarshal(out, &env); err != nil {
		return err
	}
	s.accessID, s.secret = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
	s.client = s.clientWith(s.accessID, s.secret)
	return nil
}

// clientWith makes a client that tries once, so that a test sees every answer.
func (s *server) clientWith(id, secret string) *lambda.Client {
	return lambda.New(lambda.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://" + s.address),
		Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
		Retryer:      aws.NopRetryer{},
	})
}

// environ is what an AWS tool needs to find the server, and nothing of the
// user's own configuration.
func (s *server) environ(t testing.TB) []string {
	home := t.TempDir()
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_CONFIG_FILE=" + home + "/config",
		"AWS_ENDPOINT_URL=http://" + s.address, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + s.accessID, "AWS_SECRET_ACCESS_KEY=" + s.secret,
		"AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
	}
}

// kill ends the server as a power cut would and waits for the process.
func (s *server) kill() {
	s.observe()
	s.cmd.Process.Kill()
	<-s.ended
}

// terminate asks the server to end; it goes on until it is done.
func (s *server) terminate() { s.cmd.Process.Signal(syscall.SIGTERM) }

// end stops a server that still lives in good order, and tells what it left
// behind, if anything.
func (s *server) end() (err error) {
	s.endOnce.Do(func() { err = s.stop() })
	return err
}

func (s *server) stop() error {
	select {
	case <-s.ended:
		return nil // killed by its test, which knows what must be left
	default:
	}
	s.observe()
	s.terminate()
	select {
	case <-s.ended:
	case <-time.After(stopLimit):
		s.kill()
		return errors.New("the server does not end")
	}
	if s.status != nil {
		return fmt.Errorf("end of the server: %w", s.status)
	}
	return s.leftNothing()
}

// leftNothing tells what a server that has ended left behind.
func (s *server) leftNothing() error {
	err := eventually(settleLimit, func() error { return s.observe().empty() })
	if err != nil {
		return fmt.Errorf("left behind: %w", err)
	}
	return nil
}

// permanent is an error that waiting does not cure.
type permanent struct{ error }

// eventually asks again and again until an answer is nil or the limit is over.
// It is for states of the kernel and of other programs that nothing announces.
func eventually(limit time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if _, ok := err.(permanent); ok || err == nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", limit, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const maxTail = 64 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if n := w.buf.Len() - maxTail; n > maxTail {
		w.buf.Next(n)
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
