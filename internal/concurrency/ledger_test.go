package concurrency_test

import (
	"testing"
	"time"

	"thaw/internal/concurrency"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// admit asks until a refusal, and tells how many were admitted before it.
func admit(l *concurrency.Ledger, f *concurrency.Function, version string, most int) (n int, reason concurrency.Reason) {
	for ; n < most; n++ {
		if v := l.Admit(f, version, start); v.Reason != concurrency.Admitted {
			return n, v.Reason
		}
	}
	return n, concurrency.Admitted
}

func TestAdmit(t *testing.T) {
	const (
		account  = concurrency.ConcurrentInvocationLimitExceeded
		reserved = concurrency.ReservedFunctionConcurrentInvocationLimitExceeded
	)
	for _, c := range []struct {
		name     string
		reserved *int
		shares   map[string]int
		others   int // that another function has reserved
		version  string
		want     int
		reason   concurrency.Reason
	}{
		{"the account's limit", nil, nil, 0, "1", 10, account},
		{"what others have reserved is not for all", nil, nil, 4, "1", 6, account},
		{"a reservation", new(3), nil, 0, "1", 3, reserved},
		{"a reservation beside another", new(3), nil, 7, "1", 3, reserved},
		{"a reservation of nothing", new(0), nil, 0, "1", 0, reserved},
		{"a share spills over to what is unreserved", nil, map[string]int{"1": 2}, 4, "1", 6, account},
		{"a share is for its version", nil, map[string]int{"1": 2}, 4, "2", 4, account},
		{"a share spills over to the rest of its reservation", new(5), map[string]int{"1": 2}, 0, "1", 5, reserved},
		{"the rest of a reservation", new(5), map[string]int{"1": 2}, 0, "2", 3, reserved},
		{"all of a reservation is shared", new(2), map[string]int{"1": 2}, 0, "$LATEST", 0, reserved},
		{"all of a reservation is shared: its version", new(2), map[string]int{"1": 2}, 0, "1", 2, reserved},
	} {
		l := concurrency.NewLedger(concurrency.Limits{Account: 10})
		f, g := concurrency.NewFunction(), concurrency.NewFunction()
		l.Set(f, c.reserved, c.shares)
		if c.others > 0 {
			l.Set(g, &c.others, nil)
		}
		if n, reason := admit(l, f, c.version, 100); n != c.want || reason != c.reason {
			t.Errorf("%s: %d admitted, then %q; want %d and %q", c.name, n, reason, c.want, c.reason)
		}
		if c.others > 0 { // a reservation is a guarantee
			if n, _ := admit(l, g, "1", c.others); n != c.others {
				t.Errorf("%s: the other function had %d of its %d", c.name, n, c.others)
			}
		}
	}
}

// TestClaimsChange: what runs when a claim changes goes on, and the account's
// limit holds meanwhile.
func TestClaimsChange(t *testing.T) {
	l := concurrency.NewLedger(concurrency.Limits{Account: 10})
	f, g := concurrency.NewFunction(), concurrency.NewFunction()
	if n, _ := admit(l, f, "1", 8); n != 8 {
		t.Fatal(n)
	}
	l.Set(g, new(5), nil)
	if v := l.Admit(f, "1", start); v.Reason != concurrency.ConcurrentInvocationLimitExceeded {
		t.Errorf("beyond what is unreserved: %+v", v)
	}
	if n, reason := admit(l, g, "1", 5); n != 2 || reason != concurrency.ConcurrentInvocationLimitExceeded {
		t.Errorf("%d of a reservation while the account is full, then %q", n, reason)
	}
	for range 8 {
		l.Release(f, nil)
	}
	if n, _ := admit(l, g, "1", 5); n != 3 {
		t.Errorf("%d more of the reservation, want 3", n)
	}
	if u := l.Usage(); u != (concurrency.Usage{Running: 5, Claimed: 5}) {
		t.Errorf("%+v", u)
	}
	l.Set(g, nil, nil) // its permits count with the others' now
	if u := l.Usage(); u != (concurrency.Usage{Running: 5, Unreserved: 5, Claimed: 5}) {
		t.Errorf("%+v", u)
	}
	if n, _ := admit(l, f, "1", 10); n != 5 {
		t.Errorf("%d, want what is left", n)
	}
}

func TestRequestRate(t *testing.T) {
	l := concurrency.NewLedger(concurrency.Limits{Account: 1000, Requests: 10})
	f, g := concurrency.NewFunction(), concurrency.NewFunction()
	l.Set(f, new(2), nil)
	begin := func(f *concurrency.Function, now time.Time) concurrency.Verdict {
		v := l.Admit(f, "1", now)
		if v.Reason == concurrency.Admitted {
			l.Release(f, v.Share)
		}
		return v
	}
	for i := range 20 {
		if v := begin(f, start); v.Reason != concurrency.Admitted {
			t.Fatalf("invocation %d: %+v", i, v)
		}
	}
	v := begin(f, start)
	if v.Reason != concurrency.ReservedFunctionInvocationRateLimitExceeded || v.RetryAfter != 50*time.Millisecond || !v.Reason.Rate() {
		t.Errorf("%+v", v)
	}
	if v := begin(f, start.Add(v.RetryAfter-1)); v.Reason == concurrency.Admitted || v.RetryAfter != 1 {
		t.Errorf("a nanosecond early: %+v", v)
	}
	if v := begin(f, start.Add(v.RetryAfter)); v.Reason != concurrency.Admitted {
		t.Errorf("in time: %+v", v)
	}
	for i := range 10_000 { // the bucket of the others is of the account's size, for each
		if v := begin(g, start); v.Reason != concurrency.Admitted {
			t.Fatalf("invocation %d: %+v", i, v)
		}
	}
	if v := begin(g, start); v.Reason != concurrency.FunctionInvocationRateLimitExceeded {
		t.Errorf("%+v", v)
	}
}

func TestScalingRate(t *testing.T) {
	l := concurrency.NewLedger(concurrency.Limits{Account: 10, Starts: 3})
	f, g := concurrency.NewFunction(), concurrency.NewFunction()
	for i := range 3 {
		if v := l.Start(f, start.Add(time.Duration(i)*time.Second)); v.Reason != concurrency.Admitted {
			t.Errorf("start %d: %+v", i, v)
		}
	}
	v := l.Start(f, start.Add(4*time.Second))
	if v.Reason != concurrency.FunctionInvocationRateLimitExceeded || v.RetryAfter != 6*time.Second {
		t.Errorf("%+v", v)
	}
	if v := l.Start(g, start.Add(4*time.Second)); v.Reason != concurrency.Admitted {
		t.Errorf("another function: %+v", v)
	}
	if v := l.Start(f, start.Add(10*time.Second)); v.Reason != concurrency.Admitted {
		t.Errorf("ten seconds after the first: %+v", v)
	}
	if v := l.Start(f, start.Add(10*time.Second)); v.RetryAfter != time.Second {
		t.Errorf("the next: %+v", v)
	}
}

func TestPeaks(t *testing.T) {
	l := concurrency.NewLedger(concurrency.Limits{Account: 10})
	f := concurrency.NewFunction()
	for range 3 {
		l.Admit(f, "1", start)
	}
	l.Release(f, nil)
	l.Release(f, nil)
	if u := l.Peaks(); u != (concurrency.Usage{Running: 3, Unreserved: 3, Claimed: 3}) {
		t.Errorf("%+v", u)
	}
	if u := l.Peaks(); u != (concurrency.Usage{Running: 1, Unreserved: 1, Claimed: 1}) {
		t.Errorf("the next time: %+v", u)
	}
	if a, b := f.Peak(), f.Peak(); a != 3 || b != 1 {
		t.Errorf("the function's: %d, then %d", a, b)
	}
}
