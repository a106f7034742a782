package main

import (
	"context"
	"fmt"
	"time"
)

// side is one of the two programs that are compared.
type side interface {
	// warm readies a function to be invoked by n callers at a time, in environments
	// that are not older than this call.
	warm(ctx context.Context, f function, n int) (target, error)
	// cold readies a function so that the next invocation starts an environment.
	cold(ctx context.Context, f function) (target, error)
}

// target is where and how a function is invoked on one side.
type target struct {
	address string
	request []byte // whole, head and body; signed where the side wants it
	pid     int    // the server's
}

// settle is how long after a cold invocation its CPU time is still counted.
const settle = 30 * time.Millisecond

// plan says how long to measure.
type plan struct {
	repeats int           // of a warm scenario, each with new environments
	warmUp  time.Duration // before each
	rounds  int           // slices per side and repetition
	slice   time.Duration // for each side
	colds   int           // cold invocations per side
}

// measureWarm compares the sides in short alternating slices, so that whatever
// else the machine does meets both alike. It does so several times with new
// environments: one Node process may be half as fast again as the next one, with
// the same code, for all its life.
func measureWarm(ctx context.Context, p plan, sides [2]side, f function, n int) ([2]*sample, error) {
	samples := [2]*sample{{}, {}}
	for range p.repeats {
		if err := repeat(ctx, p, sides, f, n, samples); err != nil {
			return samples, err
		}
	}
	return samples, nil
}

func repeat(ctx context.Context, p plan, sides [2]side, f function, n int, samples [2]*sample) error {
	var targets [2]target
	var loads [2]load
	for i, s := range sides {
		var err error
		if targets[i], err = s.warm(ctx, f, n); err != nil {
			return err
		}
		if loads[i], err = open(targets[i].address, n); err != nil {
			return err
		}
		defer loads[i].close()
		for _, d := range []time.Duration{0, p.warmUp} { // first, all environments start
			if _, err := loads[i].run(targets[i].request, d); err != nil {
				return fmt.Errorf("warm up: %w", err)
			}
		}
	}
	for round := range p.rounds {
		for k := range sides {
			i := (round + k) % 2 // each side goes first as often as the other
			if err := samples[i].slice(loads[i], targets[i], p.slice); err != nil {
				return err
			}
		}
	}
	return nil
}

// slice adds one slice's calls to a sample.
func (s *sample) slice(l load, t target, d time.Duration) error {
	return s.measure(t, func() ([]time.Duration, error) { return l.run(t.request, d) })
}

// measure adds what a run has shown.
func (s *sample) measure(t target, run func() ([]time.Duration, error)) error {
	before, err := treeCPU(t.pid)
	if err != nil {
		return err
	}
	begin := time.Now()
	took, err := run()
	s.elapsed += time.Since(begin)
	if err != nil {
		return err
	}
	after, err := treeCPU(t.pid)
	if err != nil {
		return err
	}
	s.cpu += after - before
	s.latencies = append(s.latencies, took...)
	return nil
}

// measureCold compares first invocations, one at a time, alternating.
func measureCold(ctx context.Context, p plan, sides [2]side, f function) ([2]*sample, error) {
	samples := [2]*sample{{}, {}}
	for round := range p.colds {
		for k := range sides {
			i := (round + k) % 2
			t, err := sides[i].cold(ctx, f)
			if err != nil {
				return samples, err
			}
			if err := samples[i].first(ctx, t); err != nil {
				return samples, err
			}
		}
	}
	return samples, nil
}

// first adds one cold invocation to a sample. The connection is there before,
// as that of a client usually is.
func (s *sample) first(ctx context.Context, t target) error {
	c, err := dial(t.address)
	if err != nil {
		return err
	}
	defer c.close()
	if err := pause(ctx, settle); err != nil {
		return err
	}
	before, err := treeCPU(t.pid)
	if err != nil {
		return err
	}
	took, err := c.call(t.request)
	if err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	after, err := treeCPU(t.pid)
	if err != nil {
		return err
	}
	s.latencies = append(s.latencies, took)
	s.elapsed += took
	s.cpu += after - before
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
