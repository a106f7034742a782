package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// connections bounds those of an open loop. Arrivals beyond wait, and are late.
const connections = 1024

// arrivals is what an open loop has measured: requests that come when a schedule
// says, whatever became of those before. Latencies count from the time of the
// schedule.
type arrivals struct {
	admitted []arrival
	refused  []time.Duration // with status 429
}

type arrival struct {
	at   time.Duration // since the loop began, by the schedule
	took time.Duration
}

// latencies are those of what was admitted.
func (a *arrivals) latencies() []time.Duration {
	var all []time.Duration
	for _, one := range a.admitted {
		all = append(all, one.took)
	}
	return all
}

// openLoop sends requests at a rate, in arrivals per second. Answers other than a
// success and 429 are errors.
func openLoop(ctx context.Context, t target, rate float64, d time.Duration) (*arrivals, error) {
	total := int64(rate * d.Seconds())
	callers := make(load, 0, connections)
	defer func() { callers.close() }()
	for range min(connections, total) {
		c, err := dial(t.address)
		if err != nil {
			return nil, err
		}
		callers = append(callers, c)
	}
	var (
		next    atomic.Int64
		all     = &arrivals{}
		mu      sync.Mutex
		errs    []error
		workers sync.WaitGroup
	)
	begin := time.Now()
	for _, c := range callers {
		workers.Go(func() {
			mine := &arrivals{}
			var err error
			for i := next.Add(1) - 1; i < total && err == nil; i = next.Add(1) - 1 {
				at := time.Duration(float64(i) / rate * float64(time.Second))
				if err = pause(ctx, at-time.Since(begin)); err == nil {
					err = mine.call(c, t.request, begin, at)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all.admitted = append(all.admitted, mine.admitted...)
			all.refused = append(all.refused, mine.refused...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	workers.Wait()
	slices.SortFunc(all.admitted, func(a, b arrival) int { return int(a.at - b.at) })
	if len(errs) > 0 {
		return all, fmt.Errorf("%d callers ended: %w", len(errs), errors.Join(errs[:min(len(errs), 3)]...))
	}
	return all, nil
}

func (a *arrivals) call(c *caller, request []byte, begin time.Time, at time.Duration) error {
	status, failed, err := c.exchange(request)
	took := time.Since(begin) - at
	switch {
	case err != nil:
		return err
	case status == http.StatusOK && !failed:
		a.admitted = append(a.admitted, arrival{at, took})
	case status == http.StatusTooManyRequests:
		a.refused = append(a.refused, took)
	default:
		return fmt.Errorf("answered with %d: %.300s", status, c.body)
	}
	return nil
}
