package cgroup

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// cpuPeriod is the length in which a group may use its share of the CPU. A group
// that has used it up stands still until the next one, so that with a long period
// a small share means long stops.
const cpuPeriod = 20 * time.Millisecond

// minQuota is the least that the kernel takes.
const minQuota = time.Millisecond

// unlimited, as a quota, is no bound.
const unlimited = time.Duration(-1)

// setting is one file of a group and what is written to it. An optional one is
// absent on some kernels.
type setting struct {
	File, Text string
	Optional   bool
}

// settings returns what limits mean in a layout, in the order of writing.
func (l Layout) settings(group string, limits Limits) []setting {
	var list []setting
	if limits.MemoryBytes > 0 {
		list = append(list, l.memorySettings(group, strconv.FormatInt(limits.MemoryBytes, 10))...)
	}
	if limits.CPUMilli > 0 {
		quota := max(cpuPeriod*time.Duration(limits.CPUMilli)/1000, minQuota)
		if l.CPU.Version == 1 {
			list = append(list, setting{File: l.CPU.file(group, "cpu.cfs_period_us"), Text: microseconds(cpuPeriod)})
		}
		list = append(list, l.cpuSetting(group, quota))
	}
	if limits.Processes > 0 {
		list = append(list, setting{File: l.PIDs.file(group, "pids.max"), Text: strconv.Itoa(limits.Processes)})
	}
	return list
}

// memorySettings leave no swap: memory that is swapped out is not limited.
// Kernels that do not account swap lack the last ones.
func (l Layout) memorySettings(group, limit string) []setting {
	if l.Memory.Version == 2 {
		return []setting{
			{File: l.Memory.file(group, "memory.max"), Text: limit},
			{File: l.Memory.file(group, "memory.swap.max"), Text: "0", Optional: true},
		}
	}
	return []setting{
		{File: l.Memory.file(group, "memory.limit_in_bytes"), Text: limit},
		{File: l.Memory.file(group, "memory.swappiness"), Text: "0", Optional: true},
		{File: l.Memory.file(group, "memory.memsw.limit_in_bytes"), Text: limit, Optional: true},
	}
}

// cpuSetting sets the CPU time in each period. Version 1 has the period in a file
// of its own.
func (l Layout) cpuSetting(group string, quota time.Duration) setting {
	if l.CPU.Version == 2 {
		text := "max"
		if quota != unlimited {
			text = microseconds(quota)
		}
		return setting{File: l.CPU.file(group, "cpu.max"), Text: text + " " + microseconds(cpuPeriod)}
	}
	text := "-1"
	if quota != unlimited {
		text = microseconds(quota)
	}
	return setting{File: l.CPU.file(group, "cpu.cfs_quota_us"), Text: text}
}

func microseconds(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

func (c Controller) file(group, name string) string { return filepath.Join(c.Parent, group, name) }

func apply(list []setting) error {
	for _, s := range list {
		err := write(filepath.Dir(s.File), filepath.Base(s.File), s.Text)
		if s.Optional {
			err = optional(err)
		}
		if err != nil {
			return fmt.Errorf("set %s to %s: %w", filepath.Base(s.File), s.Text, err)
		}
	}
	return nil
}
