package async_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"thaw/internal/async"
	"thaw/internal/seeds"
)

var seed = flag.Uint64("seed", 0, "seed of the random histories; 0 takes one from the clock")

// firstSeed is the seed of the first history; each one after it has the next.
func firstSeed() uint64 {
	if *seed != 0 {
		return *seed
	}
	return uint64(time.Now().UnixNano())
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestDecide(t *testing.T) {
	policy := async.Policy{MaximumRetries: 2, MaximumAge: 6 * time.Hour, Delays: async.DefaultDelays()}
	with := func(retries int, age time.Duration) async.Policy {
		p := policy
		p.MaximumRetries, p.MaximumAge = retries, age
		return p
	}
	for name, c := range map[string]struct {
		policy             async.Policy
		attempts, refusals int
		ended              async.Ending
		after              time.Duration // of the attempt's end
		random             float64
		condition          async.Condition
		delay              time.Duration // of the retry; 0: none
	}{
		"success":                              {policy, 1, 0, async.Succeeded, 0, 0, async.ConditionSuccess, 0},
		"success though too old":               {policy, 1, 0, async.Succeeded, 7 * time.Hour, 0, async.ConditionSuccess, 0},
		"first failure":                        {policy, 1, 0, async.Failed, 0, 0, "", time.Minute},
		"second failure":                       {policy, 2, 0, async.Failed, 0, 0, "", 2 * time.Minute},
		"third failure":                        {policy, 3, 0, async.Failed, 0, 0, async.ConditionRetries, 0},
		"no retries":                           {with(0, time.Hour), 1, 0, async.Failed, 0, 0, async.ConditionRetries, 0},
		"one retry":                            {with(1, time.Hour), 2, 0, async.Failed, 0, 0, async.ConditionRetries, 0},
		"a retry would come too late":          {with(2, time.Minute), 1, 0, async.Failed, time.Millisecond, 0, async.ConditionAge, 0},
		"the second retry would come too late": {with(2, 2*time.Minute), 2, 0, async.Failed, time.Minute, 0, async.ConditionAge, 0},
		"the last retry counts before the age": {with(0, time.Minute), 1, 0, async.Failed, time.Hour, 0, async.ConditionRetries, 0},
		"first refusal":                        {policy, 0, 1, async.Refused, 0, 0, "", time.Second},
		"second refusal":                       {policy, 0, 2, async.Refused, 0, 0, "", 2 * time.Second},
		"second refusal, early":                {policy, 0, 2, async.Refused, 0, 0.999, "", 1500500 * time.Microsecond},
		"ninth refusal":                        {policy, 0, 9, async.Refused, 0, 0, "", 256 * time.Second},
		"tenth refusal":                        {policy, 0, 10, async.Refused, 0, 0, "", 5 * time.Minute},
		"thousandth refusal":                   {policy, 2, 1000, async.Refused, 0, 0, "", 5 * time.Minute},
		"a refusal near the end":               {policy, 0, 20, async.Refused, 6*time.Hour - time.Minute, 0, "", 30 * time.Second},
		"a refusal at the end":                 {policy, 0, 20, async.Refused, 6*time.Hour - time.Second, 0, async.ConditionAge, 0},
		"a loop":                               {policy, 0, 0, async.Recursive, 0, 0, async.ConditionRecursive, 0},
		"deleted":                              {policy, 1, 0, async.Gone, 0, 0, "", 0},
	} {
		h := async.History{EnqueuedAt: start, Attempts: c.attempts, Refusals: c.refusals}
		now := start.Add(c.after)
		got := async.Decide(c.policy, h, c.ended, now, c.random)
		want := async.Step{Condition: c.condition}
		if c.delay > 0 {
			want.Retry = now.Add(c.delay)
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// event is one event of a random history as the naive model sees it: a list of
// what has happened to it.
type naiveEvent struct {
	t       *testing.T
	retries int
	age     time.Duration
	at      []time.Duration // of the attempts
	ended   []async.Ending
}

func (n *naiveEvent) count(e async.Ending) (count int) {
	for _, ended := range n.ended {
		if ended == e {
			count++
		}
	}
	return count
}

// check compares a step with what the documentation says, from the whole list.
func (n *naiveEvent) check(step async.Step, now time.Duration) {
	n.t.Helper()
	fail := func(why string) {
		n.t.Helper()
		n.t.Fatalf("%s: %+v at %v after %v of %d retries, age %v", why, step, now, n.ended, n.retries, n.age)
	}
	failures, last := n.count(async.Failed), n.ended[len(n.ended)-1]
	delay := step.Retry.Sub(start) - now
	switch {
	case last == async.Succeeded:
		if step.Condition != async.ConditionSuccess {
			fail("a success is an end")
		}
	case !step.Retry.IsZero() && step.Condition != "":
		fail("an end is no retry")
	case last == async.Failed && failures == n.retries+1:
		if step.Condition != async.ConditionRetries {
			fail("all attempts are used")
		}
	case last == async.Failed:
		want := []time.Duration{time.Minute, 2 * time.Minute}[failures-1]
		if now+want >= n.age && step.Condition != async.ConditionAge {
			fail("too old for the retry")
		}
		if now+want < n.age && delay != want {
			fail("a retry after one minute, then two")
		}
	case step.Retry.IsZero():
		if step.Condition != async.ConditionAge || n.age-now > time.Second {
			fail("a refusal is no end before the age")
		}
	case now+delay >= n.age:
		fail("a try when it is too old")
	default:
		most := time.Second
		for range n.count(async.Refused) - 1 {
			most = min(2*most, 5*time.Minute)
		}
		if least := min(most*3/4, (n.age-now)/2-time.Nanosecond); delay > most || delay < least && delay < time.Second {
			fail("a delay outside of the back-off")
		}
	}
}

// TestScheduleHistories walks random events through their whole life.
func TestScheduleHistories(t *testing.T) {
	const histories = 10_000
	run := func(h seeds.History) {
		random := rand.New(rand.NewPCG(h.Seed, h.Number))
		if !t.Run("", func(t *testing.T) { scheduleHistory(t, random) }) {
			seeds.Keep(t, h)
			t.Fatalf("replay with -seed %d", h.Seed)
		}
	}
	for _, h := range seeds.Kept(t) {
		run(h)
	}
	base := firstSeed()
	for i := range uint64(histories) {
		run(seeds.History{Seed: base + i})
	}
}

func scheduleHistory(t *testing.T, random *rand.Rand) {
	n := &naiveEvent{t: t, retries: random.IntN(3), age: time.Minute + time.Duration(random.Int64N(int64(6*time.Hour-time.Minute)))}
	if random.IntN(2) == 0 {
		n.age = time.Minute + time.Duration(random.Int64N(int64(5*time.Minute)))
	}
	refuses, fails := random.Float64(), random.Float64()
	policy := async.Policy{MaximumRetries: n.retries, MaximumAge: n.age, Delays: async.DefaultDelays()}
	now := time.Duration(0)
	for step := 0; ; step++ {
		if step > 500 {
			t.Fatalf("no end: %v", n.at)
		}
		n.at = append(n.at, now)
		ended := async.Succeeded
		switch {
		case random.Float64() < refuses:
			ended = async.Refused
		case random.Float64() < fails:
			ended = async.Failed
			now += time.Duration(random.Int64N(int64(20 * time.Second)))
		}
		n.ended = append(n.ended, ended)
		h := async.History{EnqueuedAt: start, Attempts: n.count(async.Failed) + n.count(async.Succeeded), Refusals: n.count(async.Refused)}
		got := async.Decide(policy, h, ended, start.Add(now), random.Float64())
		n.check(got, now)
		if got.Retry.IsZero() {
			return
		}
		now = got.Retry.Sub(start)
		if policy.Expired(h, start.Add(now)) {
			t.Fatal(fmt.Sprint("a retry of an event that is too old: ", now))
		}
	}
}
