package concurrency

import "time"

// bucket holds tokens up to a second's worth, and is filled continuously. It is
// full at first. The arithmetic is of whole numbers: a token is second parts, so
// that a rate of n per second adds n parts in a nanosecond.
type bucket struct {
	missing int64 // parts
	at      time.Time
}

const second = int64(time.Second)

// take takes a token of a bucket that is filled at a rate, or tells after how
// long there is one. A rate of 0 is a bucket that is always empty.
func (b *bucket) take(rate int64, now time.Time) (wait time.Duration, ok bool) {
	if rate <= 0 {
		return time.Second, false
	}
	passed := min(max(now.Sub(b.at), 0), time.Second) // a second fills it whatever it lacked
	capacity := rate * second
	missing := max(min(b.missing, capacity)-int64(passed)*rate, 0)
	if missing > capacity-second {
		lacks := missing - (capacity - second)
		return time.Duration((lacks + rate - 1) / rate), false
	}
	b.missing = missing + second
	if now.After(b.at) {
		b.at = now
	}
	return 0, true
}

// window counts what happened in the last while, each at its time.
type window struct {
	times []time.Time // the oldest first
}

// take counts one more, unless there are limit within length before now; then it
// tells after how long there is room.
func (w *window) take(limit int, length time.Duration, now time.Time) (wait time.Duration, ok bool) {
	old := 0
	for old < len(w.times) && now.Sub(w.times[old]) >= length {
		old++
	}
	w.times = w.times[old:]
	if len(w.times) >= limit {
		if limit <= 0 {
			return length, false
		}
		return length - now.Sub(w.times[len(w.times)-limit]), false
	}
	if len(w.times) == 0 {
		w.times = nil // or a burst's array would be kept
	}
	w.times = append(w.times, now)
	return 0, true
}
