package logs_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/linux/pipe"
	"thaw/internal/telemetry/logs"
)

const (
	group  = "/aws/lambda/f"
	stream = "2026/01/02/[$LATEST]0123456789abcdef0123456789abcdef"
	id     = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
)

func open(t *testing.T, opts logs.Options) (*logs.Store, *logs.Stream) {
	t.Helper()
	s := logs.NewStore(opts)
	return s, s.Open(group, stream, time.Now)
}

func messages(s *logs.Store) string {
	events, _ := s.Read(group, 0, 0)
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.Message)
	}
	return b.String()
}

// recorded is the shape of a real log; the durations are this test's.
const recorded = "START RequestId: " + id + " Version: $LATEST\n" +
	"{}\n" +
	"END RequestId: " + id + "\n" +
	"REPORT RequestId: " + id + "\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"

func TestInvocation(t *testing.T) {
	store, s := open(t, logs.Options{})
	s.Begin(id, "$LATEST", true)
	s.Write("{}\n")
	tail := s.End(logs.Report{
		RequestID: id, Duration: 3010 * time.Microsecond, Init: 110100 * time.Microsecond,
		Timeout: 3 * time.Second, MemoryMB: 128, MaxMemoryBytes: 36 << 20,
	})
	if diff := cmp.Diff(recorded, string(tail)); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(recorded, messages(store)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestReportColumns(t *testing.T) {
	for name, c := range map[string]struct {
		in   logs.Report
		want string
	}{
		"warm": {
			logs.Report{Duration: 2900 * time.Microsecond, MemoryMB: 128, MaxMemoryBytes: 36<<20 - 1},
			"Duration: 2.90 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n",
		},
		"timeout is billed no further than the timeout": {
			logs.Report{Duration: 1003 * time.Millisecond, Timeout: time.Second, MemoryMB: 256, MaxMemoryBytes: 1, Status: "timeout"},
			"Duration: 1003.00 ms\tBilled Duration: 1000 ms\tMemory Size: 256 MB\tMax Memory Used: 1 MB\tStatus: timeout\n",
		},
		"error": {
			logs.Report{MemoryMB: 128, MaxMemoryBytes: 130 << 20, Status: "error", ErrorType: "Runtime.OutOfMemory"},
			"Duration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 128 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, s := open(t, logs.Options{})
			c.in.RequestID = id
			s.End(c.in)
			want := "END RequestId: " + id + "\nREPORT RequestId: " + id + "\t" + c.want
			if diff := cmp.Diff(want, messages(store)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTailIsTheLast4096Bytes(t *testing.T) {
	_, s := open(t, logs.Options{})
	for _, lines := range []int{10, 100, 1000} {
		var all strings.Builder
		fmt.Fprintf(&all, "START RequestId: %s Version: 7\n", id)
		s.Begin(id, "7", true)
		for i := range lines {
			line := fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", i%90))
			s.Write(line)
			all.WriteString(line)
		}
		tail := string(s.End(logs.Report{RequestID: id, MemoryMB: 128}))
		fmt.Fprintf(&all, "END RequestId: %s\n", id)
		want := all.String() + tail[strings.LastIndex(tail, "REPORT"):]
		if len(want) > 4096 {
			want = want[len(want)-4096:]
		}
		if diff := cmp.Diff(want, tail); diff != "" {
			t.Errorf("%d lines (-want +got):\n%s", lines, diff)
		}
	}
	s.Begin(id, "7", false)
	if tail := s.End(logs.Report{RequestID: id}); tail != nil {
		t.Errorf("a tail that nobody asked for: %q", tail)
	}
}

type pens struct{ output, frames io.WriteCloser }

func capture(t *testing.T, s *logs.Stream) (*logs.Capture, pens) {
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
	store, s := open(t, logs.Options{})
	c, w := capture(t, s)
	for i := range 200 {
		fmt.Fprintf(w.output, "line %d\r still the same\n", i)
		w.frames.Write(frame(0xa55a000f, fmt.Sprintf("record %d\nof two lines", i)))
		c.Flush()
		if got := messages(store); !strings.HasSuffix(got, fmt.Sprintf("record %d\nof two lines\n", i)) || !strings.Contains(got, fmt.Sprintf("line %d\r still", i)) {
			t.Fatalf("after flush %d the log ends with %q", i, got[max(0, len(got)-100):])
		}
	}
	events, _ := store.Read(group, 0, 0)
	if len(events) != 400 {
		t.Errorf("%d events, want 400: a record of several lines is one", len(events))
	}
	w.output.Write([]byte("no line end"))
	w.output.Close()
	w.frames.Close()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got := messages(store); !strings.HasSuffix(got, "no line end\n") {
		t.Errorf("an open line is lost: %q", got[len(got)-40:])
	}
}

func TestGarbageOnTheFramedPipeIsOutput(t *testing.T) {
	store, s := open(t, logs.Options{})
	c, w := capture(t, s)
	w.frames.Write([]byte("this is not a frame at all\n"))
	w.frames.Write(frame(0xa55a0003, "")[:16])
	c.Flush()
	w.frames.Write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0xa55a0003), 1<<31))
	w.frames.Write([]byte("12345678\n"))
	c.Flush()
	if got := messages(store); !strings.HasPrefix(got, "this is not a frame at all\n") {
		t.Errorf("log is %q", got)
	}
	w.output.Close()
	w.frames.Close()
	c.Close()
}

func TestFloodIsBounded(t *testing.T) {
	store, s := open(t, logs.Options{GroupBytes: 64 << 10})
	c, w := capture(t, s)
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
	events, next := store.Read(group, 0, 0)
	total := 0
	for i, e := range events {
		total += len(e.Message)
		if i > 0 && e.Seq != events[i-1].Seq+1 {
			t.Fatalf("event %d follows %d", e.Seq, events[i-1].Seq)
		}
		if len(e.Message) > logs.MaxEvent+1 {
			t.Errorf("an event of %d bytes", len(e.Message))
		}
	}
	if total > logs.MaxEvent+64<<10 {
		t.Errorf("%d bytes are kept of a group bounded to %d", total, 64<<10)
	}
	if want := uint64(64*4096 + 3 + 1); next != want {
		t.Errorf("next is %d, want %d: the numbers must go on", next, want)
	}
}

func TestWaitWakesAtTheNextEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, s := open(t, logs.Options{})
		s.Write("one\n")
		_, next := store.Read(group, 0, 0)
		go func() {
			time.Sleep(time.Hour)
			s.Write("two\n")
		}()
		events, _ := store.Wait(t.Context(), group, next, 0)
		if len(events) != 1 || events[0].Message != "two\n" {
			t.Errorf("events %+v", events)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if events, _ := store.Wait(ctx, group, next+1, 0); events != nil {
			t.Errorf("events out of nothing: %+v", events)
		}
	})
}

// TestNumbersOfAnEarlierServer: one who followed a server that was replaced is
// shown all that the new one has.
func TestNumbersOfAnEarlierServer(t *testing.T) {
	store, s := open(t, logs.Options{})
	s.Write("one\n")
	if events, next := store.Read(group, 500, 0); len(events) != 1 || next != 2 {
		t.Errorf("events %+v, go on with %d", events, next)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := logs.NewStore(logs.Options{MaxGroups: 3})
		for i := range 5 {
			time.Sleep(time.Second)
			store.Open(fmt.Sprint("g", i), "s", time.Now).Write("x\n")
		}
		for i := range 5 {
			events, _ := store.Read(fmt.Sprint("g", i), 0, 0)
			if got, want := len(events) == 1, i >= 2; got != want {
				t.Errorf("group g%d kept: %v, want %v", i, got, want)
			}
		}
	})
}
