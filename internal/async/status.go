package async

import (
	"context"
	"slices"
	"strings"

	"thaw/internal/store"
)

// Backlog is what waits of one function's events, or of one target's deliveries.
type Backlog struct {
	// Name is the function's, or the target's ARN.
	Name string
	// Waiting are due, Running are in hand, Delayed wait for their next try.
	Waiting, Running, Delayed int
}

// Status is what waits, sorted by name.
type Status struct {
	Events     []Backlog
	Deliveries []Backlog
}

// Status tells what waits at this moment.
func (e *Engine) Status(ctx context.Context) (s Status, err error) {
	if s.Events, err = backlogs(ctx, e.opts.Events); err != nil {
		return Status{}, err
	}
	if s.Deliveries, err = backlogs(ctx, e.opts.Deliveries); err != nil {
		return Status{}, err
	}
	return s, nil
}

func backlogs(ctx context.Context, q store.Queue) ([]Backlog, error) {
	counts, err := q.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Backlog, 0, len(counts))
	for name, c := range counts {
		list = append(list, Backlog{Name: name, Waiting: c.Waiting, Running: c.Leased, Delayed: c.Delayed})
	}
	slices.SortFunc(list, func(a, b Backlog) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Purge ends the events of functions, durably, and tells how many there were.
// Attempts that are under way go on and are told of, but none is made again.
// Deliveries stay.
func (e *Engine) Purge(ctx context.Context, functions ...string) (int, error) {
	if len(functions) == 0 {
		return 0, nil
	}
	ids, err := e.opts.Events.IDs(ctx, functions...)
	if err != nil {
		return 0, err
	}
	return len(ids), e.opts.Events.End(ctx, ids)
}
