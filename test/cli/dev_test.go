package cli_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// follow starts a verb that goes on until it is interrupted.
func (s *server) follow(t *testing.T, args ...string) (stdout, stderr *lockedBuffer) {
	t.Helper()
	stdout, stderr = &lockedBuffer{}, &lockedBuffer{}
	cmd := exec.Command(s.program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environ(), stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err != nil {
			t.Errorf("thaw %s: %v\n%s", strings.Join(args, " "), err, stderr)
		}
	})
	return stdout, stderr
}

const pythonSource = `def handler(event, context):
    print("version", %d)
    return %d
`

func save(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLogsFollow: a line is on the terminal of one who follows within 250 ms of
// the function's end.
func TestLogsFollow(t *testing.T) {
	needRuntime(t, "python")
	s := startServer(t)
	dir := filepath.Join(t.TempDir(), "talk")
	save(t, filepath.Join(dir, "handler.py"), "def handler(event, context):\n    print('line', event)\n")
	s.thaw(t, "deploy", dir)
	stdout, _ := s.follow(t, "logs", "talk", "-f")
	client, name := s.client(t), "talk"
	var lags []time.Duration
	for i := range 20 {
		_, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: fmt.Append(nil, i)})
		if err != nil {
			t.Fatal(err)
		}
		answered := time.Now()
		stdout.await(t, fmt.Sprintf("line %d\n", i), 20*time.Second)
		if i > 0 { // the follower may not have connected before the first
			lags = append(lags, time.Since(answered))
		}
	}
	slices.Sort(lags)
	t.Logf("lag of a line: median %v, most %v", lags[len(lags)/2], lags[len(lags)-1])
	if most := lags[len(lags)-1]; most > 250*time.Millisecond {
		t.Errorf("a line came %v after the answer", most)
	}
}

// TestDev saves a function while "thaw dev" runs: the new code is served, a
// broken build is told and leaves the old one in service, and the log is shown.
func TestDev(t *testing.T) {
	needRuntime(t, "python")
	s := startServer(t)
	dir := filepath.Join(t.TempDir(), "work")
	file := filepath.Join(dir, "handler.py")
	save(t, file, fmt.Sprintf(pythonSource, 1, 1))
	stdout, stderr := s.follow(t, "dev", dir)
	stderr.await(t, "deployed work", 30*time.Second)
	client := s.client(t)
	served(t, client, "work", "1")
	stdout.await(t, "version 1\n", 10*time.Second)
	save(t, file, fmt.Sprintf(pythonSource, 2, 2))
	stderr.await(t, "reloaded work", 30*time.Second)
	served(t, client, "work", "2")
	stdout.await(t, "version 2\n", 10*time.Second)
}

// TestDevBrokenBuild does the same with code that is compiled.
func TestDevBrokenBuild(t *testing.T) {
	s := startServer(t)
	dir := filepath.Join(t.TempDir(), "work")
	s.thaw(t, "init", dir, "--template", "go-hello")
	_, stderr := s.follow(t, "dev", dir)
	stderr.await(t, "deployed work", 2*time.Minute)
	main := filepath.Join(dir, "main.go")
	source, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	save(t, main, "package main\n\nfunc main() { nonsense }\n")
	stderr.await(t, "undefined: nonsense", 2*time.Minute)
	client := s.client(t)
	served(t, client, "work", `{"message":"hello, stranger"}`)
	save(t, main, strings.Replace(string(source), "hello, %s", "welcome, %s", 1))
	stderr.await(t, "reloaded work", 2*time.Minute)
	served(t, client, "work", `{"message":"welcome, stranger"}`)
}

// served invokes until the answer is the one that is wanted.
func served(t *testing.T, client *lambda.Client, name, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		if out.FunctionError == nil && string(out.Payload) == want {
			return
		}
	}
}
