package concurrency

import "time"

// Reason is the service's ThrottleReason of a refusal.
type Reason string

// The reasons, as the service's model has them.
const (
	// Admitted is the verdict that is no refusal.
	Admitted Reason = ""
	// ConcurrentInvocationLimitExceeded says that what is unreserved, the account or
	// the host is full.
	ConcurrentInvocationLimitExceeded Reason = "ConcurrentInvocationLimitExceeded"
	// ReservedFunctionConcurrentInvocationLimitExceeded says that the function's own
	// reservation is.
	ReservedFunctionConcurrentInvocationLimitExceeded Reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
	// FunctionInvocationRateLimitExceeded says that the function begins invocations,
	// or starts environments, faster than it may.
	FunctionInvocationRateLimitExceeded Reason = "FunctionInvocationRateLimitExceeded"
	// ReservedFunctionInvocationRateLimitExceeded says so of a function with a
	// reservation.
	ReservedFunctionInvocationRateLimitExceeded Reason = "ReservedFunctionInvocationRateLimitExceeded"
	// CallerRateLimitExceeded says that one caller asks too often.
	CallerRateLimitExceeded Reason = "CallerRateLimitExceeded"
)

// Rate tells that a reason is about how often, which time cures, and not about
// how many, which the end of an invocation does.
func (r Reason) Rate() bool {
	return r == FunctionInvocationRateLimitExceeded || r == ReservedFunctionInvocationRateLimitExceeded || r == CallerRateLimitExceeded
}

// Limits are what an account may do.
type Limits struct {
	// Account is the concurrency of all functions together.
	Account int
	// Requests is how many invocations a function may begin in a second, for each
	// unit of its concurrency; 0 is no limit.
	Requests int
	// Starts is how many environments a function may start on demand within
	// StartsWindow; 0 is no limit.
	Starts int
}

// Limits of the service.
const (
	DefaultRequests = 10
	DefaultStarts   = 1000
	StartsWindow    = 10 * time.Second
)

// Ledger counts the permits of an account.
type Ledger struct {
	limits     Limits
	running    int // permits
	unreserved int // those on demand of functions without a reservation
	claimed    int // by all functions

	peakRunning, peakUnreserved, peakClaimed int
}

// Function is one function's page of the ledger.
type Function struct {
	reserved int // -1 is none
	shares   map[string]*Share
	shared   int // all shares
	running  int // permits
	onDemand int // those that are of no share
	peak     int
	requests bucket
	starts   window
}

// Share is what is provisioned for one version.
type Share struct {
	limit int
	inUse int
}

// Verdict is an answer.
type Verdict struct {
	Reason Reason
	// RetryAfter is when asking again may help, if that is known; Never tells that it
	// helps at no time, since nothing is reserved.
	RetryAfter time.Duration
	Never      bool
	// Share is what an admitted invocation's permit is of; nil is on demand.
	Share *Share
}

// NewLedger makes an empty Ledger.
func NewLedger(limits Limits) *Ledger { return &Ledger{limits: limits} }

// NewFunction makes the page of a function that claims nothing.
func NewFunction() *Function { return &Function{reserved: -1} }

// Set changes what a function claims: reserved is nil for no reservation, shares
// are by version. Permits that are held stay.
func (l *Ledger) Set(f *Function, reserved *int, shares map[string]int) {
	l.claimed -= f.claim()
	was := f.reserved
	f.reserved = -1
	if reserved != nil {
		f.reserved = *reserved
	}
	switch {
	case was < 0 && f.reserved >= 0:
		l.unreserved -= f.onDemand
	case was >= 0 && f.reserved < 0:
		l.unreserved += f.onDemand
	}
	for version, s := range f.shares {
		s.limit = 0
		if shares[version] == 0 && s.inUse == 0 {
			delete(f.shares, version)
		}
	}
	f.shared = 0
	for version, limit := range shares {
		if limit <= 0 {
			continue
		}
		s := f.shares[version]
		if s == nil {
			s = &Share{}
			if f.shares == nil {
				f.shares = map[string]*Share{}
			}
			f.shares[version] = s
		}
		s.limit = limit
		f.shared += limit
	}
	l.claimed += f.claim()
	l.note(f)
}

