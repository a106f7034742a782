package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	account = "111111111111" // as in the recordings
	region  = "us-east-1"

	// settlePause is how long a change is seen in progress: a call that follows at
	// once must meet it, however loaded the machine is.
	settlePause = 700 * time.Millisecond

	startLimit = 60 * time.Second
	stopLimit  = 60 * time.Second
)

// server is the program that is compared.
type server struct {
	address, accessID, secret string
}

// startServer starts the program with an empty data directory, and ends it with
// the test. Roles are not made, as they are not compared: functions may do what
// the cases need.
func startServer(t *testing.T, flags ...string) *server {
	t.Helper()
	program, dir, log := thaw(t), t.TempDir(), &tail{}
	cmd := exec.Command(program, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data", dir, "--runtimes", runtimes(t), "--account", account, "--region", region,
		"--settle", settlePause.String(), "--s3-endpoint", startStore(t), "--function-allow", "sqs:SendMessage,events:PutEvents",
	}, flags...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=store", "AWS_SECRET_ACCESS_KEY=store"}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log:\n%s", log)
		}
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the server: %v\n%s", err, log)
			}
		case <-time.After(stopLimit):
			cmd.Process.Kill()
			t.Errorf("the server did not end within %s\n%s", stopLimit, log)
			<-ended
		}
	})
	s, err := reach(program, dir, cmd.Process.Pid)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	return s
}

const storeBucket = "conformance-bucket"

// startStore starts what answers as an S3 with one empty bucket.
func startStore(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		code, text := "NoSuchBucket", "The specified bucket does not exist"
		if strings.HasPrefix(req.URL.Path, "/"+storeBucket+"/") {
			code, text = "NoSuchKey", "The specified key does not exist."
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// reach waits for server.json, which tells that the server listens.
func reach(program, dir string, pid int) (*server, error) {
	var file struct {
		Address string
		PID     int
	}
	for begin := time.Now(); file.PID != pid; {
		if time.Since(begin) > startLimit {
			return nil, fmt.Errorf("the server was not ready within %s", startLimit)
		}
		if content, err := os.ReadFile(filepath.Join(dir, "server.json")); err == nil {
			if err := json.Unmarshal(content, &file); err != nil {
				return nil, err
			}
		}
		if syscall.Kill(pid, 0) != nil {
			return nil, fmt.Errorf("the server has ended")
		}
		time.Sleep(pollPause)
	}
	out, err := exec.Command(program, "env", "--json", "--data", dir).Output()
	if err != nil {
		return nil, fmt.Errorf("thaw env: %w", err)
	}
	var env map[string]string
	if err := json.Unmarshal(out, &env); err != nil {
		return nil, err
	}
	return &server{address: file.Address, accessID: env["AWS_ACCESS_KEY_ID"], secret: env["AWS_SECRET_ACCESS_KEY"]}, nil
}

// tail keeps the end of a log.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *tail) Write(p []byte) (int, error) {
	const limit = 64 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if over := l.text.Len() - limit; over > 0 {
		l.text.Next(over)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(l.text.String())
}

// missing ends a test that lacks something: with a skip, or with a failure where
// everything is to be there.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("THAW_E2E_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func thaw(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "sandboxes need root")
	}
	return existing(t, "THAW_E2E_PROGRAM", "bin/thaw", "")
}

func runtimes(t *testing.T) string {
	t.Helper()
	return existing(t, "THAW_E2E_RUNTIMES", "build/runtimes", "")
}

func python(t *testing.T) string {
	t.Helper()
	return existing(t, "THAW_E2E_VENV", "build/venv", "bin/python")
}

// existing is a file that make has built: where the variable says, or below the
// clone.
func existing(t *testing.T, variable, path, inside string) string {
	t.Helper()
	file := os.Getenv(variable)
	if file == "" {
		file = filepath.Join("..", "..", path)
	}
	file, err := filepath.Abs(filepath.Join(file, inside))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		missing(t, "no %s: \"make test\" builds it", file)
	}
	return file
}
