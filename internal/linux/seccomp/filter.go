// Package seccomp builds the system call filter of a sandbox's processes.
//
// The filter is a list of refusals: what a function has no use for and the kernel
// is weakest at. The answer matters as much as the refusal. A call that the
// kernel does not have answers ENOSYS, and so do clone3 and io_uring, for which
// every runtime has a fallback that it takes on ENOSYS only; a privilege that is
// missing answers EPERM.
//
// The program is a binary search over ranges of numbers, so that a call costs
// about eight instructions. Program is pure; nothing here installs it.
package seccomp

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Results of a filter (linux/seccomp.h), in the order of severity.
const (
	killProcess = 0x80000000
	errno       = 0x00050000
	allow       = 0x7fff0000
)

// Two pseudo results stand for calls whose arguments decide.
const (
	checkClone  = 1
	checkSocket = 2
)

// Offsets in struct seccomp_data; arguments are little-endian 64-bit words.
const (
	offsetNumber   = 0
	offsetArch     = 4
	offsetFirstArg = 16
)

// cloneNamespaces are the flags of clone(2) that make a namespace. Bit 0x80 is
// CLONE_NEWTIME, and free in the signal number that shares its byte.
const cloneNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME

// families are the address families that socket(2) and socketpair(2) may ask
// for. Others load kernel modules, and AF_VSOCK is not confined by a network
// namespace: through it a function could speak to the hypervisor.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// refused are the calls that answer EPERM.
var refused = []uint32{
	// Mounts and namespaces.
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN,
	unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR,
	unix.SYS_MOUNT_SETATTR, unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL,
	unix.SYS_QUOTACTL_FD, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_FANOTIFY_INIT,
	// The kernel itself.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE,
	unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_REBOOT, unix.SYS_SYSLOG, unix.SYS_ACCT,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_VHANGUP,
	// Other processes.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
}

// absent are the calls that answer ENOSYS although the kernel has them. Message
// queues of POSIX are among them because they outlive their makers, and nobody
// inside could find them to remove them.
var absent = []uint32{
	unix.SYS_CLONE3, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_MQ_OPEN,
}

// Program returns the filter as an array of struct sock_filter.
func Program() ([]byte, error) {
	instructions := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: killProcess}, // another architecture's numbers would mean other calls
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	tree, err := search(ranges())
	if err != nil {
		return nil, err
	}
	raw, err := bpf.Assemble(append(instructions, tree...))
	if err != nil {
		return nil, fmt.Errorf("assemble seccomp filter: %w", err)
	}
	var program []byte
	for _, r := range raw {
		program = binary.NativeEndian.AppendUint16(program, r.Op)
		program = append(program, r.Jt, r.Jf)
		program = binary.NativeEndian.AppendUint32(program, r.K)
	}
	return program, nil
}

// span is a result for all numbers from first to the next span's first.
type span struct{ first, result uint32 }

// ranges returns the results of all numbers, neighbours with the same result
// merged.
func ranges() []span {
	results := make([]uint32, lastCall+2)
	for i := range results {
		results[i] = allow
	}
	results[lastCall+1] = errno | uint32(unix.ENOSYS) // what the kernel gets after this was written
	for n := unusedFirst; n <= unusedLast; n++ {
		results[n] = errno | uint32(unix.ENOSYS)
	}
	for _, n := range append(slices.Clone(refused), refusedHere...) {
		results[n] = errno | uint32(unix.EPERM)
	}
	for _, n := range absent {
		results[n] = errno | uint32(unix.ENOSYS)
	}
	results[unix.SYS_CLONE] = checkClone
	results[unix.SYS_SOCKET], results[unix.SYS_SOCKETPAIR] = checkSocket, checkSocket
	var spans []span
	for n, r := range results {
		if n == 0 || results[n-1] != r {
			spans = append(spans, span{uint32(n), r})
		}
	}
	return spans
}

// search returns instructions that find the span of the number in the
// accumulator. The left half follows its test; the right half is jumped to.
func search(spans []span) ([]bpf.Instruction, error) {
	if len(spans) == 1 {
		return verdict(spans[0].result), nil
	}
	middle := len(spans) / 2
	left, err := search(spans[:middle])
	if err != nil {
		return nil, err
	}
	right, err := search(spans[middle:])
	if err != nil {
		return nil, err
	}
	if len(left) > 255 { // a conditional jump's offset is one byte
		return nil, fmt.Errorf("seccomp filter of %d ranges is too long", len(spans))
	}
	test := bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: spans[middle].first, SkipTrue: uint8(len(left))}
	return slices.Concat([]bpf.Instruction{test}, left, right), nil
}

func verdict(result uint32) []bpf.Instruction {
	switch result {
	case checkClone:
		return []bpf.Instruction{
			bpf.LoadAbsolute{Off: offsetFirstArg, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: cloneNamespaces, SkipFalse: 1},
			bpf.RetConstant{Val: errno | uint32(unix.EPERM)},
			bpf.RetConstant{Val: allow},
		}
	case checkSocket:
		instructions := []bpf.Instruction{bpf.LoadAbsolute{Off: offsetFirstArg, Size: 4}}
		for i, f := range families {
			instructions = append(instructions, bpf.JumpIf{Cond: bpf.JumpEqual, Val: f, SkipTrue: uint8(len(families) - i)})
		}
		return append(instructions,
			bpf.RetConstant{Val: errno | uint32(unix.EAFNOSUPPORT)},
			bpf.RetConstant{Val: allow})
	default:
		return []bpf.Instruction{bpf.RetConstant{Val: result}}
	}
}
