// Command bench compares the server with the limit program, the leanest one of
// the same shape (test/bench/limit), side by side in one run:
//
//	make build && go run ./test/bench
//
// It prints a table and writes build/bench.json: for each scenario and metric the
// figure of both sides and their ratio, the server's over the limit program's.
//
// Scenarios are warm.FUNCTION.cN, with N callers that each wait for their answer
// before they call again, and cold.FUNCTION, the first answer of a new
// environment, which for the limit program is a new process. FUNCTION is go,
// python, node or java, which may use a whole CPU (1769 MB), and go128, the one in Go
// with 128 MB and the small share of a CPU that goes with it. The limit program
// knows no shares: there go128 is the same as go.
//
// dev.reload.FUNCTION is the time from saving a file of a function, on which
// "thaw dev" runs, to the first answer of the new code; for the limit program a new
// process is started right after the save, which is the least that it can take. In
// Go it includes compiling, on both sides. It has p95_us too.
//
// start.functions10k is the time from starting a server that keeps 10,000 functions,
// 1,000 of them with 50 versions, to its being ready; control.list.functions,
// control.list.all and control.list.versions are single pages of its lists, every
// page once. The limit program keeps nothing: in its place is the bound that they
// are to stay within, 500 ms and 50 ms. They have max_us, and the start cpu_ms, the
// mean CPU time of one, which other work on the machine sways less, and rss_mib and
// peak_mib, the server's memory in MiB when it is ready and at most until then.
//
// enqueue.cN is N publishers that each enqueue an event of 1000 bytes when their last
// one is durable. In the limit program's place is the same engine with a sync of the
// disk for each event.
//
// many.functions200.c64 is 64 callers of 200 different functions of 128 MB in turn.
// In the limit program's place is the same server with 64 callers of one of them.
//
// drain.engine and drain.go are how many asynchronous events a second are worked
// off: by the engine over a store on the disk with a function that takes no time,
// and by the whole server with the one in Go, while 64 callers enqueue them;
// accepted_rps is how many of these are answered with 202.
//
// overload is a server that may have 16 environments, with a function that takes
// 50 ms: an open loop asks ten times for what that can do. Latencies count from when
// a request was due. admitted_p50_us and _p99_us stand beside those of a quarter of
// what it can do; refused_* are the answers with 429, refused_p99_server_us by the
// server's own clock, beside 10 ms; recovery_us is how long after the load latency
// is as before.
//
// Metrics: p50_us and p99_us, the latency in µs as a client on the same machine
// sees it; rps, answers per second (for cold scenarios, one over the mean
// latency); cpu_us_per_invoke, the CPU time in µs, user and system, of the
// server with all its descendants, the functions included.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

type config struct {
	source, binary, runtimes, work, out string
	only, against                       string
	plan                                plan
}

