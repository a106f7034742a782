package native_test

import (
	"strings"
	"testing"

	"thaw/internal/sandbox"
)

func TestAProcessRunsAsTheUnprivilegedUser(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	out, status := shell(t, s, "id -u; id -g; echo direct > /dev/stdout; exit 3")
	if got, want := strings.Fields(out), []string{"993", "990", "direct"}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("output %q, want %q", got, want)
	}
	if want := (sandbox.ExitStatus{Code: 3}); status != want {
		t.Errorf("status %+v, want %+v", status, want)
	}
}
