package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// list prints what a function can see. Contents of the host's system directories
// are left out: each is one read-only mount.
func list([]string) error {
	for _, section := range []struct {
		name  string
		print func() error
	}{
		{"files", listFiles}, {"mounts", listMounts}, {"proc", listProc}, {"processes", listProcesses},
		{"interfaces", listInterfaces}, {"identity", listIdentity}, {"limits", listLimits},
		{"descriptors", listDescriptors}, {"environment", listEnvironment},
	} {
		fmt.Printf("-- %s --\n", section.name)
		if err := section.print(); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	return nil
}

func listFiles() error {
	return filepath.WalkDir("/", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			fmt.Printf("%s: %v\n", path, err)
			return nil
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%v %s", info.Mode(), path)
		if info.Mode().Type() == os.ModeSymlink {
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		switch {
		case path == "/usr", path == "/proc", path == "/var/task", strings.HasPrefix(path, "/lib"), path == "/bin", path == "/sbin",
			path == "/etc/alternatives", path == "/etc/ssl/certs", strings.HasPrefix(path, "/etc/pki/"), path == "/etc/crypto-policies":
			fmt.Println(line)
			if d.IsDir() {
				return filepath.SkipDir
			}
		default:
			fmt.Println(line)
		}
		return nil
	})
}

func listMounts() error {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if strings.HasPrefix(f[1], "/proc/") && f[1] != "/proc/sys" {
			continue // a mask: the next section tells
		}
		var flags []string
		for _, o := range strings.Split(f[3], ",") {
			if slices.Contains([]string{"ro", "rw", "nosuid", "nodev", "noexec", "hidepid=invisible"}, o) {
				flags = append(flags, o)
			}
		}
		lines = append(lines, f[1]+" "+strings.Join(flags, ","))
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
	return nil
}

// listProc prints what of /proc has content.
func listProc() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.Trim(e.Name(), "0123456789") == "" {
			continue
		}
		path := filepath.Join("/proc", e.Name())
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			inside, err := os.ReadDir(path)
			if err == nil && len(inside) > 0 {
				fmt.Println(path + "/")
			}
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if n, err := f.Read(make([]byte, 1)); n > 0 && (err == nil || err == io.EOF) {
			fmt.Println(path)
		}
		f.Close()
	}
	return nil
}

func listProcesses() error {
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Print(string(text))
	}
	return nil
}

func listInterfaces() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			return err
		}
		fmt.Println(i.Name, addresses)
	}
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return err
	}
	fmt.Printf("%d routes\n", strings.Count(string(routes), "\n")-1)
	return nil
}

func listIdentity() error {
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	fmt.Println("hostname", hostname)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	wanted := []string{"Umask", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "SigIgn", "SigBlk"}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); slices.Contains(wanted, name) {
			fmt.Println(strings.TrimSpace(name + " " + strings.Join(strings.Fields(value), " ")))
		}
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(groups)) {
		if unified, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
			fmt.Println("cgroup", unified)
		}
	}
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return err
	}
	fmt.Println("ids", strings.Fields(string(ids))[2])
	return nil
}

func listLimits() error {
	for _, l := range []struct {
		name     string
		resource int
	}{
		{"open files", unix.RLIMIT_NOFILE}, {"processes", unix.RLIMIT_NPROC}, {"stack", unix.RLIMIT_STACK},
		{"core", unix.RLIMIT_CORE}, {"locked memory", unix.RLIMIT_MEMLOCK}, {"priority", unix.RLIMIT_NICE}, {"real time", unix.RLIMIT_RTPRIO},
	} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(l.resource, &limit); err != nil {
			return err
		}
		fmt.Println(l.name, limit.Cur, limit.Max)
	}
	return nil
}

func listDescriptors() error {
	for fd := range 64 {
		var stat unix.Stat_t
		if unix.Fstat(fd, &stat) != nil {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			return err
		}
		if flags&unix.FD_CLOEXEC == 0 { // others are this program's own
			fmt.Printf("%d type %#o\n", fd, stat.Mode&unix.S_IFMT)
		}
	}
	return nil
}

func listEnvironment() error {
	for _, e := range os.Environ() {
		fmt.Println(e)
	}
	return nil
}
