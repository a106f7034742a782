package logs

import (
	"bytes"
	"time"

	"thaw/internal/telemetry"
)

// lines makes events of what one pipe carries, in which line ends end events.
// Its methods are called with the stream's lock held.
type lines struct {
	stream    *Stream
	extension bool
	open      []byte // a line that is not finished
	lost      bool   // instead, the rest of a line of which something is dropped
}

// write takes bytes as they come.
func (l *lines) write(b []byte, now time.Time) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n') + 1
		switch {
		case l.lost:
			if end == 0 {
				end = len(b)
			}
			l.lose(b[:end])
		case l.stream.limit.shut(now):
			l.skip(b, now)
			return
		case end == 0:
			l.hold(b, now)
			return
		case len(l.open) == 0 && end <= MaxEvent:
			l.emit(b[:end], now)
		default:
			l.hold(b[:end], now)
			l.emitOpen(now)
		}
		b = b[end:]
	}
}

// skip drops all finished lines at once, which costs less than to look at each:
// code that prints without end is not to cost more than its share.
func (l *lines) skip(b []byte, now time.Time) {
	p := printed{now: now, at: now, extension: l.extension}
	if len(l.open) > 0 {
		end := bytes.IndexByte(b, '\n') + 1
		if end == 0 || len(l.open)+end > MaxEvent {
			l.rest(b)
			return
		}
		l.stream.gap.add(append(l.open, b[:end]...), p)
		l.open, b = l.open[:0], b[end:]
	}
	whole := bytes.LastIndexByte(b, '\n') + 1
	l.stream.gap.addAll(b[:whole], p)
	l.rest(b[whole:])
}

// rest takes the beginning of a line while lines are dropped: it is held, but not
// for long.
func (l *lines) rest(b []byte) {
	if len(l.open)+len(b) <= lastBytes {
		l.open = append(l.open, b...)
		return
	}
	l.lose(b)
}

// lose drops what there is of a line, and what comes up to its end.
func (l *lines) lose(b []byte) {
	ended := bytes.Count(b, []byte{'\n'})
	l.stream.gap.count(ended, len(l.open)+len(b))
	l.open = l.open[:0]
	l.lost = b[len(b)-1] != '\n'
}

// hold adds to the unfinished line, cutting it where it grows too long.
func (l *lines) hold(b []byte, now time.Time) {
	for len(l.open)+len(b) > MaxEvent {
		room := MaxEvent - len(l.open)
		l.open = append(l.open, b[:room]...)
		b = b[room:]
		l.emitOpen(now)
	}
	l.open = append(l.open, b...)
}

// end ends a line that was left open.
func (l *lines) end(now time.Time) {
	if l.lost {
		l.stream.gap.count(1, 0)
		l.lost = false
	}
	if len(l.open) > 0 {
		l.open = append(l.open, '\n')
		l.emitOpen(now)
	}
}

// keepLine is the buffer that is kept for the next unfinished line, in bytes.
const keepLine = 4 << 10

func (l *lines) emitOpen(now time.Time) {
	l.emit(l.open, now)
	if cap(l.open) > keepLine {
		l.open = nil
	}
	l.open = l.open[:0]
}

func (l *lines) emit(text []byte, now time.Time) {
	l.stream.line(text, printed{now: now, at: now, extension: l.extension})
}

// printed is what is known of a line beside its text.
type printed struct {
	now       time.Time // the clock
	at        time.Time // when it was printed, as far as its writer tells
	level     string    // of its frame, if it has one
	extension bool
}

// line adds what code inside has printed, unless it prints too much. The caller
// holds s.mu.
func (s *Stream) line(text []byte, p printed) {
	if !s.limit.take(p.now, len(text)) {
		s.gap.add(text, p)
		return
	}
	s.tellDropped(p.now)
	s.print(string(text), p)
}

// print adds a line. The caller holds s.mu.
func (s *Stream) print(text string, p printed) {
	line := telemetry.Line{Extension: p.extension, Text: text, Level: p.level}
	shown := true
	if s.opts.Format == FormatJSON {
		var at time.Time
		line.Object, line.Level, at = inspect(text, p.level)
		if !at.IsZero() {
			p.at = at
		}
		shown = p.extension || levelOr(line.Level, levelInfo) >= s.app
	}
	at := s.stamp(p.at, p.now)
	if s.opts.Observe != nil {
		s.opts.Observe(telemetry.Event{Time: at, Record: line})
	}
	if shown {
		s.write(at, text)
	}
}

// tellDropped tells what was dropped since it was told last, and writes the last
// lines of it after all. The caller holds s.mu.
func (s *Stream) tellDropped(now time.Time) {
	if s.gap.records == 0 {
		return
	}
	g := s.gap.take()
	if lost := g.records - int64(len(g.last)); lost > 0 {
		s.platform(now, telemetry.LogsDropped{
			Reason: dropReason, DroppedRecords: lost, DroppedBytes: g.bytes - int64(g.lastBytes),
		})
	}
	for _, d := range g.last {
		s.limit.owe(len(d.text))
		s.print(d.text, d.printed)
	}
}
