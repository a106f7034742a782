package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// strangersRoot makes the root directory of a system that is like no other: its
// shell is a program of the test's, its bootstrap a script of that shell.
func strangersRoot(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	save(t, filepath.Join(root, "etc/os-release"), "NAME=Stranger\n")
	save(t, filepath.Join(root, "var/runtime/bootstrap"), "#!/bin/sh --script\n")
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(root, "bin/sh"), "./testdata/stranger")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.Chmod(filepath.Join(root, "var/runtime/bootstrap"), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

// fails runs a verb that must fail, and returns all that it said.
func (s *server) fails(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.program, args...)
	cmd.Env = s.environ()
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("thaw %s: no error\n%s", strings.Join(args, " "), out)
	}
	return string(out)
}

// TestRootOfTheOperators takes a runtime of the operator's through its life, on a
// server that runs all the while but for one kill.
func TestRootOfTheOperators(t *testing.T) {
	root, runtimes := strangersRoot(t), filepath.Join(t.TempDir(), "runtimes")
	s := startServerOf(t, program(t), func(s *server) { s.runtimes = runtimes })
	dir := filepath.Join(t.TempDir(), "gem")
	save(t, filepath.Join(dir, "code.txt"), "first")
	_, warned := s.thaw(t, "deploy", dir, "--runtime", "ruby3.4", "--handler", "app.run")
	if !strings.Contains(warned, "ruby3.4 is not installed") {
		t.Errorf("deploy said %q", warned)
	}
	advice := "thaw runtimes add ruby3.4 --root DIR"
	if said := s.fails(t, "invoke", "gem"); !strings.Contains(said, advice) {
		t.Errorf("invoke says %q, and not %q", said, advice)
	}
	s.thaw(t, "runtimes", "add", "ruby3.4", "--root", root, "--env", "GREETING=hello")
	if table, _ := s.thaw(t, "runtimes"); !strings.Contains(table, "root "+root+"\n") {
		t.Errorf("runtimes:\n%s", table)
	}
	check := func(code string) {
		t.Helper()
		answer, _ := s.thaw(t, "invoke", "gem")
		var got map[string]any
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		want := map[string]any{
			"args": []any{"/bin/sh", "--script", "/var/runtime/bootstrap"}, "code": code, "system": "NAME=Stranger\n",
			"handler": "app.run", "greeting": "hello", "env": "AWS_Lambda_ruby3.4",
			"host is seen": false, "devices": true, "proc": true, "own hosts": true, "tmp": true, "root": false, "uid": 993.0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seen in the root (-want +got):\n%s", diff)
		}
	}
	check("first")
	s.cmd.Process.Kill()
	<-s.ended
	s.start(t)
	check("first")
	save(t, filepath.Join(dir, "code.txt"), "second")
	s.thaw(t, "deploy", dir, "--name", "gem")
	check("second")
	s.thaw(t, "runtimes", "rm", "ruby3.4")
	save(t, filepath.Join(dir, "code.txt"), "third")
	s.thaw(t, "deploy", dir, "--name", "gem")
	if said := s.fails(t, "invoke", "gem"); !strings.Contains(said, advice) {
		t.Errorf("after the runtime has gone: %q", said)
	}
	script, err := os.ReadFile(filepath.Join(root, "var/runtime/bootstrap"))
	if err != nil || !bytes.HasPrefix(script, []byte("#!/bin/sh")) {
		t.Errorf("the root itself: %q, %v", script, err)
	}
}
