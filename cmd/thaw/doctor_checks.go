package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thaw/internal/store/damage"
)

// Least versions and amounts. The kernel's is that of cgroup.kill, the youngest
// of the calls that have no substitute.
const (
	leastKernelMajor = 5
	leastKernelMinor = 14
	leastDiskBytes   = 1 << 30
	leastInodes      = 100_000
	leastMemoryKB    = 512 << 10
	leastPIDs        = 32_768
	leastOpenFiles   = 4_096
	leastMounts      = 10_000
	leastEntropy     = 128 // bits; kernels since 5.18 always say 256 once they are ready
)

// The times between which a clock can be right: this program was not written
// before the first, and will not run after the second.
const (
	earliestYear = 2026
	latestYear   = 2100
)

// hostChecks lists the checks in the order in which a person would mend things.
func hostChecks() []check {
	return append([]check{
		{Name: "root", Meaning: "making namespaces, mounts and control groups", Fix: "run it with sudo", probe: checkRoot},
		{Name: "kernel", Meaning: "mount, control group and process calls of newer kernels",
			Fix: fmt.Sprintf("use Linux %d.%d or newer", leastKernelMajor, leastKernelMinor), probe: checkKernel},
		{Name: "thaw-init", Meaning: "the first process of every sandbox, carried inside this program", Fix: "build thaw with: make build", probe: checkInit},
		{Name: "namespaces", Meaning: "the walls of a sandbox", Fix: "use a kernel built with all namespaces", probe: checkNamespaces},
		{Name: "user namespaces", Meaning: "root inside a sandbox is nobody outside", Fix: "sysctl -w user.max_user_namespaces=15000; in a chroot there are none, and a container must allow them", probe: checkUserNamespaces},
		{Name: "seccomp", Meaning: "the list of system calls that a function may make", Fix: "use a kernel built with CONFIG_SECCOMP_FILTER", probe: checkSeccomp},
	}, slices.Concat(cgroupChecks(), limitChecks(), diskChecks(), networkChecks(), functionChecks())...)
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

func limitChecks() []check {
	return []check{
		{Name: "cpu accounting", Meaning: "fair CPU shares, and what an invocation is said to have used", Fix: "use a kernel built with CONFIG_CGROUP_CPUACCT", Optional: true, probe: checkAccounting},
		{Name: "swap", Meaning: "a function over its memory is ended, as in the service; with swap it becomes slow first", Fix: "swapoff -a, or boot with swapaccount=1 on control groups v1", Optional: true, probe: checkSwap},
		{Name: "memory", Meaning: "execution environments; each idle one needs some 10 to 100 MB", Fix: "use a machine with more, or lower --max-environments", Optional: true, probe: checkMemory},
		{Name: "process ids", Meaning: "an execution environment may have 1,024 processes", Fix: "sysctl -w kernel.pid_max=4194304", Optional: true, probe: leastNumber("/proc/sys/kernel/pid_max", leastPIDs)},
		{Name: "open files", Meaning: "connections, and some ten descriptors for each execution environment", Fix: "ulimit -n 65536, or LimitNOFILE=65536 in the unit of a service", Optional: true, probe: checkOpenFiles},
		{Name: "mounts", Meaning: "some twenty mounts for each execution environment", Fix: "sysctl -w fs.mount-max=100000", Optional: true, probe: leastNumber("/proc/sys/fs/mount-max", leastMounts)},
		{Name: "file watches", Meaning: "thaw dev; the server does not need them", Fix: "sysctl -w fs.inotify.max_user_watches=65536", Optional: true, probe: leastNumber("/proc/sys/fs/inotify/max_user_watches", maxWatched)},
	}
}

func diskChecks() []check {
	return []check{
		{Name: "loop devices", Meaning: "the disk behind /tmp, of the size that the function asks for", Fix: "modprobe loop", probe: checkLoop},
		{Name: "mkfs.ext4", Meaning: "the disk behind /tmp", Fix: "apt-get install e2fsprogs", probe: commandCheck("mkfs.ext4")},
		{Name: "ext4", Meaning: "the disk behind /tmp", Fix: "modprobe ext4", probe: filesystemCheck("ext4")},
		{Name: "overlay", Meaning: "showing several layers as one /opt", Fix: "modprobe overlay", Optional: true, probe: filesystemCheck("overlay")},
		{Name: "disk space", Meaning: "code, /tmp disks and the store", Fix: "free space, or name another directory with --data", probe: checkDisk},
		{Name: "disk inodes", Meaning: "the files of unpacked code", Fix: "remove files, or name another directory with --data", probe: checkInodes},
		{Name: "store", Meaning: "records and events that were acknowledged; see docs/durability.md", Fix: "look for the disk's fault, restore a backup if something is missing, then move the directory store/damaged away", Optional: true, probe: checkStore},
	}
}

func networkChecks() []check {
	return []check{
		{Name: "port", Meaning: "where the clients connect", Fix: "end what listens there, or choose another with --listen", probe: checkPort},
		{Name: "loopback", Meaning: "the server listens there unless told otherwise", Fix: "ip link set lo up", probe: fileCheck("/sys/class/net/lo")},
		{Name: "nftables", Meaning: "letting functions out to the network", Fix: "modprobe nf_tables, or start the server with --network none", Optional: true, probe: moduleCheck("nf_tables", "/proc/net/netfilter/nf_log")},
		{Name: "network", Meaning: "functions that reach beyond the server (--network nat)", Fix: "modprobe veth; use a kernel with nf_tables (inet, masq, reject, fib, connlimit); in a container, make /proc/sys/net writable; or start the server with --network none", Optional: true, probe: checkNetwork},
		{Name: "packet filter", Meaning: "what functions send must not be dropped by other rules of this machine", Fix: "let pass what comes from and goes to the interfaces thaw*: iptables -I FORWARD -i 'thaw+' -j ACCEPT; iptables -I FORWARD -o 'thaw+' -j ACCEPT (with Docker: DOCKER-USER for FORWARD)", Optional: true, probe: checkPacketFilter},
		{Name: "resolver", Meaning: "names that functions look up: the server asks who stands there", Fix: "name a resolver in /etc/resolv.conf", Optional: true, probe: checkResolver},
		{Name: "clock", Meaning: "signatures are good for five minutes only", Fix: "timedatectl set-ntp true, or set the time with date", Optional: true, probe: checkClock},
		{Name: "entropy", Meaning: "keys and request identifiers", Fix: "wait a little after boot, or give a virtual machine a random device", Optional: true, probe: leastNumber("/proc/sys/kernel/random/entropy_avail", leastEntropy)},
		{Name: "certificates", Meaning: "functions that make HTTPS requests", Fix: "apt-get install ca-certificates", Optional: true, probe: fileCheck("/etc/ssl/certs/ca-certificates.crt")},
	}
}

func functionChecks() []check {
	return []check{
		{Name: "runtimes", Meaning: "functions in Python and Node.js; compiled ones need none", Fix: "make runtimes, in a clone of thaw, or name others with --runtimes", Optional: true, probe: checkRuntimes},
		{Name: "go", Meaning: "deploying Go sources; the server does not need it", Fix: "install Go, or deploy what was compiled elsewhere", Optional: true, probe: commandCheck("go")},
		{Name: "javac", Meaning: "deploying Java sources; the server does not need it", Fix: "apt-get install default-jdk-headless, or deploy a jar", Optional: true, probe: commandCheck("javac")},
		{Name: "criu", Meaning: "snapshots of initialised environments (SnapStart); not used yet", Fix: "apt-get install criu, in version 4 or newer", Optional: true, probe: commandCheck("criu")},
		{Name: "gvisor", Meaning: "a second wall around hostile code (runsc); not used yet", Fix: "install runsc from gvisor.dev", Optional: true, probe: commandCheck("runsc")},
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
	if most > 0 && h.euid == 0 { // others may not, and the server is root
		if err := h.userNamespace(); err != nil {
			return fmt.Sprintf("up to %d, but none can be made here: %v", most, err), false
		}
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

// checkStore reads what the server has found damaged in its store, now or before.
func checkStore(h host) (string, bool) {
	report := damage.In(filepath.Join(h.dataDir, "store"))
	found, err := report.Read()
	if err != nil {
		return err.Error(), false
	}
	var lost uint64
	last := ""
	for _, f := range found {
		if lost += f.Events; !f.Settles {
			last = f.At.UTC().Format(time.DateTime) + ": " + f.File + ": " + f.What
		}
	}
	if last == "" {
		return "no damage was found", true
	}
	return fmt.Sprintf("damage was found, at most %d events lost; last %s; all of it in %s", lost, last, report.Path()), false
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

func checkInodes(h host) (string, bool) {
	free, err := h.freeInodes(h.dataDir)
	switch {
	case err != nil:
		return err.Error(), false
	case free == 0:
		return "made as they are needed", true // btrfs and the like count none
	}
	return fmt.Sprintf("%d free for %s", free, h.dataDir), free >= leastInodes
}

// checkAccounting: v2 counts CPU time without a controller.
func checkAccounting(h host) (string, bool) {
	layout := h.cgroups()
	if slices.Contains(layout.controllers, "cpu") {
		return "v2, " + layout.unified, true
	}
	if mount := layout.legacy["cpuacct"]; mount != "" {
		return "v1, " + mount, true
	}
	return "CPU time is not counted per group", layout.unified != "" && layout.legacy["cpu"] == ""
}

func checkSwap(h host) (string, bool) {
	text, err := h.read("/proc/swaps")
	if err != nil {
		return "none", true
	}
	devices := strings.Count(strings.TrimSpace(text), "\n") // the first line is the head
	if devices == 0 {
		return "none", true
	}
	layout := h.cgroups()
	if slices.Contains(layout.controllers, "memory") {
		return fmt.Sprintf("%d in use, kept from functions by control groups v2", devices), true
	}
	if mount := layout.legacy["memory"]; mount != "" && h.exists(mount+"/memory.memsw.limit_in_bytes") {
		return fmt.Sprintf("%d in use, kept from functions by control groups v1", devices), true
	}
	return fmt.Sprintf("%d in use, and functions may be swapped out", devices), false
}

func checkMemory(h host) (string, bool) {
	text, _ := h.read("/proc/meminfo")
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "MemAvailable:" {
			continue
		}
		kb, err := strconv.Atoi(fields[1])
		return fmt.Sprintf("%d MiB available", kb>>10), err == nil && kb >= leastMemoryKB
	}
	return "how much is available cannot be read", false
}

// leastNumber reads a number of the kernel's. A kernel without the file has no
// such limit.
func leastNumber(path string, least int) func(host) (string, bool) {
	return func(h host) (string, bool) {
		text, err := h.read(path)
		if err != nil {
			return "no limit", true
		}
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return path + " cannot be read", false
		}
		return fmt.Sprint(n), n >= least
	}
}

func checkOpenFiles(h host) (string, bool) {
	text, _ := h.read("/proc/self/limits")
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 {
			continue
		}
		if fields[1] == "unlimited" {
			return fields[1], true
		}
		hard, err := strconv.Atoi(fields[1]) // the Go runtime raises the soft limit to it
		return fmt.Sprintf("up to %d", hard), err == nil && hard >= leastOpenFiles
	}
	return "the limit cannot be read", false
}

// checkNetwork makes what a server makes, in a network namespace that ends with it.
func checkNetwork(h host) (string, bool) {
	if h.euid != 0 {
		return "only root can try", true // that root lacks is told elsewhere
	}
	if err := h.network(); err != nil {
		return err.Error(), false
	}
	return "an interface and its rules can be made", true
}

func checkPacketFilter(h host) (string, bool) {
	chain, err := h.obstacle()
	if err != nil {
		return "the rules of this machine cannot be read", true
	}
	if chain != "" {
		return "the chain " + chain + " drops what it does not know", false
	}
	return "nothing in the way", true
}

func checkResolver(h host) (string, bool) {
	text, _ := h.read("/etc/resolv.conf")
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "nameserver" {
			return fields[1], true
		}
	}
	return "none in /etc/resolv.conf: 127.0.0.1 is asked", false
}

// moduleCheck looks for a sign that the kernel has a feature, and then for the
// module that brings it.
func moduleCheck(module, sign string) func(host) (string, bool) {
	return func(h host) (string, bool) {
		if h.exists("/sys/module/"+module) || h.exists(sign) {
			return "in the kernel", true
		}
		builtIn, _ := h.read("/lib/modules/" + h.release + "/modules.builtin")
		loadable, _ := h.read("/lib/modules/" + h.release + "/modules.dep")
		switch name := "/" + module + ".ko"; {
		case strings.Contains(builtIn, name):
			return "in the kernel", true
		case strings.Contains(loadable, name):
			return "a module that can be loaded", true
		}
		return "not seen in this kernel", false
	}
}

func checkClock(h host) (string, bool) {
	now := h.now().UTC()
	return now.Format("2006-01-02 15:04 MST"), now.Year() >= earliestYear && now.Year() < latestYear
}
