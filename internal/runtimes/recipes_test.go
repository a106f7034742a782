package runtimes_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// builder runs the recipes' script, in a way that builds nothing.
func builder(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	out, err := exec.Command("/bin/sh", append([]string{filepath.Join("..", "..", "runtimes", "build.sh")}, args...)...).CombinedOutput()
	return string(out), err
}

// The names that the catalogue tells people to build are those that the script
// can build.
func TestRecipesAreThoseOfTheScript(t *testing.T) {
	var names []string
	for _, s := range open(t, t.TempDir()).List() {
		if s.Command != "" {
			names = append(names, s.Name)
		}
	}
	pins, err := exec.Command("/bin/sh", "-c",
		"HERE=../../runtimes; . $HERE/versions.sh; for m in $JAVA_MAJORS; do echo java$m; done; for m in $NODE_MAJORS; do echo nodejs$m.x; done; for m in $PYTHON_MINORS; do echo python3.$m; done").Output()
	if err != nil {
		t.Fatal(err)
	}
	pinned := strings.Fields(string(pins))
	slices.Sort(pinned)
	if diff := cmp.Diff(pinned, names); diff != "" {
		t.Errorf("pinned and known runtimes differ (-pinned +known):\n%s", diff)
	}
}

func TestBuildScriptRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runtimes")
	for name, args := range map[string][]string{
		"no directory": {},
		"unknown flag": {"--fast", dir},
		"no names":     {"--only"},
		"unknown name": {"--only", "ruby3.4", "--list"},
		"bad version":  {"--only", "python3.x", "--list"},
		"bad Java":     {"--only", "java17.al2023", "--list"},
		"no recipe":    {"--only", "nodejs99.x", "--list"},
	} {
		if out, err := builder(t, args...); err == nil {
			t.Errorf("%s: accepted, %q", name, out)
		}
	}
	// What cannot be built is told in one way, and what can be beside it.
	for _, name := range []string{"ruby3.4", "python3.7", "java99", "python3.x"} {
		out, err := builder(t, "--only", name, dir)
		if err == nil || !strings.Contains(out, name+" cannot be built: ") || !strings.Contains(out, "This machine can build: ") {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	if out, err := builder(t, "--list", "--only", "provided.al2,provided.al2023,nodejs22.x"); err != nil || out != "nodejs22.x\n" {
		t.Errorf("--list = %q, %v", out, err)
	}
}
