package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is a reading of a group's meters.
type Usage struct {
	// MemoryBytes is what cannot be dropped: anonymous and shared memory and what
	// the kernel keeps for the processes, but not cached files.
	MemoryBytes int64
	// MemoryPeakBytes is an estimate of the highest MemoryBytes. The kernel's own
	// watermark has cached files in it, and those in /tmp are no memory of the
	// function's; see watermark. It is never below any reading.
	MemoryPeakBytes int64
	CPU             time.Duration
	OOMKills        int64
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
	if !g.released {
		g.meter.note(memory, g.limit)
	}
	return Usage{
		MemoryBytes:     memory.used,
		MemoryPeakBytes: g.meter.peak,
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

// memoryReading is in bytes: what cannot be dropped, cached files, all that is
// charged now, and the highest that this has been.
type memoryReading struct{ used, cached, current, highest int64 }

func (g *Group) readMemory() (memoryReading, error) {
	dir := g.directory(g.layout.Memory)
	stat, err := readFields(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return memoryReading{}, err
	}
	var r memoryReading
	current := "memory.current"
	if g.layout.Memory.Version == 1 {
		current = "memory.usage_in_bytes"
		// Here "cache" counts shared memory too, and "rss" anonymous memory only.
		r.used, r.cached = stat["rss"]+stat["shmem"], stat["cache"]-stat["shmem"]
	} else {
		r.used, r.cached = stat["anon"]+stat["shmem"]+stat["kernel_stack"]+stat["pagetables"], stat["file"]-stat["shmem"]
	}
	if r.current, err = readNumber(filepath.Join(dir, current)); err != nil {
		return memoryReading{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r.highest, err = g.meter.read(g)
	return r, err
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
