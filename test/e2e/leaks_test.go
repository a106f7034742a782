package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kernel is what a server holds outside of itself, by name.
type kernel struct {
	processes, mounts, loops, cgroups, interfaces, descriptors, files []string
}

// empty is nil if nothing is held.
func (k kernel) empty() error {
	var errs []error
	for _, part := range k.parts() {
		if len(part.list) > 0 {
			errs = append(errs, fmt.Errorf("%d %s: %s", len(part.list), part.name, strings.Join(part.list, ", ")))
		}
	}
	return errors.Join(errs...)
}

type part struct {
	name string
	list []string
}

func (k kernel) parts() []part {
	return []part{
		{"processes", k.processes}, {"mounts", k.mounts}, {"loop devices", k.loops},
		{"cgroups", k.cgroups}, {"interfaces", k.interfaces}, {"descriptors", k.descriptors}, {"files", k.files},
	}
}

// observe looks at what the server holds. While it lives its processes are its
// descendants; when it has ended, orphans are children of this process.
func (s *server) observe() kernel {
	select {
	case <-s.ended:
	default:
		s.learnGroups()
		s.learnSubnet()
	}
	return kernel{
		processes:   s.processes(),
		mounts:      s.mounts(),
		loops:       s.loops(),
		cgroups:     s.cgroups(),
		interfaces:  s.cards(),
		descriptors: s.descriptors(),
		files:       s.strays(),
	}
}

