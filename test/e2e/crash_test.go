package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// three deploys a function of each language that stay with the data directory.
func (s *server) three(t *testing.T) []string {
	t.Helper()
	functions := map[string]spec{
		"crash-go": goEcho(t), "crash-node": nodeEcho(t, node(t)), "crash-python": pythonEcho(t, python(t)),
	}
	var names []string
	for name, sp := range functions {
		sp.timeout = 30
		s.deployKeeping(t, name, sp)
		names = append(names, name)
	}
	return names
}

// volley is many invocations at the same time and what came of each.
type volley struct {
	wait     sync.WaitGroup
	answered chan int // one for each that has an answer

	mu   sync.Mutex
	good int
	errs []error
	bad  []string // answers that are wrong
}

// fire starts n invocations, spread over the functions, that run for so long.
func (s *server) fire(ctx context.Context, names []string, n int, sleep func(i int) time.Duration) *volley {
	v := &volley{answered: make(chan int, n)}
	for i := range n {
		v.wait.Go(func() {
			name := names[i%len(names)]
			a, err := s.tryInvoke(ctx, name, map[string]any{"value": i, "sleepMS": sleep(i).Milliseconds()})
			v.note(name, i, a, err)
			v.answered <- i
		})
	}
	return v
}

func (v *volley) note(name string, i int, a answer, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.errs = append(v.errs, err)
		return
	}
	if got, err := a.echo(i); err != nil || got.Function != name {
		v.bad = append(v.bad, fmt.Sprintf("invocation %d of %s, answered by %q: %v", i, name, got.Function, err))
		return
	}
	v.good++
}

// TestKill kills the server in the middle of a hundred invocations and starts it
// again on the same data: every function is there and works, callers had right
// answers or broken connections, and nothing of the first server is left.
func TestKill(t *testing.T) {
	const invocations, answers = 100, 25
	dir := t.TempDir()
	// By default a small machine has room for fewer.
	s := startIn(t, dir, "--max-environments", fmt.Sprint(invocations))
	fresh := s.filled(t)
	names := s.three(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	v := s.fire(ctx, names, invocations, func(i int) time.Duration {
		return time.Duration(100+i*50) * time.Millisecond
	})
	for range answers {
		<-v.answered
	}
	s.kill()
	v.wait.Wait()
	if v.good < answers || v.good == invocations || len(v.bad) > 0 {
		t.Errorf("%d right answers, %d errors, wrong ones: %v", v.good, len(v.errs), v.bad)
	}
	for _, err := range v.errs {
		if !brokenConnection(err) {
			t.Errorf("a caller was told %v", err)
		}
	}
	t.Logf("killed after %d of %d answers", v.good, invocations)

	again := startIn(t, dir)
	if err := s.leftNothingTo(again); err != nil {
		t.Errorf("of the killed server is left: %v", err)
	}
	again.noMoreThan(t, fresh)
	for _, name := range names {
		var got echoed
		again.invoke(t, name, map[string]any{"value": 1}).decode(t, &got)
		if got.Count != 1 || string(got.Value) != "1" {
			t.Errorf("%s after the restart: %+v", name, got)
		}
	}
	// Everything works as before: it can be changed, too.
	for _, name := range names {
		again.remove(t, name)
	}
	again.noMoreThan(t, fresh)
}

// leftNothingTo tells what an ended server has left that is not of the one that
// was started after it on the same data.
func (s *server) leftNothingTo(next *server) error {
	return eventually(settleLimit, func() error {
		next.learnGroups()
		left := kernel{processes: s.processes()}
		for _, group := range s.cgroups() {
			if !next.owns(group) {
				left.cgroups = append(left.cgroups, group)
			}
		}
		return left.empty()
	})
}

// owns tells whether a cgroup has processes of this server, or groups with such,
// or is one of those above its sandboxes.
func (s *server) owns(group string) bool {
	for name := range s.groups {
		if filepath.Base(group) == name {
			return true
		}
	}
	mine := make(map[string]bool)
	for _, p := range descendants(table(), s.cmd.Process.Pid) {
		mine[fmt.Sprint(p.pid)] = true
	}
	found := false
	filepath.WalkDir(filepath.Join("/sys/fs/cgroup", group), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		procs, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for pid := range strings.FieldsSeq(string(procs)) {
			found = found || mine[pid]
		}
		return nil
	})
	return found
}

// brokenConnection tells a connection that ended under the caller from an answer
// of the server.
func brokenConnection(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.As(err, &op)
}

// TestKillAgain kills the server four times, at other moments of its life: just
// started, while sandboxes are made, with frozen environments, while it ends.
func TestKillAgain(t *testing.T) {
	dir := t.TempDir()
	s := startIn(t, dir)
	fresh := s.filled(t)
	s.deployKeeping(t, "survivor", goEcho(t))
	for i, moment := range []func(){
		func() {},
		func() { s.fire(t.Context(), []string{"survivor"}, 10, func(int) time.Duration { return time.Second }) },
		func() { s.invoke(t, "survivor", map[string]any{}); s.filled(t) },
		func() { s.invoke(t, "survivor", map[string]any{}); s.terminate() },
	} {
		moment()
		s.kill()
		next := startIn(t, dir)
		if err := s.leftNothingTo(next); err != nil {
			t.Errorf("kill %d left: %v", i, err)
		}
		next.noMoreThan(t, fresh)
		s = next
		var got echoed
		s.invoke(t, "survivor", map[string]any{"value": i}).decode(t, &got)
		if string(got.Value) != fmt.Sprint(i) {
			t.Errorf("after kill %d: %+v", i, got)
		}
	}
}

// TestTerminate ends the server in good order while functions run: their callers
// get their answers, later ones are turned away, and a new server has it all.
func TestTerminate(t *testing.T) {
	dir := t.TempDir()
	s := startIn(t, dir)
	names := s.three(t)
	for _, name := range names {
		s.invoke(t, name, map[string]any{})
	}
	v := s.fire(t.Context(), names, 6, func(int) time.Duration { return 2 * time.Second })
	s.busy(t, 2, names...)
	s.terminate()
	v.wait.Wait()
	if v.good != 6 || len(v.errs) > 0 || len(v.bad) > 0 {
		t.Errorf("%d of 6 right answers; errors %v; wrong %v", v.good, v.errs, v.bad)
	}
	select {
	case <-s.ended:
	case <-time.After(stopLimit):
		t.Fatal("the server does not end")
	}
	if s.status != nil {
		t.Errorf("the server ended with %v", s.status)
	}
	if _, err := os.Stat(filepath.Join(dir, "server.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("server.json: %v", err)
	}
	if err := s.leftNothing(); err != nil {
		t.Error(err)
	}
	again := startIn(t, dir)
	for _, name := range names {
		again.invoke(t, name, map[string]any{"value": 1}).decode(t, &echoed{})
	}
}

// busy waits until n invocations of each function have begun and not ended, as
// its log tells.
func (s *server) busy(t *testing.T, n int, names ...string) {
	t.Helper()
	err := eventually(settleLimit, func() error {
		for _, name := range names {
			log, err := s.log(t, name)
			if err != nil {
				return err // who has not logged yet has no log
			}
			if run := strings.Count(log, "START RequestId") - strings.Count(log, "END RequestId"); run < n {
				return fmt.Errorf("%d invocations of %s run, want %d", run, name, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
