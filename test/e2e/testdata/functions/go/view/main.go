// Command view answers with a listing of all that a function can see.
package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func() (string, error) {
		var b strings.Builder
		for _, s := range []struct {
			title string
			list  func() []string
		}{
			{"identity", identity}, {"limits", limits}, {"environment", os.Environ}, {"mounts", mounts},
			{"files", files}, {"devices", devices}, {"what /proc refuses or hides", masked},
			{"processes", processes}, {"descriptors", descriptors}, {"interfaces", interfaces}, {"sockets", sockets},
		} {
			lines := s.list()
			slices.Sort(lines)
			fmt.Fprintf(&b, "# %s\n%s\n\n", s.title, strings.Join(lines, "\n"))
		}
		return b.String(), nil
	})
}

func content(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return reason(err)
	}
	return strings.TrimSpace(string(b))
}

// reason is an error without its path.
func reason(err error) string {
	if e, ok := err.(*fs.PathError); ok {
		return e.Err.Error()
	}
	return err.Error()
}

func identity() []string {
	dir, _ := os.Getwd()
	host, _ := os.Hostname()
	lines := []string{
		fmt.Sprint("uid ", os.Getuid(), " ", os.Geteuid()), fmt.Sprint("gid ", os.Getgid(), " ", os.Getegid()),
		"directory " + dir, "host " + host, "oom_score_adj " + content("/proc/self/oom_score_adj"),
	}
	for line := range strings.Lines(content("/proc/self/status")) {
		for _, name := range []string{"Groups", "Umask", "Cap", "NoNewPrivs", "Seccomp:", "Seccomp_filters", "TracerPid"} {
			if strings.HasPrefix(line, name) {
				lines = append(lines, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return lines
}

func limits() []string {
	var lines []string
	for line := range strings.Lines(content("/proc/self/limits")) {
		if strings.HasPrefix(line, "Max") && !strings.HasPrefix(line, "Max pending signals") { // which follows the host's memory
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	return lines
}

// mounts lists target, options and kind. The masks in /proc are left out, for
// they follow the kernel: masked looks whether they do what they are for.
func mounts() []string {
	var lines []string
	for line := range strings.Lines(content("/proc/self/mountinfo")) {
		f := strings.Fields(line)
		sep := slices.Index(f, "-")
		target, kind := f[4], f[sep+1]
		if strings.HasPrefix(target, "/proc/") && target != "/proc/sys" {
			continue
		}
		switch kind {
		case "tmpfs", "proc":
			kind += " " + f[sep+3]
		case "devtmpfs":
		default:
			kind = "disk"
			if strings.HasPrefix(f[sep+2], "/dev/loop") {
				kind = "image"
			}
		}
		lines = append(lines, target+" "+f[5]+" "+kind)
	}
	return lines
}

// files lists the tree, without what is inside of the host's own directories and
// of /proc.
func files() []string {
	var lines []string
	filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			lines = append(lines, path+" "+reason(err))
			return nil
		}
		lines = append(lines, describe(path))
		depth := strings.Count(path, "/")
		if d.IsDir() && path != "/" && (depth >= 3 || foreign(path)) {
			return fs.SkipDir
		}
		return nil
	})
	return lines
}

// foreign directories are the host's own or the kernel's.
func foreign(path string) bool {
	return strings.HasPrefix(path, "/lib") || slices.Contains([]string{
		"/usr", "/bin", "/sbin", "/proc", "/sys", "/etc/alternatives", "/etc/ssl/certs",
	}, path)
}

func describe(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return path + " " + reason(err)
	}
	line := fmt.Sprint(path, " ", info.Mode())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		line += fmt.Sprintf(" %d:%d", st.Uid, st.Gid)
		if info.Mode()&fs.ModeDevice != 0 {
			line += fmt.Sprintf(" device %d:%d", st.Rdev>>8&0xfff, st.Rdev&0xff)
		}
	}
	if target, err := os.Readlink(path); err == nil {
		line += " -> " + target
	}
	return line
}

func devices() []string {
	var lines []string
	entries, err := os.ReadDir("/dev")
	if err != nil {
		return []string{reason(err)}
	}
	for _, e := range entries {
		lines = append(lines, describe("/dev/"+e.Name()))
	}
	return lines
}

// masked looks at the entries that tell of, or act on, the whole machine. One
// is hidden if it is not there, empty, or not to be opened.
func masked() []string {
	var lines []string
	for _, path := range []string{
		"/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/kallsyms", "/proc/latency_stats", "/proc/timer_list",
		"/proc/sched_debug", "/proc/scsi", "/proc/acpi", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/tty", "/proc/driver",
		"/proc/interrupts", "/proc/kmsg", "/proc/cmdline", "/proc/config.gz", "/proc/diskstats", "/proc/partitions",
		"/proc/slabinfo", "/proc/vmallocinfo", "/proc/zoneinfo", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
		"/proc/1/environ", "/proc/1/root", "/proc/1/cwd", "/proc/1/exe", "/proc/cpuinfo", "/proc/meminfo", "/sys",
	} {
		lines = append(lines, path+" "+access(path))
	}
	return lines
}

func access(path string) string {
	state := "hidden"
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		names, err := f.Readdirnames(1)
		n, _ := f.Read(make([]byte, 1))
		if err == nil && len(names) > 0 || n > 0 {
			state = "readable"
		}
	}
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return state
	}
	defer w.Close()
	// What is masked by the null device can be opened for writing, to no effect.
	if info, err := w.Stat(); err != nil || info.Mode()&fs.ModeDevice == 0 {
		state += " writable"
	}
	return state
}

func processes() []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []string{reason(err)}
	}
	var lines []string
	for _, e := range entries {
		if name := e.Name(); name[0] >= '0' && name[0] <= '9' {
			lines = append(lines, content("/proc/"+name+"/comm"))
		}
	}
	return lines
}

func descriptors() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return []string{reason(err)}
	}
	var lines []string
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // the one by which the directory was read
		}
		kind, _, _ := strings.Cut(target, "[")
		if len(e.Name()) == 1 && e.Name() < "4" { // what it was started with
			kind = e.Name() + " " + kind
		}
		lines = append(lines, kind)
	}
	return lines
}

func interfaces() []string {
	all, err := net.Interfaces()
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for _, i := range all {
		addresses, _ := i.Addrs()
		var text []string
		for _, a := range addresses {
			text = append(text, a.String())
		}
		slices.Sort(text)
		lines = append(lines, fmt.Sprint(i.Name, " ", i.Flags, " ", strings.Join(text, " ")))
	}
	for _, route := range strings.Split(content("/proc/net/route"), "\n")[1:] { // the first is the head
		lines = append(lines, strings.TrimSpace(route))
	}
	return lines
}

// sockets lists who listens in this network.
func sockets() []string {
	var lines []string
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6"} {
		for line := range strings.Lines(content("/proc/net/" + kind)) {
			if f := strings.Fields(line); len(f) > 3 && (f[3] == "0A" || f[3] == "07") {
				lines = append(lines, kind+" "+f[1])
			}
		}
	}
	return append(lines, fmt.Sprint("unix ", strings.Count(content("/proc/net/unix"), "\n")))
}
