package async

import "time"

// Ending is how an attempt ended.
type Ending int

// The endings of attempts. The last three did not reach the function's code.
const (
	Succeeded Ending = iota
	Failed           // the function's own error, a timeout, the end of its process
	Refused          // throttled, or an error of the system
	Recursive        // refused as part of a loop
	Gone             // there is no such function or qualifier any more
)

// Condition is why an event ends, in the words of the service's records.
type Condition string

// Conditions. RecursiveLoop is this server's word: the service's is not on record.
const (
	ConditionSuccess   Condition = "Success"
	ConditionRetries   Condition = "RetriesExhausted"
	ConditionAge       Condition = "EventAgeExceeded"
	ConditionReserved  Condition = "ZeroReservedConcurrency"
	ConditionRecursive Condition = "RecursiveLoop"
)

// Policy is what is set for the events of a function's qualifier.
type Policy struct {
	MaximumRetries int // 0 to 2
	MaximumAge     time.Duration
	// Delays are those before the first retry, the second, and so on; the last one
	// is before all others.
	Delays []time.Duration
}

// Defaults and limits of the service, from its developer guide.
const (
	DefaultRetries = 2
	DefaultAge     = 6 * time.Hour
	// minBackoff and maxBackoff bound the delay after a refusal.
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
	// lastChance is how much of an event's age must be left for another try after a
	// refusal.
	lastChance = time.Second
)

// DefaultDelays are the service's delays after function errors.
func DefaultDelays() []time.Duration { return []time.Duration{time.Minute, 2 * time.Minute} }

// History is what has become of an event so far.
type History struct {
	EnqueuedAt time.Time
	Attempts   int // that reached the function
	Refusals   int
}

// Step is what is done next: an end with a condition, a retry at a time, or, with
// neither, nothing: the event is forgotten.
type Step struct {
	Condition Condition
	Retry     time.Time
}

// Decide tells what follows an attempt that ended at a time, which the history
// includes. random is a number from 0 to below 1.
//
// A failure is tried again after the policy's delays; a retry that would come
// when the event is too old is not waited for. A refusal is tried again after a
// second and at growing distances, until the event is too old.
func Decide(p Policy, h History, ended Ending, now time.Time, random float64) Step {
	switch ended {
	case Succeeded:
		return Step{Condition: ConditionSuccess}
	case Recursive:
		return Step{Condition: ConditionRecursive}
	case Gone:
		return Step{}
	case Failed:
		return p.afterFailure(h, now)
	default:
		return p.afterRefusal(h, now, random)
	}
}

// Expired tells whether an event is too old to be tried.
func (p Policy) Expired(h History, now time.Time) bool { return now.Sub(h.EnqueuedAt) >= p.MaximumAge }

func (p Policy) afterFailure(h History, now time.Time) Step {
	if h.Attempts > p.MaximumRetries {
		return Step{Condition: ConditionRetries}
	}
	at := now.Add(p.Delays[min(max(h.Attempts, 1), len(p.Delays))-1])
	if p.Expired(h, at) {
		return Step{Condition: ConditionAge}
	}
	return Step{Retry: at}
}

// afterRefusal spends what is left of the event's age by halves when the whole
// delay does not fit into it.
func (p Policy) afterRefusal(h History, now time.Time, random float64) Step {
	left := p.MaximumAge - now.Sub(h.EnqueuedAt)
	if left <= lastChance {
		return Step{Condition: ConditionAge}
	}
	delay := backoff(h.Refusals, random)
	if delay >= left {
		delay = left / 2
	}
	return Step{Retry: now.Add(delay)}
}

// backoff is the delay after a number of refusals: twice as long each time, from
// minBackoff to maxBackoff, with up to a quarter taken off so that those who were
// refused together do not come back together.
func backoff(refusals int, random float64) time.Duration {
	delay := maxBackoff
	if shift := max(refusals-1, 0); shift < 9 { // 2^9 s are over maxBackoff
		delay = min(minBackoff<<shift, maxBackoff)
	}
	return max(delay-time.Duration(random*float64(delay)/4), minBackoff)
}
