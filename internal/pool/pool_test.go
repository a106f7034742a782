package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/pool"
)

// host makes environments that only take time, and checks that the pool treats
// them as it must.
type host struct {
	t *testing.T

	initOf func(function string) time.Duration // beside initTakes
	// lent and freed, if set, are told when an environment is taken and given back.
	lent  func(e *env, idleSince time.Time)
	freed func(e *env)

	mu       sync.Mutex
	made     []*env
	maxAlive int
	alive    int
	busy     int
	maxBusy  int

	initTakes, runTakes, drainTakes, freezeTakes, endTakes time.Duration
	initErr                                                error
	unready                                                bool // what is made now fails its init
}

var errNoSandbox = errors.New("no sandbox to be had")

type env struct {
	host               *host
	number             int
	function, initType string
	version            *lambda.Version
	ended              chan struct{}

	mu            sync.Mutex
	busy, down    bool
	dead          bool // it would need an init
	frozen        bool
	runs, freezes int
	failNext      bool // the next invocation leaves it unusable
	began         time.Time
	idleSince     time.Time
	lived         time.Duration // set when it ends
}

func (h *host) new(_ context.Context, function string, v *lambda.Version, initType string) (pool.Environment, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := &env{host: h, number: len(h.made), function: function, version: v, initType: initType, began: time.Now(), ended: make(chan struct{})}
	h.made = append(h.made, e)
	h.alive++
	h.maxAlive = max(h.maxAlive, h.alive)
	e.dead = h.unready
	return e, nil
}

func (h *host) count() (made, alive int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.made), h.alive
}

func (h *host) number() int {
	made, _ := h.count()
	return made
}

// failStarts sets the error of the environments that are made from now on.
func (h *host) failStarts(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.initErr = err
}

func (e *env) Init(context.Context) error {
	if e.host.initOf != nil {
		time.Sleep(e.host.initOf(e.function))
	}
	select {
	case <-time.After(e.host.initTakes):
	case <-e.ended:
		return errNoSandbox
	}
	e.mu.Lock()
	e.idleSince = time.Now()
	e.mu.Unlock()
	e.host.mu.Lock()
	defer e.host.mu.Unlock()
	return e.host.initErr
}

func (e *env) Invoke(_ context.Context, inv lambda.Invocation, tail bool, w environment.Watch) (lambda.Result, error) {
	e.mu.Lock()
	if e.busy || e.down {
		e.host.t.Errorf("environment %d: invoked while busy=%v down=%v", e.number, e.busy, e.down)
	}
	e.busy, e.frozen = true, false
	e.runs++
	fail, idleSince := e.failNext, e.idleSince
	e.mu.Unlock()
	if e.host.lent != nil {
		e.host.lent(e, idleSince)
	}
	e.host.enter(+1)
	time.Sleep(e.host.runTakes)
	end := func() {
		e.host.enter(-1)
		e.mu.Lock()
		e.busy, e.idleSince = false, time.Now()
		e.mu.Unlock()
		if e.host.freed != nil {
			e.host.freed(e)
		}
		w.Free(!fail)
	}
	if drain := e.host.drainTakes; drain > 0 {
		w.Responded()
		go func() {
			time.Sleep(drain)
			end()
		}()
	} else {
		end()
	}
	return lambda.Result{Payload: inv.Payload, ExecutedVersion: fmt.Sprint(e.number)}, nil
}

// seen is what a test may look at while the environment lives.
type seen struct {
	runs, freezes int
	frozen, down  bool
	lived         time.Duration
}

func (h *host) see(i int) seen {
	h.mu.Lock()
	e := h.made[i]
	h.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	return seen{e.runs, e.freezes, e.frozen, e.down, e.lived}
}

func (h *host) enter(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy += n
	h.maxBusy = max(h.maxBusy, h.busy)
}

func (e *env) Ready() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.busy && !e.down && !e.dead
}

func (e *env) Freeze() error {
	time.Sleep(e.host.freezeTakes)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.busy && !e.down && !e.frozen {
		e.frozen = true
		e.freezes++
	}
	return nil
}

