package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"
)

const (
	manyScenario = "many.functions200.c64"
	// manyWords are the different functions in it, manyCallers who call them in turn.
	manyWords   = 200
	manyCallers = 64
)

// many compares callers of many functions, each caller another function every time,
// with as many callers of one.
func (c config) many(ctx context.Context, only *regexp.Regexp, fs []function, sides [2]side) ([]result, error) {
	if !only.MatchString(manyScenario) {
		return nil, nil
	}
	fmt.Fprintln(os.Stderr, manyScenario)
	samples, err := sides[0].(*thawSide).many(ctx, c.plan, fs[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manyScenario, err)
	}
	return compare(manyScenario, invokeMetrics, samples[0], samples[1]), nil
}

func (s *thawSide) many(ctx context.Context, p plan, one function) (samples [2]*sample, err error) {
	samples = [2]*sample{{}, {}}
	all := make([]function, manyWords)
	for i := range all {
		all[i] = one
		all[i].word = "many" + strconv.Itoa(i)
		all[i].memoryMB = smallest
	}
	one.memoryMB, one.word = smallest, "many-one"
	for _, f := range append(all, one) {
		if err := s.deploy(ctx, f); err != nil {
			return samples, err
		}
	}
	var requests [2][][]byte
	for i, fs := range [][]function{all, {one}} {
		for _, f := range fs { // when all are deployed: signatures grow old
			request, err := s.signed(ctx, http.MethodPost, "/2015-03-31/functions/"+f.name()+"/invocations", event)
			if err != nil {
				return samples, err
			}
			requests[i] = append(requests[i], request)
		}
	}
	t := target{address: s.address, pid: s.server.cmd.Process.Pid}
	callers, err := open(s.address, manyCallers)
	if err != nil {
		return samples, err
	}
	defer callers.close()
	for i := range requests { // all environments start
		if _, err := callers.runInTurn(requests[i], 2*p.warmUp); err != nil {
			return samples, fmt.Errorf("warm up: %w", err)
		}
	}
	for round := range p.rounds * p.repeats {
		for k := range requests {
			i := (round + k) % 2
			err := samples[i].measure(t, func() ([]time.Duration, error) { return callers.runInTurn(requests[i], p.slice) })
			if err != nil {
				return samples, err
			}
		}
	}
	return samples, nil
}

// runInTurn calls for the given time. Each caller goes through the requests, all of
// them at different places.
func (l load) runInTurn(requests [][]byte, d time.Duration) ([]time.Duration, error) {
	took, errs := make([][]time.Duration, len(l)), make([]error, len(l))
	end := time.Now().Add(d)
	var callers sync.WaitGroup
	for who, c := range l {
		callers.Go(func() {
			for i := who * len(requests) / len(l); errs[who] == nil && time.Now().Before(end); i++ {
				var one time.Duration
				if one, errs[who] = c.call(requests[i%len(requests)]); errs[who] == nil {
					took[who] = append(took[who], one)
				}
			}
		})
	}
	callers.Wait()
	var all []time.Duration
	for _, t := range took {
		all = append(all, t...)
	}
	return all, errors.Join(errs...)
}
