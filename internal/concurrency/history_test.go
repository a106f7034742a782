package concurrency_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"thaw/internal/concurrency"
	"thaw/internal/seeds"
)

var (
	seed = flag.Uint64("seed", 0, "play the histories of this seed; 0 is another one at each run")
	only = flag.Int("history", -1, "play only this history")
)

const histories = 12_000

// naive is the account as a list of permits, counted anew for each question.
type naive struct {
	limits  concurrency.Limits
	pages   []*page
	permits []permit
}

type page struct {
	f        *concurrency.Function
	reserved *int
	shares   map[string]int
	begun    []time.Time
	starts   []time.Time
}

type permit struct {
	page    *page
	version string
	share   *concurrency.Share // as the ledger said
	shared  bool               // as this model says
}

func (p *page) claim() (claim int) {
	if p.reserved != nil {
		return *p.reserved
	}
	return p.shared()
}

func (p *page) shared() (n int) {
	for _, s := range p.shares {
		n += s
	}
	return n
}

func (n *naive) count(of func(permit) bool) (count int) {
	for _, p := range n.permits {
		if of(p) {
			count++
		}
	}
	return count
}

// admit says what is to be admitted: of a share, or on demand.
func (n *naive) admit(p *page, version string, now time.Time) (shared bool, reason concurrency.Reason) {
	mine := n.count(func(x permit) bool { return x.page == p })
	onDemand := n.count(func(x permit) bool { return x.page == p && !x.shared })
	shared = n.count(func(x permit) bool { return x.page == p && x.shared && x.version == version }) < p.shares[version]
	units := n.limits.Account
	rateReason := concurrency.FunctionInvocationRateLimitExceeded
	if p.reserved != nil {
		units = *p.reserved
		rateReason = concurrency.ReservedFunctionInvocationRateLimitExceeded
		if mine >= *p.reserved || !shared && onDemand >= *p.reserved-p.shared() {
			return false, concurrency.ReservedFunctionConcurrentInvocationLimitExceeded
		}
	}
	left := n.limits.Account
	for _, q := range n.pages {
		left -= q.claim()
	}
	unreserved := n.count(func(x permit) bool { return x.page.reserved == nil && !x.shared })
	if len(n.permits) >= n.limits.Account || p.reserved == nil && !shared && unreserved >= left {
		return false, concurrency.ConcurrentInvocationLimitExceeded
	}
	if n.limits.Requests > 0 && !fits(p.begun, units*n.limits.Requests, now) {
		return false, rateReason
	}
	return shared, concurrency.Admitted
}

// fits is what a bucket of one second's worth means: no span of time up to now
// has more than that and what was filled in meanwhile.
func fits(times []time.Time, rate int, now time.Time) bool {
	for i, from := range times {
		if within := len(times) - i + 1; time.Duration(within-rate)*time.Second > now.Sub(from)*time.Duration(rate) {
			return false
		}
	}
	return rate > 0
}

func (n *naive) start(p *page, now time.Time) bool {
	within := 0
	for _, t := range p.starts {
		if now.Sub(t) < concurrency.StartsWindow {
			within++
		}
	}
	return within < n.limits.Starts
}

// TestHistories plays random histories of admissions, releases, starts and
// changes of claims against the naive model: the ledger admits what the model
// admits, and so is never above a limit and never refuses below it.
func TestHistories(t *testing.T) {
	base := *seed
	if base == 0 {
		base = rand.Uint64()
	}
	verdicts := map[concurrency.Reason]int{}
	run := func(h seeds.History) {
		play(t, rand.New(rand.NewPCG(h.Seed, h.Number)), verdicts)
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
	if *only < 0 && len(verdicts) != 5 {
		t.Errorf("the histories have met only %v", verdicts)
	}
}

func play(t *testing.T, r *rand.Rand, verdicts map[concurrency.Reason]int) {
	n := &naive{limits: concurrency.Limits{Account: 1 + r.IntN(12), Requests: r.IntN(3), Starts: 1 + r.IntN(3)}}
	l := concurrency.NewLedger(n.limits)
	for range 1 + r.IntN(3) {
		n.pages = append(n.pages, &page{f: concurrency.NewFunction()})
	}
	now := start
	versions := []string{"1", "2"}
	change := func(p *page) {
		p.reserved, p.shares = nil, map[string]int{}
		for _, v := range versions {
			if r.IntN(3) == 0 {
				p.shares[v] = r.IntN(4)
			}
		}
		if r.IntN(2) == 0 { // control keeps the sum of shares below it
			p.reserved = new(p.shared() + r.IntN(4))
		}
		l.Set(p.f, p.reserved, p.shares)
	}
	for _, p := range n.pages {
		change(p)
	}
	for range 60 {
		p := n.pages[r.IntN(len(n.pages))]
		switch k := r.IntN(20); {
		case k == 0 && n.limits.Requests == 0: // the model of rates knows one rate
			change(p)
		case k < 3:
			now = now.Add(time.Duration(r.Int64N(int64(3 * time.Second))))
		case k < 5:
			want := n.start(p, now)
			if got := l.Start(p.f, now); (got.Reason == concurrency.Admitted) != want {
				t.Errorf("start: %+v, want %t", got, want)
			} else if want {
				p.starts = append(p.starts, now)
			} else if !n.start(p, now.Add(got.RetryAfter)) || n.start(p, now.Add(got.RetryAfter-1)) {
				t.Errorf("a start is not admitted after %v first", got.RetryAfter)
			}
		case k < 11 && len(n.permits) > 0:
			at := r.IntN(len(n.permits))
			x := n.permits[at]
			n.permits = slices.Delete(n.permits, at, at+1)
			l.Release(x.page.f, x.share)
		default:
			version := versions[r.IntN(2)]
			shared, want := n.admit(p, version, now)
			got := l.Admit(p.f, version, now)
			verdicts[got.Reason]++
			if got.Reason != want || want == concurrency.Admitted && (got.Share != nil) != shared {
				t.Errorf("admit: %+v, want %q, of a share: %t", got, want, shared)
				return
			}
			if want == concurrency.Admitted {
				p.begun = append(p.begun, now)
				n.permits = append(n.permits, permit{p, version, got.Share, shared})
			} else if got.Reason.Rate() {
				if _, then := n.admit(p, version, now.Add(got.RetryAfter)); then != concurrency.Admitted {
					t.Errorf("not admitted after %v: %q", got.RetryAfter, then)
				}
			}
		}
		if u := l.Usage(); u.Running != len(n.permits) || u.Running > n.limits.Account {
			t.Errorf("%+v with %d permits", u, len(n.permits))
			return
		}
	}
}
