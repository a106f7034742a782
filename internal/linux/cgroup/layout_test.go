package cgroup_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/linux/cgroup"
)

const (
	hybrid = `25 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
29 25 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
90 80 0:24 / /elsewhere/memory rw,relatime - cgroup cgroup rw,memory
`
	pure = "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	odd  = "25 1 0:22 / /mnt/my\\040cgroups rw - cgroup2 none rw\n"
)

func TestPlan(t *testing.T) {
	tests := map[string]struct {
		mountinfo, self string
		controllers     map[string]string
		delegated       string
		inner           string // the mounted top is not the host's
		want            cgroup.Layout
	}{
		"hybrid: every controller in version 1": {
			mountinfo: hybrid, self: "4:memory:/x\n0::/\n",
			controllers: map[string]string{"/sys/fs/cgroup/unified": "\n"},
			want: cgroup.Layout{
				Unified: "/sys/fs/cgroup/unified",
				Memory:  cgroup.Controller{Version: 1, Parent: "/sys/fs/cgroup/memory"},
				CPU:     cgroup.Controller{Version: 1, Parent: "/sys/fs/cgroup/cpu,cpuacct"},
				PIDs:    cgroup.Controller{Version: 1, Parent: "/sys/fs/cgroup/pids"},
			},
		},
		"hybrid: delegated, but with nothing to hand down": {
			mountinfo: hybrid, self: "0::/system.slice/thaw.service\n", delegated: "/sys/fs/cgroup/unified/system.slice/thaw.service",
			controllers: map[string]string{"/sys/fs/cgroup/unified/system.slice/thaw.service": ""},
			want: cgroup.Layout{
				Unified: "/sys/fs/cgroup/unified/system.slice/thaw.service",
				Memory:  cgroup.Controller{Version: 1, Parent: "/sys/fs/cgroup/memory"},
				CPU:     cgroup.Controller{Version: 1, Parent: "/sys/fs/cgroup/cpu,cpuacct"},
				PIDs:    cgroup.Controller{Version: 1, Parent: "/sys/fs/cgroup/pids"},
			},
		},
		"hybrid: one controller in version 2": {
			mountinfo: hybrid, self: "0::/\n",
			controllers: map[string]string{"/sys/fs/cgroup/unified": "cpuset pids\n"},
			want: cgroup.Layout{
				Unified: "/sys/fs/cgroup/unified", Hand: []string{"pids"},
				Memory: cgroup.Controller{Version: 1, Parent: "/sys/fs/cgroup/memory"},
				CPU:    cgroup.Controller{Version: 1, Parent: "/sys/fs/cgroup/cpu,cpuacct"},
				PIDs:   cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup/unified"},
			},
		},
		"pure: from a login session": {
			mountinfo: pure, self: "0::/user.slice/user-0.slice/session-1.scope\n",
			controllers: map[string]string{"/sys/fs/cgroup": "cpuset cpu io memory hugetlb pids rdma misc\n"},
			want: cgroup.Layout{
				Unified: "/sys/fs/cgroup", Hand: []string{"cpu", "memory", "pids"},
				Memory: cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
				CPU:    cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
				PIDs:   cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
			},
		},
		"pure: a service with Delegate=yes": {
			mountinfo: pure, self: "0::/system.slice/thaw.service\n", delegated: "/sys/fs/cgroup/system.slice/thaw.service",
			controllers: map[string]string{"/sys/fs/cgroup/system.slice/thaw.service": "cpu memory pids\n"},
			want: cgroup.Layout{
				Unified: "/sys/fs/cgroup/system.slice/thaw.service", Hand: []string{"cpu", "memory", "pids"},
				Leaf:   "/sys/fs/cgroup/system.slice/thaw.service/thaw-daemon",
				Memory: cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup/system.slice/thaw.service"},
				CPU:    cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup/system.slice/thaw.service"},
				PIDs:   cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup/system.slice/thaw.service"},
			},
		},
		"pure: a second server beside the first in a service with Delegate=yes": {
			mountinfo: pure, self: "0::/system.slice/thaw.service/thaw-daemon\n", delegated: "/sys/fs/cgroup/system.slice/thaw.service",
			controllers: map[string]string{"/sys/fs/cgroup/system.slice/thaw.service": "cpu memory pids\n"},
			want: cgroup.Layout{
				Unified: "/sys/fs/cgroup/system.slice/thaw.service", Hand: []string{"cpu", "memory", "pids"},
				Leaf:   "/sys/fs/cgroup/system.slice/thaw.service/thaw-daemon",
				Memory: cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup/system.slice/thaw.service"},
				CPU:    cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup/system.slice/thaw.service"},
				PIDs:   cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup/system.slice/thaw.service"},
			},
		},
		"pure: in a container, with a cgroup namespace": {
			mountinfo: pure, self: "0::/\n", inner: "/sys/fs/cgroup",
			controllers: map[string]string{"/sys/fs/cgroup": "cpu memory pids\n"},
			want: cgroup.Layout{
				Unified: "/sys/fs/cgroup", Hand: []string{"cpu", "memory", "pids"}, Leaf: "/sys/fs/cgroup/thaw-daemon",
				Memory: cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
				CPU:    cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
				PIDs:   cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
			},
		},
		"pure: in a container with an init system": {
			mountinfo: pure, self: "0::/system.slice/other.service\n", inner: "/sys/fs/cgroup",
			controllers: map[string]string{"/sys/fs/cgroup": "cpu memory pids\n"},
			want: cgroup.Layout{
				Unified: "/sys/fs/cgroup", Hand: []string{"cpu", "memory", "pids"},
				Memory: cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
				CPU:    cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
				PIDs:   cgroup.Controller{Version: 2, Parent: "/sys/fs/cgroup"},
			},
		},
		"pure: mounted at a path with a space": {
			mountinfo: odd, self: "0::/\n",
			controllers: map[string]string{"/mnt/my cgroups": "cpu memory pids\n"},
			want: cgroup.Layout{
				Unified: "/mnt/my cgroups", Hand: []string{"cpu", "memory", "pids"},
				Memory: cgroup.Controller{Version: 2, Parent: "/mnt/my cgroups"},
				CPU:    cgroup.Controller{Version: 2, Parent: "/mnt/my cgroups"},
				PIDs:   cgroup.Controller{Version: 2, Parent: "/mnt/my cgroups"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := cgroup.Plan(host(test.mountinfo, test.self, test.delegated, test.inner, test.controllers))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("layout (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanSaysWhatIsMissing(t *testing.T) {
	if _, err := cgroup.Plan(host(strings.ReplaceAll(hybrid, "cgroup2", "tmpfs"), "", "", "", nil)); !errors.Is(err, cgroup.ErrNoUnified) {
		t.Errorf("without version 2: %v", err)
	}
	_, err := cgroup.Plan(host(pure, "0::/\n", "", "", map[string]string{"/sys/fs/cgroup": "cpu pids"}))
	if err == nil || !strings.Contains(err.Error(), "the memory controller") {
		t.Errorf("without memory: %v", err)
	}
}

func host(mountinfo, self, delegated, inner string, controllers map[string]string) cgroup.Host {
	return cgroup.Host{
		Mountinfo: mountinfo, Self: self,
		Controllers: func(dir string) (string, error) {
			text, found := controllers[dir]
			if !found {
				return "", &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
			}
			return text, nil
		},
		Delegated: func(dir string) bool { return dir == delegated },
		Inner:     func(dir string) bool { return dir == inner },
	}
}
