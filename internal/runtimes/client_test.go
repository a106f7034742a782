package runtimes_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/runtimes"
)

// languages are the installed runtimes of a family.
func languages(t *testing.T, family string) []runtimes.Runtime {
	t.Helper()
	c := built(t)
	var list []runtimes.Runtime
	for _, s := range c.List() {
		if !s.Installed || !strings.HasPrefix(s.Name, family) {
			continue
		}
		r, err := c.Resolve(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		if _, err := exec.LookPath("java"); family == "java" && err != nil {
			t.Skip("this machine has no Java, and the runtime is made of the machine's own")
		}
		missing(t, "no runtime of the family %q is built: make runtimes", family)
	}
	return list
}

// task writes a function's files.
func task(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestExamples(t *testing.T) {
	tests := []struct{ family, dir, handler, language string }{
		{"python", "python", "handler.handler", "Python"},
		{"nodejs", "node", "index.handler", "Node.js"},
		{"java", "java", "example.Hello", "Java"},
		{"provided", "go", "bootstrap", "Go"},
	}
	for _, tt := range tests {
		t.Run(tt.dir, func(t *testing.T) {
			for _, r := range languages(t, tt.family) {
				t.Run(r.Name, func(t *testing.T) {
					dir := filepath.Join("..", "..", "examples", tt.dir)
					switch tt.family {
					case "provided":
						dir = compile(t, dir)
					case "java":
						dir = exampleJar(t, r)
					}
					dir, err := filepath.Abs(dir)
					if err != nil {
						t.Fatal(err)
					}
					begin := time.Now()
					p := start(t, r, dir, tt.handler, nil)
					checkExample(t, p, tt.language, true)
					t.Logf("first answer after %v, resident %s", time.Since(begin).Round(time.Millisecond), p.residentKB())
					checkExample(t, p, tt.language, false)
				})
			}
		})
	}
}

func compile(t testing.TB, dir string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		missing(t, "compiling the example: %v", err)
	}
	out := t.TempDir()
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(out, "bootstrap"), ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if log, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	return out
}

func checkExample(t *testing.T, p *process, language string, cold bool) {
	t.Helper()
	got := p.invoke(t, `{"name":"Ada","n":[1,2.5]}`)
	if got.to != "response" {
		t.Fatalf("posted %+v", got)
	}
	want := map[string]any{
		"message":   "Hello, Ada, from " + language,
		"requestId": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
		"cold":      cold,
		"event":     map[string]any{"name": "Ada", "n": []any{1.0, 2.5}},
	}
	if diff := cmp.Diff(want, decode(t, got.body)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %q", err, body)
	}
	return v
}

// keys are the names of a JSON object's members.
func keys(v map[string]any) []string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestPythonClient(t *testing.T) {
	code := task(t, map[string]string{
		"app.py": `
import json, os, sys
def fails(event, context):
    raise ValueError("no good")
def tells(event, context):
    import boto3
    return {"path": sys.path[:4], "executable": sys.executable, "cwd": os.getcwd(), "uid": os.getuid(),
            "prefix": sys.prefix, "json": json.__file__, "boto3": boto3.__file__}
`,
		"broken.py": "import nothing_of_this_name\n",
		"wrapper":   "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n",
		"wrapped.py": `
import os
def handler(event, context):
    return os.environ.get("WRAPPED")
`,
	})
	for _, r := range languages(t, "python") {
		minor := strings.TrimPrefix(r.Name, "python")
		t.Run(r.Name, func(t *testing.T) {
			t.Run("place", func(t *testing.T) {
				got := start(t, r, code, "app.tells", nil).invoke(t, "{}")
				want := map[string]any{
					"path": []any{"/var/task", "/opt/python/lib/python" + minor + "/site-packages",
						"/opt/python", "/var/runtime"},
					"executable": "/var/lang/bin/python" + minor,
					"cwd":        "/var/task",
					"uid":        993.0,
					"prefix":     "/var/lang",
					"json":       "/var/lang/lib/python" + minor + "/json/__init__.py",
					"boto3":      "/var/runtime/boto3/__init__.py",
				}
				if diff := cmp.Diff(want, decode(t, got.body)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
			t.Run("handler fails", func(t *testing.T) {
				p := start(t, r, code, "app.fails", nil)
				for range 2 { // the process lives on
					got := p.invoke(t, "{}")
					body := decode(t, got.body)
					if got.to != "error" || body["errorType"] != "ValueError" || body["errorMessage"] != "no good" {
						t.Errorf("posted %+v", got)
					}
					if diff := cmp.Diff([]string{"errorMessage", "errorType", "requestId", "stackTrace"}, keys(body)); diff != "" {
						t.Errorf("members (-want +got):\n%s", diff)
					}
				}
			})
			t.Run("no such module", func(t *testing.T) {
				checkInitError(t, start(t, r, code, "missing.handler", nil), "Runtime.ImportModuleError")
			})
			t.Run("no such handler", func(t *testing.T) {
				checkInitError(t, start(t, r, code, "app.missing", nil), "Runtime.HandlerNotFound")
			})
			t.Run("own libraries with another path", func(t *testing.T) {
				p := start(t, r, code, "wrapped.handler", map[string]string{"LD_LIBRARY_PATH": "/opt/lib"})
				if got := p.invoke(t, "{}"); got.body != "null" {
					t.Errorf("posted %+v", got)
				}
			})
			checkWrapper(t, r, code, "wrapped.handler")
		})
	}
}

func TestNodeClient(t *testing.T) {
	code := task(t, map[string]string{
		"app.js":     `exports.fails = async () => { throw new RangeError("no good") }`,
		"own.mjs":    `export const tells = async () => ({ cwd: process.cwd(), exec: process.execPath, uid: process.getuid(), major: process.version.split(".")[0], heap: (await import("node:v8")).getHeapStatistics().heap_size_limit < 200e6 })`,
		"wrapper":    "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n",
		"wrapped.js": `exports.handler = async () => process.env.WRAPPED`,
		"syntax.js":  `exports.handler = async ( => {}`,
		"stream.mjs": `export const handler = awslambda.streamifyResponse(async (event, stream) => { stream.write("one,"); stream.write("two"); stream.end() })`,
	})
	for _, r := range languages(t, "nodejs") {
		t.Run(r.Name, func(t *testing.T) {
			t.Run("place", func(t *testing.T) {
				got := start(t, r, code, "own.tells", nil).invoke(t, "{}")
				want := map[string]any{
					"cwd": "/var/task", "exec": "/var/lang/bin/node", "uid": 993.0, "heap": true,
					"major": "v" + strings.TrimSuffix(strings.TrimPrefix(r.Name, "nodejs"), ".x"),
				}
				if diff := cmp.Diff(want, decode(t, got.body)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
			t.Run("handler fails", func(t *testing.T) {
				p := start(t, r, code, "app.fails", nil)
				for range 2 { // the process lives on
					got := p.invoke(t, "{}")
					body := decode(t, got.body)
					if got.to != "error" || body["errorType"] != "RangeError" || body["errorMessage"] != "no good" {
						t.Errorf("posted %+v", got)
					}
					if diff := cmp.Diff([]string{"errorMessage", "errorType", "trace"}, keys(body)); diff != "" {
						t.Errorf("members (-want +got):\n%s", diff)
					}
				}
			})
			t.Run("response in pieces", func(t *testing.T) {
				if got := start(t, r, code, "stream.handler", nil).invoke(t, "{}"); got.to != "response" || got.body != "one,two" {
					t.Errorf("posted %+v", got)
				}
			})
			t.Run("no such module", func(t *testing.T) {
				checkInitError(t, start(t, r, code, "missing.handler", nil), "Runtime.ImportModuleError")
			})
			t.Run("no such handler", func(t *testing.T) {
				checkInitError(t, start(t, r, code, "app.missing", nil), "Runtime.HandlerNotFound")
			})
			t.Run("bad syntax", func(t *testing.T) {
				checkInitError(t, start(t, r, code, "syntax.handler", nil), "Runtime.UserCodeSyntaxError")
			})
			checkWrapper(t, r, code, "wrapped.handler")
		})
	}
}

// checkInitError expects a runtime that tells why it cannot begin, and ends.
func checkInitError(t *testing.T, p *process, errorType string) {
	t.Helper()
	got := p.wait(t)
	if got.to != "init/error" || decode(t, got.body)["errorType"] != errorType {
		t.Errorf("posted %+v, want init/error with %s", got, errorType)
	}
	if code := p.exitCode(t); code == 0 {
		t.Error("the runtime ended with code 0")
	}
}

// checkWrapper holds that AWS_LAMBDA_EXEC_WRAPPER is started in the runtime's
// place, and that one that is not there ends the runtime as recorded.
func checkWrapper(t *testing.T, r runtimes.Runtime, code, handler string) {
	t.Run("wrapper", func(t *testing.T) {
		p := start(t, r, code, handler, map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"})
		if got := p.invoke(t, "{}"); got.body != `"yes"` {
			t.Errorf("posted %+v", got)
		}
	})
	t.Run("no wrapper", func(t *testing.T) {
		p := start(t, r, code, handler, map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/missing"})
		if got := p.exitCode(t); got != 127 {
			t.Errorf("exit code %d, want 127", got)
		}
		if want := "/var/task/missing: does not exist\n"; p.output.String() != want {
			t.Errorf("printed %q, want %q", &p.output, want)
		}
	})
}
