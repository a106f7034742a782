package logs_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/logs"
)

// clock is a time that a test moves on.
type clock struct{ elapsed atomic.Int64 }

func newClock() *clock { return &clock{} }

func (c *clock) now() time.Time {
	return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(c.elapsed.Load()))
}

func (c *clock) add(d time.Duration) { c.elapsed.Add(int64(d)) }

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

// TestGap: what is dropped is told where it is missing, and the last lines of it
// are there nevertheless; the end of a line that was too long is not.
func TestGap(t *testing.T) {
	clock := newClock()
	kept, s := open(func(o *logs.StreamOptions) {
		o.Now = clock.now
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
	clock.add(time.Second)
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
	clock := newClock()
	kept, s := open(func(o *logs.StreamOptions) {
		o.Now = clock.now
		o.Limits = logs.Limits{Rate: 1000, Burst: 1000, Intake: 1 << 30}
	})
	c, w := capture(t, s)
	for _, text := range []string{"a\n", "b\n", "c\n", "d\n", strings.Repeat("x", 5000)} {
		io.WriteString(w.output, text)
		c.Flush()
	}
	clock.add(10 * time.Second)
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

// TestNothingIsLostUncounted: whatever is printed in whatever pieces at whatever
// times, each line is either in the log, in order, or counted as dropped, with its
// bytes.
func TestNothingIsLostUncounted(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		clock := newClock()
		var lines, bytes, newest int64
		_, s := open(func(o *logs.StreamOptions) {
			o.Now = clock.now
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
			clock.add(time.Duration(r.IntN(1000)) * time.Millisecond)
		}
		w.output.Close()
		w.frames.Close()
		c.Close()
		if lines != 300 || bytes != int64(all.Len()) {
			t.Errorf("seed %d: %d lines of %d bytes are told of, want 300 of %d", seed, lines, bytes, all.Len())
		}
	}
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
