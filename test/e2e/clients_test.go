package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// languages is one echo function for each language.
func languages(t *testing.T) map[string]spec {
	return map[string]spec{"go": goEcho(t), "python": pythonEcho(t, python(t)), "node": nodeEcho(t, node(t))}
}

// run runs a client to its end and returns what it printed.
func (s *server) run(t *testing.T, dir, program string, args ...string) []byte {
	t.Helper()
	out, errs, err := s.tryRun(t, dir, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, errs)
	}
	return out
}

func (s *server) tryRun(t *testing.T, dir, program string, args ...string) (stdout, stderr []byte, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, s.environ(t), &out, &errs
	err = cmd.Run()
	return out.Bytes(), errs.Bytes(), err
}

// TestBoto3 takes a function of each language through its life with boto3.
func TestBoto3(t *testing.T) {
	s := shared(t)
	program := client(t, "python")
	script, err := filepath.Abs("testdata/clients/lifecycle.py")
	if err != nil {
		t.Fatal(err)
	}
	for language, sp := range languages(t) {
		t.Run(language, func(t *testing.T) {
			t.Parallel() // boto3 spends its time waiting
			dir := t.TempDir()
			path := filepath.Join(dir, "function.zip")
			if err := os.WriteFile(path, sp.zip, 0o600); err != nil {
				t.Fatal(err)
			}
			out := s.run(t, dir, program, script, "boto-"+language, sp.runtime, sp.handler, path)
			var got, want any
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			err := json.Unmarshal([]byte(`{
				"create": [201, "Pending"],
				"get": ["Active", {"GREETING": "hello"}, 256],
				"list": 1,
				"invoke": [200, "$LATEST", [1, "ä"], "boto3", "hello", true, true, false],
				"raise": [200, "Unhandled", "on purpose"],
				"dry run": 204,
				"no payload": null,
				"update": [true, "good bye"],
				"create again": [409, "ResourceConflictException", "ResourceConflictException"],
				"delete": 204,
				"delete again": [404, "ResourceNotFoundException", "ResourceNotFoundException"],
				"invoke deleted": [404, "ResourceNotFoundException", "ResourceNotFoundException"]
			}`), &want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what boto3 saw (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCLI takes a function of each language through its life with the AWS CLI.
func TestCLI(t *testing.T) {
	s := shared(t)
	program := client(t, "aws")
	for language, sp := range languages(t) {
		t.Run(language, func(t *testing.T) {
			t.Parallel() // the CLI spends its time with itself
			c := &cli{t: t, server: s, program: program, dir: t.TempDir(), name: "cli-" + language}
			c.write("function.zip", sp.zip)
			c.life(sp)
		})
	}
}

// cli is one function in the hands of the AWS CLI.
type cli struct {
	t                  *testing.T
	server             *server
	program, dir, name string
}

func (c *cli) write(file string, content []byte) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, file), content, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// aws runs "aws lambda VERB --function-name NAME ARGS" and returns its text.
func (c *cli) aws(verb string, args ...string) string {
	c.t.Helper()
	all := append([]string{"lambda"}, strings.Fields(verb)...)
	all = append(all, "--function-name", c.name, "--output", "text")
	return strings.TrimSpace(string(c.server.run(c.t, c.dir, c.program, append(all, args...)...)))
}

func (c *cli) want(what, got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (c *cli) life(sp spec) {
	t := c.t
	c.want("create", c.aws("create-function", "--runtime", sp.runtime, "--handler", sp.handler, "--role", role,
		"--timeout", "10", "--zip-file", "fileb://function.zip", "--query", "State"), "Pending")
	c.aws("wait function-active-v2")
	c.want("get", c.aws("get-function", "--query", "Configuration.[State,Timeout,MemorySize,Handler]"), "Active\t10\t128\t"+sp.handler)
	listed := c.server.run(t, c.dir, c.program, "lambda", "list-functions", "--page-size", "1", "--output", "text",
		"--query", "Functions[?FunctionName=='"+c.name+"'].Runtime")
	c.want("list", strings.TrimSpace(string(listed)), sp.runtime)
	c.invocations()

	c.want("update configuration", c.aws("update-function-configuration", "--environment", "Variables={GREETING=bonjour}",
		"--query", "LastUpdateStatus"), "InProgress")
	c.aws("wait function-updated-v2")
	c.aws("update-function-code", "--zip-file", "fileb://function.zip", "--query", "CodeSha256")
	c.aws("wait function-updated-v2")
	c.want("greeting", c.invoke(map[string]any{}).Greeting, "bonjour")
	c.aws("delete-function")
	out, errs, err := c.server.tryRun(t, c.dir, c.program, "lambda", "get-function", "--function-name", c.name)
	if err == nil || !strings.Contains(string(errs), "ResourceNotFoundException") {
		t.Errorf("get after delete: %v %s %s", err, out, errs)
	}
}

func (c *cli) invoke(event any, args ...string) echoed {
	c.t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("event.json", payload)
	c.aws("invoke", append([]string{"--payload", "fileb://event.json", "answer.json"}, args...)...)
	answer, err := os.ReadFile(filepath.Join(c.dir, "answer.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	var got echoed
	if err := json.Unmarshal(answer, &got); err != nil {
		c.t.Fatalf("answer %q: %v", answer, err)
	}
	return got
}

// invocations invokes cold, with the log, and dry.
func (c *cli) invocations() {
	t := c.t
	c.write("event.json", []byte(`{"value":{"n":7},"print":"a line"}`))
	log, err := base64.StdEncoding.DecodeString(c.aws("invoke", "--payload", "fileb://event.json", "--log-type", "Tail",
		"--query", "LogResult", "answer.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"START RequestId: ", "a line\n", "END RequestId: ", "REPORT RequestId: ", "Init Duration: "} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	warm := c.invoke(map[string]any{"value": 8})
	if string(warm.Value) != "8" || warm.Count != 2 || warm.Function != c.name {
		t.Errorf("the second invocation: %+v", warm)
	}
	c.want("dry run", c.aws("invoke", "--invocation-type", "DryRun", "--query", "StatusCode", "nothing.json"), "204")
}
