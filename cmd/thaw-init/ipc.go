package main

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of shmctl(2), semctl(2) and msgctl(2), from linux/shm.h, linux/sem.h
// and linux/msg.h. The last ones take an index instead of an identifier, and
// answer for objects of every owner (Linux 4.17).
const (
	shmInfo, shmStatAny = 14, 15
	semInfo, semStatAny = 19, 20
	msgInfo, msgStatAny = 12, 13
)

// controlBytes is room for any structure that these commands fill in; the longest
// has 120.
const controlBytes = 256

// removeIPC removes the shared memory, semaphores and message queues of System V,
// which outlive their makers and count against the memory limit. POSIX ones are
// files of /dev/shm, or refused.
//
// Only the maker may remove them, for the privilege to do it in another's stead
// is dropped; so this thread takes the maker's user id meanwhile. No process is
// left that could make use of that.
func removeIPC(maker uint32) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := setEffective(maker); err != nil {
		return wrap("setresuid", err)
	}
	var errs [3]error
	for i, kind := range []struct {
		call, info, statAny uintptr
	}{
		{unix.SYS_SHMCTL, shmInfo, shmStatAny},
		{unix.SYS_SEMCTL, semInfo, semStatAny},
		{unix.SYS_MSGCTL, msgInfo, msgStatAny},
	} {
		errs[i] = removeKind(kind.call, kind.info, kind.statAny)
	}
	if setEffective(0) != nil {
		unix.Exit(exitFault) // it could start nothing any more
	}
	for _, err := range errs {
		if err != nil {
			return wrap("remove System V IPC", err)
		}
	}
	return nil
}

// setEffective changes this thread's user id alone, unlike unix.Setresuid.
func setEffective(uid uint32) error {
	const keep = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
		return errno
	}
	return nil
}

// removeKind removes all objects of one kind. The kernel bounds their number; its
// answer to the first command is the highest index in use.
func removeKind(call, info, statAny uintptr) error {
	highest, errno := controlIPC(call, 0, info)
	if errno == unix.ENOSYS { // a kernel without it
		return nil
	}
	if errno != 0 {
		return errno
	}
	for index := uintptr(0); index <= highest; index++ {
		id, errno := controlIPC(call, index, statAny)
		if errno != 0 {
			continue // not in use
		}
		if _, errno := controlIPC(call, id, unix.IPC_RMID); errno != 0 {
			return errno
		}
	}
	return nil
}

// controlIPC is one of the three calls. semctl(2) has the number of a semaphore
// before the command.
func controlIPC(call, object, command uintptr) (uintptr, unix.Errno) {
	var buffer [controlBytes]byte
	var n uintptr
	var errno unix.Errno
	if call == unix.SYS_SEMCTL {
		n, _, errno = unix.RawSyscall6(call, object, 0, command, uintptr(unsafe.Pointer(&buffer)), 0, 0)
	} else {
		n, _, errno = unix.RawSyscall(call, object, command, uintptr(unsafe.Pointer(&buffer)))
	}
	return n, errno
}