func (e *env) Shutdown(context.Context) error {
	e.mu.Lock()
	if e.down {
		e.mu.Unlock()
		return nil
	}
	e.down, e.lived = true, time.Since(e.began)
	close(e.ended)
	e.mu.Unlock()
	time.Sleep(e.host.endTakes)
	e.host.mu.Lock()
	e.host.alive--
	e.host.mu.Unlock()
	return nil
}

func version(number string, memory int, modified time.Time) *lambda.Version {
	return &lambda.Version{Number: number, Resources: lambda.Resources{MemoryMB: memory}, LastModified: modified}
}

func function(v *lambda.Version) *lambda.Function {
	return &lambda.Function{Name: "f", Latest: *v}
}

func open(h *host, opts pool.Options) *pool.Pools {
	opts.New = h.new
	opts.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	return pool.New(opts)
}

func invoke(t *testing.T, p *pool.Pools, v *lambda.Version) (ran string) {
	t.Helper()
	l, err := p.Acquire(t.Context(), "f", v)
	if err != nil {
		t.Error(err)
		return ""
	}
	r, err := l.Invoke(t.Context(), lambda.Invocation{}, false)
	if err != nil {
		t.Error(err)
	}
	return r.ExecutedVersion
}

func TestReuseFreezeAndKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: 100 * time.Millisecond, runTakes: time.Millisecond}
		p := open(h, pool.Options{IdleGrace: 10 * time.Millisecond, KeepAlive: time.Minute})
		v := version(lambda.Latest, 128, time.Now())
		for range 3 {
			if got := invoke(t, p, v); got != "0" {
				t.Errorf("ran in environment %s, want the first again", got)
			}
		}
		if e := h.see(0); e.freezes != 0 {
			t.Errorf("frozen %d times under load", e.freezes)
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if !h.see(0).frozen {
			t.Error("not frozen after the idle grace")
		}
		invoke(t, p, v)
		time.Sleep(30 * time.Second)
		invoke(t, p, v)
		if e := h.see(0); e.freezes != 2 || e.runs != 5 {
			t.Errorf("%d freezes and %d runs, want 2 and 5", e.freezes, e.runs)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !h.see(0).down {
			t.Error("alive after the keep-alive")
		}
		if got := invoke(t, p, v); got != "1" {
			t.Errorf("ran in environment %s, want a new one", got)
		}
		p.Close(t.Context())
		if made, alive := h.count(); made != 2 || alive != 0 {
			t.Errorf("%d made, %d alive after Close", made, alive)
		}
	})
}

func TestBurstStartsAtMostItsOwnNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: 100 * time.Millisecond, runTakes: 10 * time.Millisecond}
		p := open(h, pool.Options{})
		v := version(lambda.Latest, 128, time.Now())
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { invoke(t, p, v) })
		}
		wg.Wait()
		if made, _ := h.count(); made > 50 {
			t.Errorf("%d environments for 50 invocations", made)
		}
		for range 50 {
			wg.Go(func() { invoke(t, p, v) })
		}
		wg.Wait()
		if made, _ := h.count(); made > 50 {
			t.Errorf("%d environments after a second burst of 50", made)
		}
		p.Close(t.Context())
	})
}

func TestFreedEnvironmentServesAWaitingInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: 50 * time.Millisecond}
		p := open(h, pool.Options{})
		v := version(lambda.Latest, 128, time.Now())
		invoke(t, p, v)
		h.initTakes = time.Hour
		done := make(chan string, 2)
		for range 2 {
			go func() { done <- invoke(t, p, v) }()
		}
		began := time.Now()
		if a, b := <-done, <-done; a != "0" || b != "0" {
			t.Errorf("ran in %s and %s, want both in the first", a, b)
		}
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("took %v, want two runs one after the other", took)
		}
		time.Sleep(2 * time.Hour)
		p.Close(t.Context())
	})
}

func TestDrainingEnvironmentIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: time.Second, runTakes: time.Millisecond, drainTakes: time.Millisecond}
		p := open(h, pool.Options{})
		v := version(lambda.Latest, 128, time.Now())
		for range 100 {
			invoke(t, p, v)
		}
		if made, _ := h.count(); made != 1 {
			t.Errorf("a caller that invokes one after the other got %d environments", made)
		}
		h.drainTakes = time.Minute
		invoke(t, p, v)
		invoke(t, p, v)
		if made, _ := h.count(); made != 2 {
			t.Errorf("%d environments, want another for one that stays busy", made)
		}
		p.Close(t.Context())
	})
}

