package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/fake"
)

var (
	seed = flag.Uint64("seed", 0, "play the histories of this seed; 0 is another one at each run")
	only = flag.Int("history", -1, "play only this history")
)

const (
	histories = 70
	moves     = 60 // of the platform, in each
	// leastSteps is how many things happen in all of them at least: moves of the
	// platform and events that reach a function or an extension.
	leastSteps = 10_000

	timeout   = 2 * time.Second
	keepAlive = 20 * time.Second
	// patience is longer than anything may take: the init phase, the init phase again
	// within the invocation's time, a reset, and the wait for an environment.
	patience = 2 * time.Minute
)

// history is one play.
type history struct {
	t      *testing.T
	began  time.Time
	seed   uint64
	random *rand.Rand
	steps  *atomic.Int64
	driver *fake.Driver
	pools  *pool.Pools
	memory atomic.Int64 // that is available
	calls  sync.WaitGroup

	mu       sync.Mutex
	forPool  *rand.Rand
	versions map[string]*lambda.Version // by name, and by name:1 the published one
	drawn    []string
	quiet    bool // nothing is provisioned any more
}

// house is the directories on the host that all histories share: code, and layers
// with no, one and three extensions.
type house struct{ code, one, three string }

func newHouse(t *testing.T) house {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"code/bootstrap", "one/extensions/a", "three/extensions/a", "three/extensions/b", "three/extensions/c"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return house{filepath.Join(dir, "code"), filepath.Join(dir, "one"), filepath.Join(dir, "three")}
}

func (hs house) layers(function string) []string {
	switch function {
	case "one":
		return []string{hs.one}
	case "three":
		return []string{hs.three}
	}
	return nil
}

// sink takes logs and forgets them.
type sink struct{}

func (sink) Append(string, string, time.Time, string) {}

// TestHistories plays random histories. Afterwards nothing runs any more, no
// permit is lost, and every answer was one of its own event.
func TestHistories(t *testing.T) {
	base := *seed
	if base == 0 {
		base = rand.Uint64()
	}
	hs := newHouse(t)
	var steps atomic.Int64
	for n := range histories {
		if *only >= 0 && n != *only {
			continue
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, hs, base, n, &steps) })
		})
		if t.Failed() {
			t.Fatalf("to see it again: -seed %d -history %d", base, n)
		}
	}
	t.Logf("%d steps", steps.Load())
	if got := steps.Load(); *only < 0 && got < leastSteps {
		t.Errorf("%d steps, want %d at least", got, leastSteps)
	}
}

// TestASeedDrawsTheSameAgain: what is tried does not depend on what comes of it.
// (What happens at one moment in two processes may still come in either order.)
func TestASeedDrawsTheSameAgain(t *testing.T) {
	hs := newHouse(t)
	for n := range 3 {
		var drawn [2][]string
		for i := range drawn {
			synctest.Test(t, func(t *testing.T) { drawn[i] = play(t, hs, 7, n, new(atomic.Int64)) })
		}
		if diff := cmp.Diff(drawn[0], drawn[1]); diff != "" || len(drawn[0]) < moves {
			t.Errorf("the second play of history %d differs:\n%s", n, diff)
		}
	}
}

// play plays a history and returns what was tried in it.
func play(t *testing.T, hs house, seed uint64, n int, steps *atomic.Int64) []string {
	h := &history{t: t, began: time.Now(), seed: seed, random: rand.New(rand.NewPCG(seed, uint64(n))), steps: steps, versions: map[string]*lambda.Version{},
		forPool: rand.New(rand.NewPCG(seed, uint64(n)+histories))}
	limit := 3 + h.random.IntN(14)
	h.open(hs, limit)
	for _, name := range []string{"plain", "one", "three"} {
		h.change(name)
	}
	for range moves {
		steps.Add(1)
		h.move()
		time.Sleep(pause(h.random))
	}
	h.calls.Wait()
	h.mu.Lock()
	h.quiet = true
	h.mu.Unlock()
	for _, name := range []string{"plain", "one", "three"} {
		h.change(name)
	}
	h.checkPermits(limit)
	if h.random.IntN(2) == 0 {
		time.Sleep(keepAlive + patience)
		synctest.Wait()
		if left := len(h.driver.Sandboxes()); left > 0 {
			t.Errorf("%d sandboxes stay although nobody needs them", left)
		}
	}
	h.pools.Close(t.Context())
	if left := len(h.driver.Sandboxes()); left > 0 {
		t.Errorf("%d sandboxes outlive the pools", left)
	}
	return h.drawn
}

