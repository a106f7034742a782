package logstore_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"thaw/internal/telemetry/logstore"
)

const line = "2026-01-02T03:04:05.678Z 8476a536-e9f4-11e8-9739-2dfe598c3fcd INFO a line of the usual length, more or less\n"

// BenchmarkAppend is what an invocation waits for.
func BenchmarkAppend(b *testing.B) {
	s := open(b, logstore.Options{GroupBytes: 16 << 20, QueueBytes: 1 << 30})
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s.Append(group, "s", now, line)
	}
	b.StopTimer()
	settle(b, s)
}

// BenchmarkWrite is what the disk can take, of one group.
func BenchmarkWrite(b *testing.B) {
	s := open(b, logstore.Options{GroupBytes: 64 << 20})
	b.SetBytes(int64(len(line)))
	now := time.Now()
	for n := 0; b.Loop(); n++ {
		s.Append(group, "s", now, line)
		if n%10_000 == 0 {
			settle(b, s)
		}
	}
	settle(b, s)
}

// BenchmarkManyGroups opens a log of ten thousand groups.
func BenchmarkManyGroups(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "logs")
	s := open(b, logstore.Options{Dir: dir})
	for i := range 10_000 {
		s.Append(fmt.Sprintf("/aws/lambda/function-%d", i), "s", time.Now(), line)
		if i%1000 == 0 {
			settle(b, s)
		}
	}
	s.Close()
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		again, err := logstore.Open(logstore.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		again.Sweep()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/10_000, "B/group")
		again.Close()
		b.StartTimer()
	}
}

// BenchmarkFollow is a look of "thaw logs -f" at a log of 16 MiB: its last half
// second.
func BenchmarkFollow(b *testing.B) {
	s := open(b, logstore.Options{})
	const lines = 16 << 20 / len(line)
	now := time.Now()
	for i := range lines {
		s.Append(group, "s", now.Add(time.Duration(i-lines)*time.Millisecond), line)
		if i%10_000 == 0 {
			settle(b, s)
		}
	}
	settle(b, s)
	from := logstore.Position{At: now.Add(-500 * time.Millisecond).UnixMilli()}
	for b.Loop() {
		if page := search(b, s, logstore.Query{From: from}); len(page.Events) != 500 {
			b.Fatalf("%d events", len(page.Events))
		}
	}
}
