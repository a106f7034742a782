package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestTargetOrder shows which of several servers a verb speaks to.
func TestTargetOrder(t *testing.T) {
	makeServer := func(t *testing.T, address string) string {
		dir := t.TempDir()
		openKeys(t, dir)
		if err := (serverFile{Address: address, PID: os.Getpid(), Region: "eu-west-1"}).write(dir); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	isolate(t)
	byFlag, byVariable := makeServer(t, "flag:1"), makeServer(t, "variable:1")
	aws := map[string]string{"AWS_ENDPOINT_URL": "http://aws:1", "AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S"}
	tests := []struct {
		name, flag, variable string
		aws                  map[string]string
		want                 string
	}{
		{"--data before all", byFlag, byVariable, aws, "http://flag:1"},
		{"THAW_DATA before the AWS variables", "", byVariable, aws, "http://variable:1"},
		{"the AWS variables", "", "", aws, "http://aws:1"},
		{"a service's endpoint before the general one", "", "", with(aws, "AWS_ENDPOINT_URL_LAMBDA", "http://lambda:1"), "http://lambda:1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("THAW_DATA", test.variable)
			for name, value := range test.aws {
				t.Setenv(name, value)
			}
			got, err := (&connection{data: test.flag}).target()
			if err != nil {
				t.Fatal(err)
			}
			if got.Endpoint != test.want {
				t.Errorf("got %q, want %q", got.Endpoint, test.want)
			}
		})
	}
}

func with(m map[string]string, key, value string) map[string]string {
	all := map[string]string{key: value}
	for k, v := range m {
		all[k] = v
	}
	return all
}

// TestEndpointWithoutKey: an endpoint alone is not enough to leave the data
// directory aside, and the real service is never the answer.
func TestEndpointWithoutKey(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://aws:1")
	if got, ok := environmentTarget(); ok {
		t.Errorf("got %v without a key", got)
	}
	t.Setenv("AWS_ENDPOINT_URL", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "K")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "S")
	if got, ok := environmentTarget(); ok {
		t.Errorf("got %v without an endpoint", got)
	}
}

func TestUnreachable(t *testing.T) {
	dir := isolate(t)
	openKeys(t, dir)
	server := newFakeServer(t, "", t.TempDir())
	address := strings.TrimPrefix(server.URL, "http://")
	server.Close()
	if err := (serverFile{Address: address, PID: os.Getpid(), Region: "us-east-1"}).write(dir); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ls"}, {"invoke", "f"}, {"logs", "f"}, {"rm", "f", "g"}} {
		_, stderr, code := runVerb(t, "", args...)
		if code != exitUnreachable || !strings.Contains(stderr, address) {
			t.Errorf("thaw %v: exit code %d, %q", args, code, stderr)
		}
	}
}

// TestDeadServer: the process that wrote server.json is gone.
func TestDeadServer(t *testing.T) {
	dir := isolate(t)
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	if err := (serverFile{Address: "127.0.0.1:1", PID: child.Process.Pid}).write(dir); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := runVerb(t, "", "ls")
	if code != exitUnreachable || !strings.Contains(stderr, "has died") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

func TestReport(t *testing.T) {
	tests := []struct {
		name        string
		err         error
		interrupted bool
		code        int
		says        string
	}{
		{"done", nil, false, exitOK, ""},
		{"done though interrupted", nil, true, exitOK, ""},
		{"already told", errReported, false, exitFailed, ""},
		{"interrupted", fmt.Errorf("read: %w", context.Canceled), true, exitInterrupted, ""},
		{"cancelled by something else", context.Canceled, false, exitLocal, "thaw: context canceled\n"},
		{"local", os.ErrNotExist, false, exitLocal, "thaw: file does not exist\n"},
	}
	for _, test := range tests {
		var stderr bytes.Buffer
		if code := report(&stderr, test.err, test.interrupted); code != test.code || stderr.String() != test.says {
			t.Errorf("%s: exit code %d, %q", test.name, code, stderr.String())
		}
	}
}

// TestShellQuote asks a shell what the quoted words mean.
func TestShellQuote(t *testing.T) {
	for _, word := range []string{"", "plain", "a b", "it's", `$HOME "x" \`, "new\nline", "*"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellQuote(word)).Output()
		if err != nil {
			t.Fatal(err)
		}
		if string(out) != word {
			t.Errorf("%q became %q", word, out)
		}
	}
}

// TestDeployCompiles builds a program of Go sources, twice the same.
func TestDeployCompiles(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not in the PATH")
	}
	dataDir := isolate(t)
	startFake(t, dataDir)
	dir := t.TempDir()
	t.Chdir(dir)
	for name, content := range map[string]string{
		"go.mod":  "module hello\n\ngo 1.24\n",
		"main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, code := runVerb(t, "", "deploy", ".", "--name", "hello")
	if code != exitOK || !strings.HasPrefix(stdout, "created hello  provided.al2023  bootstrap") {
		t.Fatalf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if _, stderr, _ = runVerb(t, "", "deploy", ".", "--name", "hello"); !strings.Contains(stderr, "the code of hello is the same") {
		t.Errorf("built again, the program was another: %q", stderr)
	}
	if err := os.WriteFile("main.go", []byte("package main\n\nfunc main() { nothing() }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code = runVerb(t, "", "deploy", ".", "--name", "hello"); code != exitLocal || !strings.Contains(stderr, "undefined: nothing") {
		t.Errorf("a broken program: exit code %d, %q", code, stderr)
	}
}

// writerFunc is a writer that looks at what is written.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestFollow: following goes on behind the last page, and an interrupt is its
// good end.
func TestFollow(t *testing.T) {
	startFake(t, isolate(t))
	t.Chdir(t.TempDir())
	if err := os.WriteFile("bootstrap", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runVerb(t, "", "deploy", ".", "--name", "f"); code != exitOK {
		t.Fatal(stderr)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out bytes.Buffer
	root := newRootCommand()
	root.SetArgs([]string{"logs", "f", "--follow"})
	root.SetOut(writerFunc(func(p []byte) (int, error) {
		if strings.HasPrefix(string(p), "END") {
			interrupt()
		}
		return out.Write(p)
	}))
	if err := root.ExecuteContext(ctx); err != nil {
		t.Fatal(err)
	}
	if want := "START RequestId: 1 Version: $LATEST\nhello\nEND RequestId: 1\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// TestPrivateData: what a user reads who is not the server's.
func TestPrivateData(t *testing.T) {
	for _, cause := range []error{os.ErrPermission, fmt.Errorf("read: %w", os.ErrPermission)} {
		if err := privateError("/d", cause); !strings.Contains(err.Error(), "/d") || !strings.Contains(err.Error(), "sudo") {
			t.Errorf("%v became %v", cause, err)
		}
	}
	if err := privateError("/d", os.ErrClosed); err != os.ErrClosed {
		t.Errorf("another error became %v", err)
	}
}
