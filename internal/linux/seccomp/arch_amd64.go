package seccomp

import "golang.org/x/sys/unix"

const (
	auditArch   = unix.AUDIT_ARCH_X86_64
	lastCall    = unix.SYS_OPEN_TREE_ATTR
	unusedFirst = 335 // after rseq the numbers jump to the range common to all architectures
	unusedLast  = 423
)

// refusedHere are EPERM on this architecture: direct access to I/O ports.
var refusedHere = []uint32{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT}
