package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	overloadScenario = "overload"
	// overloadPlaces is how many environments the server may have in it, and
	// overloadHold how long its function takes: what it can do is one over the other.
	overloadPlaces = 16
	overloadHold   = 50 * time.Millisecond
	// overloadTimes is how many times that is asked of it, and overloadIdle the share
	// that is asked before and after.
	overloadTimes = 10
	overloadIdle  = 0.25
	overloadFor   = 10 * time.Second
	// refusalBound is how long an answer with 429 may take by the server's clock, p99.
	refusalBound = 10 * time.Millisecond
	// recovered is by how much latency may exceed that of before when all is well again.
	recovered = 1.2
)

// overload asks the server for ten times what it can do, and measures what becomes
// of what is admitted and of what is not.
func (c config) overload(ctx context.Context, only *regexp.Regexp) (results []result, err error) {
	if !only.MatchString(overloadScenario) {
		return nil, nil
	}
	fmt.Fprintln(os.Stderr, overloadScenario)
	work := filepath.Join(c.work, overloadScenario)
	if err := forget(work); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	binary := filepath.Join(work, "hold")
	if err := os.MkdirAll(binary, 0o755); err != nil {
		return nil, err
	}
	if err := goBuild(filepath.Join(binary, "bootstrap"), "./"+filepath.Join(c.source, "functions", "hold")); err != nil {
		return nil, err
	}
	runtimes, err := filepath.Abs(c.runtimes)
	if err != nil {
		return nil, err
	}
	s, err := newThawSide(ctx, c.binary, work, runtimes, "--max-environments", strconv.Itoa(overloadPlaces))
	if err != nil {
		return nil, err
	}
	defer s.close()
	f := function{word: "hold", runtime: "provided.al2023", handler: "bootstrap", memoryMB: smallest, dir: binary}
	if err := s.deploy(ctx, f); err != nil {
		return nil, err
	}
	t := target{address: s.address, pid: s.server.cmd.Process.Pid}
	t.request, err = s.signed(ctx, http.MethodPost, "/2015-03-31/functions/"+f.name()+"/invocations",
		fmt.Sprintf(`{"ms":%d}`, overloadHold.Milliseconds()))
	if err != nil {
		return nil, err
	}
	return overloaded(ctx, s, t)
}

func overloaded(ctx context.Context, s *thawSide, t target) ([]result, error) {
	capacity := float64(overloadPlaces) / overloadHold.Seconds()
	if _, err := openLoop(ctx, t, capacity, time.Second); err != nil { // all environments start
		return nil, fmt.Errorf("warm up: %w", err)
	}
	before, err := openLoop(ctx, t, capacity*overloadIdle, 3*time.Second)
	if err != nil {
		return nil, fmt.Errorf("before the load: %w", err)
	}
	during, err := openLoop(ctx, t, capacity*overloadTimes, overloadFor)
	if err != nil {
		return nil, fmt.Errorf("under load: %w", err)
	}
	after, err := openLoop(ctx, t, capacity*overloadIdle, 3*time.Second)
	if err != nil {
		return nil, fmt.Errorf("after the load: %w", err)
	}
	if len(before.admitted) == 0 || len(during.admitted) == 0 || len(during.refused) == 0 || len(after.admitted) == 0 {
		return nil, fmt.Errorf("nothing to compare: %d admitted before, %d during, %d after, %d refused",
			len(before.admitted), len(during.admitted), len(after.admitted), len(during.refused))
	}
	byServer, err := s.refusals(ctx)
	if err != nil {
		return nil, err
	}
	memory, err := memoryOf(overloadScenario, t.pid)
	if err != nil {
		return nil, err
	}
	idle := sorted(before.latencies())
	loaded := sorted(during.latencies())
	slices.Sort(during.refused)
	against := func(metric string, value, bound time.Duration) result {
		return result{overloadScenario, metric, round(micros(value), 1), round(micros(bound), 1), round(float64(value)/float64(bound), 3)}
	}
	done := float64(len(during.admitted)) / overloadFor.Seconds()
	results := []result{
		against("admitted_p50_us", percentile(loaded, 50), percentile(idle, 50)),
		against("admitted_p99_us", percentile(loaded, 99), percentile(idle, 99)),
		{Scenario: overloadScenario, Metric: "admitted_rps", Thaw: round(done, 1), Limit: capacity, Ratio: round(done/capacity, 3)},
		{Scenario: overloadScenario, Metric: "refused_rps", Thaw: round(float64(len(during.refused))/overloadFor.Seconds(), 1)},
		against("refused_p50_us", percentile(during.refused, 50), refusalBound),
		against("refused_p99_us", percentile(during.refused, 99), refusalBound),
		against("refused_p99_server_us", byServer, refusalBound),
		against("recovery_us", recovery(after, percentile(idle, 50)), time.Second),
	}
	return append(results, memory...), nil
}

func sorted(d []time.Duration) []time.Duration {
	slices.Sort(d)
	return d
}

// recovery is how long after the load latency was as before it: the end of the
// last tenth of a second whose median was not.
func recovery(after *arrivals, before time.Duration) time.Duration {
	const step = 100 * time.Millisecond
	var steps [][]time.Duration
	for _, a := range after.admitted {
		for int(a.at/step) >= len(steps) {
			steps = append(steps, nil)
		}
		steps[a.at/step] = append(steps[a.at/step], a.took)
	}
	var last time.Duration
	for i, took := range steps {
		if len(took) > 0 && float64(percentile(sorted(took), 50)) > recovered*float64(before) {
			last = time.Duration(i+1) * step
		}
	}
	return last
}

// refusals is the 99th percentile of how long answers with 429 took by the
// server's own clock: the upper bound of its bucket.
func (s *thawSide) refusals(ctx context.Context) (time.Duration, error) {
	text, err := s.metrics(ctx)
	if err != nil {
		return 0, err
	}
	type bucket struct {
		bound time.Duration
		count float64
	}
	var buckets []bucket
	for line := range strings.Lines(text) {
		labels, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		rest, is := strings.CutPrefix(labels, "thaw_request_duration_seconds_bucket{")
		if !ok || !is || !strings.Contains(rest, `code="429"`) {
			continue
		}
		_, bound, _ := strings.Cut(rest, `le="`)
		seconds, err := strconv.ParseFloat(strings.TrimSuffix(bound, `"`), 64) // +Inf is a number, too
		if err != nil {
			return 0, fmt.Errorf("metrics: %q: %w", line, err)
		}
		count, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metrics: %q: %w", line, err)
		}
		d := time.Duration(min(seconds, float64(timeout/time.Second)) * float64(time.Second))
		buckets = append(buckets, bucket{d, count})
	}
	if len(buckets) == 0 {
		return 0, errors.New("metrics: no durations of answers with status 429")
	}
	total := buckets[len(buckets)-1].count
	for _, b := range buckets {
		if b.count >= 0.99*total {
			return b.bound, nil
		}
	}
	return timeout, nil
}
