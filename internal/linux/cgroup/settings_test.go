package cgroup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/linux/cgroup"
)

func TestSettings(t *testing.T) {
	v1 := cgroup.Layout{
		Memory: cgroup.Controller{Version: 1, Parent: "/m"},
		CPU:    cgroup.Controller{Version: 1, Parent: "/c"},
		PIDs:   cgroup.Controller{Version: 1, Parent: "/p"},
	}
	one := cgroup.Controller{Version: 2, Parent: "/u"}
	v2 := cgroup.Layout{Memory: one, CPU: one, PIDs: one}
	all := cgroup.Limits{MemoryBytes: 1 << 20, CPUMilli: 250, Processes: 7}
	tests := map[string]struct {
		layout cgroup.Layout
		limits cgroup.Limits
		want   []cgroup.Setting
	}{
		"version 1": {v1, all, []cgroup.Setting{
			{File: "/m/t/s/memory.limit_in_bytes", Text: "1048576"},
			{File: "/m/t/s/memory.swappiness", Text: "0", Optional: true},
			{File: "/m/t/s/memory.memsw.limit_in_bytes", Text: "1048576", Optional: true},
			{File: "/c/t/s/cpu.cfs_period_us", Text: "20000"},
			{File: "/c/t/s/cpu.cfs_quota_us", Text: "5000"},
			{File: "/p/t/s/pids.max", Text: "7"},
		}},
		"version 2": {v2, all, []cgroup.Setting{
			{File: "/u/t/s/memory.max", Text: "1048576"},
			{File: "/u/t/s/memory.swap.max", Text: "0", Optional: true},
			{File: "/u/t/s/cpu.max", Text: "5000 20000"},
			{File: "/u/t/s/pids.max", Text: "7"},
		}},
		"the least share":       {v2, cgroup.Limits{CPUMilli: 1}, []cgroup.Setting{{File: "/u/t/s/cpu.max", Text: "1000 20000"}}},
		"more than one core":    {v2, cgroup.Limits{CPUMilli: 2500}, []cgroup.Setting{{File: "/u/t/s/cpu.max", Text: "50000 20000"}}},
		"nothing is not zero":   {v1, cgroup.Limits{}, nil},
		"what is not mentioned": {v1, cgroup.Limits{Processes: 1}, []cgroup.Setting{{File: "/p/t/s/pids.max", Text: "1"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := cgroup.Settings(test.layout, "t/s", test.limits)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