func main() {
	var c config
	flag.StringVar(&c.source, "source", "test/bench", "this program's `directory`")
	flag.StringVar(&c.binary, "thaw", "bin/thaw", "the server's `program`")
	flag.StringVar(&c.runtimes, "runtimes", "build/runtimes", "`directory` of the managed runtimes")
	flag.StringVar(&c.work, "work", "build/bench", "`directory` for what is built and stored")
	flag.StringVar(&c.out, "out", "build/bench.json", "`file` for the results")
	flag.StringVar(&c.only, "only", "", "run the scenarios whose name matches this `expression`")
	flag.StringVar(&c.against, "against", "", "compare the limit program not with the server but with this other `build` of it;\n\"self\" is the same one: what differs then is noise")
	flag.IntVar(&c.plan.repeats, "repeats", 3, "times that a warm scenario is measured, each with new environments")
	// Long enough for Node to have compiled its hot code.
	flag.DurationVar(&c.plan.warmUp, "warm-up", 1500*time.Millisecond, "time that each side runs before it is measured")
	flag.IntVar(&c.plan.rounds, "rounds", 4, "slices per side in each of them")
	flag.DurationVar(&c.plan.slice, "slice", 400*time.Millisecond, "length of one slice")
	flag.IntVar(&c.plan.colds, "colds", 40, "cold invocations per side")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (c config) run(ctx context.Context) error {
	only, err := regexp.Compile(c.only)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.work, 0o755); err != nil {
		return err
	}
	fs, missing, err := functions(c.source, c.work, c.runtimes)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "no runtime built for: %s (make runtimes)\n", strings.Join(missing, ", "))
	}
	sides, closeSides, err := c.sides(ctx)
	if err != nil {
		return err
	}
	defer closeSides()
	var results []result
	for _, s := range scenarios(fs) {
		if !only.MatchString(s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s (%s)\n", s.name, s.f.runtime)
		both, err := s.measure(ctx, c.plan, sides)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		results = append(results, compare(s.name, invokeMetrics, both[0], both[1])...)
	}
	reloads, err := c.reloads(ctx, only, fs, sides)
	if err != nil {
		return err
	}
	results = append(results, reloads...)
	if c.against == "" {
		managed, err := c.management(ctx, only, manyFunctions)
		if err != nil {
			return err
		}
		results = append(results, managed...)
		enqueued, err := c.enqueues(ctx, only)
		if err != nil {
			return err
		}
		results = append(results, enqueued...)
		several, err := c.many(ctx, only, fs, sides)
		if err != nil {
			return err
		}
		results = append(results, several...)
		drained, err := c.drains(ctx, only, fs, sides)
		if err != nil {
			return err
		}
		results = append(results, drained...)
		overloaded, err := c.overload(ctx, only)
		if err != nil {
			return err
		}
		results = append(results, overloaded...)
	}
	if err := writeTable(os.Stdout, results); err != nil {
		return err
	}
	return writeJSON(c.out, results)
}

// reloads measures the scenarios of "thaw dev", which needs the server.
func (c config) reloads(ctx context.Context, only *regexp.Regexp, fs []function, sides [2]side) ([]result, error) {
	thaw, ok := sides[0].(*thawSide)
	if !ok {
		return nil, nil
	}
	var results []result
	for _, d := range inDevelopment(c.work, fs) {
		name := "dev.reload." + strings.TrimPrefix(d.word, "dev-")
		if !only.MatchString(name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s (%s)\n", name, d.runtime)
		both, err := measureReload(ctx, c.plan, thaw, sides[1].(*limitSide), d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		results = append(results, compare(name, reloadMetrics, both[0], both[1])...)
	}
	return results, nil
}

// sides starts both programs.
func (c config) sides(ctx context.Context) (both [2]side, closeBoth func(), err error) {
	limit, err := newLimitSide(c.source, c.work)
	if err != nil {
		return both, nil, err
	}
	if c.against != "" {
		other := &limitSide{work: c.work, binary: c.against, running: map[string]*limitProcess{}}
		if c.against == "self" {
			other.binary = limit.binary
		}
		return [2]side{other, limit}, func() { other.close(); limit.close() }, nil
	}
	if err := forget(c.work); err != nil {
		return both, nil, err
	}
	runtimes, err := filepath.Abs(c.runtimes)
	if err != nil {
		return both, nil, err
	}
	thaw, err := newThawSide(ctx, c.binary, c.work, runtimes)
	if err != nil {
		return both, nil, err
	}
	return [2]side{thaw, limit}, func() {
		limit.close()
		thaw.close()
		if err := forget(c.work); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}, nil
}

// scenario is one comparison.
type scenario struct {
	name    string
	f       function
	callers int // 0 means cold
}

func scenarios(fs []function) []scenario {
	var all []scenario
	for _, f := range fs {
		for _, n := range []int{1, 16} {
			all = append(all, scenario{fmt.Sprintf("warm.%s.c%d", f.word, n), f, n})
		}
	}
	for _, f := range fs {
		all = append(all, scenario{"cold." + f.word, f, 0})
	}
	return all
}

func (s scenario) measure(ctx context.Context, p plan, sides [2]side) ([2]*sample, error) {
	if s.callers == 0 {
		return measureCold(ctx, p, sides, s.f)
	}
	return measureWarm(ctx, p, sides, s.f, s.callers)
}
