package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Least versions and amounts. The kernel's is that of cgroup.kill, the youngest
// of the calls that have no substitute.
const (
	leastKernelMajor = 5
	leastKernelMinor = 14
	leastDiskBytes   = 1 << 30
)

// hostChecks lists the checks in the order in which a person would mend things.
func hostChecks() []check {
	return append([]check{
		{Name: "root", Meaning: "making namespaces, mounts and control groups", Fix: "run it with sudo", probe: checkRoot},
		{Name: "kernel", Meaning: "mount, control group and process calls of newer kernels",
			Fix: fmt.Sprintf("use Linux %d.%d or newer", leastKernelMajor, leastKernelMinor), probe: checkKernel},
		{Name: "thaw-init", Meaning: "the first process of every sandbox, carried inside this program", Fix: "build thaw with: make build", probe: checkInit},
		{Name: "namespaces", Meaning: "the walls of a sandbox", Fix: "use a kernel built with all namespaces", probe: checkNamespaces},
		{Name: "user namespaces", Meaning: "root inside a sandbox is nobody outside", Fix: "sysctl -w user.max_user_namespaces=15000", probe: checkUserNamespaces},
		{Name: "seccomp", Meaning: "the list of system calls that a function may make", Fix: "use a kernel built with CONFIG_SECCOMP_FILTER", probe: checkSeccomp},
	}, append(cgroupChecks(), diskChecks()...)...)
}

func cgroupChecks() []check {
	mount := "mount -t cgroup2 none /sys/fs/cgroup, or boot with systemd"
	return []check{
		{Name: "cgroup v2", Meaning: "freezing and killing all of an execution environment at once", Fix: mount, probe: checkCgroup2},
		{Name: "memory limit", Meaning: "the function's memory size", Fix: "boot with cgroup_enable=memory", probe: controllerCheck("memory")},
		{Name: "cpu limit", Meaning: "the CPU share that comes with the memory size", Fix: "use a kernel built with CONFIG_CFS_BANDWIDTH", probe: controllerCheck("cpu")},
		{Name: "process limit", Meaning: "keeping a fork bomb inside its sandbox", Fix: "use a kernel built with CONFIG_CGROUP_PIDS", probe: controllerCheck("pids")},
	}
}

func diskChecks() []check {
	return []check{
		{Name: "loop devices", Meaning: "the disk behind /tmp, of the size that the function asks for", Fix: "modprobe loop", probe: checkLoop},
		{Name: "mkfs.ext4", Meaning: "the disk behind /tmp", Fix: "apt-get install e2fsprogs", probe: commandCheck("mkfs.ext4")},
		{Name: "ext4", Meaning: "the disk behind /tmp", Fix: "modprobe ext4", probe: filesystemCheck("ext4")},
		{Name: "overlay", Meaning: "showing several layers as one /opt", Fix: "modprobe overlay", Optional: true, probe: filesystemCheck("overlay")},
		{Name: "disk space", Meaning: "code, /tmp disks and the store", Fix: "free space, or name another directory with --data", probe: checkDisk},
		{Name: "port", Meaning: "where the clients connect", Fix: "end what listens there, or choose another with --listen", probe: checkPort},
		{Name: "runtimes", Meaning: "functions in Python and Node.js; compiled ones need none", Fix: "make runtimes, in a clone of thaw, or name others with --runtimes", Optional: true, probe: checkRuntimes},
		{Name: "certificates", Meaning: "functions that make HTTPS requests", Fix: "apt-get install ca-certificates", Optional: true, probe: fileCheck("/etc/ssl/certs/ca-certificates.crt")},
		{Name: "go", Meaning: "deploying Go sources; the server does not need it", Fix: "install Go, or deploy what was compiled elsewhere", Optional: true, probe: commandCheck("go")},
	}
}

func checkRoot(h host) (string, bool) { return fmt.Sprintf("user id %d", h.euid), h.euid == 0 }

func checkInit(host) (string, bool) {
	binary, err := initBinary()
	if err != nil {
		return "not inside this program", false
	}
	return fmt.Sprintf("%d bytes", len(binary)), true
}

func checkKernel(h host) (string, bool) {
	numbers := strings.SplitN(h.release, ".", 3)
	if len(numbers) < 2 {
		return h.release, false
	}
	major, err := strconv.Atoi(numbers[0])
	if err != nil {
		return h.release, false
	}
	minor, err := strconv.Atoi(strings.TrimRight(strings.SplitN(numbers[1], "-", 2)[0], "+"))
	if err != nil {
		return h.release, false
	}
	return h.release, major > leastKernelMajor || major == leastKernelMajor && minor >= leastKernelMinor
}

