package logs_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
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

// TestFloodIsBounded: what one environment prints above its rate is dropped, and
// every line is either in the log or counted as dropped.
func TestFloodIsBounded(t *testing.T) {
	const rate, burst = 1 << 20, 256 << 10
	var seen, gone int64
	kept, s := open(func(o *logs.StreamOptions) {
		o.Limits = logs.Limits{Rate: rate, Burst: burst, Intake: 1 << 40}
		o.Observe = func(e telemetry.Event) {
			switch r := e.Record.(type) {
			case telemetry.Line:
				seen++
			case telemetry.LogsDropped:
				gone += r.DroppedRecords
			}
		}
	})
	c, w := capture(t, s)
	began := time.Now()
	chunk := []byte(strings.Repeat("0123456789abcde\n", 4096))
	for range 64 {
		if _, err := w.output.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	w.output.Write([]byte(strings.Repeat("y", 3*logs.MaxEvent) + "\n"))
	w.output.Close()
	w.frames.Close()
	c.Close()
	took := time.Since(began)
	// The long line is cut into three if it is let through, and one if it is dropped.
	if want := int64(64*4096 + 1); seen+gone < want || seen+gone > want+3 || gone == 0 {
		t.Errorf("%d lines are seen and %d dropped, together not %d", seen, gone, want)
	}
	if got, most := len(kept.text()), burst+int(took.Seconds()*rate)+64<<10; got > most {
		t.Errorf("%d bytes are kept after %v, want at most %d", got, took, most)
	}
	if !strings.Contains(kept.text(), "LOGS_DROPPED Records: ") {
		t.Error("the log does not tell that lines were dropped")
	}
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

// TestGap: what is dropped is told where it is missing, and the last lines of it
// are there nevertheless; the end of a line that was too long is not.
func TestGap(t *testing.T) {
	clock := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	kept, s := open(func(o *logs.StreamOptions) {
		o.Now = func() time.Time { return clock }
		o.Limits = logs.Limits{Rate: 1000, Burst: 1000, Intake: 1 << 30}
	})
	c, w := capture(t, s)
	var flood strings.Builder
	for i := range 100 {
		fmt.Fprintf(&flood, "flood %d\n", i)
	}
	for _, text := range []string{"a\n", "b\n", "c\n", "d\n", flood.String() + "la", "st\nunfin"} {
		io.WriteString(w.output, text)
		c.Flush()
	}
	w.frames.Write(frame(0xa55a0003, "framed"))
	c.Flush()
	clock = clock.Add(time.Second)
	io.WriteString(w.output, "ished\n")
	c.Flush()

	var want strings.Builder
	want.WriteString("a\nb\nc\n") // 1000 bytes of burst are used, with what is charged for lines
	// d, 100 of the flood, "last", "unfin" and "framed" are dropped but for 32
	want.WriteString("LOGS_DROPPED Records: 72\tBytes: 631\tReason: The function has printed faster than its environment's rate of log output.\n")
	for i := 71; i < 100; i++ {
		fmt.Fprintf(&want, "flood %d\n", i)
	}
	want.WriteString("last\nunfin\nframed\nished\n")
	if diff := cmp.Diff(want.String(), kept.text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.output.Close()
	w.frames.Close()
	c.Close()
}

// TestLongLinesInAGap: a line that is too long to be held while lines are dropped
// is dropped to its end, also if the gap ends before it does.
func TestLongLinesInAGap(t *testing.T) {
	clock := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	kept, s := open(func(o *logs.StreamOptions) {
		o.Now = func() time.Time { return clock }
		o.Limits = logs.Limits{Rate: 1000, Burst: 1000, Intake: 1 << 30}
	})
	c, w := capture(t, s)
	for _, text := range []string{"a\n", "b\n", "c\n", "d\n", strings.Repeat("x", 5000)} {
		io.WriteString(w.output, text)
		c.Flush()
	}
	clock = clock.Add(10 * time.Second)
	for _, text := range []string{"xx", "x\nafter\n"} {
		io.WriteString(w.output, text)
		c.Flush()
	}
	want := "a\nb\nc\nLOGS_DROPPED Records: 1\tBytes: 5004\tReason: The function has printed faster than its environment's rate of log output.\nd\nafter\n"
	if diff := cmp.Diff(want, kept.text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.output.Close()
	w.frames.Close()
	c.Close()
}

// TestIntake: what is read of a flood is bounded, so that it does not take the
// host's time; who prints waits in its write.
func TestIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := open(func(o *logs.StreamOptions) { o.Limits = logs.Limits{Intake: 1 << 20} })
		endless := &endlessPipe{closed: make(chan struct{})}
		c := s.CaptureExtension(endless)
		time.Sleep(10 * time.Second)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if mib := endless.read >> 20; mib < 9 || mib > 12 {
			t.Errorf("%d MiB are read in 10 s, want one each second", mib)
		}
	})
}

// endlessPipe is the output of a program that prints without end.
type endlessPipe struct {
	read   int
	closed chan struct{}
}

func (p *endlessPipe) TryRead(b []byte) (int, error) {
	for i := range b {
		b[i] = '\n'
	}
	p.read += len(b)
	return len(b), nil
}

func (p *endlessPipe) Wait() error {
	select {
	case <-p.closed:
		return io.EOF
	default:
		return nil
	}
}

func (p *endlessPipe) Close() error {
	close(p.closed)
	return nil
}

// TestNothingIsLostUncounted: whatever is printed in whatever pieces at whatever
// times, each line is either in the log, in order, or counted as dropped, with its
// bytes.
func TestNothingIsLostUncounted(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		clock := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
		var lines, bytes, newest int64
		_, s := open(func(o *logs.StreamOptions) {
			o.Now = func() time.Time { return clock }
			o.Limits = logs.Limits{Rate: 2000, Burst: 4000, Intake: 1 << 40}
			o.Observe = func(e telemetry.Event) {
				switch l := e.Record.(type) {
				case telemetry.LogsDropped:
					lines, bytes = lines+l.DroppedRecords, bytes+l.DroppedBytes
				case telemetry.Line:
					lines, bytes = lines+1, bytes+int64(len(l.Text))
					var n int64
					if fmt.Sscan(l.Text, &n); n <= newest {
						t.Fatalf("seed %d: line %d comes after line %d", seed, n, newest)
					}
					newest = n
				}
			}
		})
		c, w := capture(t, s)
		var all strings.Builder
		for i := range 300 {
			fmt.Fprintln(&all, i+1, strings.Repeat("x", r.IntN(8)*r.IntN(8)*r.IntN(200)))
		}
		for text := all.String(); text != ""; {
			n := min(1+r.IntN(9000), len(text))
			io.WriteString(w.output, text[:n])
			c.Flush()
			text = text[n:]
			clock = clock.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
		}
		w.output.Close()
		w.frames.Close()
		c.Close()
		if lines != 300 || bytes != int64(all.Len()) {
			t.Errorf("seed %d: %d lines of %d bytes are told of, want 300 of %d", seed, lines, bytes, all.Len())
		}
	}
}
