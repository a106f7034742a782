package native_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thaw/internal/sandbox"
	"thaw/internal/sandbox/native"
)

// startBench claims a sandbox, attaches and starts the probe, and returns when its
// first output is there.
func startBench(b *testing.B, s sandbox.Sandbox) sandbox.Running {
	r, w, err := s.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	p, err := s.Start(b.Context(), sandbox.Process{Path: "/var/task/probe", Args: []string{"probe", "block"}, Stdout: w})
	w.Close()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 6)); err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkClaim is a cold start: a paused sandbox to the first output of a Go
// program, with its parts. Beside it a bare process of the same program is
// started, so that what the machine does meanwhile bears on both.
func BenchmarkClaim(b *testing.B) {
	b.Run("alone", func(b *testing.B) { benchmarkClaim(b, open(b, 8)) })
	b.Run("connected", func(b *testing.B) {
		d := openConnected(b, b.TempDir(), func(o *native.Options) { o.PoolSize = 8 })
		defer d.Close()
		benchmarkClaim(b, d)
	})
}

func benchmarkClaim(b *testing.B, d *native.Driver) {
	parts := map[string][]time.Duration{}
	for b.Loop() {
		time.Sleep(150 * time.Millisecond) // for the pool, which works when nothing else does
		t0 := time.Now()
		s, err := d.Create(b.Context(), sandbox.Spec{ID: "box"})
		if err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		attachProbe(b, s)
		t2 := time.Now()
		startBench(b, s)
		t3 := time.Now()
		if err := s.Destroy(context.Background()); err != nil {
			b.Fatal(err)
		}
		t4 := time.Now()
		bare(b)
		for name, d := range map[string]time.Duration{
			"create": t1.Sub(t0), "attach": t2.Sub(t1), "start": t3.Sub(t2), "all": t3.Sub(t0), "destroy": t4.Sub(t3), "bare": time.Since(t4),
		} {
			parts[name] = append(parts[name], d)
		}
	}
	for name, list := range parts {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds()), name+"-p50-µs")
		b.ReportMetric(float64(list[len(list)*9/10].Microseconds()), name+"-p90-µs")
	}
}

// bare starts the probe on the host, awaits its first output and kills it.
func bare(b *testing.B) {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	p, err := os.StartProcess(probeDir+"/probe", []string{"probe", "block"}, &os.ProcAttr{Files: []*os.File{nil, w, nil}})
	if err != nil {
		b.Fatal(err)
	}
	w.Close()
	if _, err := io.ReadFull(r, make([]byte, 6)); err != nil {
		b.Fatal(err)
	}
	p.Kill()
	p.Wait()
}

// BenchmarkBuild is a cold start without a pool: everything from nothing.
func BenchmarkBuild(b *testing.B) {
	b.Run("alone", func(b *testing.B) { benchmarkBuild(b, open(b, -1)) })
	b.Run("connected", func(b *testing.B) {
		d := openConnected(b, b.TempDir(), nil)
		defer d.Close()
		benchmarkBuild(b, d)
	})
}

func benchmarkBuild(b *testing.B, d *native.Driver) {
	for b.Loop() {
		s, err := d.Create(b.Context(), sandbox.Spec{ID: "box"})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Destroy(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkFreeze is one freeze and one thaw.
func BenchmarkFreeze(b *testing.B) {
	s, err := open(b, -1).Create(b.Context(), sandbox.Spec{ID: "box"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Destroy(context.Background())
	attachProbe(b, s)
	startBench(b, s)
	for b.Loop() {
		if err := s.Freeze(); err != nil {
			b.Fatal(err)
		}
		if err := s.Thaw(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUsage is one reading of the meters.
func BenchmarkUsage(b *testing.B) {
	s, err := open(b, -1).Create(b.Context(), sandbox.Spec{ID: "box"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Destroy(context.Background())
	for b.Loop() {
		if _, err := s.Usage(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPausedMemory makes sandboxes and reads by how much the host's
// available memory falls for each.
func BenchmarkPausedMemory(b *testing.B) {
	b.Run("alone", func(b *testing.B) { benchmarkPausedMemory(b, open(b, -1)) })
	b.Run("connected", func(b *testing.B) {
		d := openConnected(b, b.TempDir(), nil)
		defer d.Close()
		benchmarkPausedMemory(b, d)
	})
}

func benchmarkPausedMemory(b *testing.B, d *native.Driver) {
	var boxes []sandbox.Sandbox
	defer func() {
		for _, s := range boxes {
			s.Destroy(context.Background())
		}
	}()
	before := available(b)
	for b.Loop() {
		s, err := d.Create(b.Context(), sandbox.Spec{ID: "box"})
		if err != nil {
			b.Fatal(err)
		}
		boxes = append(boxes, s)
	}
	time.Sleep(500 * time.Millisecond)
	b.ReportMetric(float64(before-available(b))/float64(b.N), "KiB/op")
}

func available(b *testing.B) int {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &n); err == nil {
			return n
		}
	}
	b.Fatal("no MemAvailable")
	return 0
}
