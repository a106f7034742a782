package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/local"
)

// eventSize is the body of an event in these scenarios, in bytes.
const eventSize = 1000

// enqueueCallers are the scenarios enqueue.cN.
var enqueueCallers = []int{1, 16, 64}

var enqueueMetrics = []string{"p50_us", "p99_us", "rps"}

// publisher is one engine of queues with those who enqueue.
type publisher struct {
	engine *local.Store
	queue  store.Queue
	last   atomic.Int64 // ID of an event
}

func openPublisher(ctx context.Context, dir string, group int) (*publisher, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	engine, err := local.Open(ctx, local.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), GroupRecords: group})
	if err != nil {
		return nil, err
	}
	return &publisher{engine: engine, queue: engine.Queue("async")}, nil
}

// slice has n callers enqueue events, each the next one when its last is durable.
func (p *publisher) slice(ctx context.Context, s *sample, n int, d time.Duration) error {
	body := bytes.Repeat([]byte("e"), eventSize)
	latencies, errs := make([][]time.Duration, n), make([]error, n)
	begin := time.Now()
	var callers sync.WaitGroup
	for i := range n {
		callers.Go(func() {
			for at := begin; time.Since(begin) < d; {
				e := store.Event{ID: strconv.FormatInt(p.last.Add(1), 10), Partition: strconv.Itoa(i), Body: body}
				if errs[i] = p.queue.EnqueueBatch(ctx, []store.Event{e}); errs[i] != nil {
					return
				}
				now := time.Now()
				latencies[i] = append(latencies[i], now.Sub(at))
				at = now
			}
		})
	}
	callers.Wait()
	s.elapsed += time.Since(begin)
	for _, l := range latencies {
		s.latencies = append(s.latencies, l...)
	}
	return errors.Join(errs...)
}

// enqueues compares the queue, whose concurrent callers share a sync of the disk,
// with the same engine, the same callers and a sync for each event.
func (c config) enqueues(ctx context.Context, only *regexp.Regexp) (results []result, err error) {
	work := filepath.Join(c.work, "enqueue")
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	for _, n := range enqueueCallers {
		name := fmt.Sprintf("enqueue.c%d", n)
		if !only.MatchString(name) {
			continue
		}
		fmt.Fprintln(os.Stderr, name)
		samples, err := c.enqueue(ctx, filepath.Join(work, strconv.Itoa(n)), n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		results = append(results, compare(name, enqueueMetrics, samples[0], samples[1])...)
	}
	return results, nil
}

func (c config) enqueue(ctx context.Context, dir string, n int) (samples [2]*sample, err error) {
	samples = [2]*sample{{}, {}}
	var sides [2]*publisher
	for i, group := range []int{0, 1} {
		if sides[i], err = openPublisher(ctx, filepath.Join(dir, strconv.Itoa(i)), group); err != nil {
			return samples, err
		}
		defer func() { err = errors.Join(err, sides[i].engine.Close()) }()
	}
	for round := range c.plan.repeats * c.plan.rounds {
		for k := range sides {
			i := (round + k) % 2
			if err := sides[i].slice(ctx, samples[i], n, c.plan.slice); err != nil {
				return samples, err
			}
		}
	}
	return samples, nil
}
