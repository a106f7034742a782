package logs_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

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
	w.output.Write([]byte(strings.Repeat("y", 3*logs.MaxEvent)))
	w.output.Close()
	w.frames.Close()
	c.Close()
	took := time.Since(began)
	if want := int64(64*4096 + 3); seen+gone < want || seen+gone > want+1 || gone == 0 {
		t.Errorf("%d lines are seen and %d dropped, together not %d", seen, gone, want)
	}
	if got, most := len(kept.text()), burst+int(took.Seconds()*rate)+64<<10; got > most {
		t.Errorf("%d bytes are kept after %v, want at most %d", got, took, most)
	}
	if !strings.Contains(kept.text(), "LOGS_DROPPED Records: ") {
		t.Error("the log does not tell that lines were dropped")
	}
}
