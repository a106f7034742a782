package logs

import (
	"sync"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/telemetry"
)

// Sink takes what is written to logs. It never blocks: events are appended while
// an invocation waits.
type Sink interface {
	Append(group, stream string, at time.Time, message string)
}

// StreamOptions is what a stream is made to. Zero fields mean what their
// comments say.
type StreamOptions struct {
	Sink        Sink // nil: the stream is observed only
	Group, Name string
	// Format is FormatText or FormatJSON; empty means text.
	Format string
	// SystemLevel and ApplicationLevel are the lowest levels that a log in JSON
	// shows; empty means INFO. A log in text shows everything.
	SystemLevel, ApplicationLevel string
	// OldStyle writes the lines of text logs as the service did before REPORT had
	// a status.
	OldStyle bool
	Now      func() time.Time // nil: time.Now
	// Observe is told every event, whatever the levels, in order. It is called
	// under the stream's lock: it must neither block nor call the stream.
	Observe func(telemetry.Event)
	Limits  Limits
}

// Stream is the log of one execution environment.
type Stream struct {
	opts        StreamOptions
	system, app level

	mu       sync.Mutex
	function lines // what the function has printed
	limit    limiter
	gap      gap
	intake   intake
	last     time.Time // of the newest event
	fault    string    // a fault of the old style, which follows REPORT
	tail     ring
	tailing  bool
	buf      []byte // what captures read into
}

// MaxEvent bounds one event's text, in bytes; a longer line is cut into several
// events, as CloudWatch Logs' own limit demands.
const MaxEvent = 256 << 10

// Open makes the stream of a new environment.
func Open(opts StreamOptions) *Stream {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Stream{
		opts:   opts,
		system: levelOr(opts.SystemLevel, levelInfo),
		app:    levelOr(opts.ApplicationLevel, levelInfo),
	}
	s.function.stream = s
	s.limit = newLimiter(opts.Limits, opts.Now())
	s.intake = newIntake(opts.Limits, opts.Now())
	return s
}

// Name is the stream's name.
func (s *Stream) Name() string { return s.opts.Name }

// Emit adds an event of the platform, now. A line that the function left open is
// ended before it, so that the platform's own lines start at the margin; what
// was dropped before it is told before it.
func (s *Stream) Emit(r telemetry.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.function.end(now)
	s.tellDropped(now)
	s.platform(now, r)
}

// platform tells of a record. The caller holds s.mu.
func (s *Stream) platform(now time.Time, r telemetry.Record) {
	e := telemetry.Event{Time: s.stamp(now, now), Record: r}
	if s.opts.Observe != nil {
		s.opts.Observe(e)
	}
	switch {
	case s.opts.Format == FormatJSON:
		if recordLevel(r) >= s.system {
			s.write(e.Time, jsonLine(e))
		}
	case s.opts.OldStyle:
		s.writeOld(e)
	default:
		s.write(e.Time, textLine(e))
	}
}

// writeOld writes an event in the old style, in which a fault followed REPORT.
func (s *Stream) writeOld(e telemetry.Event) {
	fault := s.fault
	switch r := e.Record.(type) {
	case telemetry.Fault:
		s.fault = fault + textLine(e)
		return
	case telemetry.Report:
		s.fault = ""
		s.write(e.Time, reportLine(r, true))
		s.write(e.Time, fault)
		return
	case telemetry.Start:
		s.fault = ""
		s.write(e.Time, fault)
	}
	s.write(e.Time, textLine(e))
}

// write adds an event to the log. The caller holds s.mu.
func (s *Stream) write(at time.Time, message string) {
	if message == "" {
		return
	}
	if s.tailing {
		s.tail.write(message)
	}
	if s.opts.Sink != nil {
		s.opts.Sink.Append(s.opts.Group, s.opts.Name, at, message)
	}
}

// stamp is the time of an event that says that it happened at t. It is not after
// now, and events of a stream stay in order, whatever code inside says of its
// records.
func (s *Stream) stamp(t, now time.Time) time.Time {
	if t.After(now) {
		t = now
	}
	if t.Before(s.last) {
		return s.last
	}
	s.last = t
	return t
}

// BeginTail keeps the last 4096 bytes of what is written from here on.
func (s *Stream) BeginTail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tailing = true
	s.tail.reset()
}

// Tail is the last 4096 bytes since BeginTail, and the end of it; nil if there
// was none.
func (s *Stream) Tail() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tailing {
		return nil
	}
	s.tailing = false
	return s.tail.bytes()
}

// ring keeps the last lambda.MaxLogTail bytes written to it.
type ring struct {
	buf   []byte
	start int
}

func (r *ring) reset() { r.buf, r.start = r.buf[:0], 0 }

func (r *ring) write(s string) {
	if len(s) > lambda.MaxLogTail {
		s = s[len(s)-lambda.MaxLogTail:]
	}
	if room := lambda.MaxLogTail - len(r.buf); room > 0 {
		n := min(room, len(s))
		r.buf = append(r.buf, s[:n]...)
		s = s[n:]
	}
	for len(s) > 0 {
		n := copy(r.buf[r.start:], s)
		r.start = (r.start + n) % lambda.MaxLogTail
		s = s[n:]
	}
}

func (r *ring) bytes() []byte {
	out := make([]byte, 0, len(r.buf))
	out = append(out, r.buf[r.start:]...)
	return append(out, r.buf[:r.start]...)
}
