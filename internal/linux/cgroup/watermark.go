package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// watermark estimates the highest memory use of a group without cached files.
//
// The kernel keeps the highest of all that is charged, cached files included. A
// rise of it tells that something was added since the last reading: what is
// above the larger of the two readings' caches was memory. So the estimate is the
// better the shorter the time between two readings; a file that is written and
// removed within it counts as memory. The kernel's mark is set back to what is
// there whenever it has come to lie high above that, or a later rise below it
// would not be seen; and where it lies at the limit, it cannot rise, so that every
// reading is a full one.
type watermark struct {
	peak, cached int64
	// highest is the kernel's mark at the last full reading.
	highest int64
	// file is where it is read, and current where what is there now; nil before
	// that. It is settable if it can be set back: always in version 1, since Linux
	// 6.12 in version 2, and then for this descriptor alone.
	file, current *os.File
	settable      bool
}

const (
	// setBackAbove is how far the mark may lie above what is there. Invocations that
	// differ by less than this cost no full reading.
	setBackAbove = 4 << 20
	// limitSlack is what the kernel charges ahead, per CPU, in bytes and generously.
	limitSlack = 1 << 20
)

// MemoryPeak is Usage's MemoryPeakBytes at the price of one short read as long as
// the kernel's mark has not risen: it is wanted after every invocation.
func (g *Group) MemoryPeak() (int64, error) { return g.memoryPeak((*watermark).risen) }

// SampleMemory is for calls in between, the more the better: it sees memory that
// is used only between two calls of MemoryPeak, and tells it from files.
func (g *Group) SampleMemory() error {
	_, err := g.memoryPeak((*watermark).uncertain)
	return err
}

func (g *Group) memoryPeak(wanted func(*watermark, *Group) bool) (int64, error) {
	g.mu.Lock()
	if g.released || !wanted(&g.meter, g) {
		defer g.mu.Unlock()
		return g.meter.peak, nil
	}
	g.mu.Unlock()
	memory, err := g.readMemory()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.released {
		return g.meter.peak, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read memory usage: %w", err)
	}
	g.meter.note(memory, g.limit)
	return g.meter.peak, nil
}

// risen tells whether there may be a new peak. The group's mutex is held.
func (m *watermark) risen(g *Group) bool {
	highest, err := m.read(g)
	return err != nil || m.file == nil || highest != m.highest || atLimit(highest, g.limit)
}

// uncertain tells the same, and also whether a rise may be hidden below the mark.
// The group's mutex is held.
func (m *watermark) uncertain(g *Group) bool {
	if m.risen(g) {
		return true
	}
	current, err := number(m.current)
	return err != nil || m.highest-current > setBackAbove
}

func atLimit(highest, limit int64) bool { return limit > 0 && highest > limit-limitSlack }

// note takes a full reading into account. The group's mutex is held.
func (m *watermark) note(r memoryReading, limit int64) {
	m.peak = max(m.peak, r.used)
	if r.highest > m.highest || atLimit(r.highest, limit) && m.settable {
		m.peak = max(m.peak, r.highest-max(m.cached, r.cached))
	}
	m.cached, m.highest = r.cached, r.highest
	if m.settable && r.highest-r.current > setBackAbove {
		m.setBack()
	}
}

// setBack lowers the kernel's mark to what is there.
func (m *watermark) setBack() {
	if _, err := unix.Pwrite(int(m.file.Fd()), []byte("0"), 0); err != nil {
		m.settable = false
		return
	}
	if highest, err := number(m.file); err == nil {
		m.highest = highest
	}
}

// read reads the kernel's mark; 0 where there is none, which is in version 2
// before Linux 5.19. The group's mutex is held.
func (m *watermark) read(g *Group) (int64, error) {
	if m.file == nil {
		if err := m.open(g.directory(g.layout.Memory), g.layout.Memory.Version); err != nil || m.file == nil {
			return 0, err
		}
	}
	return number(m.file)
}

func (m *watermark) open(dir string, version int) (err error) {
	mark, current := "memory.peak", "memory.current"
	if version == 1 {
		mark, current = "memory.max_usage_in_bytes", "memory.usage_in_bytes"
	}
	file, err := os.OpenFile(filepath.Join(dir, mark), os.O_RDWR, 0)
	m.settable = err == nil
	if err != nil {
		file, err = os.Open(filepath.Join(dir, mark))
	}
	if err != nil {
		return optional(err)
	}
	if m.current, err = os.Open(filepath.Join(dir, current)); err != nil {
		file.Close()
		return err
	}
	m.file = file
	return nil
}

func (m *watermark) close() {
	if m.file != nil {
		m.file.Close()
		m.current.Close()
	}
}

func number(f *os.File) (int64, error) {
	var text [32]byte
	n, err := unix.Pread(int(f.Fd()), text[:], 0) // ReadAt would look for the end once more
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text[:n])), 10, 64)
}