func (h *history) open(hs house, limit int) {
	programs := map[string]fake.Program{"/var/task/bootstrap": h.live("runtime", h.runtime)}
	for _, name := range []string{"a", "b", "c"} {
		programs["/opt/extensions/"+name] = h.live(name, h.extension(name))
	}
	h.driver = fake.New(fake.Options{Programs: programs})
	h.memory.Store(2)
	h.pools = pool.New(pool.Options{
		New: func(_ context.Context, function string, v *lambda.Version, initType string) (pool.Environment, error) {
			return environment.New(environment.Options{
				InitType: initType, Function: function, Version: v, Scope: lambda.DefaultScope, CodeRoot: hs.code, Layers: hs.layers(function),
				Runtime: runtimes.Runtime{Name: "provided.al2023", Bootstrap: []string{"/var/task/bootstrap"}},
				Driver:  h.driver, Logs: sink{}, Logger: slog.New(slog.DiscardHandler),
			}), nil
		},
		AccountLimit: limit, MaxEnvironments: limit + h.random.IntN(4), KeepAlive: keepAlive,
		Freezing: pool.Freezing(h.random.IntN(3)), MaxAge: time.Duration(2+h.random.IntN(20)) * time.Second,
		Memory:        func() (pool.Memory, error) { return pool.Memory{AvailableBytes: h.memory.Load()}, nil },
		MemoryReserve: 1, Random: h.float, Logger: slog.New(slog.DiscardHandler),
	})
}

// float gives the pool random numbers of the history's own.
func (h *history) float() float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.forPool.Float64()
}

// move is one thing that the platform does.
func (h *history) move() {
	names := []string{"plain", "one", "three"}
	name := names[h.random.IntN(3)]
	kind := h.random.IntN(30)
	h.drawn = append(h.drawn, fmt.Sprint(kind, " ", name))
	switch kind {
	case 0:
		h.change(name)
	case 1:
		h.pools.Changed(name, nil)
		h.change(name)
	case 2:
		h.memory.Store(int64(h.random.IntN(3)))
	case 3:
		which := h.random.Uint64()
		if boxes := h.driver.Sandboxes(); len(boxes) > 0 {
			boxes[which%uint64(len(boxes))].Die()
		}
	case 4:
		time.Sleep(time.Duration(h.random.IntN(30_000)) * time.Millisecond)
	default:
		for range 1 + h.random.IntN(3) {
			time.Sleep(time.Duration(1 + h.random.IntN(1000))) // none at the same moment as another
			h.invoke(name, newAct(h.random, fmt.Sprint(h.random.Uint64())), h.random.IntN(3) == 0)
		}
	}
}

// change gives a function another configuration.
func (h *history) change(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	format := "Text"
	if h.random.IntN(2) == 0 {
		format = "JSON"
	}
	v := &lambda.Version{
		Number: lambda.Latest, Runtime: "provided.al2023", Handler: fmt.Sprint(h.random.IntN(100)), LastModified: time.Now(),
		Resources: lambda.Resources{MemoryMB: 128, Timeout: timeout, EphemeralStorageMB: 512},
		Logging:   lambda.Logging{Format: format, Group: "/aws/lambda/" + name},
	}
	published := *v
	published.Number = "1"
	f := &lambda.Function{Name: name, Latest: *v, Versions: []lambda.Version{published}}
	if n := h.random.IntN(6); n < 3 && !h.quiet {
		f.Configs.Provisioned = []lambda.ProvisionedConcurrency{{Qualifier: "1", Requested: 1 + n%2}}
	}
	h.versions[name], h.versions[name+":1"] = v, &published
	h.pools.Changed(name, f)
}

