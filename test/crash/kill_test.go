package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// start runs a child; its standard error is the test's.
func start(ctx context.Context, root, executed string, life uint64, drain bool) (*exec.Cmd, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), childDir+"="+root, childExecuted+"="+executed, fmt.Sprintf("%s=%d", childLife, life))
	if drain {
		c.Env = append(c.Env, childDrain+"=1")
	}
	c.Stdout, c.Stderr = w, os.Stderr
	if err := c.Start(); err != nil {
		r.Close()
		return nil, nil, err
	}
	return c, r, nil
}

// drain has a child work off everything.
func drain(ctx context.Context, g *ledger, root string, life uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c, out, err := start(ctx, root, g.path, life, true)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := g.listen(out, nil); err != nil {
		return err
	}
	if err := c.Wait(); err != nil {
		return fmt.Errorf("the child that works everything off: %w", err)
	}
	return nil
}

// TestKill kills a working process at random moments, also while it starts, over
// and over in one directory.
func TestKill(t *testing.T) {
	first := newSeed(t)
	random := source(first)
	root := directory(t)
	g := newLedger(filepath.Join(root, "executed"))
	kills := repeat(12, 1000)
	began := time.Now()
	for life := range uint64(kills) {
		if err := killOnce(t.Context(), g, root, life, random); err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		if (life+1)%40 == 0 || int(life) == kills-1 {
			if err := drain(t.Context(), g, root, life); err != nil {
				t.Fatalf("life %d: %v", life, err)
			}
			progress(t, "kill -9", int(life)+1, kills, began, g)
		}
		if len(g.lost)+len(g.found) > 0 {
			break
		}
	}
	g.check(t)
	if g.acknowledged < 10*kills {
		t.Errorf("only %d events in %d lives", g.acknowledged, kills)
	}
}

func killOnce(ctx context.Context, g *ledger, root string, life uint64, random *rand.Rand) error {
	c, out, err := start(ctx, root, g.path, life, false)
	if err != nil {
		return err
	}
	defer out.Close()
	kill := func() { c.Process.Kill() } // it may have ended
	var opened func()
	if random.IntN(8) == 0 {
		defer time.AfterFunc(time.Duration(random.IntN(150))*time.Millisecond, kill).Stop()
	} else {
		at := time.Duration(5+random.IntN(150)) * time.Millisecond
		opened = func() { time.AfterFunc(at, kill) }
	}
	if err := g.listen(out, opened); err != nil {
		kill()
		return err
	}
	if err := c.Wait(); err == nil || c.ProcessState.Exited() {
		return fmt.Errorf("the child ended by itself: %w", err)
	}
	return nil
}

// progress prints where a long test is.
func progress(t *testing.T, what string, done, all int, began time.Time, g *ledger) {
	t.Helper()
	if *long {
		fmt.Printf("%s: %d of %d in %v: %v\n", what, done, all, time.Since(began).Round(time.Second), g)
	}
	if done == all {
		t.Logf("%s: %d times in %v: %v", what, done, time.Since(began).Round(time.Millisecond), g)
	}
}
