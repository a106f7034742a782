package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// lastSignal is the highest number of a signal, and ignored the disposition
// SIG_IGN; see signal(7).
const (
	lastSignal = 64
	ignored    = 1
)

// disposition is the kernel's struct sigaction.
type disposition struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// heedSignals takes back what the daemon's parent has set to be ignored, nohup(1)
// and shells do: it would be inherited by every function. Signals that this
// program handles itself are reset by exec. The spawner stays deaf to them, as the
// daemon is.
func heedSignals() {
	for signal := uintptr(1); signal <= lastSignal; signal++ {
		var d disposition
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, signal, 0, uintptr(unsafe.Pointer(&d)), unsafe.Sizeof(d.mask), 0, 0)
		if errno != 0 || d.handler != ignored {
			continue
		}
		d = disposition{}
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(&d)), 0, unsafe.Sizeof(d.mask), 0, 0)
	}
}
