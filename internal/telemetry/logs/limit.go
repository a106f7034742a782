package logs

import "time"

// Limits holds back code that prints without end. Zero fields mean the defaults
// below.
type Limits struct {
	// Rate is what one environment's code may print, in bytes a second, and Burst
	// what it may print at once. Each line is charged lineCharge beside its text.
	Rate, Burst int
	// Intake is what is read of its pipes at most, in bytes a second, to be dropped
	// where it is above Rate. Code that prints faster still waits in its write.
	Intake int
}

const (
	// DefaultRate and DefaultBurst are what an environment may print: about 12,000
	// lines of 100 bytes a second, and twice as many at once. A flood costs the
	// host a few percent of a CPU then.
	DefaultRate  = 4 << 20
	DefaultBurst = 8 << 20
	// DefaultIntake is what is read of an environment's pipes. To read without a
	// bound took more than half a CPU, as much as the writer had for itself; this
	// takes a tenth.
	DefaultIntake = 64 << 20
	// lineCharge stands for what handling a line costs whatever its length, so
	// that a flood of empty lines is held back too.
	lineCharge = 256
)

// limiter decides what is dropped. It is data guarded by the stream's lock.
type limiter struct {
	rate, burst float64
	tokens      float64
	at          time.Time
	closed      bool // drops until a quarter of the burst has come back
}

func newLimiter(l Limits, now time.Time) limiter {
	if l.Rate <= 0 {
		l.Rate = DefaultRate
	}
	if l.Burst <= 0 {
		l.Burst = DefaultBurst
	}
	return limiter{rate: float64(l.Rate), burst: float64(l.Burst), tokens: float64(l.Burst), at: now}
}

func (l *limiter) refill(now time.Time) {
	if d := now.Sub(l.at); d > 0 {
		l.tokens = min(l.burst, l.tokens+d.Seconds()*l.rate)
		l.at = now
	}
}

// shut tells whether everything is dropped now.
func (l *limiter) shut(now time.Time) bool {
	if !l.closed {
		return false
	}
	l.refill(now)
	// What is let through again is enough to be read, and the gaps are few.
	l.closed = l.tokens < l.burst/4
	return l.closed
}

// take tells whether a line of size bytes is let through.
func (l *limiter) take(now time.Time, size int) bool {
	if l.shut(now) {
		return false
	}
	cost := float64(size + lineCharge)
	if l.tokens < cost {
		l.refill(now)
	}
	l.closed = l.tokens < cost
	if !l.closed {
		l.tokens -= cost
	}
	return !l.closed
}

// owe takes a line into account that is let through in any case.
func (l *limiter) owe(size int) { l.tokens -= float64(size + lineCharge) }

// intake measures what is read against a rate.
type intake struct {
	rate float64
	due  float64 // bytes read beyond the rate
	at   time.Time
}

func newIntake(l Limits, now time.Time) intake {
	if l.Intake <= 0 {
		l.Intake = DefaultIntake
	}
	return intake{rate: float64(l.Intake), at: now}
}

func (i *intake) add(n int) { i.due += float64(n) }

// shortestPause keeps the pauses few; what is read meanwhile is little.
const shortestPause = 5 * time.Millisecond

// pause is how long to wait before more is read.
func (i *intake) pause(now time.Time) time.Duration {
	if d := now.Sub(i.at); d > 0 {
		i.due = max(0, i.due-d.Seconds()*i.rate)
		i.at = now
	}
	pause := time.Duration(i.due / i.rate * float64(time.Second))
	if pause < shortestPause {
		return 0
	}
	return pause
}
