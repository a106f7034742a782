package runtimes_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"thaw/internal/runtimes"
)

// system makes a root with a shell, which is this test's own program, and a
// bootstrap that is a script of it.
func system(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	put(t, root, "usr/bin/sh", string(program), 0o755)
	link(t, root, "bin", "usr/bin")
	put(t, root, "var/runtime/bootstrap", "#!/bin/sh\n", 0o755)
	return root
}

func put(t *testing.T, root, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, root, name, to string) {
	t.Helper()
	if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
		t.Fatal(err)
	}
}

func TestAddRoot(t *testing.T) {
	dir, root := filepath.Join(t.TempDir(), "made", "by", "add"), system(t)
	server := open(t, dir) // runs already
	if _, err := server.Resolve("ruby3.4"); err == nil {
		t.Fatal("a runtime that nobody has added")
	}
	got, err := open(t, dir).Add(runtimes.Root{Name: "ruby3.4", Dir: root, Environment: map[string]string{"GEM_PATH": "/var/runtime"}})
	if err != nil {
		t.Fatal(err)
	}
	want := runtimes.Runtime{
		Name: "ruby3.4", Root: root, Bootstrap: []string{"/var/runtime/bootstrap"},
		ExecutionEnv: "AWS_Lambda_ruby3.4", Version: "ruby:3.4.v1", VersionARN: got.VersionARN,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(runtimes.Runtime{})); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	checkVersionARN(t, got.VersionARN)
	seen, err := server.Resolve("ruby3.4")
	if err != nil {
		t.Fatal(err)
	}
	if env := seen.Environ(functionContext()); !slices.Contains(env, "GEM_PATH=/var/runtime") || !slices.Contains(env, "AWS_EXECUTION_ENV=AWS_Lambda_ruby3.4") ||
		!slices.Contains(env, "PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin") {
		t.Errorf("a running server sees %v", env)
	}
	if _, err := open(t, dir).Add(runtimes.Root{Name: "ruby3.4", Dir: root}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second root of the name: %v", err)
	}
	if err := open(t, dir).Remove("ruby3.4"); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Resolve("ruby3.4"); err == nil {
		t.Error("a running server still has what was removed")
	}
	if _, err := os.Stat(filepath.Join(root, "usr/bin/sh")); err != nil {
		t.Errorf("the root itself: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestAddRootOfProvided: the system of functions that bring their own bootstrap
// can be the operator's too.
func TestAddRootOfProvided(t *testing.T) {
	c, root := open(t, t.TempDir()), system(t)
	got, err := c.Add(runtimes.Root{Name: "provided.al2", Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	if got.Root != root || got.ExecutionEnv != "" || !slices.Equal(got.Bootstrap, []string{"/var/task/bootstrap", "/opt/bootstrap"}) || got.Version != "provided:al2.v1" {
		t.Errorf("added %+v", got)
	}
	if err := c.Remove("provided.al2"); err != nil {
		t.Fatal(err)
	}
	if got, err = c.Resolve("provided.al2"); err != nil || got.Root != "" {
		t.Errorf("after its root: %+v, %v", got, err)
	}
	if err := c.Remove("provided.al2"); err == nil {
		t.Error("what is always there was removed")
	}
}

func TestAddRootRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, root *runtimes.Root)
		want   string
	}{
		"a path for a name": {func(_ *testing.T, r *runtimes.Root) { r.Name = "../x" }, "no name of a runtime"},
		"nothing there":     {func(_ *testing.T, r *runtimes.Root) { r.Dir += "/none" }, "no such file"},
		"a file":            {func(_ *testing.T, r *runtimes.Root) { r.Dir += "/var/runtime/bootstrap" }, "not a directory"},
		"this machine":      {func(_ *testing.T, r *runtimes.Root) { r.Dir = "/" }, "they would see everything"},
		"open to all": {func(t *testing.T, r *runtimes.Root) {
			if err := os.Chmod(r.Dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}, "can be written by others"},
		"for its owner":             {func(t *testing.T, r *runtimes.Root) { mode(t, r, "", 0o700) }, "chmod go+rx"},
		"a mount's parent":          {func(t *testing.T, r *runtimes.Root) { mode(t, r, "var", 0o750) }, "/var cannot be searched by everybody (mode 0750)"},
		"the bootstrap's directory": {func(t *testing.T, r *runtimes.Root) { mode(t, r, "var/runtime", 0o700) }, "/var/runtime cannot be searched"},
		"the shell's directory":     {func(t *testing.T, r *runtimes.Root) { mode(t, r, "usr/bin", 0o700) }, "/bin/sh: the directory /usr/bin cannot be searched"},
		"the shell":                 {func(t *testing.T, r *runtimes.Root) { mode(t, r, "usr/bin/sh", 0o744) }, "/bin/sh cannot be executed by everybody"},
		"around the data":           {func(_ *testing.T, r *runtimes.Root) { r.Private = r.Dir + "/var" }, "must not see"},
		"in the data":               {func(_ *testing.T, r *runtimes.Root) { r.Private = filepath.Dir(r.Dir) }, "the server's own"},
		"a link to mount":           {func(t *testing.T, r *runtimes.Root) { link(t, r.Dir, "tmp", "var") }, "a link"},
		"a file to mount":           {func(t *testing.T, r *runtimes.Root) { put(t, r.Dir, "opt", "", 0o644) }, "a file"},
		"no bootstrap":              {func(_ *testing.T, r *runtimes.Root) { r.Bootstrap = []string{"/none"} }, "is not there"},
		"a relative one":            {func(_ *testing.T, r *runtimes.Root) { r.Bootstrap = []string{"bootstrap"} }, "not an absolute path"},
		"one with detours":          {func(_ *testing.T, r *runtimes.Root) { r.Bootstrap = []string{"/var/../../etc"} }, "not an absolute path"},
		"a directory":               {func(_ *testing.T, r *runtimes.Root) { r.Bootstrap = []string{"/var"} }, "not a file"},
		"not executable":            {func(t *testing.T, r *runtimes.Root) { bootstrap(t, r, "#!/bin/sh\n", 0o644) }, "cannot be executed"},
		"for root only":             {func(t *testing.T, r *runtimes.Root) { bootstrap(t, r, "#!/bin/sh\n", 0o750) }, "cannot be executed by everybody"},
		"writable":                  {func(t *testing.T, r *runtimes.Root) { bootstrap(t, r, "#!/bin/sh\n", 0o777) }, "can be written"},
		"no interpreter":            {func(t *testing.T, r *runtimes.Root) { bootstrap(t, r, "#! /usr/bin/ruby -w\n", 0o755) }, "/usr/bin/ruby is not in the root"},
		"no program":                {func(t *testing.T, r *runtimes.Root) { bootstrap(t, r, "hello", 0o755) }, "neither a program nor a script"},
		"an empty script":           {func(t *testing.T, r *runtimes.Root) { bootstrap(t, r, "#!\n", 0o755) }, "names no interpreter"},
		"a link's circle": {func(t *testing.T, r *runtimes.Root) {
			link(t, r.Dir, "round", "/round")
			r.Bootstrap = []string{"/round"}
		}, "too many links"},
		"the service's": {func(_ *testing.T, r *runtimes.Root) { r.Environment = map[string]string{"AWS_REGION": "x"} }, "set by the service"},
		"no variable":   {func(_ *testing.T, r *runtimes.Root) { r.Environment = map[string]string{"A=B": "x"} }, "cannot be a variable"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			root := runtimes.Root{Name: "ruby3.4", Dir: system(t)}
			tt.change(t, &root)
			_, err := open(t, dir).Add(root)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Add = %v, want %q", err, tt.want)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func mode(t *testing.T, r *runtimes.Root, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(r.Dir, name), mode); err != nil {
		t.Fatal(err)
	}
}

func bootstrap(t *testing.T, r *runtimes.Root, content string, mode os.FileMode) {
	t.Helper()
	put(t, r.Dir, "srv/start", content, mode)
	r.Bootstrap = []string{"/srv/start"}
}

// TestAddRootLooksInside: links of a root mean what they mean inside.
func TestAddRootLooksInside(t *testing.T) {
	root := system(t)
	put(t, root, "opt/ruby/start", "#!/usr/local/sh\n", 0o755)
	put(t, root, "usr/local/x", "", 0o644)
	link(t, root, "usr/local/sh", "/../bin/sh")
	link(t, root, "start", "../../opt/ruby/start")
	got, err := open(t, t.TempDir()).Add(runtimes.Root{Name: "ruby3.4", Dir: root, Bootstrap: []string{"/none", "/start"}})
	if err != nil || !slices.Equal(got.Bootstrap, []string{"/none", "/start"}) {
		t.Errorf("Add = %+v, %v", got, err)
	}
}

// TestRootThatIsGone is told, and can be removed.
func TestRootThatIsGone(t *testing.T) {
	dir, root := t.TempDir(), system(t)
	c := open(t, dir)
	if _, err := c.Add(runtimes.Root{Name: "dotnet8", Dir: root}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(root, root+".away"); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	_, err := again.Resolve("dotnet8")
	if _, missing := errors.AsType[*runtimes.NotInstalledError](err); err == nil || missing || !strings.Contains(err.Error(), "root: damaged") {
		t.Errorf("Resolve = %v", err)
	}
	if _, err := again.Add(runtimes.Root{Name: "dotnet8", Dir: root + ".away"}); err == nil || !strings.Contains(err.Error(), "remove it first") {
		t.Errorf("Add over it = %v", err)
	}
	if err := again.Remove("dotnet8"); err != nil {
		t.Error(err)
	}
	if _, err := again.Add(runtimes.Root{Name: "dotnet8", Dir: root + ".away"}); err != nil {
		t.Error(err)
	}
}

func TestRemoveRefuses(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, "python3.12", python312)
	c := open(t, dir)
	for name, want := range map[string]string{"python3.12": "no root of the operator's", "ruby3.4": "not installed", "../x": "not installed"} {
		if err := c.Remove(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Remove(%q) = %v, want %q", name, err, want)
		}
	}
	if _, err := c.Add(runtimes.Root{Name: "python3.12", Dir: system(t)}); err == nil || !strings.Contains(err.Error(), "is built already") {
		t.Errorf("a root for what is built: %v", err)
	}
}

// TestRuntimeIsReadAgain: one that was built anew is not the one that was found.
func TestRuntimeIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, "python3.12", python312)
	c := open(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "python3.12")); err != nil {
		t.Fatal(err)
	}
	install(t, dir, "python3.12", strings.Replace(python312, "3.12.1", "3.12.10", 1))
	if r, err := c.Resolve("python3.12"); err != nil || r.Interpreter != "3.12.10" {
		t.Errorf("Resolve = %+v, %v", r, err)
	}
}
