package cgroup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"thaw/internal/linux/cgroup"
)

// reading is what a group's files say at one moment, in MB. A mark that the meter
// sets back becomes zero here.
type reading struct {
	memory, files, mark int64
	want                int64 // the peak afterwards
}

// meters are the files of a group in a directory.
type meters struct {
	version int
	dir     string
}

func (m meters) write(t *testing.T, r reading) {
	t.Helper()
	const mb = 1_000_000
	stat := fmt.Sprintf("anon %d\nfile %d\nshmem 0\n", r.memory*mb, r.files*mb)
	current, mark := "memory.current", "memory.peak"
	if m.version == 1 {
		stat = fmt.Sprintf("cache %d\nrss %d\nshmem 0\n", r.files*mb, r.memory*mb)
		current, mark = "memory.usage_in_bytes", "memory.max_usage_in_bytes"
	}
	texts := map[string]string{"memory.stat": stat, current: fmt.Sprintln((r.memory + r.files) * mb), mark: fmt.Sprintln(r.mark * mb)}
	for name, text := range texts {
		if name == mark && r.mark == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWatermark(t *testing.T) {
	const limit = 100
	for name, readings := range map[string][]reading{
		"memory only":                           {{10, 0, 10, 10}, {30, 0, 30, 30}, {10, 0, 30, 30}},
		"memory between two readings":           {{10, 0, 10, 10}, {10, 0, 70, 70}, {10, 0, 20, 70}},
		"files that stay":                       {{10, 0, 10, 10}, {10, 70, 80, 10}, {10, 70, 80, 10}},
		"files that are seen before they go":    {{10, 0, 10, 10}, {10, 70, 80, 10}, {10, 0, 80, 10}},
		"memory after files that went":          {{10, 80, 90, 10}, {10, 0, 90, 10}, {10, 0, 60, 60}},
		"files at the limit, and memory beside": {{10, 90, 100, 10}, {60, 40, 100, 60}},
		"files at the limit that went":          {{10, 90, 100, 10}, {10, 0, 100, 10}, {10, 0, 20, 20}},
		"no mark, as before Linux 5.19":         {{10, 0, 0, 10}, {30, 50, 0, 30}, {20, 0, 0, 30}},
	} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/version %d", name, version), func(t *testing.T) {
				m := meters{version, t.TempDir()}
				layout := cgroup.Layout{Memory: cgroup.Controller{Version: version, Parent: filepath.Dir(m.dir)}}
				g := cgroup.Metered(layout, filepath.Base(m.dir), limit*1_000_000)
				for i, r := range readings {
					m.write(t, r)
					if err := g.SampleMemory(); err != nil {
						t.Fatal(err)
					}
					if peak, err := g.MemoryPeak(); err != nil || peak != r.want*1_000_000 {
						t.Errorf("reading %d: the peak is %d bytes, %v; want %d MB", i+1, peak, err, r.want)
					}
				}
			})
		}
	}
}

// TestWatermarkIsCheap: as long as the mark stays, nothing else is read.
func TestWatermarkIsCheap(t *testing.T) {
	m := meters{2, t.TempDir()}
	layout := cgroup.Layout{Memory: cgroup.Controller{Version: 2, Parent: filepath.Dir(m.dir)}}
	g := cgroup.Metered(layout, filepath.Base(m.dir), 0)
	m.write(t, reading{memory: 10, files: 50, mark: 60})
	if _, err := g.MemoryPeak(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(m.dir, "memory.stat")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.MemoryPeak(); err != nil {
		t.Errorf("a full reading although nothing has risen: %v", err)
	}
}
