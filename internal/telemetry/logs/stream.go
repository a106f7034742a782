package logs

import (
	"sync"
	"time"

	"thaw/internal/lambda"
)

// Stream is the log of one execution environment.
type Stream struct {
	store *Store
	group string
	name  string
	now   func() time.Time

	mu      sync.Mutex
	tail    ring
	tailing bool
	line    []byte // an unfinished line of output
}

// MaxEvent bounds one event's text, in bytes; a longer line is cut into several
// events, as CloudWatch Logs' own limit demands.
const MaxEvent = 256 << 10

// Open makes the stream of a new environment.
func (s *Store) Open(group, name string, now func() time.Time) *Stream {
	return &Stream{store: s, group: group, name: name, now: now}
}

// Name is the stream's name.
func (s *Stream) Name() string { return s.name }

// Begin writes the START line. With tail set, the invocation's last bytes are
// kept from here on.
func (s *Stream) Begin(requestID, version string, tail bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLine()
	s.tailing = tail
	s.tail.reset()
	s.emit(startLine(requestID, version))
}

// End writes END and REPORT, and returns the tail, if it was asked for.
func (s *Stream) End(r Report) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLine()
	s.emit(endLine(r.RequestID))
	s.emit(r.line())
	if !s.tailing {
		return nil
	}
	s.tailing = false
	return s.tail.bytes()
}

// Write adds one event of the platform.
func (s *Stream) Write(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLine()
	s.emit(message)
}

// output takes bytes of the function's standard output, in which lines end
// events. The caller holds s.mu.
func (s *Stream) output(b []byte) {
	for len(b) > 0 {
		end := indexNewline(b)
		if end < 0 {
			s.hold(b)
			return
		}
		s.hold(b[:end+1])
		s.emitLine()
		b = b[end+1:]
	}
}

// hold adds to the unfinished line, cutting it where it grows too long.
func (s *Stream) hold(b []byte) {
	for len(s.line)+len(b) > MaxEvent {
		room := MaxEvent - len(s.line)
		s.line = append(s.line, b[:room]...)
		b = b[room:]
		s.emitLine()
	}
	s.line = append(s.line, b...)
}

func (s *Stream) emitLine() {
	s.emit(string(s.line))
	s.line = s.line[:0]
}

// flushLine ends a line that the function left open, so that the platform's own
// lines start at the margin.
func (s *Stream) flushLine() {
	if len(s.line) > 0 {
		s.line = append(s.line, '\n')
		s.emitLine()
	}
}

func (s *Stream) emit(message string) {
	if s.tailing {
		s.tail.write(message)
	}
	s.store.append(s.group, s.name, s.now(), message)
}

func indexNewline(b []byte) int {
	for i, c := range b {
		if c == '\n' {
			return i
		}
	}
	return -1
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
