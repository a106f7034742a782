package main

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"thaw/internal/async"
	"thaw/internal/telemetry/exposition"
)

// The families that the server adds to those of the store of metrics.
var (
	familyBuild       = &exposition.Gauge{Name: "thaw_build_info", Help: "The server's version; always 1.", Labels: []string{"version"}}
	familyRunning     = &exposition.Gauge{Name: "thaw_concurrent_executions", Help: "Invocations that run."}
	familyUnreserved  = &exposition.Gauge{Name: "thaw_unreserved_concurrent_executions", Help: "Invocations that run of functions without reserved concurrency."}
	familyClaimed     = &exposition.Gauge{Name: "thaw_claimed_account_concurrency", Help: "Concurrency that other functions cannot have."}
	familyLimit       = &exposition.Gauge{Name: "thaw_account_concurrency_limit", Help: "Invocations that may run at one time."}
	familyHost        = &exposition.Gauge{Name: "thaw_environments", Help: "Execution environments that exist or are being started."}
	familyHostLimit   = &exposition.Gauge{Name: "thaw_environments_limit", Help: "Execution environments that may exist at one time."}
	familyIdle        = &exposition.Gauge{Name: "thaw_environments_idle", Help: "Execution environments on demand in which nothing runs."}
	familyWaiting     = &exposition.Gauge{Name: "thaw_invocations_waiting", Help: "Invocations that wait for room on the host."}
	familyFunctions   = &exposition.Gauge{Name: "thaw_functions", Help: "Functions that there are."}
	familyOfFunction  = &exposition.Gauge{Name: "thaw_function_concurrent_executions", Help: "Invocations of a function that run.", Labels: []string{"function"}}
	familyProvisioned = &exposition.Gauge{Name: "thaw_function_provisioned_concurrency", Help: "Environments that are to be kept initialised.", Labels: []string{"function", "version"}}
	familyAvailable   = &exposition.Gauge{Name: "thaw_function_provisioned_concurrency_available", Help: "Of these, those that are initialised.", Labels: []string{"function", "version"}}
	familyEvents      = &exposition.Gauge{Name: "thaw_async_events", Help: "Asynchronous events: waiting, running, or delayed until their next try.", Labels: []string{"function", "state"}}
	familyDeliveries  = &exposition.Gauge{Name: "thaw_async_deliveries", Help: "Records and dead letters on their way, likewise.", Labels: []string{"target", "state"}}
	familyMessages    = &exposition.Gauge{Name: "thaw_queue_messages", Help: "Messages of the built-in queues: waiting, in flight, or delayed.", Labels: []string{"queue", "state"}}
	familyBusy        = &exposition.Gauge{Name: "thaw_function_provisioned_concurrent_executions", Help: "Of these, those in which an invocation runs.", Labels: []string{"function", "version"}}
)

// figures are those of the server as they stand.
func (s *server) figures(show func(exposition.Sample)) {
	figures := s.pools.Figures()
	one := func(g *exposition.Gauge, value int, labels ...string) {
		show(exposition.Sample{Gauge: g, Labels: labels, Value: float64(value)})
	}
	one(familyRunning, figures.Running)
	one(familyUnreserved, figures.Unreserved)
	one(familyClaimed, figures.Claimed)
	one(familyLimit, s.config.AccountConcurrency)
	one(familyHost, figures.Environments)
	one(familyHostLimit, s.config.MaxEnvironments)
	one(familyIdle, figures.Idle)
	one(familyWaiting, figures.Waiting)
	one(familyFunctions, len(s.catalog.List()))
	for _, f := range figures.Functions {
		one(familyOfFunction, f.Running, f.Function)
		for _, v := range f.Versions {
			if v.Provisioned > 0 {
				one(familyProvisioned, v.Provisioned, f.Function, v.Version)
				one(familyAvailable, v.Available, f.Function, v.Version)
				one(familyBusy, v.Busy, f.Function, v.Version)
			}
		}
	}
}

// backlogTime bounds how long a scrape counts what waits.
const backlogTime = 5 * time.Second

// backlogs are what waits in the queues, of events and of messages.
func (s *server) backlogs(show func(exposition.Sample)) {
	ctx, cancel := context.WithTimeout(s.following, backlogTime)
	defer cancel()
	status, err := s.events.Status(ctx)
	if err != nil {
		s.logger.Warn("what waits is not counted", slog.Any("error", err))
	}
	waiting := func(g *exposition.Gauge, list []async.Backlog) {
		for _, b := range list {
			for state, n := range map[string]int{"waiting": b.Waiting, "running": b.Running, "delayed": b.Delayed} {
				show(exposition.Sample{Gauge: g, Labels: []string{b.Name, state}, Value: float64(n)})
			}
		}
	}
	waiting(familyEvents, status.Events)
	waiting(familyDeliveries, status.Deliveries)
	for _, name := range s.queues.Names("", "") {
		counts, err := s.queues.Attributes(ctx, name, []string{"All"})
		if err != nil {
			continue // it is deleted by now
		}
		for state, attribute := range map[string]string{
			"waiting": "ApproximateNumberOfMessages", "in_flight": "ApproximateNumberOfMessagesNotVisible", "delayed": "ApproximateNumberOfMessagesDelayed",
		} {
			if n, err := strconv.Atoi(counts[attribute]); err == nil {
				show(exposition.Sample{Gauge: familyMessages, Labels: []string{name, state}, Value: float64(n)})
			}
		}
	}
}
