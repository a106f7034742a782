package pool_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/concurrency"
	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/seeds"
	"thaw/internal/telemetry"
)

var (
	seed = flag.Uint64("seed", 0, "play the histories of this seed; 0 is another one at each run")
	only = flag.Int("history", -1, "play only this history")
)

const (
	histories  = 10_000
	moves      = 16
	longestRun = 30 * time.Millisecond
	hostWait   = 100 * time.Millisecond
)

// TestHistories plays random invocations, changes, deaths and failures and checks
// that no limit is ever exceeded, that nobody is refused below one or waits for
// too long, that the most recently used environment is taken, and that nothing is
// lost.
func TestHistories(t *testing.T) {
	base := *seed
	if base == 0 {
		base = rand.Uint64()
	}
	var seen tally
	run := func(h seeds.History) {
		t.Run("", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, rand.New(rand.NewPCG(h.Seed, h.Number)), &seen) })
		})
		if t.Failed() {
			seeds.Keep(t, h)
			t.Fatalf("to see it again: -seed %d -history %d", h.Seed, h.Number)
		}
	}
	for _, h := range seeds.Kept(t) {
		run(h)
	}
	for n := range histories {
		if *only < 0 || n == *only {
			run(seeds.History{Seed: base, Number: uint64(n)})
		}
	}
	if *only < 0 && (seen.ran.Load() < histories || seen.ahead.Load() < histories/10 || seen.refused.Load() < histories/10) {
		t.Errorf("the histories are too calm: %d ran, %d of them in provisioned environments, %d were refused",
			seen.ran.Load(), seen.ahead.Load(), seen.refused.Load())
	}
}

// tally counts what happened in all histories.
type tally struct{ ran, ahead, refused atomic.Int64 }

// story is one history.
type story struct {
	t       *testing.T
	r       *rand.Rand
	h       *host
	p       *pool.Pools
	opts    pool.Options
	records map[string]*lambda.Function
	seen    *tally

	mu       sync.Mutex
	inFlight map[string]int // calls that have not been refused, or their environment freed
	flows    map[string][]flow
	most     map[string]int // invocations at one time
	now      map[string]int
}

func play(t *testing.T, r *rand.Rand, seen *tally) {
	s := &story{t: t, r: r, seen: seen, records: map[string]*lambda.Function{}, inFlight: map[string]int{}, flows: map[string][]flow{}, most: map[string]int{}, now: map[string]int{}}
	s.h = &host{
		t: t, initTakes: time.Duration(r.IntN(20)) * time.Millisecond, runTakes: time.Duration(r.Int64N(int64(longestRun))),
		drainTakes: time.Duration(r.IntN(2)*r.IntN(20)) * time.Millisecond, endTakes: time.Duration(r.IntN(2)*r.IntN(10)) * time.Millisecond,
	}
	s.h.lent, s.h.freed = s.lent, s.freed
	var available atomic.Int64
	available.Store(2)
	s.opts = pool.Options{
		AccountLimit: 1 + r.IntN(6), MaxEnvironments: 1 + r.IntN(8), MaxStarts: 1 + r.IntN(4), KeepAlive: 100 * time.Millisecond,
		RequestRate: 1000, HostWait: hostWait, Freezing: pool.Freezing(r.IntN(3)), MaxAge: time.Duration(500+r.IntN(2000)) * time.Millisecond,
		Memory: func() (pool.Memory, error) { return pool.Memory{AvailableBytes: available.Load()}, nil }, MemoryReserve: 1,
	}
	s.p = open(s.h, s.opts)
	for _, name := range []string{"f", "g"} {
		s.change(name)
		s.claim(name)
	}
	var calls sync.WaitGroup
	for range moves {
		name := []string{"f", "g"}[r.IntN(2)]
		switch r.IntN(14) {
		case 0:
			s.change(name)
		case 1:
			s.spoil(func(e *env) { e.failNext = true })
		case 2:
			s.spoil(func(e *env) { e.dead = e.initType == telemetry.ProvisionedConcurrency })
		case 3:
			available.Store(int64(r.IntN(3)))
		default:
			for range 1 + r.IntN(4) {
				version := []string{lambda.Latest, "1"}[r.IntN(2)]
				calls.Go(func() { s.call(name, s.record(name).Version(version)) })
			}
		}
		time.Sleep(time.Duration(r.IntN(25)) * time.Millisecond)
	}
	calls.Wait()
	available.Store(2)
	s.settle()
	s.p.Close(t.Context())
	if _, alive := s.h.count(); alive != 0 || s.h.maxAlive > s.opts.MaxEnvironments {
		t.Errorf("%d environments left, %d at one time, where %d may be", alive, s.h.maxAlive, s.opts.MaxEnvironments)
	}
	for name, n := range s.most {
		if f := s.records[name]; f.Reserved != nil && n > *f.Reserved {
			t.Errorf("%d invocations of %s at one time, %d are reserved", n, name, *f.Reserved)
		}
	}
	if s.h.maxBusy > s.opts.AccountLimit {
		t.Errorf("%d invocations at one time, the limit is %d", s.h.maxBusy, s.opts.AccountLimit)
	}
}