func TestHotEnvironmentIsPreferredToAnIdleOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond}
		p := open(h, pool.Options{})
		v := version(lambda.Latest, 128, time.Now())
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { invoke(t, p, v) })
		}
		wg.Wait()
		h.drainTakes = 200 * time.Microsecond
		hot := invoke(t, p, v)
		for range 50 {
			if got := invoke(t, p, v); got != hot {
				t.Fatalf("ran in environment %s, want %s again", got, hot)
			}
		}
		h.drainTakes = time.Minute
		invoke(t, p, v)
		began := time.Now()
		if got := invoke(t, p, v); got == hot {
			t.Errorf("ran in environment %s, which stays busy", got)
		}
		if took := time.Since(began); took > 2*time.Millisecond {
			t.Errorf("took %v while an environment was idle", took)
		}
		if made, _ := h.count(); made != 2 {
			t.Errorf("%d environments, want the two", made)
		}
		p.Close(t.Context())
	})
}

func TestAccountLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Second}
		p := open(h, pool.Options{AccountLimit: 3})
		v := version(lambda.Latest, 128, time.Now())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { invoke(t, p, v) })
		}
		synctest.Wait()
		_, err := p.Acquire(t.Context(), "g", v)
		var e *lambda.Error
		if !errors.As(err, &e) || e.Code != lambda.CodeTooManyRequests || e.Reason != "ConcurrentInvocationLimitExceeded" || e.RetryAfter == 0 {
			t.Errorf("Acquire beyond the limit: %v", err)
		}
		wg.Wait()
		invoke(t, p, v)
		p.Close(t.Context())
	})
}

func TestFullHostGivesUpTheLongestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Millisecond}
		p := open(h, pool.Options{MaxEnvironments: 2})
		acquire := func(name string) error {
			time.Sleep(time.Second)
			l, err := p.Acquire(t.Context(), name, version(lambda.Latest, 128, time.Time{}))
			if err != nil {
				return err
			}
			_, err = l.Invoke(t.Context(), lambda.Invocation{}, false)
			return err
		}
		for _, name := range []string{"a", "b", "c"} {
			if err := acquire(name); err != nil {
				t.Fatal(err)
			}
		}
		if !h.see(0).down || h.see(1).down || h.see(2).down {
			t.Error("not the longest idle environment was given up")
		}
		h.runTakes = time.Hour
		go acquire("b")
		go acquire("c")
		time.Sleep(2 * time.Second)
		var e *lambda.Error
		if err := acquire("d"); !errors.As(err, &e) || e.Code != lambda.CodeTooManyRequests {
			t.Errorf("a full host answers %v, want a throttle", err)
		}
		time.Sleep(2 * time.Hour)
		if err := acquire("d"); err != nil {
			t.Errorf("after the load: %v", err)
		}
		p.Close(t.Context())
	})
}

func TestChangedConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Second}
		p := open(h, pool.Options{})
		start := time.Now()
		v1 := version(lambda.Latest, 128, start)
		invoke(t, p, v1)
		same := version(lambda.Latest, 128, start.Add(time.Second))
		p.Changed("f", function(same))
		if got := invoke(t, p, same); got != "0" {
			t.Errorf("a change that an environment does not see cost it its life")
		}
		go invoke(t, p, same)
		synctest.Wait()
		v2 := version(lambda.Latest, 256, start.Add(2*time.Second))
		p.Changed("f", function(v2))
		if h.see(0).down {
			t.Error("a busy environment was cut off")
		}
		if got := invoke(t, p, v2); got != "1" {
			t.Errorf("ran in environment %s, want a new one", got)
		}
		synctest.Wait()
		if !h.see(0).down {
			t.Error("a stale environment outlived its invocation")
		}
		if got := invoke(t, p, v1); got != "1" {
			t.Errorf("an older configuration came back: environment %s", got)
		}
		p.Changed("f", nil)
		synctest.Wait()
		if _, alive := h.count(); alive != 0 {
			t.Errorf("%d environments outlive their function", alive)
		}
		if got := invoke(t, p, version(lambda.Latest, 128, time.Now())); got != "2" {
			t.Errorf("a function of the same name ran in environment %s", got)
		}
		p.Close(t.Context())
	})
}

func TestChangeDuringAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: time.Second, runTakes: time.Millisecond}
		p := open(h, pool.Options{})
		start := time.Now()
		v := version(lambda.Latest, 128, start)
		ran := make(chan string)
		go func() { ran <- invoke(t, p, v) }()
		synctest.Wait()
		p.Changed("f", function(version(lambda.Latest, 128, start.Add(time.Second)))) // its status, say
		if got := <-ran; got != "0" {
			t.Errorf("ran in environment %s, want the one that was being started", got)
		}
		go func() { ran <- invoke(t, p, version(lambda.Latest, 256, start.Add(2*time.Second))) }()
		synctest.Wait()
		p.Changed("f", function(version(lambda.Latest, 512, start.Add(3*time.Second))))
		if got := <-ran; got != "2" {
			t.Errorf("ran in environment %s, want one of the newest configuration", got)
		}
		p.Close(t.Context())
	})
}

func TestDeletedDuringAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: time.Second}
		p := open(h, pool.Options{})
		failed := make(chan error)
		go func() {
			_, err := p.Acquire(t.Context(), "f", version(lambda.Latest, 128, time.Now()))
			failed <- err
		}()
		synctest.Wait()
		p.Changed("f", nil)
		if err := <-failed; !errors.Is(err, pool.ErrRetired) {
			t.Errorf("Acquire: %v, want ErrRetired", err)
		}
		p.Close(t.Context())
		if _, alive := h.count(); alive != 0 {
			t.Errorf("%d environments left", alive)
		}
	})
}

func TestCloseWaitsForADeletedFunctionToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: time.Hour}
		p := open(h, pool.Options{})
		go invoke(t, p, version(lambda.Latest, 128, time.Now()))
		synctest.Wait()
		p.Changed("f", nil)
		p.Close(t.Context())
		if _, alive := h.count(); alive != 0 {
			t.Errorf("%d environments outlive Close", alive)
		}
	})
}

func TestStartThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: time.Hour}
		p := open(h, pool.Options{AccountLimit: 1})
		v := version(lambda.Latest, 128, time.Now())
		began := time.Now()
		if _, err := p.Acquire(t.Context(), "f", v); err == nil || time.Since(began) > time.Minute {
			t.Errorf("Acquire: %v after %v", err, time.Since(began))
		}
		time.Sleep(58*time.Minute + 30*time.Second)
		invoke(t, p, v) // the permit is free again, and the start nearly done
		p.Close(t.Context())
	})
}

func TestFailedStartIsTheInvocationsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initErr: errNoSandbox}
		p := open(h, pool.Options{AccountLimit: 1})
		v := version(lambda.Latest, 128, time.Now())
		for range 3 {
			if _, err := p.Acquire(t.Context(), "f", v); !errors.Is(err, h.initErr) {
				t.Errorf("Acquire: %v", err)
			}
		}
		h.initErr = nil
		invoke(t, p, v)
		p.Close(t.Context())
		if _, alive := h.count(); alive != 0 {
			t.Errorf("%d environments left", alive)
		}
	})
}

func TestCallerThatGivesUpLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, initTakes: time.Minute}
		p := open(h, pool.Options{AccountLimit: 1})
		v := version(lambda.Latest, 128, time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx, "f", v); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if got := invoke(t, p, v); got != "0" {
			t.Errorf("ran in environment %s, want the one that was started for nobody", got)
		}
		p.Close(t.Context())
	})
}

func TestCloseWaitsThenCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t, runTakes: 3 * time.Second}
		p := open(h, pool.Options{})
		v := version(lambda.Latest, 128, time.Now())
		go invoke(t, p, v)
		synctest.Wait()
		began := time.Now()
		p.Close(t.Context())
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("Close took %v, want the invocation's three seconds", took)
		}
		if _, err := p.Acquire(t.Context(), "f", v); err == nil {
			t.Error("Acquire after Close")
		}
	})
}
