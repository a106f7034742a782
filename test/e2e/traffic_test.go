package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestConcurrency invokes eight times at one time: each has an environment for
// itself, and afterwards they are used again.
func TestConcurrency(t *testing.T) {
	s := shared(t)
	s.deploy(t, "crowd", goEcho(t))
	const n = 8
	counts := make([]int, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			a, err := s.tryInvoke(t.Context(), "crowd", map[string]any{"value": i, "sleepMS": 1500})
			if err != nil {
				t.Error(err)
				return
			}
			got, err := a.echo(i)
			if err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
			counts[i] = got.Count
		})
	}
	wait.Wait()
	for i, count := range counts {
		if count != 1 {
			t.Errorf("caller %d was the environment's number %d, want each the first", i, count)
		}
	}
	var again echoed
	s.invoke(t, "crowd", map[string]any{}).decode(t, &again)
	if again.Count != 2 {
		t.Errorf("afterwards an environment counts %d, want one of them used again", again.Count)
	}
}

// TestCallerHangsUp leaves in the middle of an invocation. The function runs on
// to its end, as in the service, and its environment serves the next caller.
func TestCallerHangsUp(t *testing.T) {
	s := shared(t)
	s.deploy(t, "lonely", goEcho(t))
	s.invoke(t, "lonely", map[string]any{})
	before, err := s.log(t, "lonely") // a log outlives its function: this one may be of earlier runs
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	v := s.fire(ctx, []string{"lonely"}, 1, func(int) time.Duration { return time.Second })
	s.busy(t, 1, "lonely")
	cancel()
	v.wait.Wait()
	if len(v.errs) != 1 || !errors.Is(v.errs[0], context.Canceled) {
		t.Fatalf("errors %v", v.errs)
	}
	const report = "REPORT RequestId: "
	err = eventually(settleLimit, func() error {
		log, err := s.log(t, "lonely")
		if err != nil {
			return permanent{err}
		}
		if n := strings.Count(log, report) - strings.Count(before, report); n != 1 {
			return fmt.Errorf("%d invocations have ended since, want 1", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got echoed
	s.invoke(t, "lonely", map[string]any{}).decode(t, &got)
	if got.Count != 3 {
		t.Errorf("the environment counts %d, want 3: the caller's going is not its end", got.Count)
	}
}

// TestChangesUnderTraffic updates, and in the end deletes, a function that is
// being invoked: every answer is of the old or of the new version, and what runs
// when the function is deleted ends in good order.
func TestChangesUnderTraffic(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	const name = "changing"
	sp := goEcho(t)
	sp.timeout = 10
	sp.env = map[string]string{"GREETING": "0"}
	s.deployKeeping(t, name, sp)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wait sync.WaitGroup
	var last string // greeting seen by the invoker
	wait.Go(func() {
		for ctx.Err() == nil {
			a, err := s.tryInvoke(context.WithoutCancel(ctx), name, map[string]any{})
			if err != nil {
				t.Errorf("while it was changed: %v", err)
				return
			}
			got, err := a.echo(nil)
			if err != nil {
				t.Errorf("while it was changed: %v", err)
				return
			}
			if got.Greeting < last {
				t.Errorf("answer of version %s after one of %s", got.Greeting, last)
			}
			last = got.Greeting
		}
	})
	for i := 1; i <= 5; i++ {
		_, err := s.client.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
			FunctionName: aws.String(name), Environment: &types.Environment{Variables: map[string]string{"GREETING": fmt.Sprint(i)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.waitUpdated(t, name)
		var got echoed
		s.invoke(t, name, map[string]any{}).decode(t, &got)
		if got.Greeting != fmt.Sprint(i) {
			t.Errorf("after update %d the function greets with %s", i, got.Greeting)
		}
	}
	cancel()
	wait.Wait()

	v := s.fire(t.Context(), []string{name}, 1, func(int) time.Duration { return 2 * time.Second })
	s.busy(t, 1, name)
	s.remove(t, name)
	v.wait.Wait()
	if v.good != 1 {
		t.Errorf("the invocation that ran when the function was deleted: %v %v", v.errs, v.bad)
	}
}

// TestSecondServer refuses to serve data, or an address, that another server
// has; the first one does not notice.
func TestSecondServer(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	for name, args := range map[string][]string{
		"the same data":    {"--listen", "127.0.0.1:0", "--data", s.dir},
		"the same address": {"--listen", s.address, "--data", t.TempDir()},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), startLimit)
		defer cancel()
		out, err := exec.CommandContext(ctx, thaw(t), append([]string{"serve", "--runtimes", runtimesDir(t)}, args...)...).CombinedOutput()
		if err == nil || ctx.Err() != nil || !strings.Contains(string(out), "use") {
			t.Errorf("a server on %s: %v, %v\n%s", name, err, ctx.Err(), out)
		}
	}
	var found struct{}
	s.invoke(t, "neighbour", map[string]any{}).decode(t, &found)
}
