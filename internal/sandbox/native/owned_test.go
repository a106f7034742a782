package native_test

import (
	"os"
	"strings"
	"testing"

	"thaw/internal/sandbox"
)

// TestOwnersOfCode looks at what functions see of their code and layers: files of
// root, as in the service, that nobody can change, and not where the host has
// them.
func TestOwnersOfCode(t *testing.T) {
	code, first, second := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{code, first, second} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFiles(t, code, "f", "code")
	writeFiles(t, first, "both", "first")
	writeFiles(t, second, "both", "second", "two", "2")
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	err := s.Attach(t.Context(),
		sandbox.Mount{Sources: []string{code}, Target: "/var/task", Own: true},
		sandbox.Mount{Sources: []string{first, second}, Target: "/opt", Own: true})
	if err != nil {
		t.Fatal(err)
	}
	out, _ := shell(t, s, "stat -c '%u:%g %a %n' /var/task /var/task/f /opt /opt/both /opt/two; cat /var/task/f /opt/both /opt/two; echo; "+
		"touch /var/task/x 2>&1; cat /proc/self/mountinfo")
	listing, mounts, _ := strings.Cut(out, "touch: cannot touch '/var/task/x': Read-only file system\n")
	want := "0:0 755 /var/task\n0:0 644 /var/task/f\n0:0 755 /opt\n0:0 644 /opt/both\n0:0 644 /opt/two\ncodefirst2\n"
	if strings.HasPrefix(listing, "65534:65534 ") {
		t.Skip("this kernel or file system cannot map owners")
	}
	if listing != want || mounts == "" {
		t.Errorf("output %q, want it to begin with %q", out, want)
	}
	for _, dir := range []string{code, first, second} {
		if strings.Contains(mounts, dir) {
			t.Errorf("the function sees %s among its mounts:\n%s", dir, mounts)
		}
	}
}
