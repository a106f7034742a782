package main

import (
	"thaw/internal/linux/pid1"

	"golang.org/x/sys/unix"
)

// The spawner's mount namespace holds nothing of the host but what every sandbox
// is to see. A sandbox is born with a copy, and so never has the host's tree.
//
//	/      the stage, a tmpfs
//	/proc  the host's processes: the spawner executes itself from there, and the
//	       kernel lets a new proc be mounted only where another is in full view
//	/dev   the null device, for the spawner
//	/root  the tree that becomes the root of a sandbox
const (
	stageOptions = "size=4m,mode=755"
	treeDir      = "/root"
)

// maskedFiles and maskedDirectories of /proc tell of the host or of its other
// users, or act on the kernel. A kernel may lack some.
var (
	maskedFiles = []string{
		"buddyinfo", "cmdline", "config.gz", "consoles", "devices", "dma", "iomem", "ioports", "interrupts", "kallsyms", "kcore", "key-users", "keys",
		"kmsg", "kpagecgroup", "kpagecount", "kpageflags", "latency_stats", "locks", "misc", "modules", "mtrr", "partitions", "sched_debug",
		"slabinfo", "softirqs", "swaps", "sysrq-trigger", "timer_list", "vmallocinfo", "zoneinfo", "pagetypeinfo", "diskstats",
	}
	maskedDirectories = []string{"acpi", "asound", "bus", "driver", "fs", "irq", "pressure", "scsi", "sysvipc", "tty"}
)

// buildRoot makes the stage and moves this process into it for good.
func buildRoot(root pid1.Root) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return wrap("make mounts private", err)
	}
	if err := unix.Mount("thaw", root.Mountpoint, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, stageOptions); err != nil {
		return wrap("mount stage", err)
	}
	steps := []pid1.Step{
		{Kind: pid1.StepDirectory, Path: "proc", Mode: 0o755},
		{Kind: pid1.StepDirectory, Path: "dev", Mode: 0o755},
		{Kind: pid1.StepFile, Path: "dev/null", Mode: 0o644},
		{Kind: pid1.StepBind, Path: "dev/null", Text: "/dev/null", Devices: true},
		{Kind: pid1.StepDirectory, Path: "root", Mode: 0o755},
		{Kind: pid1.StepFilesystem, Path: "root", Text: "size=4m,mode=755"},
	}
	for _, s := range steps {
		if err := take(root.Mountpoint+"/", s); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", root.Mountpoint+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return wrap("mount proc on the stage", err)
	}
	for _, s := range root.Steps {
		if err := take(root.Mountpoint+treeDir+"/", s); err != nil {
			return err
		}
	}
	return pivot(root.Mountpoint)
}

// take does one step below a directory.
func take(base string, s pid1.Step) error {
	path := base + s.Path
	switch s.Kind {
	case pid1.StepDirectory:
		if err := unix.Mkdir(path, s.Mode); err != nil {
			return wrap("mkdir "+s.Path, err)
		}
		return wrap("chmod "+s.Path, unix.Chmod(path, s.Mode))
	case pid1.StepFile:
		return wrap("write "+s.Path, writeFile(path, s.Text, s.Mode))
	case pid1.StepSymlink:
		return wrap("symlink "+s.Path, unix.Symlink(s.Text, path))
	case pid1.StepFilesystem:
		return wrap("mount tmpfs "+s.Path, unix.Mount("thaw", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, s.Text))
	case pid1.StepSeal:
		return wrap("seal "+s.Path, unix.MountSetattr(unix.AT_FDCWD, path, 0, &unix.MountAttr{
			Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID,
		}))
	case pid1.StepBind:
		return wrap("bind "+s.Text, bind(path, s))
	}
	return &fault{"step", unix.EINVAL}
}

func bind(path string, s pid1.Step) error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, s.Text, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	attributes := uint64(unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID)
	if s.Devices {
		attributes |= unix.MOUNT_ATTR_NOEXEC
	} else {
		attributes |= unix.MOUNT_ATTR_NODEV
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attributes}); err != nil {
		return err
	}
	return unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

func writeFile(path, content string, mode uint32) error {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for rest := []byte(content); len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return unix.Fchmod(fd, mode)
}

// pivot makes a mount the root and drops the old one.
func pivot(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return wrap("chdir to new root", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return wrap("pivot_root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return wrap("unmount old root", err)
	}
	return wrap("chdir", unix.Chdir("/"))
}

// enterTree makes the copied tree, with a proc of the own processes, the root of
// a new sandbox. The bind of the tree onto itself is what can be pivoted to: the
// copy is locked into its place.
func enterTree() error {
	if err := unix.Mount(treeDir, treeDir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return wrap("bind tree", err)
	}
	// A process sees only those of its own user: PID 1 is not among them.
	const procOptions = "hidepid=invisible"
	proc := treeDir + "/proc"
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, procOptions); err != nil {
		return wrap("mount proc", err)
	}
	if err := mask(proc); err != nil {
		return err
	}
	return pivot(treeDir)
}

func mask(proc string) error {
	for _, name := range maskedFiles {
		err := unix.Mount("/dev/null", proc+"/"+name, "", unix.MS_BIND, "")
		if err != nil && err != unix.ENOENT {
			return wrap("mask "+name, err)
		}
	}
	for _, name := range maskedDirectories {
		err := unix.Mount(treeDir+"/var/empty", proc+"/"+name, "", unix.MS_BIND, "")
		if err != nil && err != unix.ENOENT {
			return wrap("mask "+name, err)
		}
	}
	sys := proc + "/sys"
	if err := unix.Mount(sys, sys, "", unix.MS_BIND, ""); err != nil {
		return wrap("bind /proc/sys", err)
	}
	const flags = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	return wrap("protect /proc/sys", unix.Mount("", sys, "", flags, ""))
}

// hostFiles of the present root tell of the sandbox's network, and so are true in a
// given one too, whatever that has at their places.
var hostFiles = []string{"/etc/hosts", "/etc/resolv.conf"}

// replaceRoot makes a given mount the root, with the devices and processes of the
// present one. /tmp has nothing on it yet, and serves as the place to build it.
func replaceRoot(fd int) error {
	const place = "/tmp"
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return wrap("move root", err)
	}
	for _, dir := range []string{"/dev", "/proc"} {
		if err := unix.Mount(dir, place+dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return wrap("bind "+dir+" into root", err)
		}
	}
	files := make([]int, 0, len(hostFiles))
	for _, name := range hostFiles {
		file, err := unix.OpenTree(unix.AT_FDCWD, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return wrap("open "+name, err)
		}
		defer unix.Close(file)
		files = append(files, file)
	}
	if err := pivot(place); err != nil {
		return err
	}
	for i, name := range hostFiles {
		// Only now, when links lead where they are to lead. One that leads nowhere
		// does so on the operator's account.
		const flags = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_SYMLINKS
		if err := unix.MoveMount(files[i], "", unix.AT_FDCWD, name, flags); err != nil && err != unix.ENOENT {
			return wrap("mount "+name, err)
		}
	}
	return nil
}
