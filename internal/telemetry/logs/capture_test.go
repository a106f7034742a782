package logs_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/linux/pipe"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/logs"
)

type pens struct{ output, frames io.WriteCloser }

func capture(t testing.TB, s *logs.Stream) (*logs.Capture, pens) {
	t.Helper()
	or, ow, err := pipe.Open()
	if err != nil {
		t.Fatal(err)
	}
	fr, fw, err := pipe.Open()
	if err != nil {
		t.Fatal(err)
	}
	return s.Capture(or, fr), pens{ow, fw}
}

func frame(kind uint32, message string) []byte {
	b := binary.BigEndian.AppendUint32(nil, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	b = binary.BigEndian.AppendUint64(b, 1_700_000_000_000_000)
	return append(b, message...)
}

func TestFlushTakesAllThatWasWritten(t *testing.T) {
	kept, s := open()
	c, w := capture(t, s)
	for i := range 200 {
		fmt.Fprintf(w.output, "line %d\r still the same\n", i)
		w.frames.Write(frame(0xa55a000f, fmt.Sprintf("record %d\nof two lines", i)))
		c.Flush()
		if got := kept.text(); !strings.HasSuffix(got, fmt.Sprintf("record %d\nof two lines\n", i)) || !strings.Contains(got, fmt.Sprintf("line %d\r still", i)) {
			t.Fatalf("after flush %d the log ends with %q", i, got[max(0, len(got)-100):])
		}
	}
	if kept.len() != 400 {
		t.Errorf("%d events, want 400: a record of several lines is one", kept.len())
	}
	w.output.Write([]byte("no line end"))
	w.output.Close()
	w.frames.Close()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got := kept.text(); !strings.HasSuffix(got, "no line end\n") {
		t.Errorf("an open line is lost: %q", got[len(got)-40:])
	}
}

func TestGarbageOnTheFramedPipeIsOutput(t *testing.T) {
	kept, s := open()
	c, w := capture(t, s)
	w.frames.Write([]byte("this is not a frame at all\n"))
	w.frames.Write(frame(0xa55a0003, "")[:16])
	c.Flush()
	w.frames.Write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0xa55a0003), 1<<31))
	w.frames.Write([]byte("12345678\n"))
	c.Flush()
	if got := kept.text(); !strings.HasPrefix(got, "this is not a frame at all\n") {
		t.Errorf("log is %q", got)
	}
	w.output.Close()
	w.frames.Close()
	c.Close()
}

// TestFrames: a frame is one event, at its writer's time and level, whatever is
// in it; as far as the time can be true.
func TestFrames(t *testing.T) {
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	started := now.Add(-time.Minute)
	framed := func(kind uint32, at time.Time, message string) []byte {
		b := binary.BigEndian.AppendUint32(nil, kind)
		b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
		b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMicro()))
		return append(b, message...)
	}
	for name, f := range map[string]struct {
		frame []byte
		at    time.Time
		line  telemetry.Line
	}{
		"text":         {framed(0xa55a0003, now, "a\nb"), now, telemetry.Line{Text: "a\nb\n"}},
		"of its time":  {framed(0xa55a000f, now.Add(-time.Second), "a\n"), now.Add(-time.Second), telemetry.Line{Text: "a\n", Level: "INFO"}},
		"of tomorrow":  {framed(0xa55a0013, now.Add(24*time.Hour), "a"), now, telemetry.Line{Text: "a\n", Level: "WARN"}},
		"of yesterday": {framed(0xa55a0007, now.Add(-24*time.Hour), "a"), started, telemetry.Line{Text: "a\n", Level: "TRACE"}},
		"of no time":   {binary.BigEndian.AppendUint64(framed(0xa55a001b, now, "")[:8], 1<<63), now, telemetry.Line{Text: "\n", Level: "FATAL"}},
		"JSON":         {framed(0xa55a0002|0x14, now, `{"a":1}`), now, telemetry.Line{Text: `{"a":1}` + "\n", Level: "ERROR", Object: true}},
		"level of its key": {
			framed(0xa55a0002, now, `{"level":"DEBUG","timestamp":"2024-01-02T03:04:04Z"}`), now.Add(-time.Second),
			telemetry.Line{Text: `{"level":"DEBUG","timestamp":"2024-01-02T03:04:04Z"}` + "\n", Level: "DEBUG", Object: true},
		},
		"a level that there is not": {framed(0xa55a001f, now, "a"), now, telemetry.Line{Text: "a\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []telemetry.Event
			clock := started
			_, s := open(func(o *logs.StreamOptions) {
				o.Format, o.ApplicationLevel = logs.FormatJSON, "TRACE"
				o.Now = func() time.Time { return clock }
				o.Observe = func(e telemetry.Event) { seen = append(seen, e) }
			})
			s.Emit(telemetry.Start{RequestID: id})
			clock = now
			c, w := capture(t, s)
			half := len(f.frame) / 2
			w.frames.Write(f.frame[:half])
			c.Flush()
			if len(seen) != 1 {
				t.Errorf("half a frame makes %+v", seen[1:])
			}
			w.frames.Write(f.frame[half:])
			c.Flush()
			if want := (telemetry.Event{Time: f.at, Record: f.line}); len(seen) != 2 || seen[1] != want {
				t.Errorf("got %+v, want %+v", seen[1:], want)
			}
			w.output.Close()
			w.frames.Close()
			c.Close()
		})
	}
}

