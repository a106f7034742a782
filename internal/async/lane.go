package async

import "time"

// lane is what is known of one partition of a queue: how many of it are in hand,
// and how many may be. It opens wide, narrows to what was admitted when one is
// refused, and widens again while none is. Who calls holds the consumer's lock.
type lane struct {
	running int
	// limit bounds running; 0 is no bound.
	limit   int
	changed time.Time // limit, or since when it has stood the test
	// shut is until when nothing is tried, after a refusal with nothing running.
	shut     time.Time
	refusals int // in a row, with nothing running
}

const (
	// widening is how long a limit has to stand before it grows.
	widening = time.Second
	// maxShut bounds how long a lane is shut: then one is tried again.
	maxShut = 30 * time.Second
)

// admits tells whether one more may be tried; if not, at what time a look may be
// worth it. Zero means when one of those running has ended.
func (l *lane) admits(now time.Time) (ok bool, again time.Time) {
	switch {
	case now.Before(l.shut):
		return false, l.shut
	case l.limit > 0 && l.running >= l.limit:
		return false, time.Time{}
	}
	return true, time.Time{}
}

func (l *lane) begin() { l.running++ }

// end tells how one has ended. A limit that has grown to all the hands there are
// is none any more.
func (l *lane) end(refused bool, now time.Time, hands int, random float64) {
	l.running--
	switch {
	case refused && l.running > 0:
		l.limit, l.changed = l.running, now
	case refused:
		l.refusals++
		l.limit, l.changed = 1, now
		l.shut = now.Add(min(backoff(l.refusals, random), maxShut))
	case l.limit > 0 && now.Sub(l.changed) >= widening:
		l.limit, l.changed, l.refusals = l.limit+max(1, l.limit/4), now, 0
		if l.limit >= hands {
			l.limit = 0
		}
	default:
		l.refusals = 0
	}
}

// plain tells whether nothing is to be remembered of a lane.
func (l *lane) plain(now time.Time) bool {
	return l.running == 0 && (l.limit == 0 || now.Sub(l.changed) > time.Minute && !now.Before(l.shut))
}
