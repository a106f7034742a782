package seccomp_test

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"thaw/internal/linux/seccomp"
)

const (
	allow = 0x7fff0000
	errno = 0x00050000
	kill  = 0x80000000
)

// machine loads the program into the interpreter of x/net/bpf, which reads its
// input big-endian where the kernel reads native words.
func machine(t *testing.T) (run func(arch, number, arg uint32) uint32, size int) {
	t.Helper()
	program, err := seccomp.Program()
	if err != nil {
		t.Fatal(err)
	}
	var raw []bpf.RawInstruction
	for i := 0; i < len(program); i += 8 {
		raw = append(raw, bpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(program[i:]), Jt: program[i+2], Jf: program[i+3],
			K: binary.NativeEndian.Uint32(program[i+4:]),
		})
	}
	instructions, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the program does not disassemble")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	return func(arch, number, arg uint32) uint32 {
		data := make([]byte, 64)
		binary.BigEndian.PutUint32(data[0:], number)
		binary.BigEndian.PutUint32(data[4:], arch)
		binary.BigEndian.PutUint32(data[16:], arg)
		out, err := vm.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(out)
	}, len(raw)
}

func TestVerdicts(t *testing.T) {
	run, size := machine(t)
	if size > 200 {
		t.Errorf("the filter has %d instructions, want at most 200", size)
	}
	eperm, enosys := uint32(errno|unix.EPERM), uint32(errno|unix.ENOSYS)
	tests := []struct {
		name        string
		number, arg uint32
		want        uint32
	}{
		{"read", unix.SYS_READ, 0, allow},
		{"execve", unix.SYS_EXECVE, 0, allow},
		{"setresuid", unix.SYS_SETRESUID, 0, allow},
		{"futex_waitv", unix.SYS_FUTEX_WAITV, 0, allow},
		{"mount", unix.SYS_MOUNT, 0, eperm},
		{"open_tree_attr", unix.SYS_OPEN_TREE_ATTR, 0, eperm},
		{"unshare", unix.SYS_UNSHARE, unix.CLONE_NEWUSER, eperm},
		{"ptrace", unix.SYS_PTRACE, 0, eperm},
		{"clone3", unix.SYS_CLONE3, 0, enosys},
		{"io_uring_setup", unix.SYS_IO_URING_SETUP, 0, enosys},
		{"mq_open", unix.SYS_MQ_OPEN, 0, enosys},
		{"shmget", unix.SYS_SHMGET, 0, allow},
		{"a hole in the table", 400, 0, enosys},
		{"a call of the future", 600, 0, enosys},
		{"x32 read", 0x40000000, 0, enosys},
		{"clone of a thread", unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_THREAD, allow},
		{"clone of a process", unix.SYS_CLONE, uint32(unix.SIGCHLD), allow},
		{"clone of a user namespace", unix.SYS_CLONE, unix.CLONE_NEWUSER | uint32(unix.SIGCHLD), eperm},
		{"clone of a network namespace", unix.SYS_CLONE, unix.CLONE_NEWNET, eperm},
		{"socket unix", unix.SYS_SOCKET, unix.AF_UNIX, allow},
		{"socket inet", unix.SYS_SOCKET, unix.AF_INET, allow},
		{"socket inet6", unix.SYS_SOCKET, unix.AF_INET6, allow},
		{"socket netlink", unix.SYS_SOCKET, unix.AF_NETLINK, allow},
		{"socket vsock", unix.SYS_SOCKET, unix.AF_VSOCK, errno | uint32(unix.EAFNOSUPPORT)},
		{"socketpair alg", unix.SYS_SOCKETPAIR, unix.AF_ALG, errno | uint32(unix.EAFNOSUPPORT)},
	}
	for _, test := range tests {
		if got := run(arch, test.number, test.arg); got != test.want {
			t.Errorf("%s: verdict %#x, want %#x", test.name, got, test.want)
		}
	}
	if got := run(arch^1, unix.SYS_READ, 0); got != kill {
		t.Errorf("another architecture: verdict %#x, want %#x", got, uint32(kill))
	}
}