func (s *story) record(name string) *lambda.Function {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[name]
}

// change gives a function another configuration; claims stay.
func (s *story) change(name string) {
	memory := 128 + s.r.IntN(2)
	f := &lambda.Function{Name: name, Latest: *version(lambda.Latest, memory, time.Now()), Versions: []lambda.Version{*version("1", 128, time.Now())}}
	s.mu.Lock()
	if old := s.records[name]; old != nil {
		f.Reserved, f.Configs.Provisioned = old.Reserved, old.Configs.Provisioned
	}
	s.records[name] = f
	s.mu.Unlock()
	s.p.Changed(name, f)
}

// claim gives a function a part of the account, once.
func (s *story) claim(name string) {
	f, r := s.records[name], s.r
	left := s.opts.AccountLimit
	for _, other := range s.records {
		left -= other.Claim()
	}
	target := 0
	if left > 0 && r.IntN(2) == 0 {
		target = 1 + r.IntN(min(left, 3))
		f.Configs.Provisioned = []lambda.ProvisionedConcurrency{{Qualifier: "1", Requested: target}}
	}
	if left-target >= 0 && r.IntN(2) == 0 {
		f.Reserved = new(target + r.IntN(left-target+1))
	}
	s.p.Changed(name, f)
}

// spoil does something to an environment.
func (s *story) spoil(how func(*env)) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	if len(s.h.made) > 0 {
		e := s.h.made[s.r.IntN(len(s.h.made))]
		e.mu.Lock()
		how(e)
		e.mu.Unlock()
	}
}

// call is one invocation, judged by how it went.
func (s *story) call(name string, v *lambda.Version) {
	s.enter(name, +1)
	began := time.Now()
	l, err := s.p.Acquire(s.t.Context(), name, v)
	took := time.Since(began)
	// A start for which somebody else waits, the end of another before it, or a place.
	if most := hostWait + s.h.endTakes + 10*(s.h.initTakes+s.h.endTakes) + 200*time.Millisecond; took > most {
		s.t.Errorf("an answer after %v, want one within %v", took, most)
	}
	if err != nil {
		s.judge(name, began, err)
		s.enter(name, -1)
		return
	}
	if l.Provisioned() {
		s.seen.ahead.Add(1)
	}
	s.seen.ran.Add(1)
	if _, err := l.Invoke(s.t.Context(), lambda.Invocation{}, false); err != nil {
		s.t.Error(err)
	}
}

func (s *story) enter(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(name, n)
}

// flow is how many calls were in flight from a moment on.
type flow struct {
	at time.Time
	n  int
}

func (s *story) count(name string, n int) {
	s.inFlight[name] += n
	s.flows[name] = append(s.flows[name], flow{time.Now(), s.inFlight[name]})
}

// since is the most that were in flight at any moment since one.
func (s *story) since(name string, began time.Time) (most int) {
	for i := len(s.flows[name]) - 1; i >= 0; i-- {
		f := s.flows[name][i]
		most = max(most, f.n)
		if f.at.Before(began) {
			break
		}
	}
	return most
}

