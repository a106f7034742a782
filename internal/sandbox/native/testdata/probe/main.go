// Command probe is what the tests run inside sandboxes. Its first argument names
// what to do; it exits with 2 and a message if that fails.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	actions := map[string]func(args []string) error{
		"echo": echo, "exit": exit, "block": block, "family": family, "term": term, "fetch": fetch, "serve": serve,
		"tick": tick, "eat": eat, "bomb": bomb, "fill": fill, "spin": spin, "calls": calls, "list": list,
		"share": share, "shared": shared, "deep": deep, "show": show,
		"reach": reach, "follow": follow, "addresses": addresses,
	}
	if err := actions[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// echo tells how it was started: arguments, one variable, directory; and writes
// to each further descriptor its number.
func echo(args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	fmt.Printf("args=%s var=%s dir=%s\n", strings.Join(args, ","), os.Getenv("VAR"), dir)
	fmt.Fprintln(os.Stderr, "to stderr")
	for fd := 3; fd < 10; fd++ {
		fmt.Fprintf(os.NewFile(uintptr(fd), ""), "file %d", fd)
	}
	return nil
}

func exit(args []string) error {
	code, err := strconv.Atoi(args[0])
	if err == nil {
		os.Exit(code)
	}
	return err
}

// show prints files.
func show(args []string) error {
	for _, name := range args {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		os.Stdout.Write(content)
	}
	return nil
}

func block([]string) error {
	fmt.Println("ready")
	time.Sleep(time.Hour)
	return nil
}

// family blocks with a child in a session of its own, and a grandchild whose
// parent is gone.
func family([]string) error {
	for _, script := range []string{"exec setsid sleep 3600", "sleep 3600 & exit"} {
		if err := exec.Command("/bin/sh", "-c", script).Start(); err != nil {
			return err
		}
	}
	return block(nil)
}

func term([]string) error {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGTERM)
	fmt.Println("ready")
	<-ch
	os.Exit(7)
	return nil
}

func fetch(args []string) error {
	conn, err := net.DialTimeout("tcp4", args[0], 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.Copy(os.Stdout, conn)
	return err
}

func serve(args []string) error {
	l, err := net.Listen("tcp4", args[0])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprint(conn, "served")
		conn.Close()
	}
}

func tick([]string) error {
	for {
		fmt.Print(".")
		time.Sleep(5 * time.Millisecond)
	}
}

// eat uses memory of so many MiB, tells when it has it, and keeps it for a while.
func eat(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var held [][]byte
	for range n {
		held = append(held, bytes.Repeat([]byte{1}, 1<<20))
	}
	fmt.Println("ready")
	if len(args) > 1 {
		d, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		time.Sleep(d)
	}
	runtime.KeepAlive(held)
	return nil
}

// bomb starts processes until it may not, and tells how many it could.
func bomb([]string) error {
	for n := 0; ; n++ {
		if err := exec.Command("/bin/sleep", "3600").Start(); err != nil {
			fmt.Printf("%d %v\n", n, err)
			return nil
		}
	}
}

// fill writes to a file until it may not, and tells how many MiB and why.
func fill(args []string) error {
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	chunk := bytes.Repeat([]byte{1}, 1<<20)
	for n := 0; ; n++ {
		if _, err := f.Write(chunk); err != nil {
			fmt.Printf("%d %v\n", n, err.(*os.PathError).Err)
			return nil
		}
	}
}

func spin(args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
	return nil
}

// calls tries what must be refused, one line each.
func calls([]string) error {
	report := func(name string, err error) { fmt.Printf("%s: %v\n", name, err) }
	raw := func(number uintptr, args ...uintptr) error {
		var a [3]uintptr
		copy(a[:], args)
		if _, _, errno := unix.Syscall(number, a[0], a[1], a[2]); errno != 0 {
			return errno
		}
		return nil
	}
	write := func(path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err.(*os.PathError).Err
		}
		return f.Close()
	}
	read := func(path string) error {
		if text, err := os.ReadFile(path); err != nil || len(text) == 0 {
			return io.EOF // kernels differ in what they have
		}
		return nil
	}
	socket := func(family int) error {
		_, err := unix.Socket(family, unix.SOCK_STREAM, 0)
		return err
	}
	for _, path := range []string{"/usr/x", "/var/task/x", "/etc/passwd", "/x", "/dev/x", "/proc/sys/kernel/hostname"} {
		report("write "+path, write(path))
	}
	for _, path := range []string{"/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/kmsg", "/proc/timer_list", "/proc/cmdline"} {
		report("read "+path, read(path))
	}
	for _, path := range []string{"/proc/1/environ", "/proc/1/status", "/proc/1/root", "/work", "/root", "/home", "/etc/shadow", "/sys", "/run", "/dev/loop0", "/dev/vda", "/dev/mem"} {
		_, err := os.Stat(path)
		if err != nil {
			err = err.(*os.PathError).Err
		}
		report("look at "+path, err)
	}
	report("mount tmpfs", unix.Mount("x", "/tmp", "tmpfs", 0, ""))
	report("remount writable", unix.Mount("", "/var/task", "", unix.MS_REMOUNT|unix.MS_BIND, ""))
	report("mount_setattr writable", unix.MountSetattr(unix.AT_FDCWD, "/var/task", 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}))
	report("umount", unix.Unmount("/proc/kcore", unix.MNT_DETACH))
	report("chroot", unix.Chroot("/tmp"))
	report("unshare user", unix.Unshare(unix.CLONE_NEWUSER))
	report("unshare mount", unix.Unshare(unix.CLONE_NEWNS))
	report("clone user", raw(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD)))
	report("clone3", raw(unix.SYS_CLONE3))
	report("io_uring_setup", raw(unix.SYS_IO_URING_SETUP, 1))
	report("unknown call", raw(1000))
	report("ptrace PID 1", unix.PtraceAttach(1))
	report("kill PID 1", unix.Kill(1, unix.SIGKILL))
	report("bpf", raw(unix.SYS_BPF))
	report("perf_event_open", raw(unix.SYS_PERF_EVENT_OPEN))
	report("keyctl", raw(unix.SYS_KEYCTL))
	report("setuid 0", unix.Setresuid(0, 0, 0))
	report("mknod", unix.Mknod("/tmp/null", unix.S_IFCHR|0o666, 1<<8|3))
	report("sethostname", unix.Sethostname([]byte("x")))
	report("raise open files", unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4096, Max: 4096}))
	report("socket vsock", socket(unix.AF_VSOCK))
	report("socket alg", socket(unix.AF_ALG))
	report("socket packet", socket(unix.AF_PACKET))
	report("setuid program", setuidProgram())
	return nil
}

// setuidProgram makes one and looks whether it gains anything.
func setuidProgram() error {
	const path = "/tmp/setuid"
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o755|os.ModeSetuid|os.ModeSetgid); err != nil {
		return err
	}
	out, err := exec.Command("/usr/bin/su", "-c", "id").CombinedOutput()
	if err == nil {
		return fmt.Errorf("su gave %s", out)
	}
	return unix.EPERM
}
