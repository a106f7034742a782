package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestDemoDataDir: of a demo whose server has ended the clients still speak,
// unless another server runs where they would look otherwise.
func TestDemoDataDir(t *testing.T) {
	here, dead := os.Getpid(), deadProcess(t)
	tests := []struct {
		name            string
		kept            bool // the demo has been there
		demo, otherwise int  // process of its server.json; 0 for none
		want            bool
	}{
		{"no demo", false, 0, 0, false},
		{"running", true, here, 0, true},
		{"running beside another", true, here, here, true},
		{"killed", true, dead, 0, true},
		{"ended", true, 0, 0, true},
		{"ended, another runs", true, 0, here, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			demo, otherwise := t.TempDir(), t.TempDir()
			if test.kept {
				if err := os.Mkdir(filepath.Join(demo, "store"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for dir, pid := range map[string]int{demo: test.demo, otherwise: test.otherwise} {
				if pid == 0 {
					continue
				}
				if err := (serverFile{Address: "127.0.0.1:1", PID: pid}).write(dir); err != nil {
					t.Fatal(err)
				}
			}
			if _, got := demoDataDir(demo, otherwise); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func deadProcess(t *testing.T) int {
	t.Helper()
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	return child.Process.Pid
}

// withRuntime gives a running fake server a directory with one runtime.
func withRuntime(t *testing.T, dataDir, name string) {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"lang", "runtime"} {
		if err := os.MkdirAll(filepath.Join(dir, name, part), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	manifest := fmt.Sprintf(`{"name": %q, "fingerprint": "f", "version": "python:3.11.v1", "interpreter": "3.11.2", "client": "c", "environment": {},
		"mounts": [{"source": "lang", "target": "/var/lang"}, {"source": "runtime", "target": "/var/runtime"}]}`, name)
	if err := os.WriteFile(filepath.Join(dir, name, "runtime.json"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := readServerFile(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	file.Runtimes = dir
	if err := file.write(dataDir); err != nil {
		t.Fatal(err)
	}
}

const pythonHandlerSource = "def handler(event, context):\n    pass\n"

func inDirectory(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRuntimesBehindAnEndpoint: the variables of the AWS tools name an address
// only; the runtimes are those of the server of this machine that has it.
func TestRuntimesBehindAnEndpoint(t *testing.T) {
	dataDir := isolate(t)
	server := startFake(t, dataDir)
	withRuntime(t, dataDir, "python3.11")
	inDirectory(t, map[string]string{"f/app.py": pythonHandlerSource, "g/index.mjs": ""})
	found, err := target{Endpoint: server.Endpoint}.located()
	if err != nil || found.Runtimes == "" || found.Distant {
		t.Fatalf("%+v, %v", found, err)
	}
	stdout, stderr, code := runVerb(t, "", "deploy", "f")
	if code != exitOK || !strings.Contains(stdout, "python3.11") || strings.Contains(stderr, "warning") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	// There is no Node.js on this server.
	_, stderr, code = runVerb(t, "", "deploy", "g")
	if code != exitOK || !strings.Contains(stderr, "warning: g cannot run yet") || !strings.Contains(stderr, "which has python3.11;") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

func TestRuntimesOfADistantServer(t *testing.T) {
	dataDir := isolate(t)
	server := startFake(t, dataDir)
	if err := os.Remove(filepath.Join(dataDir, serverFileName)); err != nil {
		t.Fatal(err)
	}
	inDirectory(t, map[string]string{"f/app.py": pythonHandlerSource})
	pointTo(t, server.Endpoint)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	_, stderr, code := runVerb(t, "", "deploy", "f")
	if code != exitOK || !strings.Contains(stderr, "not known here: taking "+defaultPython) || strings.Contains(stderr, "warning") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// TestDetectFor: a named runtime decides which of the languages is meant, and one
// that is not there is refused.
func TestDetectFor(t *testing.T) {
	both := tree("index.js", "", "app.py", pythonHandlerSource)
	tests := []struct {
		name, runtime string
		code          fstest.MapFS
		want          project
		problem       string
	}{
		{"the named one", "python3.12", both, project{defaultPython, "app.handler", false}, ""},
		{"none named", "", both, project{defaultNode, "index.handler", false}, ""},
		{"another version", "provided.al2", tree("main.go", "package main"), project{customRuntime, "bootstrap", true}, ""},
		{"Go as Python", "python3.12", tree("main.go", "package main"), project{}, "it holds code for provided, which python3.12 does not run"},
		{"nothing", "python3.12", tree(), project{}, errUndetected.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := detectFor(test.runtime, test.code, nil)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDeployRefusesAContradiction(t *testing.T) {
	startFake(t, isolate(t))
	inDirectory(t, map[string]string{"f/main.go": "package main\n\nfunc main() {}\n"})
	_, stderr, code := runVerb(t, "", "deploy", "f", "--runtime", "python3.12")
	if code != exitUsage || !strings.Contains(stderr, "leave --runtime out") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	// Whoever names both knows what he does.
	if stdout, stderr, code := runVerb(t, "", "deploy", "f", "--runtime", "python3.12", "--handler", "a.b"); code != exitOK {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}

func TestDeployWithoutAModule(t *testing.T) {
	if _, err := findGo(); err != nil {
		t.Skip(err)
	}
	startFake(t, isolate(t))
	inDirectory(t, map[string]string{"f/main.go": "package main\n\nfunc main() {}\n"})
	t.Setenv("GO111MODULE", "on")
	_, stderr, code := runVerb(t, "", "deploy", "f")
	if code != exitLocal || !strings.Contains(stderr, "go mod init") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// TestFindGo: sudo's PATH has no Go.
func TestFindGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	path, err := findGo()
	if _, statErr := os.Stat(filepath.Join(goRoot, "go")); statErr == nil {
		if path != filepath.Join(goRoot, "go") {
			t.Errorf("got %q, %v", path, err)
		}
	} else if err == nil || !strings.Contains(err.Error(), "sudo") {
		t.Errorf("got %q, %v", path, err)
	}
}

// logServer has one line of a function, and forgets the function after some
// requests for it.
func logServer(t *testing.T, requests int) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			answer(w, http.StatusOK, map[string]any{"events": []any{logLine(1, "hello\n")}})
			return
		}
		requests--
		if r.URL.Path != "/2015-03-31/functions/f/configuration" || requests < 0 {
			refuse(w, http.StatusNotFound, "ResourceNotFoundException", "message", "Function not found: f")
			return
		}
		answer(w, http.StatusOK, map[string]any{"FunctionName": "f"})
	}))
	t.Cleanup(server.Close)
	return server
}

func TestLogsOfAnARN(t *testing.T) {
	isolate(t)
	pointTo(t, logServer(t, 100).URL)
	for _, name := range []string{"f", "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", "function:f"} {
		if stdout, stderr, code := runVerb(t, "", "logs", name); code != exitOK || stdout != "hello\n" || stderr != "" {
			t.Errorf("%s: exit code %d, %q, %q", name, code, stdout, stderr)
		}
	}
	if _, stderr, code := runVerb(t, "", "logs", "arn:aws:s3:::f"); code != exitUsage {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// TestFollowOfADeletedFunction ends, and in good order.
func TestFollowOfADeletedFunction(t *testing.T) {
	isolate(t)
	pointTo(t, logServer(t, 1).URL)
	stdout, stderr, code := runVerb(t, "", "logs", "f", "--follow")
	if code != exitOK || stdout != "hello\n" || !strings.Contains(stderr, "has been deleted") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if _, _, code := runVerb(t, "", "logs", "nothing", "--follow"); code != exitRefused {
		t.Errorf("a function that never was: exit code %d", code)
	}
}

// TestProxyExceptions: a proxy would be asked for a server on this machine.
func TestProxyExceptions(t *testing.T) {
	isolate(t)
	here := target{Endpoint: "http://127.0.0.1:4566"}
	if got := proxyExceptions(here); got != nil {
		t.Errorf("without a proxy: %v", got)
	}
	t.Setenv("http_proxy", "http://proxy:3128")
	t.Setenv("NO_PROXY", "example.com")
	t.Setenv("no_proxy", "127.0.0.1,example.com")
	want := []variable{{"NO_PROXY", "example.com,127.0.0.1"}, {"no_proxy", "127.0.0.1,example.com"}}
	if diff := cmp.Diff(want, proxyExceptions(here)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
