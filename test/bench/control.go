package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What these scenarios are held against is not a program but a bound, as a person
// feels it.
const (
	startBound = 500 * time.Millisecond
	pageBound  = 50 * time.Millisecond
	// maxStarts is how many starts are measured at most.
	maxStarts = 15
)

// manyFunctions is what the server keeps in them.
var manyFunctions = tree{functions: 10_000, versioned: 1_000, versions: 50}

const (
	startScenario = "start.functions10k"
	listScenario  = "control.list."
)

// listings are the lists by the last part of their scenario: the path of the first
// page.
func (t tree) listings() map[string]string {
	return map[string]string{
		"functions": "/2015-03-31/functions/",
		"all":       "/2015-03-31/functions/?FunctionVersion=ALL",
		"versions":  "/2015-03-31/functions/" + t.name(t.versioned/2) + "/versions",
	}
}

// management measures the scenarios of a server that keeps many functions and is
// not asked to run them.
func (c config) management(ctx context.Context, only *regexp.Regexp, t tree) (results []result, err error) {
	wanted := map[string]string{}
	for word, path := range t.listings() {
		if only.MatchString(listScenario + word) {
			wanted[listScenario+word] = path
		}
	}
	if len(wanted) == 0 && !only.MatchString(startScenario) {
		return nil, nil
	}
	fmt.Fprintf(os.Stderr, "%s, %s* (%d functions)\n", startScenario, listScenario, t.functions)
	work := filepath.Join(c.work, "control")
	if err := forget(work); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, forget(work)) }()
	s, err := c.filled(ctx, work, t)
	if err != nil {
		return nil, err
	}
	defer func() { s.close() }()
	starts := &sample{}
	for range min(max(c.plan.colds/4, 1), maxStarts) {
		s.close()
		if s, err = c.restart(ctx, work, s, starts); err != nil {
			return nil, err
		}
	}
	memory, err := memoryOf(startScenario, s.server.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if only.MatchString(startScenario) {
		cpu := starts.cpu.Seconds() * 1000 / float64(len(starts.latencies))
		results = append(bounded(startScenario, starts, startBound), result{Scenario: startScenario, Metric: "cpu_ms", Thaw: round(cpu, 1)})
		results = append(results, memory...)
	}
	for _, word := range []string{"functions", "all", "versions"} {
		path, ok := wanted[listScenario+word]
		if !ok {
			continue
		}
		pages, err := s.walk(ctx, path, c.plan.colds)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", listScenario, word, err)
		}
		results = append(results, bounded(listScenario+word, pages, pageBound)...)
	}
	return results, nil
}

// filled starts a server that keeps a tree. The first start makes the keys, the
// second one its copy of the records.
func (c config) filled(ctx context.Context, work string, t tree) (*thawSide, error) {
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, err
	}
	runtimes, err := filepath.Abs(c.runtimes)
	if err != nil {
		return nil, err
	}
	s, err := newThawSide(ctx, c.binary, work, runtimes)
	if err != nil {
		return nil, err
	}
	s.close()
	if err := t.fill(ctx, s.data); err != nil {
		return nil, fmt.Errorf("fill the store: %w", err)
	}
	return c.startReady(ctx, work, s)
}

// startReady starts a server with the data and keys of one that has ended, and
// waits until it says that it is ready.
func (c config) startReady(ctx context.Context, work string, before *thawSide) (*thawSide, error) {
	runtimes, err := filepath.Abs(c.runtimes)
	if err != nil {
		return before, err
	}
	s, err := startThaw(c.binary, work, runtimes)
	if err != nil {
		return before, err
	}
	s.keys = before.keys
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	pid := strconv.Itoa(s.server.cmd.Process.Pid)
	for {
		// The file is written when the server listens, and is gone when it does not.
		text, err := os.ReadFile(filepath.Join(s.data, "server.json"))
		if err == nil && strings.Contains(string(text), pid) {
			return s, nil
		}
		select {
		case <-s.server.done:
			return s, fmt.Errorf("server ended: %w", s.server.err)
		default:
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return s, fmt.Errorf("server is not ready: %w", err)
		}
	}
}

// restart is startReady, measured.
func (c config) restart(ctx context.Context, work string, before *thawSide, starts *sample) (*thawSide, error) {
	begin := time.Now()
	s, err := c.startReady(ctx, work, before)
	if err != nil {
		return s, err
	}
	took := time.Since(begin)
	spent, err := treeCPU(s.server.cmd.Process.Pid)
	starts.latencies, starts.elapsed, starts.cpu = append(starts.latencies, took), starts.elapsed+took, starts.cpu+spent
	return s, err
}

// walk measures all pages of a list, and a list of few pages again and again.
func (s *thawSide) walk(ctx context.Context, path string, atLeast int) (*sample, error) {
	c, err := dial(s.address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	pages, marker := &sample{}, ""
	for marker != "" || len(pages.latencies) < atLeast {
		request, err := s.signed(ctx, http.MethodGet, following(path, marker), "")
		if err != nil {
			return nil, err
		}
		took, err := c.call(request)
		if err != nil {
			return nil, err
		}
		pages.latencies, pages.elapsed = append(pages.latencies, took), pages.elapsed+took
		var page struct {
			NextMarker          string
			Functions, Versions []json.RawMessage
		}
		if err := json.Unmarshal(c.body, &page); err != nil {
			return nil, fmt.Errorf("page %.100s: %w", c.body, err)
		}
		if len(page.Functions)+len(page.Versions) == 0 {
			return nil, fmt.Errorf("a page has nothing on it: %.100s", c.body)
		}
		marker = page.NextMarker
	}
	return pages, nil
}

// following is the path of the page after a marker.
func following(path, marker string) string {
	switch {
	case marker == "":
		return path
	case strings.Contains(path, "?"):
		return path + "&Marker=" + url.QueryEscape(marker)
	}
	return path + "?Marker=" + url.QueryEscape(marker)
}

// bounded makes the results of a scenario that is held against a bound.
func bounded(scenario string, s *sample, bound time.Duration) (all []result) {
	figures := s.metrics()
	for _, metric := range []string{"p50_us", "p99_us", "max_us"} {
		r := result{Scenario: scenario, Metric: metric, Thaw: round(figures[metric], 1), Limit: micros(bound)}
		r.Ratio = round(r.Thaw/r.Limit, 3)
		all = append(all, r)
	}
	return all
}

// memoryOf is what a server needs: now, and at most so far.
func memoryOf(scenario string, pid int) (all []result, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	metrics := map[string]string{"VmRSS:": "rss_mib", "VmHWM:": "peak_mib"}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || metrics[fields[0]] == "" {
			continue
		}
		kib, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return nil, err
		}
		all = append(all, result{Scenario: scenario, Metric: metrics[fields[0]], Thaw: round(kib/1024, 1)})
	}
	return all, nil
}
