package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/runtimes"
)

// TestRuntimesTable compares the table with the golden one: of each kind of
// runtime one, whatever this machine has.
func TestRuntimesTable(t *testing.T) {
	list := []runtimes.Status{
		{Name: "java21", Recipe: true},
		{Name: "nodejs22.x", Recipe: true, Command: "runtimes/build.sh --only nodejs22.x /srv/runtimes"},
		{Name: "provided.al2023", Installed: true},
		{Name: "python3.12", Recipe: true, Installed: true, Interpreter: "3.12.1", Client: "awslambdaric 4.2.2"},
		{Name: "python3.9", Recipe: true, Problem: "read runtime \"python3.9\": damaged", Command: "runtimes/build.sh --only python3.9 /srv/runtimes"},
		{Name: "ruby3.4", Installed: true, Root: "/srv/ruby3.4"},
	}
	var out bytes.Buffer
	if err := printRuntimes(&out, shownRuntimes(list), false); err != nil {
		t.Fatal(err)
	}
	compareGolden(t, filepath.Join("testdata", "runtimes.txt"), out.String())
}

// TestRuntimesOfServer: the verb looks where the server of the data directory
// does, and otherwise where a server would.
func TestRuntimesOfServer(t *testing.T) {
	data, own := isolate(t), t.TempDir()
	manifest := `{"name": "ruby3.4", "root": "` + t.TempDir() + `", "version": "ruby:3.4.v1"}`
	for _, dir := range []string{filepath.Join(data, "runtimes"), own} {
		writeFile(t, filepath.Join(dir, "ruby3.4", "runtime.json"), manifest)
	}
	state := func(args ...string) (states map[string]string) {
		t.Helper()
		stdout, stderr, code := runVerb(t, "", append([]string{"runtimes", "--json"}, args...)...)
		var list []struct{ Runtime, State string }
		if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != exitOK {
			t.Fatalf("%v %d %s", err, code, stderr)
		}
		states = make(map[string]string, len(list))
		for _, r := range list {
			states[r.Runtime] = r.State
		}
		return states
	}
	if got := state()["ruby3.4"]; got != runtimeInstalled {
		t.Errorf("without a server: %s", got)
	}
	file := serverFile{Address: "127.0.0.1:1", PID: os.Getpid(), Runtimes: own}
	if err := file.write(data); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runVerb(t, "", "runtimes", "rm", "ruby3.4"); code != exitOK {
		t.Fatal(stderr)
	}
	want := map[bool]string{true: runtimeInstalled, false: runtimeAbsent}
	for _, named := range []bool{true, false} {
		args := []string{}
		if named {
			args = []string{"--runtimes", filepath.Join(data, "runtimes")}
		}
		if diff := cmp.Diff(want[named], state(args...)["ruby3.4"]); diff != "" {
			t.Errorf("directory named: %v (-want +got):\n%s", named, diff)
		}
	}
}

// TestRuntimesAddKeepsTheDataApart: no root may show functions the server's keys.
func TestRuntimesAddKeepsTheDataApart(t *testing.T) {
	data := isolate(t)
	for _, root := range []string{data, filepath.Dir(data)} {
		_, stderr, code := runVerb(t, "", "runtimes", "add", "provided.al2", "--root", root, "--runtimes", t.TempDir())
		if code != exitLocal || !strings.Contains(stderr, "data directory") {
			t.Errorf("root %s: code %d, %q", root, code, stderr)
		}
	}
}
