package pool

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/concurrency"
	"thaw/internal/environment"
	"thaw/internal/lambda"
)

// Environment is what the pool needs of an execution environment.
type Environment interface {
	// Init makes it ready; see environment.Environment.
	Init(ctx context.Context) error
	Invoke(ctx context.Context, inv lambda.Invocation, tail bool, watch environment.Watch) (lambda.Result, error)
	// Freeze stops it if it is still idle.
	Freeze() error
	Shutdown(ctx context.Context) error
}

// Options configures a Pools; zero fields mean the defaults below.
type Options struct {
	// New makes an environment in which nothing runs yet.
	New func(ctx context.Context, function string, v *lambda.Version) (Environment, error)
	// AccountLimit bounds the invocations that run at one time.
	AccountLimit int
	// MaxEnvironments bounds the environments that exist at one time, idle ones
	// included: beyond it the one idle for longest has to go first.
	MaxEnvironments int
	// IdleGrace is how long an idle environment stays thawed, KeepAlive how long
	// it stays at all.
	IdleGrace time.Duration
	KeepAlive time.Duration
	// Freezing says when idle environments are frozen. MaxAge is how old one may
	// become: then it ends when it is free, even if it is never idle.
	Freezing Freezing
	MaxAge   time.Duration
	// Memory reads the host's memory; nil means that nobody looks. Idle environments
	// end while less than MemoryReserve, in bytes, is available.
	Memory        func() (Memory, error)
	MemoryReserve int64
	// Random is a source of numbers below 1; nil is the program's own.
	Random func() float64
	Logger *slog.Logger
}

const (
	defaultMaxEnvironments = 256
	defaultIdleGrace       = 10 * time.Millisecond
	defaultKeepAlive       = 10 * time.Minute
	// defaultMaxAge is of the order that the service's documentation names: "every
	// few hours".
	defaultMaxAge = 2 * time.Hour
	// drainGrace is how long an invocation waits for an environment that has
	// answered and is about to be free, before another is started for it.
	drainGrace = 10 * time.Millisecond
	// hotGrace is how long it waits although an idle one is there.
	hotGrace = 500 * time.Microsecond
	// endGrace is how long it waits for the end of another, where the host is full:
	// a shutdown with extensions takes two seconds.
	endGrace = 3 * time.Second
	// maxWait is how long an invocation waits for an environment at most.
	maxWait = time.Minute
	// retryAfter is what a throttled caller is told to wait.
	retryAfter = time.Second
)

// Pools holds the environments of all function versions.
type Pools struct {
	opts Options

	running      atomic.Int64 // permits held
	environments atomic.Int64 // existing or being started

	work      sync.WaitGroup // goroutines: starts, timers, shutdowns
	endsWatch context.CancelFunc

	mu     sync.Mutex
	byName map[string]map[string]*versionPool // function, version number
	// retired are the pools of deleted versions in which something still runs.
	retired map[*versionPool]struct{}
	closed  bool
	ending  int           // environments
	ended   chan struct{} // closed, and made anew, when one of them has ended
}

