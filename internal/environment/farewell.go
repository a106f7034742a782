package environment

import (
	"context"
	"slices"
	"syscall"
	"time"

	"thaw/internal/runtimeapi"
	"thaw/internal/sandbox"
)

// occasion is why all that runs in an environment is ended.
type occasion int

const (
	failedInit occasion = iota // an init failed or took too long
	afterTimeout
	afterFailure // a crash, or a report that something cannot go on
	spindown     // the environment is not needed any more
)

// reason is what extensions are told.
func (o occasion) reason() string {
	return [...]string{"failure", "timeout", "failure", "spindown"}[o]
}

// company is which extensions run beside the runtime.
type company int

const (
	alone company = iota
	withInternal
	withExternal
	withBoth
)

// farewell is the time that processes are given to end by themselves; zero means
// that they are killed at once.
type farewell struct {
	runtime time.Duration // from SIGTERM to SIGKILL
	all     time.Duration // from the begin until every extension is killed
}

// farewells is the plan: what is not in it is killed at once. The times of a
// shutdown are the service's documented ones. A reset has two seconds in all, of
// which the runtime has three tenths.
var farewells = map[occasion]map[company]farewell{
	afterTimeout: {withInternal: {runtime: resetRuntime}, withExternal: {resetRuntime, resetAll}, withBoth: {resetRuntime, resetAll}},
	afterFailure: {withInternal: {runtime: resetRuntime}, withExternal: {resetRuntime, resetAll}, withBoth: {resetRuntime, resetAll}},
	spindown: {
		withInternal: {runtime: 500 * time.Millisecond},
		withExternal: {300 * time.Millisecond, 2 * time.Second},
		withBoth:     {500 * time.Millisecond, 2 * time.Second},
	},
}

const (
	resetAll     = 2 * time.Second
	resetRuntime = resetAll * 3 / 10
)

// companyOf tells who is there; an extension that did not register does not count.
func companyOf(extensions []runtimeapi.Extension) company {
	c := alone
	for _, x := range extensions {
		switch {
		case x.External && x.State != "Started":
			c |= withExternal
		case !x.External:
			c |= withInternal
		}
	}
	return c
}

// bid ends the processes of a life as the plan has it: SIGTERM and then SIGKILL
// for the runtime, SHUTDOWN for the extensions that asked for it, SIGKILL for the
// others. Whatever is left is killed by the sandbox's reset or destruction. It
// does nothing if the life has been ended before.
func (l *life) bid(ctx context.Context, o occasion) {
	if !l.ending.CompareAndSwap(false, true) {
		return
	}
	close(l.ended)
	extensions := l.api.Extensions()
	plan := farewells[o][companyOf(extensions)]
	ctx, cancel := context.WithTimeout(ctx, max(plan.all, plan.runtime))
	defer cancel()
	deadline := time.Now().Add(plan.all)
	if plan.all == 0 { // who subscribed to telemetry ends with the runtime
		_, end := l.deliver(ctx, cancel)
		defer end()
	}
	l.endRuntime(ctx, plan.runtime)
	l.flush() // its last words come before those of the extensions
	if plan.all == 0 {
		return
	}
	delivered, end := l.deliver(ctx, cancel)
	defer end()
	select { // an extension may exit as soon as it is told, with what it has by then
	case <-delivered:
	case <-time.After(deliveryLead):
	case <-ctx.Done():
	}
	l.api.Shutdown(o.reason(), deadline)
	l.awaitExtensions(ctx, extensions)
}

// deliveryLead is how long subscribers of telemetry may take what is buffered for
// them before SHUTDOWN is told.
const deliveryLead = 100 * time.Millisecond

// deliver begins to send subscribers what is buffered for them; delivered is
// closed when they have it. The function that it returns ends it.
func (l *life) deliver(ctx context.Context, cancel context.CancelFunc) (delivered <-chan struct{}, end func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.relay.Flush(ctx)
	}()
	return done, func() {
		cancel()
		<-done
	}
}

func (l *life) endRuntime(ctx context.Context, grace time.Duration) {
	runtime, _ := l.processes()
	if grace == 0 || runtime == nil {
		return
	}
	l.signal(runtime, syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-runtime.Exited():
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	l.signal(runtime, syscall.SIGKILL)
}

// awaitExtensions kills the extensions that did not ask for SHUTDOWN and waits
// for the others to exit.
func (l *life) awaitExtensions(ctx context.Context, known []runtimeapi.Extension) {
	told := func(name string) bool {
		i := slices.IndexFunc(known, func(x runtimeapi.Extension) bool { return x.External && x.Name == name })
		return i >= 0 && slices.Contains(known[i].Events, "SHUTDOWN")
	}
	_, extensions := l.processes()
	for _, x := range extensions {
		if !told(x.name) {
			l.signal(x.process, syscall.SIGKILL)
		}
	}
	for _, x := range extensions {
		select {
		case <-x.process.Exited():
		case <-ctx.Done():
			return
		}
	}
}

func (l *life) signal(p sandbox.Running, sig syscall.Signal) {
	if err := p.Signal(sig); err != nil {
		l.env.logger.Debug("signal process", "signal", sig, "error", err)
	}
}
