package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is a reading of a group's meters.
type Usage struct {
	// MemoryBytes is what cannot be dropped: anonymous and shared memory and what
	// the kernel keeps for the processes, but not cached files.
	MemoryBytes int64
	// MemoryPeakBytes is an estimate of the highest MemoryBytes: the kernel's own
	// watermark has cached files in it, so that of those the most that was ever
	// read is taken off. It is never below any reading.
	MemoryPeakBytes int64
	CPU             time.Duration
	OOMKills        int64
}

// watermark is the memory of earlier readings.
type watermark struct {
	peak, cached int64
	// highest is the kernel's own watermark at the last full reading; file is where
	// it is read again, nil before that.
	highest int64
	file    *os.File
}

// MemoryPeak is Usage's MemoryPeakBytes at the price of one short read as long as
// the kernel's watermark has not risen: it is wanted after every invocation.
func (g *Group) MemoryPeak() (int64, error) {
	g.mu.Lock()
	if !g.released && g.meter.risen(g) {
		g.mu.Unlock()
		u, err := g.Usage()
		return u.MemoryPeakBytes, err
	}
	defer g.mu.Unlock()
	return g.meter.peak, nil
}

// risen tells whether there may be a new peak. The group's mutex is held.
func (m *watermark) risen(g *Group) bool {
	if m.file == nil {
		var err error
		if m.file, err = os.Open(g.watermarkFile()); err != nil {
			m.file = nil
			return true // an old kernel: every reading is a full one
		}
		return true
	}
	var text [32]byte
	n, err := unix.Pread(int(m.file.Fd()), text[:], 0) // ReadAt would look for the end once more
	if err != nil {
		return true
	}
	highest, err := strconv.ParseInt(strings.TrimSpace(string(text[:n])), 10, 64)
	return err != nil || highest != m.highest
}

// watermarkFile is the kernel's highest reading, page cache included. Version 2
// has it since Linux 5.19.
func (g *Group) watermarkFile() string {
	name := "memory.peak"
	if g.layout.Memory.Version == 1 {
		name = "memory.max_usage_in_bytes"
	}
	return filepath.Join(g.directory(g.layout.Memory), name)
}

// Usage reads the meters.
func (g *Group) Usage() (Usage, error) {
	memory, err := g.readMemory()
	if err != nil {
		return Usage{}, fmt.Errorf("read memory usage: %w", err)
	}
	kills, err := g.OOMKills()
	if err != nil {
		return Usage{}, err
	}
	// Version 2 has this one without any controller.
	cpu, err := readFields(filepath.Join(g.unified(), "cpu.stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("read cpu usage: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m := &g.meter
	m.highest = memory.highest
	m.cached = max(m.cached, memory.cached)
	m.peak = max(m.peak, memory.used, memory.highest-m.cached)
	return Usage{
		MemoryBytes:     memory.used,
		MemoryPeakBytes: m.peak,
		CPU:             time.Duration(cpu["usage_usec"]) * time.Microsecond,
		OOMKills:        kills,
	}, nil
}

// OOMKills counts the processes that the kernel has killed for the memory limit.
func (g *Group) OOMKills() (int64, error) {
	file := "memory.events"
	if g.layout.Memory.Version == 1 {
		file = "memory.oom_control"
	}
	fields, err := readFields(filepath.Join(g.directory(g.layout.Memory), file))
	if err != nil {
		return 0, fmt.Errorf("read out of memory kills: %w", err)
	}
	return fields["oom_kill"], nil
}

// memoryReading is in bytes.
type memoryReading struct{ used, cached, highest int64 }

func (g *Group) readMemory() (memoryReading, error) {
	dir := g.directory(g.layout.Memory)
	stat, err := readFields(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return memoryReading{}, err
	}
	if g.layout.Memory.Version == 1 {
		highest, err := readNumber(g.watermarkFile())
		// Here "cache" counts shared memory too, and "rss" anonymous memory only.
		return memoryReading{stat["rss"] + stat["shmem"], stat["cache"] - stat["shmem"], highest}, err
	}
	highest, err := readNumber(g.watermarkFile())
	if os.IsNotExist(err) {
		err = nil
	}
	return memoryReading{stat["anon"] + stat["shmem"] + stat["kernel_stack"] + stat["pagetables"], stat["file"] - stat["shmem"], highest}, err
}

func readNumber(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// readFields reads lines of a name and a number.
func readFields(file string) (map[string]int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	fields := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue // a few lines have other forms, and none of them is asked for
		}
		fields[name] = n
	}
	return fields, nil
}
