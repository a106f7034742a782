package native_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thaw/internal/sandbox"
)

// firstProcess returns the number on the host of a sandbox's PID 1: it is the process of
// its first user id.
func firstProcess(t *testing.T, s sandbox.Sandbox) int {
	t.Helper()
	file, _ := shell(t, s, "cat /proc/self/uid_map")
	first := strings.Fields(file)[1]
	for _, name := range glob(t, "/proc/[0-9]*/status") {
		text, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(text), "\nUid:\t"+first+"\t") && !strings.Contains(string(text), "\nState:\tZ") {
			pid, err := strconv.Atoi(strings.Split(name, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("PID 1 was not found")
	return 0
}

func awaitDone(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}

func TestTheDeathOfPID1EndsTheSandbox(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	p, r := probe(t, s, "block")
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(firstProcess(t, s), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, s.Done())
	awaitDone(t, p.Exited())
	if got := p.Status(); got != (sandbox.ExitStatus{Signal: 9}) {
		t.Errorf("status %+v, want signal 9", got)
	}
	if _, err := s.Start(t.Context(), sandbox.Process{Path: "/var/task/probe"}); !errors.Is(err, sandbox.ErrDestroyed) {
		t.Errorf("Start = %v, want ErrDestroyed", err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("Signal = %v", err)
	}
}

func TestADeadPausedSandboxIsNotClaimed(t *testing.T) {
	d := open(t, 1)
	first := create(t, d, sandbox.Spec{ID: "first"})
	shell(t, first, "true")
	spawner := children(t, os.Getpid())
	if len(spawner) != 1 {
		t.Fatalf("children %q, want the spawner", spawner)
	}
	var pid int
	if _, err := fmt.Sscan(spawner[0], &pid); err != nil {
		t.Fatal(err)
	}
	own := firstProcess(t, first)
	paused := awaitOther(t, pid, own)
	if err := syscall.Kill(paused, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, []int{paused})
	if out, _ := shell(t, create(t, d, sandbox.Spec{ID: "second"}), "echo alive"); out != "alive\n" {
		t.Errorf("the next sandbox said %q", out)
	}
}

// awaitOther waits until the spawner has another child than the known one.
func awaitOther(t *testing.T, spawner, known int) int {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, line := range children(t, spawner) {
			var pid int
			if _, err := fmt.Sscan(line, &pid); err == nil && pid != known {
				return pid
			}
		}
	}
	t.Fatal("the pool does not build")
	return 0
}

func TestTheDeathOfTheSpawnerIsSurvived(t *testing.T) {
	d := open(t, -1)
	first := create(t, d, sandbox.Spec{ID: "first"})
	shell(t, first, "true")
	var pid int
	if _, err := fmt.Sscan(children(t, os.Getpid())[0], &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, []int{pid})
	for name, s := range map[string]sandbox.Sandbox{"the first": first, "the next": create(t, d, sandbox.Spec{ID: "next"})} {
		if out, _ := shell(t, s, "echo alive"); out != "alive\n" {
			t.Errorf("%s sandbox said %q", name, out)
		}
	}
}

func TestAnAbandonedStartDoesNotStay(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	if _, status := result2(probe(t, s, "exit", "0"))(t); status.Code != 0 {
		t.Fatalf("%+v", status)
	}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, w, err := s.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = s.Start(ctx, sandbox.Process{Path: "/var/task/probe", Args: []string{"probe", "block"}, Stdout: w})
	w.Close()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Start in a frozen sandbox = %v, want a deadline error", err)
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if _, status := result2(probe(t, s, "exit", "3"))(t); status.Code != 3 {
		t.Errorf("after the abandoned start: %+v, want exit code 3", status)
	}
	for { // until the abandoned process is dead, and with it the last writer
		if _, err := r.Read(make([]byte, 10)); err != nil {
			break
		}
	}
}

func TestAMessageTooLongIsRefused(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	long := strings.Repeat("x", 70<<10)
	if _, err := s.Start(t.Context(), sandbox.Process{Path: "/var/task/probe", Env: []string{long}}); !errors.Is(err, syscall.E2BIG) {
		t.Errorf("Start = %v, want argument list too long", err)
	}
	if _, status := result2(probe(t, s, "exit", "3"))(t); status.Code != 3 {
		t.Errorf("afterwards: %+v, want exit code 3", status)
	}
}