// New makes an empty Pools.
func New(opts Options) *Pools {
	if opts.AccountLimit <= 0 {
		opts.AccountLimit = lambda.DefaultAccountConcurrency
	}
	if opts.MaxEnvironments <= 0 {
		opts.MaxEnvironments = defaultMaxEnvironments
	}
	if opts.IdleGrace <= 0 {
		opts.IdleGrace = defaultIdleGrace
	}
	if opts.KeepAlive <= 0 {
		opts.KeepAlive = defaultKeepAlive
	}
	if opts.MaxAge <= 0 {
		opts.MaxAge = defaultMaxAge
	}
	if opts.Random == nil {
		opts.Random = rand.Float64
	}
	p := &Pools{opts: opts, byName: map[string]map[string]*versionPool{}, retired: map[*versionPool]struct{}{}, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	p.endsWatch = cancel
	if opts.Memory != nil {
		p.work.Go(func() { p.watchMemory(ctx) })
	}
	return p
}

// Acquire takes an environment for one invocation of a version, or answers with
// the throttle. It waits for a start no longer than ctx lasts.
func (p *Pools) Acquire(ctx context.Context, function string, v *lambda.Version) (*Lease, error) {
	if reason := p.permit(); reason != concurrency.Admitted {
		return nil, throttle(reason)
	}
	vp, err := p.versionPool(function, v)
	if err != nil {
		p.running.Add(-1)
		return nil, err
	}
	m, err := vp.acquire(ctx, v)
	if err != nil {
		p.running.Add(-1)
		return nil, err
	}
	return &Lease{member: m}, nil
}

// permit takes one of the account's permits if there is one.
func (p *Pools) permit() concurrency.Reason {
	for {
		inUse := p.running.Load()
		reason := concurrency.Admit(concurrency.State{AccountLimit: p.opts.AccountLimit, AccountInUse: int(inUse)})
		if reason != concurrency.Admitted {
			return reason
		}
		if p.running.CompareAndSwap(inUse, inUse+1) {
			return concurrency.Admitted
		}
	}
}

func throttle(reason concurrency.Reason) *lambda.Error {
	e := lambda.Errorf(lambda.CodeTooManyRequests, "Rate Exceeded.")
	e.Reason, e.RetryAfter = string(reason), retryAfter
	return e
}

// ErrRetired is returned by Acquire for a version that was deleted meanwhile, and
// ErrGone matches errors of Lease.Invoke that left the event to another
// environment. After either, whoever has the event looks the version up again.
var (
	ErrRetired = errors.New("version is retired")
	ErrGone    = environment.ErrGone
)

var errClosed = lambda.Errorf(lambda.CodeService, "The server is shutting down.")

func (p *Pools) versionPool(function string, v *lambda.Version) (*versionPool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	versions := p.byName[function]
	if versions == nil {
		versions = map[string]*versionPool{}
		p.byName[function] = versions
	}
	vp := versions[v.Number]
	if vp == nil {
		vp = &versionPool{pools: p, function: function, version: v, members: map[*member]struct{}{}}
		versions[v.Number] = vp
	}
	return vp, nil
}

// Changed tells of a function's newest record; nil stands for its deletion.
// Environments that are made to something else end: idle ones now, busy ones
// with their invocation.
func (p *Pools) Changed(function string, f *lambda.Function) {
	p.mu.Lock()
	versions := p.byName[function]
	kept := map[*versionPool]*lambda.Version{}
	var deleted []*versionPool
	for number, vp := range versions {
		if f != nil && f.Version(number) != nil {
			kept[vp] = f.Version(number)
			continue
		}
		delete(versions, number)
		deleted = append(deleted, vp)
		p.retired[vp] = struct{}{}
	}
	if len(versions) == 0 {
		delete(p.byName, function)
	}
	p.mu.Unlock()
	for vp, v := range kept {
		vp.adopt(v)
	}
	for _, vp := range deleted {
		vp.retire(ErrRetired)
	}
}

// forget drops a retired pool in which nothing runs any more.
func (p *Pools) forget(vp *versionPool) {
	p.mu.Lock()
	delete(p.retired, vp)
	p.mu.Unlock()
}

// room makes sure that one more environment may exist, at the cost of the one
// that has been idle for longest, of whatever function. One that is just ending
// is waited for.
func (p *Pools) room() bool {
	late := time.NewTimer(endGrace)
	defer late.Stop()
	for {
		p.mu.Lock()
		ending, ended := p.ending > 0, p.ended
		p.mu.Unlock()
		if p.spare() {
			return true
		}
		if p.evict() {
			continue
		}
		if !ending {
			return false
		}
		select {
		case <-ended:
		case <-late.C:
			return false
		}
	}
}

// endings counts the environments that are just ending.
func (p *Pools) endings(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending += n
	if n < 0 {
		close(p.ended)
		p.ended = make(chan struct{})
	}
}

// spare is room for one more environment, at nobody's cost.
func (p *Pools) spare() bool {
	for {
		n := p.environments.Load()
		if int(n) >= p.opts.MaxEnvironments {
			return false
		}
		if p.environments.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (p *Pools) evict() bool {
	for {
		stalest := p.stalest()
		if stalest == nil {
			return false
		}
		if stalest.dropOldest() {
			return true
		} // somebody has just taken it: there may be another
	}
}

// stalest is the pool with the environment that has been idle for longest.
func (p *Pools) stalest() *versionPool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var stalest *versionPool
	var since time.Time
	for _, versions := range p.byName {
		for _, vp := range versions {
			if t, ok := vp.idleSince(); ok && (stalest == nil || t.Before(since)) {
				stalest, since = vp, t
			}
		}
	}
	return stalest
}

// Close lets running invocations finish until ctx ends, then ends everything.
func (p *Pools) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	pools := slices.Collect(maps.Keys(p.retired))
	for _, versions := range p.byName {
		pools = slices.AppendSeq(pools, maps.Values(versions))
	}
	p.mu.Unlock()
	for _, vp := range pools {
		vp.retire(errClosed)
	}
	p.endsWatch()
	for _, vp := range pools {
		vp.drain(ctx)
	}
	p.work.Wait()
	return nil
}