func checkNamespaces(h host) (string, bool) {
	var lacking []string
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		if !h.exists("/proc/self/ns/" + kind) {
			lacking = append(lacking, kind)
		}
	}
	if len(lacking) > 0 {
		return "without " + strings.Join(lacking, ", "), false
	}
	return "all seven", true
}

func checkUserNamespaces(h host) (string, bool) {
	text, err := h.read("/proc/sys/user/max_user_namespaces")
	if err != nil {
		return "not in this kernel", false
	}
	most, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return "the kernel's limit cannot be read", false
	}
	return fmt.Sprintf("up to %d", most), most > 0
}

func checkSeccomp(h host) (string, bool) {
	actions, err := h.read("/proc/sys/kernel/seccomp/actions_avail")
	if err != nil {
		return "no filters", false
	}
	return "filters", slices.Contains(strings.Fields(actions), "errno")
}

func checkCgroup2(h host) (string, bool) {
	layout := h.cgroups()
	if layout.unified == "" {
		return "not mounted", false
	}
	files, err := h.newGroup(layout.unified)
	if err != nil {
		return fmt.Sprintf("no group can be made in %s: %v", layout.unified, err), false
	}
	for _, need := range []string{"cgroup.freeze", "cgroup.kill"} {
		if !slices.Contains(files, need) {
			return fmt.Sprintf("%s has no %s", layout.unified, need), false
		}
	}
	if err := h.makeTree(); err != nil {
		return err.Error(), false
	}
	return layout.unified + " (freeze, kill)", true
}

// controllerCheck looks for a controller in the v2 hierarchy first, as the server
// does, and then for a v1 hierarchy of its own.
func controllerCheck(name string) func(host) (string, bool) {
	return func(h host) (string, bool) {
		layout := h.cgroups()
		if slices.Contains(layout.controllers, name) {
			return "v2, " + layout.unified, true
		}
		if mount := layout.legacy[name]; mount != "" {
			return "v1, " + mount, true
		}
		return "the controller " + name + " is in no hierarchy", false
	}
}

func checkLoop(h host) (string, bool) {
	if !h.exists("/dev/loop-control") {
		return "no /dev/loop-control", false
	}
	return "/dev/loop-control", true
}

func commandCheck(name string) func(host) (string, bool) {
	return func(h host) (string, bool) {
		path, err := h.lookPath(name)
		if err != nil {
			return "not found", false
		}
		return path, true
	}
}

func fileCheck(path string) func(host) (string, bool) {
	return func(h host) (string, bool) {
		if !h.exists(path) {
			return "no " + path, false
		}
		return path, true
	}
}

// filesystemCheck looks among the file systems that the kernel has, then among
// those that it can load.
func filesystemCheck(name string) func(host) (string, bool) {
	return func(h host) (string, bool) {
		present, _ := h.read("/proc/filesystems")
		for line := range strings.Lines(present) {
			if fields := strings.Fields(line); len(fields) > 0 && fields[len(fields)-1] == name {
				return "in the kernel", true
			}
		}
		modules, _ := h.read("/lib/modules/" + h.release + "/modules.dep")
		if strings.Contains(modules, "/"+name+".ko") {
			return "a module that can be loaded", true
		}
		return "not in this kernel", false
	}
}

func checkDisk(h host) (string, bool) {
	free, err := h.freeBytes(h.dataDir)
	if err != nil {
		return err.Error(), false
	}
	return fmt.Sprintf("%d MiB free for %s", free>>20, h.dataDir), free >= leastDiskBytes
}

func checkPort(h host) (string, bool) {
	if server, err := readServerFile(h.dataDir); err == nil && server.running() && server.Address == h.address {
		return fmt.Sprintf("%s, used by the running server (process %d)", h.address, server.PID), true
	}
	if err := h.listen(h.address); err != nil {
		return err.Error(), false
	}
	return h.address + " is free", true
}

func checkRuntimes(h host) (string, bool) {
	names, problems := installedRuntimes(h.runtimes)
	if len(names)+len(problems) == 0 {
		return "none built in " + h.runtimes, false
	}
	return strings.Join(append(names, problems...), ", "), len(problems) == 0
}
