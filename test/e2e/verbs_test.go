package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVerbs deploys the examples with Thaw's own command line, as the README
// tells, and does with them what its verbs offer.
func TestVerbs(t *testing.T) {
	s := shared(t)
	managed(t, "python")
	managed(t, "nodejs")
	for _, language := range []string{"go", "python", "node"} {
		t.Run(language, func(t *testing.T) {
			name := "example-" + language
			s.thaw(t, "deploy", filepath.Join(clone(t), "examples", language), "--name", name)
			t.Cleanup(func() {
				s.thaw(t, "rm", name)
				if listed := s.thaw(t, "ls"); strings.Contains(listed, name) {
					t.Errorf("listed after rm:\n%s", listed)
				}
			})
			before := len(s.thaw(t, "logs", name)) // a log outlives its function
			for range 2 {
				answer := s.thaw(t, "invoke", name, "--payload", `{"name":"world"}`)
				if !json.Valid([]byte(answer)) || !strings.Contains(answer, "world") {
					t.Errorf("answer %q", answer)
				}
			}
			// The end of the log follows the answer: it tells when the environment is free.
			err := eventually(settleLimit, func() error {
				log := s.thaw(t, "logs", name)[before:]
				if strings.Count(log, "REPORT RequestId: ") != 2 || strings.Count(log, "Init Duration: ") != 1 {
					return fmt.Errorf("the log of a cold and a warm invocation:\n%s", log)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if listed := s.thaw(t, "ls", "--json"); !strings.Contains(listed, name) {
				t.Errorf("not listed: %s", listed)
			}
		})
	}
}

// thaw runs a verb as a user of this machine and returns what it printed.
func (s *server) thaw(t testing.TB, verb string, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.program, append([]string{verb, "--data", s.dir}, args...)...)
	var errs strings.Builder
	cmd.Env, cmd.Stderr = append(os.Environ(), "HOME="+t.TempDir(), "GOCACHE="+goCache(t)), &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("thaw %s %s: %v\n%s%s", verb, strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// goCache is where this user's builds are kept: a new home would begin anew.
func goCache(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