// TestLongFramesAreCut: a record that is longer than an event may be is several.
func TestLongFramesAreCut(t *testing.T) {
	kept, s := open()
	c, w := capture(t, s)
	text := strings.Repeat("0123456789", 2*logs.MaxEvent/10+1)
	w.frames.Write(frame(0xa55a0003, text))
	w.frames.Write(frame(0xa55a0003, "next"))
	w.output.Close()
	w.frames.Close()
	c.Close()
	if kept.len() != 4 || !strings.HasSuffix(kept.text(), "next\n") {
		t.Errorf("%d events, the last %q", kept.len(), kept.events[kept.len()-1])
	}
	if got := strings.ReplaceAll(kept.text(), "\n", ""); got != text+"next" {
		t.Errorf("%d bytes of text, want %d", len(got), len(text))
	}
}

// TestCut: what a killed process has left unfinished does not run into what the
// next one writes.
func TestCut(t *testing.T) {
	kept, s := open()
	c, w := capture(t, s)
	w.frames.Write(frame(0xa55a0003, "killed while writing this")[:frameHeader+6])
	w.output.Write([]byte("and this"))
	c.Cut()
	w.frames.Write(frame(0xa55a0003, "a new life"))
	w.output.Close()
	w.frames.Close()
	c.Close()
	if diff := cmp.Diff("and this\nkilled\na new life\n", kept.text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const frameHeader = 16

// TestExtensions: each has a pipe of its own, whose lines do not mix with those of
// others that are half written.
func TestExtensions(t *testing.T) {
	var lines []telemetry.Line
	kept, s := open(func(o *logs.StreamOptions) {
		o.Observe = func(e telemetry.Event) {
			if l, ok := e.Record.(telemetry.Line); ok {
				lines = append(lines, l)
			}
		}
	})
	function, w := capture(t, s)
	reader, writer, err := pipe.Open()
	if err != nil {
		t.Fatal(err)
	}
	extension := s.CaptureExtension(reader)
	io.WriteString(writer, "exten")
	extension.Flush()
	io.WriteString(w.output, "function\nfunc")
	function.Flush()
	s.Emit(telemetry.End{RequestID: id}) // ends the function's line, not the extension's
	io.WriteString(writer, "sion\nlast")
	extension.Flush()
	writer.Close()
	if err := extension.Close(); err != nil {
		t.Error(err)
	}
	w.output.Close()
	w.frames.Close()
	function.Close()
	want := []telemetry.Line{{Text: "function\n"}, {Text: "func\n"}, {Extension: true, Text: "extension\n"}, {Extension: true, Text: "last\n"}}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := "function\nfunc\nEND RequestId: " + id + "\nextension\nlast\n"; kept.text() != want {
		t.Errorf("the log is %q, want %q", kept.text(), want)
	}
}

// FuzzFrames: whatever is written to the framed pipe, in whatever pieces, no more
// is logged than was written, in events of which none is longer than events may be.
func FuzzFrames(f *testing.F) {
	f.Add(frame(0xa55a0003, "one\ntwo"), uint16(5))
	f.Add(append(frame(0xa55a000f, ""), frame(0xa55a0002, "{}")...), uint16(16))
	f.Add([]byte("no frame at all\n"), uint16(3))
	f.Add(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0xa55a0003), 1<<31), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		if len(data) > 32<<10 {
			return // more than a pipe takes while nobody reads
		}
		kept, s := open()
		c, w := capture(t, s)
		split := min(int(at), len(data))
		w.frames.Write(data[:split])
		c.Flush()
		w.frames.Write(data[split:])
		w.output.Close()
		w.frames.Close()
		c.Close()
		total := 0
		for _, e := range kept.events {
			if total += len(e); len(e) > logs.MaxEvent+1 || e == "" {
				t.Errorf("an event of %d bytes", len(e))
			}
		}
		if total > len(data)+len(kept.events) {
			t.Errorf("%d bytes are logged of %d", total, len(data))
		}
	})
}