// noMoreThan waits until the server holds no more of each kind than before.
func (s *server) noMoreThan(t testing.TB, before kernel) {
	t.Helper()
	err := eventually(settleLimit, func() error {
		now, then := s.observe().parts(), before.parts()
		var errs []error
		for i := range now {
			if len(now[i].list) > len(then[i].list) {
				errs = append(errs, fmt.Errorf("%d %s, were %d: %s", len(now[i].list), now[i].name,
					len(then[i].list), strings.Join(now[i].list, ", ")))
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Errorf("the server holds more than before the test: %v", err)
	}
}

// filled waits until the server has all paused sandboxes that it wants, with all
// that belongs to them: what it holds stays the same for a while.
func (s *server) filled(t testing.TB) kernel {
	t.Helper()
	const while = 500 * time.Millisecond
	last, since := s.observe(), time.Now()
	err := eventually(settleLimit, func() error {
		now := s.observe()
		if !slices.EqualFunc(now.parts(), last.parts(), func(a, b part) bool { return len(a.list) == len(b.list) }) {
			last, since = now, time.Now()
		}
		if time.Since(since) < while {
			return errors.New("it still makes sandboxes")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// process is one line of the process table.
type process struct {
	pid, parent int
	state       byte
	name        string
}

// table reads the process table, by the parents.
func table() map[int][]process {
	children := make(map[int][]process)
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
		fields := strings.Fields(string(stat[end+1:]))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], process{pid, parent, fields[0][0], string(stat[open+1 : end])})
	}
	return children
}

// descendants lists the processes below pid; those that have ended and wait for
// their parent do not count.
func descendants(children map[int][]process, pid int) []process {
	var all []process
	for _, p := range children[pid] {
		if p.state != 'Z' {
			all = append(all, p)
		}
		all = append(all, descendants(children, p.pid)...)
	}
	return all
}

func (s *server) processes() []string {
	children := table()
	var found []process
	select {
	case <-s.ended:
		found = orphans(children)
	default:
		found = descendants(children, s.cmd.Process.Pid)
	}
	var names []string
	for _, p := range found {
		names = append(names, fmt.Sprintf("%s (%d)", p.name, p.pid))
	}
	slices.Sort(names)
	return names
}

// orphans lists the children of this process that are no server of a living
// test: what a server that has ended left. Those that have ended are buried.
func orphans(children map[int][]process) []process {
	var found []process
	for _, p := range children[os.Getpid()] {
		if house.serves(p.pid) {
			continue
		}
		if p.state == 'Z' {
			syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
			continue
		}
		found = append(found, p)
		found = append(found, descendants(children, p.pid)...)
	}
	return found
}

// mounts lists the mounts that name the server's data directory.
func (s *server) mounts() []string {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for line := range strings.Lines(string(info)) {
		if strings.Contains(line, s.dir) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// loops lists the loop devices whose file is, or was, in the data directory.
func (s *server) loops() []string {
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	var found []string
	for _, file := range files {
		backing, err := os.ReadFile(file)
		if err == nil && strings.HasPrefix(string(backing), s.dir+"/") {
			found = append(found, strings.TrimSpace(string(backing)))
		}
	}
	return found
}

// learnGroups remembers in which cgroups the server's processes are, so that
// those can be looked for when the server is gone. Its own groups are named
// thaw- and a word.
func (s *server) learnGroups() {
	for _, p := range descendants(table(), s.cmd.Process.Pid) {
		lines, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.pid))
		if err != nil {
			continue
		}
		for name := range strings.FieldsFuncSeq(string(lines), func(r rune) bool { return r == '/' || r == '\n' }) {
			if strings.HasPrefix(name, "thaw-") {
				s.groups[name] = true
			}
		}
	}
}

// cgroups lists the server's groups in every hierarchy, with those inside.
func (s *server) cgroups() []string {
	var found []string
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		for name := range strings.SplitSeq(path, "/") {
			if s.groups[name] {
				found = append(found, strings.TrimPrefix(path, "/sys/fs/cgroup/"))
				break
			}
		}
		return nil
	})
	return found
}

// learnSubnet remembers where the addresses of the server's interfaces are from. A
// server without a network has none.
func (s *server) learnSubnet() {
	text, err := os.ReadFile(filepath.Join(s.dir, "sandbox", "subnet"))
	if err != nil {
		return
	}
	if p, err := netip.ParsePrefix(strings.TrimSpace(string(text))); err == nil {
		s.subnet = p
	}
}

// cards lists the host's interfaces with an address of the server's subnet.
func (s *server) cards() []string {
	var found []string
	list, err := net.Interfaces()
	if err != nil {
		return []string{err.Error()}
	}
	for _, i := range list {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && s.subnet.IsValid() && s.subnet.Contains(p.Addr()) {
				found = append(found, i.Name)
			}
		}
	}
	return found
}

// descriptors lists the descriptors by which a living server holds namespaces,
// mounts, processes and groups of sandboxes. Sockets are not among them: clients
// keep connections open as they like.
func (s *server) descriptors() []string {
	select {
	case <-s.ended:
		return nil
	default:
	}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.cmd.Process.Pid))
	var found []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && sandboxed(target) {
			found = append(found, target)
		}
	}
	return found
}

// sandboxed tells whether a descriptor's target is a part of a sandbox; "/" is
// the root of a mount that is not yet, or not only, in one.
func sandboxed(target string) bool {
	for _, kind := range []string{"net:", "mnt:", "pid:", "user:", "pipe:", "anon_inode:[pidfd]", "/sys/fs/cgroup/", "/dev/loop"} {
		if strings.HasPrefix(target, kind) {
			return true
		}
	}
	return target == "/"
}

// strays lists the files below the data directory that belong to one sandbox or
// to work that is not done: all but what stays for good.
func (s *server) strays() []string {
	var found []string
	for _, pattern := range []string{"sandbox/*", "code/tmp/*", "store/blobs/tmp/*"} {
		paths, _ := filepath.Glob(filepath.Join(s.dir, pattern))
		for _, path := range paths {
			name := filepath.Base(path)
			image := strings.HasPrefix(name, "tmp-") && strings.HasSuffix(name, ".ext4")
			if !image && !slices.Contains([]string{"lock", "skeleton", "stage", "subnet"}, name) {
				found = append(found, strings.TrimPrefix(path, s.dir+"/"))
			}
		}
	}
	return found
}
