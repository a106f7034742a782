package runtimes_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"thaw/internal/lambda"
	"thaw/internal/runtimes"
)

const python312 = `{
  "name": "python3.12",
  "fingerprint": "abc",
  "version": "python:3.12.v1",
  "interpreter": "3.12.1",
  "client": "awslambdaric 4.2.2",
  "mounts": [
    {"source": "lang", "target": "/var/lang"},
    {"source": "runtime", "target": "/var/runtime"}
  ],
  "environment": {"PYTHONPATH": "/var/runtime"}
}`

// install writes a runtime as a recipe leaves it.
func install(t *testing.T, dir, name, manifest string) {
	t.Helper()
	for _, sub := range []string{"lang", "runtime"} {
		if err := os.MkdirAll(filepath.Join(dir, name, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, name, "runtime.json"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *runtimes.Catalogue {
	t.Helper()
	everything := func(string) bool { return true } // whatever this machine has
	c, err := runtimes.Open(runtimes.Options{Dir: dir, CanBuild: everything})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, "python3.12", python312)
	c := open(t, dir)
	got, err := c.Resolve("python3.12")
	if err != nil {
		t.Fatal(err)
	}
	want := runtimes.Runtime{
		Name: "python3.12",
		Mounts: []runtimes.Mount{
			{Source: filepath.Join(dir, "python3.12/lang"), Target: "/var/lang"},
			{Source: filepath.Join(dir, "python3.12/runtime"), Target: "/var/runtime"},
		},
		Bootstrap:    []string{"/var/runtime/bootstrap"},
		ExecutionEnv: "AWS_Lambda_python3.12",
		Version:      "python:3.12.v1",
		Interpreter:  "3.12.1",
		Client:       "awslambdaric 4.2.2",
	}
	ignore := cmpopts.IgnoreUnexported(runtimes.Runtime{})
	if diff := cmp.Diff(want, got, ignore, cmpopts.IgnoreFields(runtimes.Runtime{}, "VersionARN")); diff != "" {
		t.Errorf("python3.12 (-want +got):\n%s", diff)
	}
	checkVersionARN(t, got.VersionARN)
}

func TestResolveProvided(t *testing.T) {
	c := open(t, t.TempDir())
	for name, version := range map[string]string{
		"provided.al2":    "provided:al2.v1",
		"provided.al2023": "provided:al2023.v1",
	} {
		got, err := c.Resolve(name)
		if err != nil {
			t.Fatal(err)
		}
		checkVersionARN(t, got.VersionARN)
		want := runtimes.Runtime{Name: name, Version: version, Bootstrap: []string{"/var/task/bootstrap", "/opt/bootstrap"}}
		ignore := cmpopts.IgnoreFields(runtimes.Runtime{}, "VersionARN", "defaults")
		if diff := cmp.Diff(want, got, ignore); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func checkVersionARN(t *testing.T, arn string) {
	t.Helper()
	digest, ok := strings.CutPrefix(arn, "arn:aws:lambda:us-east-1::runtime:")
	if !ok || len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "" {
		t.Errorf("version ARN %q", arn)
	}
}

func TestVersionARNTellsBuildsApart(t *testing.T) {
	arn := func(name, manifest string, scope lambda.Scope) string {
		dir := t.TempDir()
		install(t, dir, name, manifest)
		c, err := runtimes.Open(runtimes.Options{Dir: dir, Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Resolve(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.VersionARN(name); got != r.VersionARN {
			t.Errorf("VersionARN gives %q, Resolve %q", got, r.VersionARN)
		}
		return r.VersionARN
	}
	missing, err := runtimes.Open(runtimes.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	checkVersionARN(t, missing.VersionARN("ruby3.4"))
	rebuilt := strings.Replace(python312, `"abc"`, `"abd"`, 1)
	first := arn("python3.12", python312, lambda.Scope{})
	if again := arn("python3.12", python312, lambda.Scope{}); again != first {
		t.Errorf("one build has two ARNs, %q and %q", first, again)
	}
	if other := arn("python3.12", rebuilt, lambda.Scope{}); other == first {
		t.Errorf("two builds have one ARN, %q", first)
	}
	china := arn("python3.12", python312, lambda.Scope{Partition: "aws-cn", Region: "cn-north-1"})
	if !strings.HasPrefix(china, "arn:aws-cn:lambda:cn-north-1::runtime:") {
		t.Errorf("ARN in another partition: %q", china)
	}
}

func TestResolveNotInstalled(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ".work"), 0o755); err != nil {
		t.Fatal(err)
	}
	install(t, filepath.Dir(dir), "outside", strings.Replace(python312, "python3.12", "outside", 1))
	c := open(t, dir)
	for name, command := range map[string]string{
		"python3.12":  "runtimes/build.sh --only python3.12 " + dir,
		"nodejs22.x":  "runtimes/build.sh --only nodejs22.x " + dir,
		"ruby3.4":     "",
		"":            "",
		".work":       "",
		"../outside":  "",
		"/etc":        "",
		"Python3.12":  "",
		"a\x00b":      "",
		"python3.12/": "",
	} {
		_, err := c.Resolve(name)
		missing, ok := errors.AsType[*runtimes.NotInstalledError](err)
		if !ok {
			t.Errorf("Resolve(%q) = %v, want a NotInstalledError", name, err)
			continue
		}
		if missing.Runtime != name || missing.Command != command {
			t.Errorf("Resolve(%q): %+v, want the command %q", name, missing, command)
		}
		if command != "" && !strings.Contains(err.Error(), command) {
			t.Errorf("Resolve(%q): %q does not tell the command", name, err)
		}
	}
}

// TestAdviceThatCannotHelp: to build a runtime is no advice where the machine
// lacks the interpreter for it; what there is, is.
func TestAdviceThatCannotHelp(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, "python3.12", python312)
	c, err := runtimes.Open(runtimes.Options{Dir: dir, CanBuild: func(name string) bool { return name != "python3.8" }})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"python3.8": "cannot be built on this machine, which has: provided.al2, provided.al2023, python3.12",
		"ruby3.4":   "cannot be built on this machine, which has: provided.al2, provided.al2023, python3.12",
		"python3.9": "build it with: runtimes/build.sh --only python3.9 " + dir,
	} {
		_, err := c.Resolve(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve(%q) = %v, want %q", name, err, want)
		}
	}
}

// TestInterpretersOfThisMachine: the catalogue sees those that the script sees.
func TestInterpretersOfThisMachine(t *testing.T) {
	list, err := builder(t, "--list")
	if err != nil {
		t.Skipf("the recipes' script does not run here: %s", list)
	}
	c, err := runtimes.Open(runtimes.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range c.List() {
		if s.Command != "" {
			names = append(names, s.Name)
		}
	}
	want := strings.Fields(list)
	slices.Sort(want)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("what can be built here (-script +catalogue):\n%s", diff)
	}
}

func TestResolveFindsWhatIsBuiltLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	c := open(t, dir)
	if _, err := c.Resolve("python3.12"); err == nil {
		t.Fatal("a runtime before it is built")
	}
	install(t, dir, "python3.12", python312)
	if _, err := c.Resolve("python3.12"); err != nil {
		t.Error(err)
	}
}

func TestDamagedRuntimes(t *testing.T) {
	tests := map[string]struct{ manifest, want string }{
		"no JSON":      {"{", "runtime.json"},
		"other name":   {strings.Replace(python312, "python3.12", "python3.13", 1), `is of "python3.13"`},
		"no directory": {strings.Replace(python312, `"lang"`, `"language"`, 1), "no such file"},
		"climbs":       {strings.Replace(python312, `"lang"`, `"../python3.12/lang"`, 1), "not allowed"},
		"link":         {strings.Replace(python312, `"lang"`, `"link"`, 1), "not allowed"},
		"file":         {strings.Replace(python312, `"lang"`, `"runtime.json"`, 1), "not allowed"},
		"no target":    {strings.Replace(python312, `"/var/lang"`, `""`, 1), "not allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			install(t, dir, "python3.12", tt.manifest)
			if err := os.Symlink("lang", filepath.Join(dir, "python3.12", "link")); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			c, err := runtimes.Open(runtimes.Options{Dir: dir, CanBuild: func(string) bool { return true }, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(log.String(), "runtime=python3.12") {
				t.Errorf("the log says nothing of it: %q", log.String())
			}
			_, err = c.Resolve("python3.12")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Resolve = %v, want %q", err, tt.want)
			}
			if _, ok := errors.AsType[*runtimes.NotInstalledError](err); ok {
				t.Error("what was built counts as not installed")
			}
			for _, s := range c.List() {
				if s.Name == "python3.12" && (s.Installed || s.Problem == "" || s.Command == "") {
					t.Errorf("List: %+v", s)
				}
			}
		})
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, "python3.12", python312)
	install(t, dir, "ruby3.4", strings.ReplaceAll(python312, "python3.12", "ruby3.4"))
	build := func(name string) runtimes.Status {
		return runtimes.Status{Name: name, Recipe: true, Command: "runtimes/build.sh --only " + name + " " + dir}
	}
	want := []runtimes.Status{
		build("java17"), build("java21"), build("java25"),
		build("nodejs20.x"), build("nodejs22.x"), build("nodejs24.x"), build("nodejs26.x"),
		{Name: "provided.al2", Installed: true}, {Name: "provided.al2023", Installed: true},
		build("python3.10"), build("python3.11"),
		{Name: "python3.12", Installed: true, Recipe: true, Interpreter: "3.12.1", Client: "awslambdaric 4.2.2"},
		build("python3.13"), build("python3.14"), build("python3.8"), build("python3.9"),
		{Name: "ruby3.4", Installed: true, Interpreter: "3.12.1", Client: "awslambdaric 4.2.2"},
	}
	if diff := cmp.Diff(want, open(t, dir).List()); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}
