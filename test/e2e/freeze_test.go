package e2e_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// rested is what the functions called rest tell: how often what they left behind
// had ticked when an invocation began and ended, every 20 ms while it may run;
// whether a timer of 300 ms has fired; and whether an old connection works.
type rested struct {
	Before, After, Count int
	Fired, Echo          bool
}

// resting is such a function in Python and in Node.
func resting(t *testing.T) map[string]spec {
	all := map[string]spec{}
	for _, name := range managed(t, "python") {
		all["python"] = spec{runtime: name, handler: "handler.handler", zip: source(t, "python/rest"), timeout: 10, memory: 512}
	}
	for _, name := range managed(t, "nodejs") {
		all["node"] = spec{runtime: name, handler: "index.handler", zip: source(t, "node/rest"), timeout: 10, memory: 512}
	}
	return all
}

// TestFreeze leaves things running: between two invocations they stand still, or
// not, as the server was told, and in the next one they go on.
func TestFreeze(t *testing.T) {
	needRoot(t)
	for _, mode := range []string{"lazy", "always", "never"} {
		t.Run(mode, func(t *testing.T) {
			s := start(t, "--freeze", mode)
			for language, sp := range resting(t) {
				t.Run(language, func(t *testing.T) {
					s.deployKeeping(t, language, sp)
					checkRest(t, s, language, mode)
				})
			}
		})
	}
}

func checkRest(t *testing.T, s *server, name, mode string) {
	t.Helper()
	run := func(stay float64) (r rested) {
		t.Helper()
		s.invoke(t, name, map[string]any{"stay": stay}).decode(t, &r)
		if !r.Echo {
			t.Error("the open connection is gone")
		}
		return r
	}
	first := run(0)
	time.Sleep(time.Second) // what is looked at is what happens in a second without an invocation
	second := run(0.5)
	between, within := second.Before-first.After, second.After-second.Before
	if second.Count != 2 {
		t.Fatalf("the second invocation is this environment's %d.", second.Count)
	}
	// A second has 50 ticks, on a machine that has time for them; a few go by while
	// the environment is on its way into the freezer.
	if frozen := mode != "never"; frozen != (between < 15) {
		t.Errorf("%d ticks in a second between two invocations", between)
	}
	if within == 0 || !second.Fired {
		t.Errorf("%d ticks, timer fired: %v, in the invocation after: it did not go on", within, second.Fired)
	}
	time.Sleep(100 * time.Millisecond)
	if third := run(0); third.Count != 3 || third.Before < second.After {
		t.Errorf("%+v after %+v", third, second)
	}
}

// TestMaxAge lets an environment never pause: it is replaced all the same, and
// its callers see nothing of it.
func TestMaxAge(t *testing.T) {
	s := start(t, "--max-age", "2s")
	s.deployKeeping(t, "ageing", goEcho(t))
	environments, last := 0, 0
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); {
		var got echoed
		s.invoke(t, "ageing", map[string]any{}).decode(t, &got)
		if got.Count < last {
			environments++
		}
		last = got.Count
	}
	if environments < 1 || environments > 4 {
		t.Errorf("%d replacements in 6 seconds of use, with a greatest age of 2", environments)
	}
}

// TestMemoryReserve wants more memory to stay available than the machine has:
// what is idle ends soon, and invocations are served all the same.
func TestMemoryReserve(t *testing.T) {
	s := start(t, "--memory-reserve", "1048576")
	s.deployKeeping(t, "poor", goEcho(t))
	s.invoke(t, "poor", map[string]any{"sleepMS": 1500}).decode(t, &echoed{})
	err := eventually(settleLimit, func() error {
		if !strings.Contains(s.stderr.String(), "memory is short: idle environments end") {
			return errors.New("no word of it in the log")
		}
		var got echoed
		s.invoke(t, "poor", map[string]any{}).decode(t, &got)
		if got.Count != 1 {
			return fmt.Errorf("invocation %d of an environment that should have ended", got.Count)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
