package seccomp

import "golang.org/x/sys/unix"

const (
	auditArch   = unix.AUDIT_ARCH_AARCH64
	lastCall    = unix.SYS_OPEN_TREE_ATTR
	unusedFirst = 295 // after kexec_file_load the numbers jump to the range common to all architectures
	unusedLast  = 423
)

var refusedHere []uint32
