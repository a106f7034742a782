package pool

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"thaw/internal/concurrency"
	"thaw/internal/environment"
	"thaw/internal/lambda"
)

// Environment is what the pool needs of an execution environment.
type Environment interface {
	// Init makes it ready; see environment.Environment.
	Init(ctx context.Context) error
	// Ready tells that an invocation would begin at once, without an init.
	Ready() bool
	Invoke(ctx context.Context, inv lambda.Invocation, tail bool, watch environment.Watch) (lambda.Result, error)
	// Freeze stops it if it is still idle.
	Freeze() error
	Shutdown(ctx context.Context) error
}

// Options configures a Pools; zero fields mean the defaults below.
type Options struct {
	// New makes an environment in which nothing runs yet. initType says why, as
	// telemetry names it.
	New func(ctx context.Context, function string, v *lambda.Version, initType string) (Environment, error)
	// AccountLimit bounds the invocations that run at one time.
	AccountLimit int
	// RequestRate is how many invocations a function may begin in a second for each
	// unit of its concurrency, StartRate how many environments it may start on demand
	// in ten seconds; less than 0 is no limit.
	RequestRate int
	StartRate   int
	// MaxEnvironments bounds the environments that exist at one time, idle ones
	// included: beyond it an idle one has to go first.
	MaxEnvironments int
	// MaxStarts bounds the environments that are started on demand at one time; one
	// that takes long does not count any more.
	MaxStarts int
	// HostWait is how long an invocation waits for room on a full host; less than 0
	// is not at all. MaxWaiting bounds how many wait.
	HostWait   time.Duration
	MaxWaiting int
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
	defaultHostWait        = time.Second
	startsPerCPU           = 4
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
)

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	number := func(n *int, otherwise int) {
		if *n == 0 {
			*n = otherwise
		}
	}
	length := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	number(&o.AccountLimit, lambda.DefaultAccountConcurrency)
	number(&o.RequestRate, concurrency.DefaultRequests)
	number(&o.StartRate, concurrency.DefaultStarts)
	number(&o.MaxEnvironments, defaultMaxEnvironments)
	number(&o.MaxWaiting, o.MaxEnvironments)
	number(&o.MaxStarts, startsPerCPU*runtime.GOMAXPROCS(0))
	length(&o.HostWait, defaultHostWait)
	length(&o.IdleGrace, defaultIdleGrace)
	length(&o.KeepAlive, defaultKeepAlive)
	length(&o.MaxAge, defaultMaxAge)
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return o
}

// Pools holds the environments of all function versions.
type Pools struct {
	opts      Options
	epoch     time.Time
	admission admission
	host      host
	preparing chan struct{} // holds one for each environment that is being provisioned

	work      sync.WaitGroup // goroutines: starts, timers, shutdowns
	endsWatch context.CancelFunc

	mu     sync.Mutex
	byName map[string]*function
	// retired are the pools of deleted versions in which something still runs.
	retired map[*versionPool]struct{}
	closed  bool
}

// New makes an empty Pools.
func New(opts Options) *Pools {
	opts = opts.withDefaults()
	p := &Pools{
		opts: opts, epoch: time.Now(), byName: map[string]*function{}, retired: map[*versionPool]struct{}{},
		host:      host{limit: opts.MaxEnvironments, gate: opts.MaxStarts, crowd: leastCrowd, roomy: opts.roomy()},
		preparing: make(chan struct{}, maxPreparing),
	}
	p.admission.ledger = concurrency.NewLedger(concurrency.Limits{
		Account: opts.AccountLimit, Requests: max(opts.RequestRate, 0), Starts: max(opts.StartRate, 0),
	})
	ctx, cancel := context.WithCancel(context.Background())
	p.endsWatch = cancel
	if opts.Memory != nil {
		p.work.Go(func() { p.watchMemory(ctx) })
	}
	return p
}

// Acquire takes an environment for one invocation of a version, or answers with
// the throttle. On a full host it waits for room, HostWait at most; it waits for a
// start no longer than ctx lasts.
func (p *Pools) Acquire(ctx context.Context, function string, v *lambda.Version) (*Lease, error) {
	return p.acquire(ctx, function, v, true)
}