// invoke runs an invocation beside the others and judges its answer.
func (h *history) invoke(name string, a act, tail bool) {
	h.drawn = append(h.drawn, string(a.payload()))
	h.mu.Lock()
	v := h.versions[name]
	if a.Extensions%3 == 0 {
		v = h.versions[name+":1"]
	}
	h.mu.Unlock()
	h.calls.Go(func() {
		began := time.Now()
		outcome := h.run(name, v, a, tail)
		if testing.Verbose() {
			h.t.Logf("%v: %s in %s: %s, after %v", began.Sub(h.began), a.Do, name, outcome, time.Since(began))
		}
		if took := time.Since(began); took > patience {
			h.t.Errorf("%s in %s took %v", a.Do, name, took)
		}
	})
}

func (h *history) run(name string, v *lambda.Version, a act, tail bool) string {
	lease, err := h.pools.Acquire(h.t.Context(), name, v)
	if refused := new(lambda.Error); errors.As(err, &refused) && refused.Code == lambda.CodeTooManyRequests || errors.Is(err, pool.ErrRetired) {
		return "refused"
	}
	if err != nil {
		if !strings.Contains(err.Error(), "no environment of") && !errors.Is(err, sandbox.ErrDestroyed) {
			h.t.Errorf("acquire %s: %v", name, err)
		}
		return "no environment: " + err.Error()
	}
	r, err := lease.Invoke(h.t.Context(), lambda.Invocation{RequestID: lambda.NewUUID(), ARN: "arn:f", Payload: a.payload()}, tail)
	switch {
	case err != nil: // the sandbox has died
		return "gone"
	case r.FunctionError == "":
		var got act
		if err := json.Unmarshal(r.Payload, &got); err != nil || got.Nonce != a.Nonce {
			h.t.Errorf("%s in %s is answered %.100q, want its own event", a.Do, name, r.Payload)
		}
	case a.Do == "fail" && strings.Contains(string(r.Payload), `"errorType":"E"`) && !strings.Contains(string(r.Payload), a.Nonce):
		h.t.Errorf("%s in %s is answered %.100q, another's failure", a.Do, name, r.Payload)
	}
	if tail && !strings.Contains(string(r.LogTail), "REPORT") && !strings.Contains(string(r.LogTail), "platform.report") {
		h.t.Errorf("%s in %s: the log ends without a report: %.300q", a.Do, name, r.LogTail)
	}
	return r.ErrorType
}

// checkPermits runs as many invocations as the account may, at one time.
func (h *history) checkPermits(limit int) {
	h.memory.Store(2)
	time.Sleep(patience) // what was answered may not have been free yet
	var all sync.WaitGroup
	var leases []*pool.Lease
	for range limit {
		all.Go(func() {
			lease, err := h.pools.Acquire(h.t.Context(), "plain", h.versions["plain"])
			if refused := new(lambda.Error); errors.As(err, &refused) {
				h.t.Errorf("refused while nobody else runs: %v %s %+v", err, refused.Reason, h.pools.Figures())
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if lease != nil {
				leases = append(leases, lease)
			}
		})
	}
	all.Wait()
	for _, lease := range leases {
		all.Go(func() { // what comes of it is its function's matter
			_, _ = lease.Invoke(h.t.Context(), lambda.Invocation{RequestID: lambda.NewUUID(), Payload: act{Do: "answer"}.payload()}, false)
		})
	}
	all.Wait()
}