// claim is what a function takes from the account.
func (f *Function) claim() int {
	if f.reserved >= 0 {
		return f.reserved
	}
	return f.shared
}

// Share is what is provisioned for a version; nil if nothing is.
func (f *Function) Share(version string) *Share { return f.shares[version] }

// Empty tells that a function claims nothing and holds no permit: a new page would
// say the same, but for the rates.
func (f *Function) Empty() bool { return f.reserved < 0 && f.shared == 0 && f.running == 0 }

// Running is the number of a function's permits.
func (f *Function) Running() int { return f.running }

// Admit decides about one more invocation of a version, and counts it. A refusal
// changes nothing.
func (l *Ledger) Admit(f *Function, version string, now time.Time) Verdict {
	share := f.shares[version]
	if share != nil && share.inUse >= share.limit {
		share = nil
	}
	if reason := l.full(f, share); reason != Admitted {
		return Verdict{Reason: reason, Never: f.reserved == 0}
	}
	if l.limits.Requests > 0 {
		of := l.limits.Account
		if f.reserved >= 0 {
			of = f.reserved
		}
		if wait, ok := f.requests.take(int64(of)*int64(l.limits.Requests), now); !ok {
			return Verdict{Reason: f.rateReason(), RetryAfter: wait}
		}
	}
	l.count(f, share, 1)
	l.note(f)
	return Verdict{Share: share}
}

// full tells which limit of concurrency one more permit would exceed.
func (l *Ledger) full(f *Function, share *Share) Reason {
	switch {
	case f.reserved >= 0 && (f.running >= f.reserved || share == nil && f.onDemand >= f.reserved-f.shared):
		return ReservedFunctionConcurrentInvocationLimitExceeded
	case l.running >= l.limits.Account:
		return ConcurrentInvocationLimitExceeded
	case f.reserved < 0 && share == nil && l.unreserved >= l.limits.Account-l.claimed:
		return ConcurrentInvocationLimitExceeded
	}
	return Admitted
}

func (f *Function) rateReason() Reason {
	if f.reserved >= 0 {
		return ReservedFunctionInvocationRateLimitExceeded
	}
	return FunctionInvocationRateLimitExceeded
}

// Release gives a permit back, with the share of its verdict.
func (l *Ledger) Release(f *Function, share *Share) { l.count(f, share, -1) }

func (l *Ledger) count(f *Function, share *Share, n int) {
	l.running += n
	f.running += n
	if share != nil {
		share.inUse += n
		return
	}
	f.onDemand += n
	if f.reserved < 0 {
		l.unreserved += n
	}
}

// Start decides about one more environment of a function on demand, and counts
// it.
func (l *Ledger) Start(f *Function, now time.Time) Verdict {
	if l.limits.Starts <= 0 {
		return Verdict{}
	}
	if wait, ok := f.starts.take(l.limits.Starts, StartsWindow, now); !ok {
		return Verdict{Reason: f.rateReason(), RetryAfter: wait}
	}
	return Verdict{}
}

// note keeps the peaks.
func (l *Ledger) note(f *Function) {
	f.peak = max(f.peak, f.running)
	l.peakRunning = max(l.peakRunning, l.running)
	l.peakUnreserved = max(l.peakUnreserved, l.unreserved)
	l.peakClaimed = max(l.peakClaimed, l.unreserved+l.claimed)
}

// Usage is how much of the account is in use.
type Usage struct {
	Running    int // permits
	Unreserved int // those on demand of functions without a reservation
	// Claimed is what nobody else can have: the claims of functions, and what is
	// unreserved and in use.
	Claimed int
}

// Usage is what is in use now.
func (l *Ledger) Usage() Usage { return Usage{l.running, l.unreserved, l.unreserved + l.claimed} }

// Peaks is the highest of each since the last call.
func (l *Ledger) Peaks() Usage {
	u := Usage{l.peakRunning, l.peakUnreserved, l.peakClaimed}
	l.peakRunning, l.peakUnreserved, l.peakClaimed = l.running, l.unreserved, l.unreserved+l.claimed
	return u
}

// Peak is the highest number of a function's permits since the last call.
func (f *Function) Peak() int {
	p := f.peak
	f.peak = f.running
	return p
}
