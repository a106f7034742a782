package local_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thaw/internal/store"
)

// BenchmarkOpen opens a store that holds 10,000 records of 1 KB and reads them.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	value := []byte(strings.Repeat("v", 1000))
	var next atomic.Int64
	for range 10_000 {
		if _, err := s.Metadata().Put(b.Context(), fmt.Sprintf("function/f%d", next.Add(1)), value, 0); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s := open(b, dir)
		watch, err := s.Metadata().Watch(b.Context(), "function/")
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for c := range watch {
			if c.Synced {
				break
			}
			n++
		}
		if n != 10_000 {
			b.Fatalf("%d records", n)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkOpenBacklog opens a store in which 100,000 events of 1 KB wait.
func BenchmarkOpenBacklog(b *testing.B) {
	const all = 100_000
	dir := b.TempDir()
	s := open(b, dir)
	for n := 0; n < all; n += store.MaxBatch {
		events := make([]store.Event, min(store.MaxBatch, all-n))
		for i := range events {
			events[i] = store.Event{ID: fmt.Sprintf("6f1c2ad8-0000-4000-8000-%012d", n+i), Partition: fmt.Sprint("f", i%20), Body: make([]byte, 1000)}
		}
		if err := s.Queue("async").EnqueueBatch(b.Context(), events); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		s := open(b, dir)
		b.StopTimer()
		if count, err := s.Queue("async").Count(b.Context()); err != nil || count.Waiting != all {
			b.Fatalf("count %+v, %v", count, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/all, "B/event")
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	value := []byte(strings.Repeat("v", 1000))
	var rev store.Revision
	for b.Loop() {
		var err error
		if rev, err = s.Metadata().Put(b.Context(), "k", value, rev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	if _, err := s.Metadata().Put(b.Context(), "k", []byte(strings.Repeat("v", 1000)), 0); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Metadata().Get(b.Context(), "k"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEnqueue has 64 callers enqueue single events of 1 KB.
func BenchmarkEnqueue(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	body := []byte(strings.Repeat("b", 1000))
	var id atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e := store.Event{ID: fmt.Sprint(id.Add(1)), Partition: "p", Body: body}
			if err := s.Queue("async").EnqueueBatch(b.Context(), []store.Event{e}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkEnqueueOneByOne is one caller: no call shares a sync with another.
func BenchmarkEnqueueOneByOne(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	body := []byte(strings.Repeat("b", 1000))
	id := 0
	for b.Loop() {
		id++
		e := store.Event{ID: fmt.Sprint(id), Partition: "p", Body: body}
		if err := s.Queue("async").EnqueueBatch(b.Context(), []store.Event{e}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkLeaseAck(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	const batch = 64
	for b.Loop() {
		b.StopTimer()
		events := make([]store.Event, batch)
		for i := range events {
			events[i] = store.Event{ID: fmt.Sprint(i), Partition: fmt.Sprint(i % 4), Body: make([]byte, 1000)}
		}
		if err := s.Queue("async").EnqueueBatch(b.Context(), events); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for done := 0; done < batch; {
			leased, err := s.Queue("async").Lease(b.Context(), batch, time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			for _, l := range leased {
				if err := s.Queue("async").Ack(b.Context(), l); err != nil {
					b.Fatal(err)
				}
			}
			done += len(leased)
		}
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "events/s")
}
