package main

import (
	"runtime"
	"syscall"
	"unsafe"

	"thaw/internal/linux/pid1"

	"golang.org/x/sys/unix"
)

// operationExec names the failure of executing the program itself.
const operationExec = "exec"

// lastCapability is what the loop over the bounding set ends at; the kernel
// refuses numbers that it does not know, which is no error here.
const lastCapability = 63

// launcher starts processes from one thread that has given up what they must not
// have: its children inherit its empty bounding set, no_new_privs and the filter.
type launcher struct {
	uid, gid   uint32
	preference *preference
	jobs       chan job
	results    chan result
}

type job struct {
	path string
	args []string
	attr *syscall.ProcAttr
}

type result struct {
	pid int
	err error
}

// newLauncher returns when the thread is hardened.
func newLauncher(order pid1.Prepare, p *preference) (*launcher, error) {
	l := &launcher{uid: order.UID, gid: order.GID, preference: p, jobs: make(chan job), results: make(chan result)}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: nothing else may run on this thread
		err := harden(order.Filter)
		ready <- err
		if err != nil {
			return
		}
		for j := range l.jobs {
			pid, err := syscall.ForkExec(j.path, j.args, j.attr)
			l.results <- result{pid, err}
		}
	}()
	return l, <-ready
}

func harden(filter []byte) error {
	for c := uintptr(0); c <= lastCapability; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
			return wrap("drop bounding set", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return wrap("no_new_privs", err)
	}
	const instruction = 8 // bytes of a struct sock_filter
	if len(filter) < instruction {
		return &fault{"seccomp", unix.EINVAL}
	}
	program := unix.SockFprog{
		Len:    uint16(len(filter) / instruction),
		Filter: (*unix.SockFilter)(unsafe.Pointer(&filter[0])),
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return &fault{"seccomp", errno}
	}
	return nil
}

// start starts one process; files are those that Present counts.
func (l *launcher) start(m pid1.Start, files []int) (int, error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, wrap("open null device", err)
	}
	defer unix.Close(null)
	descriptors := []uintptr{uintptr(null)}
	for _, present := range m.Present {
		fd := null
		if present {
			fd, files = files[0], files[1:]
		}
		descriptors = append(descriptors, uintptr(fd))
	}
	if err := l.preference.raise(); err != nil {
		return 0, err
	}
	l.jobs <- job{m.Path, m.Args, &syscall.ProcAttr{
		Dir: m.Dir, Env: m.Env, Files: descriptors,
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Credential: &syscall.Credential{Uid: l.uid, Gid: l.gid, Groups: []uint32{}},
		},
	}}
	r := <-l.results
	l.preference.lower()
	return r.pid, explain(m, r.err)
}

// explain tells which step of a fork and exec has failed, which the error itself
// does not.
func explain(m pid1.Start, err error) error {
	if err == nil {
		return nil
	}
	var stat unix.Stat_t
	switch {
	case err == unix.EAGAIN || err == unix.ENOMEM:
		return wrap("fork", err)
	case m.Dir != "" && unix.Stat(m.Dir, &stat) != nil:
		return wrap("chdir to "+m.Dir, err)
	default:
		return wrap(operationExec, err)
	}
}

// dropPrivileges keeps what starting and killing processes of another user
// takes. Without the others nobody here can change a mount any more.
func dropPrivileges() {
	const kept = 1<<unix.CAP_KILL | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: kept, Permitted: kept}}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		unix.Exit(exitFault)
	}
}
