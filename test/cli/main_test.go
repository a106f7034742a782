package cli_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// built is the program under test, made once.
var built struct {
	once    sync.Once
	dir     string
	program string
	err     error
}

// program builds thaw with thaw-init inside. An overlay puts that there without
// touching the clone.
func program(t *testing.T) string {
	t.Helper()
	if file := os.Getenv("THAW_E2E_PROGRAM"); file != "" {
		return file
	}
	built.once.Do(func() { built.err = build() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.program
}

func build() (err error) {
	if built.dir, err = os.MkdirTemp("", "thaw-cli-"); err != nil {
		return err
	}
	clone, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	initProgram := filepath.Join(built.dir, "thaw-init")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(clone, "cmd/thaw/initbin/thaw-init"): initProgram}})
	if err != nil {
		return err
	}
	overlayFile := filepath.Join(built.dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return err
	}
	built.program = filepath.Join(built.dir, "thaw")
	for _, args := range [][]string{
		{"-o", initProgram, "./cmd/thaw-init"},
		{"-overlay", overlayFile, "-o", built.program, "./cmd/thaw"},
	} {
		cmd := exec.Command("go", append([]string{"build", "-trimpath"}, args...)...)
		cmd.Dir, cmd.Env = clone, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	return nil
}

// missing skips a test that lacks something, or fails it where all is to be there.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("THAW_E2E_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func runtimesDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("THAW_E2E_RUNTIMES")
	if dir == "" {
		dir = "../../build/runtimes"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func hasRuntime(t *testing.T, language string) bool {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(runtimesDir(t), language+"*", "runtime.json"))
	return err == nil && len(found) > 0
}

// needRuntime asks for a built runtime of a language.
func needRuntime(t *testing.T, language string) {
	t.Helper()
	if !hasRuntime(t, language) {
		missing(t, "no %s runtime is built (make runtimes)", language)
	}
}

// server is "thaw serve" at one address and with one data directory; its process
// may be another after a restart.
type server struct {
	program, data, address string
	runtimes               string // empty: those that are built
	log                    *lockedBuffer
	wrap                   func(*exec.Cmd) // changes how it is started, if set
	cmd                    *exec.Cmd
	ended                  chan struct{}
}

const (
	startLimit = 30 * time.Second
	stopLimit  = 60 * time.Second
)

// startServer starts one for a test, which ends with it.
func startServer(t *testing.T) *server { return startServerOf(t, program(t)) }

// startServerOf starts one of another program, or in another way.
func startServerOf(t *testing.T, program string, options ...func(*server)) *server {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "sandboxes need root")
	}
	s := &server{program: program, data: filepath.Join(t.TempDir(), "data"), address: freeAddress(t), log: &lockedBuffer{}}
	for _, option := range options {
		option(s)
	}
	s.start(t)
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.log)
		}
	})
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts a process and waits until it listens.
func (s *server) start(t *testing.T) {
	t.Helper()
	if err := s.spawn(cmp.Or(s.runtimes, runtimesDir(t))); err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
}

func (s *server) spawn(runtimes string) error {
	cmd := exec.Command(s.program, "serve", "--listen", s.address, "--data", s.data, "--runtimes", runtimes)
	if s.wrap != nil {
		s.wrap(cmd)
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}
	cmd.Stderr = s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() {
		cmd.Wait()
		close(ended)
	}()
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case <-ended:
			return fmt.Errorf("the server has ended: %v", cmd.ProcessState)
		default:
		}
		var file struct{ PID int }
		content, err := os.ReadFile(filepath.Join(s.data, "server.json"))
		if err == nil && json.Unmarshal(content, &file) == nil && file.PID == cmd.Process.Pid {
			return nil
		}
	}
	return fmt.Errorf("the server is not ready after %v", startLimit)
}

// stop ends the process in good order.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(stopLimit):
		s.cmd.Process.Kill()
		t.Errorf("the server does not end")
	}
}

// environ leads every verb to the server, and to nothing of the tester's.
func (s *server) environ() []string {
	return append(os.Environ(), "THAW_DATA="+s.data, "AWS_ENDPOINT_URL=", "AWS_ENDPOINT_URL_LAMBDA=")
}

// thaw runs a verb and returns what it wrote; it must succeed.
func (s *server) thaw(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(s.program, args...)
	cmd.Env = s.environ()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("thaw %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String(), errs.String()
}

// client is Amazon's, which retries as it does by default.
func (s *server) client(t *testing.T) *lambda.Client {
	t.Helper()
	out, _ := s.thaw(t, "env", "--json")
	var env map[string]string
	if err := json.Unmarshal([]byte(out), &env); err != nil {
		t.Fatal(err)
	}
	return lambda.New(lambda.Options{
		Region:       env["AWS_REGION"],
		BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]),
		Credentials:  credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
	})
}

// lockedBuffer is a writer that can be read meanwhile, and waited on.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more != nil {
		close(b.more)
		b.more = nil
	}
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits until a text is written that was not waited for before.
func (b *lockedBuffer) await(t *testing.T, want string, limit time.Duration) {
	t.Helper()
	timeout := time.After(limit)
	for {
		b.mu.Lock()
		text := b.text.String()
		if strings.Contains(text, want) {
			b.text.Reset()
			b.mu.Unlock()
			return
		}
		if b.more == nil {
			b.more = make(chan struct{})
		}
		more := b.more
		b.mu.Unlock()
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("after %v no %q in %q", limit, want, text)
		}
	}
}
