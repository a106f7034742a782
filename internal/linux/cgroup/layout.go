// Package cgroup bounds, meters, freezes and kills the processes of a sandbox.
//
// Hosts differ: on most, one version 2 hierarchy has all controllers; on hybrid
// hosts the controllers are mounted as version 1 beside a version 2 hierarchy
// that has none. Plan decides, purely, which version each controller is used in
// and where own groups go. Whatever the controllers, every group also has a
// directory in version 2, for only that one can freeze reliably, kill all at
// once, and take a process in at its birth.
//
// Vocabulary: a Layout is the plan; a Tree is the own part of the host's
// hierarchies, made to a Layout; a Group is one sandbox's place in each of them.
// The host's hierarchies are never remounted, and nothing outside of the Tree is
// written save subtree_control, which hands controllers down to it.
//
// Concurrency: a Tree's and a Group's methods may be called from many goroutines.
package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Host is what Plan looks at.
type Host struct {
	Mountinfo string // of /proc/self/mountinfo
	Self      string // of /proc/self/cgroup
	// Controllers returns the text of cgroup.controllers of a version 2 directory.
	Controllers func(dir string) (string, error)
	// Delegated tells whether a directory of version 2 was handed to this process
	// to manage (systemd's Delegate=yes marks it so).
	Delegated func(dir string) bool
	// Inner tells whether a directory of version 2 is not the root of the host's
	// hierarchy (the kernel gives every other one a cgroup.type). In a container
	// the top of what is mounted usually is such a one.
	Inner func(dir string) bool
}

// Layout says where own groups are made. Its directories are parents: a Tree
// makes its own directory in each.
type Layout struct {
	Unified           string // version 2
	Memory, CPU, PIDs Controller
	// Hand lists the controllers to be handed down from Unified.
	Hand []string
	// Leaf, if not empty, is a group of version 2 beside the Tree into which the
	// processes of Unified, this one among them, must move first: processes and
	// controllers exclude each other in an inner group.
	Leaf string
}

// Controller says in which hierarchy a controller is used.
type Controller struct {
	Version int
	Parent  string
}

// leafName is the group of the processes that had to move.
const leafName = "thaw-daemon"

// ErrNoUnified is returned where no version 2 hierarchy is mounted.
var ErrNoUnified = errors.New("no cgroup version 2 hierarchy is mounted (mount -t cgroup2 none /sys/fs/cgroup/unified)")

// Plan returns the layout for a host.
func Plan(host Host) (Layout, error) {
	mounts := parseMounts(host.Mountinfo)
	unified, found := mounts["cgroup2"]
	if !found {
		return Layout{}, ErrNoUnified
	}
	l := Layout{Unified: unified}
	own := path.Join(unified, ownGroup(host.Self))
	if path.Base(own) == leafName { // an earlier server has moved here who started this one
		own = path.Dir(own)
	}
	if own == unified && host.Inner(unified) || own != unified && host.Delegated(own) {
		l.Unified, l.Leaf = own, path.Join(own, leafName)
	}
	text, err := host.Controllers(l.Unified)
	if err != nil {
		return Layout{}, fmt.Errorf("read controllers: %w", err)
	}
	available := strings.Fields(text)
	for name, c := range map[string]*Controller{"memory": &l.Memory, "cpu": &l.CPU, "pids": &l.PIDs} {
		v1, mounted := mounts[name]
		switch {
		case slices.Contains(available, name):
			*c = Controller{2, l.Unified}
			l.Hand = append(l.Hand, name)
		case mounted:
			*c = Controller{1, v1}
		default:
			return Layout{}, fmt.Errorf("the %s controller of cgroups is neither in %s/cgroup.controllers nor mounted as version 1", name, l.Unified)
		}
	}
	slices.Sort(l.Hand)
	if len(l.Hand) == 0 {
		l.Leaf = "" // nothing to hand down, so nobody is in the way
	}
	return l, nil
}

// parseMounts returns the mount point of the version 2 hierarchy, as "cgroup2",
// and of each version 1 controller. Of several the first is taken: it is the one
// that the others are bind mounts of.
func parseMounts(mountinfo string) map[string]string {
	points := map[string]string{}
	add := func(name, point string) {
		if _, known := points[name]; !known {
			points[name] = point
		}
	}
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(strings.TrimSpace(line), " - ")
		fields, kinds := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 5 || len(kinds) < 3 {
			continue
		}
		point := unescape(fields[4])
		switch kinds[0] {
		case "cgroup2":
			add("cgroup2", point)
		case "cgroup":
			for _, option := range strings.Split(kinds[2], ",") {
				add(option, point)
			}
		}
	}
	return points
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// ownGroup returns this process's group of version 2.
func ownGroup(self string) string {
	for line := range strings.Lines(self) {
		if group, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
			return group
		}
	}
	return "/"
}