// judge tells whether a refusal had a reason. Those in flight are others that hold
// or may have held a permit at that moment.
func (s *story) judge(name string, began time.Time, err error) {
	s.seen.refused.Add(1)
	var e *lambda.Error
	if !errors.As(err, &e) || e.Code != lambda.CodeTooManyRequests {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.records[name]
	// Who reserves nothing is told no time: at none it would help to come again.
	if e.RetryAfter < time.Second && (e.RetryAfter != 0 || f.Reserved == nil || *f.Reserved != 0) {
		s.t.Errorf("come again after %v: %v", e.RetryAfter, err)
	}
	mine, all, free := s.since(name, began), 0, s.opts.AccountLimit
	for other, record := range s.records {
		all += s.since(other, began)
		free -= record.Claim()
	}
	alive := s.p.Figures().Environments
	switch concurrency.Reason(e.Reason) {
	case concurrency.ReservedFunctionConcurrentInvocationLimitExceeded:
		if f.Reserved == nil || mine <= *f.Reserved-f.Configs.TotalProvisioned() {
			s.t.Errorf("%s is refused for its reservation %v with %d in flight", name, f.Reserved, mine)
		}
	case concurrency.ConcurrentInvocationLimitExceeded:
		if all <= free && alive < s.opts.MaxEnvironments {
			s.t.Errorf("%s is refused with %d in flight, %d unreserved of %d and %d environments of %d; %+v %v", name, all, free, s.opts.AccountLimit, alive, s.opts.MaxEnvironments, f.Configs.Provisioned, s.p.Figures())
		}
	default:
		s.t.Error(err)
	}
}

// lent sees that the most recently used environment is taken, and a provisioned
// one before others.
func (s *story) lent(e *env, idleSince time.Time) {
	s.mu.Lock()
	s.now[e.function]++
	s.most[e.function] = max(s.most[e.function], s.now[e.function])
	s.mu.Unlock()
	s.h.mu.Lock()
	made := slices.Clone(s.h.made)
	s.h.mu.Unlock()
	now := time.Now()
	for _, o := range made {
		if o == e || o.function != e.function || o.version.Number != e.version.Number || o.initType != e.initType {
			continue
		}
		since, idle := o.idle()
		if !idle || !since.Before(now) || !since.After(idleSince) {
			continue
		}
		go func() { // it may have been taken, or ended, at this very moment
			time.Sleep(1)
			if still, idle := o.idle(); idle && still == since {
				s.t.Errorf("at %v: environment %d, idle since %v, was taken before %d, idle since %v", now, e.number, idleSince, o.number, since)
			}
		}()
	}
}

func (e *env) idle() (since time.Time, idle bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.idleSince, !e.busy && !e.down && !e.dead && !e.idleSince.IsZero()
}

func (s *story) freed(e *env) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now[e.function]--
	s.count(e.function, -1)
}

// settle waits until all is quiet, and sees that what is provisioned is there and
// that no permit is lost.
func (s *story) settle() {
	time.Sleep(3 * time.Second)
	synctest.Wait()
	figures := s.p.Figures()
	if figures.Running != 0 || figures.Unreserved != 0 || figures.Waiting != 0 {
		s.t.Errorf("%+v when nothing runs", figures)
	}
	if _, alive := s.h.count(); figures.Environments < alive || figures.Idle > alive {
		s.t.Errorf("%+v, and %d are alive", figures, alive)
	}
	wanted := 0
	for _, f := range s.records {
		wanted += f.Configs.TotalProvisioned()
	}
	if wanted <= s.opts.MaxEnvironments {
		for name, f := range s.records {
			p := s.p.Provisioned(f, "1")
			for range 1000 { // one may just be replaced for its age
				if p.Available == f.Configs.TotalProvisioned() {
					break
				}
				time.Sleep(7 * time.Millisecond)
				p = s.p.Provisioned(f, "1")
			}
			if p.Status != pool.ProvisioningReady || p.Available != f.Configs.TotalProvisioned() {
				s.t.Errorf("%s: %+v, want %d", name, p, f.Configs.TotalProvisioned())
			}
		}
	}
	s.h.runTakes, s.h.drainTakes = time.Second, 0
	f := s.records["f"]
	free := s.opts.AccountLimit - s.records["g"].Claim()
	if f.Reserved != nil {
		free = *f.Reserved
	}
	free = min(free, s.opts.MaxEnvironments-max(wanted-f.Configs.TotalProvisioned(), 0))
	var all sync.WaitGroup
	for range free {
		all.Go(func() {
			l, err := s.p.Acquire(context.Background(), "f", f.Version("1"))
			if err != nil {
				s.t.Errorf("refused while nobody else runs, %d of %d: %v", free, s.opts.AccountLimit, err)
				return
			}
			s.enter("f", +1)
			if _, err := l.Invoke(context.Background(), lambda.Invocation{}, false); err != nil {
				s.t.Error(err)
			}
		})
	}
	all.Wait()
}
