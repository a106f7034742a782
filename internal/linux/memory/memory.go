// Package memory reads how much memory the host has left.
package memory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Reading is the host's memory at one moment.
type Reading struct {
	TotalBytes int64
	// AvailableBytes is the kernel's estimate of what new programs could have
	// without swapping: free memory, and caches that can be dropped (proc(5)).
	AvailableBytes int64
	// Stalled is the share of the last ten seconds, from 0 to 1, in which at least
	// one process waited for memory; 0 where the kernel has no pressure stall
	// information or it is turned off.
	Stalled float64
}

// Read reads the host's memory.
func Read() (Reading, error) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Reading{}, err
	}
	pressure, err := os.ReadFile("/proc/pressure/memory")
	// Kernels that were started with psi=0 refuse to open or to read it.
	if pathErr := new(fs.PathError); err != nil && !errors.As(err, &pathErr) {
		return Reading{}, err
	}
	return Parse(string(info), string(pressure))
}

// Parse reads the texts of /proc/meminfo and /proc/pressure/memory; the latter may
// be empty.
func Parse(info, pressure string) (Reading, error) {
	total, err := kilobytes(info, "MemTotal:")
	if err != nil {
		return Reading{}, err
	}
	available, err := kilobytes(info, "MemAvailable:")
	if err != nil {
		return Reading{}, err
	}
	return Reading{TotalBytes: total, AvailableBytes: available, Stalled: stalled(pressure)}, nil
}

func kilobytes(info, name string) (int64, error) {
	for line := range strings.Lines(info) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != name {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 53)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("parse meminfo: %s %q", name, fields[1])
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("parse meminfo: no %s", name)
}

// stalled reads "some avg10=1.23 avg60=…", in percent.
func stalled(pressure string) float64 {
	for line := range strings.Lines(pressure) {
		value, found := strings.CutPrefix(line, "some avg10=")
		if !found {
			continue
		}
		value, _, _ = strings.Cut(value, " ")
		percent, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err == nil && percent >= 0 && percent <= 100 {
			return percent / 100
		}
	}
	return 0
}
