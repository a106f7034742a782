package async

import "time"

// reply is what the work on an event tells of its partition.
type reply int

const (
	taken   reply = iota
	refused       // it would have none now: one more try is counted
	busy          // there is no room now, for whatever partition: no try at all
)

// lane is what is known of one partition of a queue: how many of it are in hand,
// and how many may be. Their limit grows as long as more of them are done for it in
// a time, and narrows to what was admitted when one is refused. Who calls holds the
// consumer's lock.
type lane struct {
	running int
	// limit bounds running. It stands for a while before it grows: above top, which is
	// what has stood, the longer the more probes in a row were too much.
	limit   int
	changed time.Time
	done    int // since then
	top     int
	probing bool // the limit is above top
	probes  int
	before  step // the limit before the probe
	stands  span
	refused bool // once, at least
	// shut is until when nothing is tried, after a refusal with nothing running.
	shut time.Time
	rows int // refusals, or busy moments, in a row with nothing running
}

// step is a limit, and how many are done in a second with it; 0 if too few to tell.
type step struct {
	limit int
	rate  float64
}

// span is the least and the most of a length of time.
type span struct{ least, most time.Duration }

var (
	// More environments than there is work for cost their start; to be refused costs
	// a write and counts as a throttle, to be busy nothing.
	standsFirst   = span{100 * time.Millisecond, 10 * time.Second}
	standsRefused = span{time.Second, 30 * time.Second}
	standsBusy    = span{100 * time.Millisecond, time.Second}
)

const (
	// firstLimit is where a lane begins: it is doubled until something refuses.
	firstLimit = 16
	// enoughDone is how many must be done for their rate to tell something.
	enoughDone = 16
	// maxShut and maxShutBusy bound how long a lane is shut: then one is tried again.
	maxShut     = 30 * time.Second
	minShutBusy = 50 * time.Millisecond
	maxShutBusy = 5 * time.Second
)

func newLane(now time.Time) *lane {
	return &lane{limit: firstLimit, changed: now, stands: standsFirst}
}

// admits tells whether one more may be tried; if not, at what time a look may be
// worth it, and, unless the lane is shut, when one of those running has ended.
func (l *lane) admits(now time.Time) (ok bool, again time.Time, shut bool) {
	if now.Before(l.shut) {
		return false, l.shut, true
	}
	if l.running < l.limit {
		return true, time.Time{}, false
	}
	stands := l.stands.least
	if l.limit >= l.top {
		stands = min(stands<<min(l.probes, 10), l.stands.most)
	}
	if grows := l.changed.Add(stands); now.Before(grows) {
		return false, grows, false
	}
	l.grow(now)
	return l.running < l.limit, l.changed.Add(l.stands.least), false
}

// grow raises the limit, or takes a probe back that has brought nothing.
func (l *lane) grow(now time.Time) {
	stood := step{limit: l.limit}
	if elapsed := now.Sub(l.changed).Seconds(); l.done >= enoughDone && elapsed > 0 {
		stood.rate = float64(l.done) / elapsed
	}
	l.changed, l.done = now, 0
	if l.probing {
		l.probing = false
		if stood.vain(l.before) {
			l.probes++
			l.limit = l.before.limit
			return
		}
		l.top, l.probes = l.limit, 0
	}
	next := 2 * l.limit
	if l.refused {
		next = l.limit + max(1, l.limit/4)
	}
	if l.limit < l.top {
		next = min(next, l.top)
	}
	l.before, l.limit, l.probing = stood, next, next > l.top
}

// vain tells that a higher limit than before has brought less than a third of what
// it might have.
func (s step) vain(before step) bool {
	if s.rate == 0 || before.rate == 0 {
		return false
	}
	gain := float64(s.limit)/float64(before.limit) - 1
	return s.rate < before.rate*(1+gain/3)
}

func (l *lane) begin() { l.running++ }

// end tells how one has ended.
func (l *lane) end(answer reply, now time.Time, random float64) {
	l.running--
	switch {
	case answer == taken:
		l.rows = 0
		l.done++
	case l.running > 0:
		l.narrow(l.running, answer, now)
	default:
		l.rows++
		l.narrow(1, answer, now)
		closed := min(backoff(l.rows, random), maxShut)
		if answer == busy {
			closed = min(minShutBusy<<min(l.rows-1, 16), maxShutBusy)
		}
		l.shut = now.Add(closed)
	}
}

func (l *lane) narrow(limit int, answer reply, now time.Time) {
	if l.probing {
		l.probes++
	} else {
		l.top = limit
	}
	l.limit, l.changed, l.done, l.probing, l.stands, l.refused = limit, now, 0, false, standsRefused, true
	if answer == busy {
		l.stands = standsBusy
	}
}

// plain tells whether nothing is to be remembered of a lane in which nothing runs.
func (l *lane) plain(now time.Time) bool {
	return l.running == 0 && (!l.refused || now.Sub(l.changed) > time.Minute && !now.Before(l.shut))
}
