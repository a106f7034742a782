package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

const (
	// neighbourLimit is how long a neighbour's invocation may take while another
	// function does its worst, on a machine of two cores that is also running the
	// clients: far below the three seconds of its own timeout.
	neighbourLimit = 2 * time.Second
	// neighbourPace is the pause between its invocations, so that they do not take
	// the machine for themselves.
	neighbourPace = 20 * time.Millisecond
)

// neighbour deploys a function that is invoked again and again until the test
// is over. Each answer must be right and come within neighbourLimit.
func (s *server) neighbour(t *testing.T) {
	t.Helper()
	const name = "neighbour"
	s.deploy(t, name, goEcho(t))
	s.invoke(t, name, map[string]any{}) // its cold start is nobody's fault
	ctx, cancel := context.WithCancel(t.Context())
	n := &neighbour{server: s, name: name}
	var done sync.WaitGroup
	done.Go(func() { n.live(ctx) })
	t.Cleanup(func() {
		cancel()
		done.Wait()
		n.judge(t)
	})
}

// neighbour is a function that has nothing to do with the test.
type neighbour struct {
	server  *server
	name    string
	answers int
	slowest time.Duration
	wrong   []string
}

func (n *neighbour) live(ctx context.Context) {
	pace := time.NewTicker(neighbourPace)
	defer pace.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		if wrong := n.visit(i); wrong != "" && len(n.wrong) < 5 {
			n.wrong = append(n.wrong, wrong)
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
		}
	}
}

// visit invokes once and tells what was wrong.
func (n *neighbour) visit(i int) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*neighbourLimit)
	defer cancel()
	a, err := n.server.tryInvoke(ctx, n.name, map[string]any{"value": i})
	if err != nil {
		return err.Error()
	}
	n.answers++
	n.slowest = max(n.slowest, a.Took)
	if _, err := a.echo(i); err != nil {
		return fmt.Sprintf("invocation %d, %v", i, err)
	}
	return ""
}

func (n *neighbour) judge(t *testing.T) {
	for _, wrong := range n.wrong {
		t.Errorf("the neighbour: %s", wrong)
	}
	if n.slowest > neighbourLimit {
		t.Errorf("the neighbour waited %v for an answer, want at most %v", n.slowest, neighbourLimit)
	}
	if n.answers == 0 {
		t.Error("the neighbour had no answer")
	}
	t.Logf("the neighbour had %d answers, the slowest after %v", n.answers, n.slowest)
}