// TryAcquire is Acquire for events that can come again later: it waits for a
// start, but not for room, for want of which it answers ErrBusy, and gives those
// who wait precedence.
func (p *Pools) TryAcquire(ctx context.Context, function string, v *lambda.Version) (*Lease, error) {
	return p.acquire(ctx, function, v, false)
}

func (p *Pools) acquire(ctx context.Context, function string, v *lambda.Version, patient bool) (*Lease, error) {
	vp, err := p.versionPool(function, v)
	if err != nil {
		return nil, err
	}
	permit, err := p.admission.admit(ctx, vp, patient)
	if err != nil {
		return nil, err
	}
	m, err := vp.acquire(ctx, v, patient)
	if err != nil {
		p.admission.release(permit)
		return nil, err
	}
	return &Lease{member: m, permit: permit}, nil
}

// ErrRetired is returned by Acquire for a version that was deleted meanwhile, and
// ErrGone matches errors of Lease.Invoke that left the event to another
// environment. After either, whoever has the event looks the version up again.
// ErrBusy is returned by TryAcquire where Acquire would have waited for room.
var (
	ErrBusy    = errors.New("the host has no room now")
	ErrRetired = errors.New("version is retired")
	ErrGone    = environment.ErrGone
)

var errClosed = lambda.Errorf(lambda.CodeService, "The server is shutting down.")

func (p *Pools) versionPool(name string, v *lambda.Version) (*versionPool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	return p.function(name).pool(p, v), nil
}

// function finds a function, or begins it. The mutex is held.
func (p *Pools) function(name string) *function {
	fn := p.byName[name]
	if fn == nil {
		fn = &function{name: name, versions: map[string]*versionPool{}, page: concurrency.NewFunction()}
		p.byName[name] = fn
	}
	return fn
}

// pool finds the pool of a version, or begins it. The mutex of Pools is held.
func (fn *function) pool(p *Pools, v *lambda.Version) *versionPool {
	vp := fn.versions[v.Number]
	if vp == nil {
		vp = &versionPool{pools: p, fn: fn, number: v.Number, version: v, members: map[*member]struct{}{}}
		fn.versions[v.Number] = vp
	}
	return vp
}

// Changed tells of a function's newest record; nil stands for its deletion.
// Environments that are made to something else end: idle ones now, busy ones
// with their invocation. What is reserved and provisioned takes effect.
func (p *Pools) Changed(name string, f *lambda.Function) {
	wanted := provisioned(f)
	p.mu.Lock()
	fn := p.byName[name]
	if fn == nil && (f == nil || f.Reserved == nil && len(wanted) == 0) || p.closed {
		p.mu.Unlock()
		return
	}
	fn = p.function(name)
	kept := map[*versionPool]*lambda.Version{}
	var deleted []*versionPool
	for number, vp := range fn.versions {
		if f != nil && f.Version(number) != nil {
			kept[vp] = f.Version(number)
			continue
		}
		delete(fn.versions, number)
		deleted = append(deleted, vp)
		p.retired[vp] = struct{}{}
	}
	for number := range wanted {
		v := f.Version(number)
		kept[fn.pool(p, v)] = v
	}
	// Changes come one after the other: in their order they are told to the ledger.
	if f == nil {
		p.admission.set(fn, nil, nil)
	} else {
		p.admission.set(fn, f.Reserved, wanted)
	}
	p.forgetFunction(fn)
	p.mu.Unlock()
	for vp, v := range kept {
		vp.adopt(v)
		vp.provide(wanted[vp.number])
	}
	for _, vp := range deleted {
		vp.retire(ErrRetired)
	}
}

// forget drops a retired pool in which nothing runs any more.
func (p *Pools) forget(vp *versionPool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.retired, vp)
	p.forgetFunction(vp.fn)
}

// forgetFunction drops a function of which there is nothing to know. The mutex is
// held.
func (p *Pools) forgetFunction(fn *function) {
	if len(fn.versions) == 0 && p.byName[fn.name] == fn && p.admission.empty(fn) {
		delete(p.byName, fn.name)
	}
}

// Close lets running invocations finish until ctx ends, then ends everything.
func (p *Pools) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	pools := slices.Collect(maps.Keys(p.retired))
	pools = slices.AppendSeq(pools, p.all())
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
