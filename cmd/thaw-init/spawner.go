package main

import (
	"sync"
	"syscall"

	"thaw/internal/linux/pid1"

	"golang.org/x/sys/unix"
)

// killSwitch is the descriptor of the cgroup.kill file of all sandboxes. Another
// descriptor that only has to stay open is the lock of the state directory: it is
// free when both the daemon and its spawner are gone.
const killSwitch = 4

const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// sandboxEnvironment keeps PID 1 small: one processor's worth of caches, a
// collector that runs rarely, and no watch on cgroup files, which would pin them.
var sandboxEnvironment = []string{
	"THAW_INIT=sandbox", "GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=6MiB", "GODEBUG=containermaxprocs=0,updatemaxprocs=0",
}

// runSpawner starts sandboxes until the daemon is gone, and then kills them: PID
// 1 of each also ends by itself, but not while it is frozen.
//
// The daemon does not fork them itself, for a fork into a new user namespace
// copies the page tables of the caller, and costs by its size.
func runSpawner(socket *pid1.Socket) {
	if err := takeNoPreference(); err != nil {
		unix.Exit(exitFault)
	}
	reaper := newReaper()
	go reaper.run()
	for {
		m, files, err := socket.Receive()
		if err != nil {
			unix.Write(killSwitch, []byte("1"))
			unix.Exit(exitOrphan)
		}
		var answer any = pid1.KindDone
		switch m := m.(type) {
		case pid1.Root:
			err = buildRoot(m)
		case pid1.Spawn:
			var pid int
			pid, err = spawn(m, files, reaper)
			answer = pid1.Spawned{PID: pid}
		default:
			unix.Exit(exitFault)
		}
		closeAll(files)
		if err != nil {
			answer = failed(err)
		}
		if socket.Send(answer) != nil {
			continue // the next Receive tells why
		}
	}
}

func spawn(m pid1.Spawn, files []int, reaper *reaper) (int, error) {
	if len(files) != 2 {
		return 0, &fault{"spawn", unix.EINVAL}
	}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, wrap("open null device", err)
	}
	defer unix.Close(null)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(m.FirstID), Size: int(m.Count)}}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"thaw-init"}, &syscall.ProcAttr{
		Dir: "/", Env: sandboxEnvironment,
		Files: []uintptr{uintptr(null), uintptr(null), 2, uintptr(files[0])},
		Sys: &syscall.SysProcAttr{
			Cloneflags: namespaces, Setsid: true,
			UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
			Credential:  &syscall.Credential{Groups: []uint32{}},
			UseCgroupFD: true, CgroupFD: files[1],
		},
	})
	if err != nil {
		return 0, wrap("fork into new namespaces", err)
	}
	reaper.added()
	return pid, nil
}

// reaper waits for the ends of children that nobody asks for.
type reaper struct {
	mu      sync.Mutex
	changed *sync.Cond
	forks   int
}

func newReaper() *reaper {
	r := &reaper{}
	r.changed = sync.NewCond(&r.mu)
	return r
}

func (r *reaper) added() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forks++
	r.changed.Signal()
}

func (r *reaper) run() {
	seen := 0
	for {
		r.mu.Lock()
		for r.forks == seen {
			r.changed.Wait()
		}
		seen = r.forks
		r.mu.Unlock()
		for {
			var status unix.WaitStatus
			if _, err := unix.Wait4(-1, &status, 0, nil); err == unix.ECHILD {
				break
			}
		}
	}
}
