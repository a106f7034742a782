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
}

// write takes bytes as they come.
func (l *lines) write(b []byte) {
	for len(b) > 0 {
		if l.stream.limit.shut(l.stream.opts.Now()) {
			b = l.skip(b)
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			l.hold(b)
			return
		}
		if len(l.open) == 0 && end < MaxEvent {
			l.emit(b[:end+1])
		} else {
			l.hold(b[:end+1])
			l.emitOpen()
		}
		b = b[end+1:]
	}
}

// skip drops all finished lines at once, which costs less than to look at each:
// code that prints without end is not to cost more than its share. It returns
// what begins the next line.
func (l *lines) skip(b []byte) []byte {
	last := bytes.LastIndexByte(b, '\n')
	if last < 0 {
		l.hold(b)
		return nil
	}
	l.stream.limit.drop(bytes.Count(b[:last+1], []byte{'\n'}), len(l.open)+last+1)
	l.open = l.open[:0]
	l.hold(b[last+1:])
	return nil
}

// hold adds to the unfinished line, cutting it where it grows too long.
func (l *lines) hold(b []byte) {
	for len(l.open)+len(b) > MaxEvent {
		room := MaxEvent - len(l.open)
		l.open = append(l.open, b[:room]...)
		b = b[room:]
		l.emitOpen()
	}
	l.open = append(l.open, b...)
}

// end ends a line that was left open.
func (l *lines) end() {
	if len(l.open) > 0 {
		l.open = append(l.open, '\n')
		l.emitOpen()
	}
}

// keepLine is the buffer that is kept for the next unfinished line, in bytes.
const keepLine = 4 << 10

func (l *lines) emitOpen() {
	l.emit(l.open)
	if cap(l.open) > keepLine {
		l.open = nil
	}
	l.open = l.open[:0]
}

func (l *lines) emit(text []byte) {
	l.stream.line(l.stream.opts.Now(), text, "", l.extension)
}

// line adds what code inside has printed, unless it prints too much. level is
// that of its frame, if it had one. The caller holds s.mu.
func (s *Stream) line(at time.Time, text []byte, level string, extension bool) {
	if !s.limit.take(s.opts.Now(), len(text)) {
		return
	}
	s.tellDropped()
	line := telemetry.Line{Extension: extension, Text: string(text), Level: level}
	shown := true
	if s.opts.Format == FormatJSON {
		line.Object, line.Level = inspect(text, level)
		shown = extension || levelOr(line.Level, levelInfo) >= s.app
	}
	at = s.stamp(at)
	if s.opts.Observe != nil {
		s.opts.Observe(telemetry.Event{Time: at, Record: line})
	}
	if shown {
		s.write(at, line.Text)
	}
}

// tellDropped tells what was dropped since it was told last. The caller holds s.mu.
func (s *Stream) tellDropped() {
	if records, bytes := s.limit.dropped(); records > 0 {
		s.platform(telemetry.LogsDropped{Reason: dropReason, DroppedRecords: records, DroppedBytes: bytes})
	}
}
