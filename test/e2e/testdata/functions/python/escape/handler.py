"""Tries to leave the sandbox, in many ways. Answers, by way, "out" or what
stopped it."""

import ctypes
import errno
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
PTRACE_ATTACH = 16


def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), "")


def connect(address, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(2)
        s.connect(address)


def write(path):
    with open(path, "ab") as f:
        f.write(b"x")


def read(path):
    with open(path, "rb", buffering=0) as f:
        f.read(16)


def becomes_root():
    os.setuid(0)


def raises_limit():
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))


def handler(event, context):
    port = event["port"]
    ways = {
        "connect to the server": lambda: connect(("127.0.0.1", port)),
        "connect to the server over the link": lambda: connect(("169.254.100.1", port)),
        "connect to the metadata service": lambda: connect(("169.254.169.254", 80)),
        "connect to an abstract socket of the host": lambda: connect("\0" + event["socket"], socket.AF_UNIX),
        "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
        "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "list the host's data directory": lambda: os.listdir(event["data"]),
        "list the root of process 1": lambda: os.listdir("/proc/1/root/"),
        "read the memory of process 1": lambda: read("/proc/1/mem"),
        "read the variables of process 1": lambda: read("/proc/1/environ"),
        "list the files of process 1": lambda: os.listdir("/proc/1/fd"),
        "kill process 1": lambda: os.kill(1, 9),
        "trace process 1": lambda: call("ptrace", PTRACE_ATTACH, 1, 0, 0),
        "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "remount the code": lambda: call("mount", None, b"/var/task", None, 32 | 4096, None),
        "unmount": lambda: call("umount2", b"/var/task", 2),
        "new user namespace": lambda: call("unshare", CLONE_NEWUSER),
        "new mount namespace": lambda: call("unshare", CLONE_NEWNS),
        "new pid namespace": lambda: call("unshare", CLONE_NEWPID),
        "new network namespace": lambda: call("unshare", CLONE_NEWNET),
        "change root": lambda: os.chroot("/tmp"),
        "make a device": lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(7, 0)),
        "become root": becomes_root,
        "raise the limit of files": raises_limit,
        "read the kernel's memory": lambda: read("/proc/kcore"),
        "read the kernel's messages": lambda: read("/dev/kmsg"),
        "read the kernel's keys": lambda: read("/proc/keys"),
        "reset the machine": lambda: write("/proc/sysrq-trigger"),
        "set the core pattern": lambda: write("/proc/sys/kernel/core_pattern"),
        "write its code": lambda: write("/var/task/handler.py"),
        "write beside its code": lambda: write("/var/task/new"),
        "write the runtime": lambda: write("/var/runtime/bootstrap"),
        "write the host's programs": lambda: write("/usr/bin/env"),
        "write the password file": lambda: write("/etc/passwd"),
        "write in the root": lambda: write("/new"),
        "make a group of its own": lambda: os.mkdir("/sys/fs/cgroup/new"),
    }
    outcome = {}
    for name, way in ways.items():
        try:
            way()
            outcome[name] = "out"
        except OSError as e:
            outcome[name] = errno.errorcode.get(e.errno, str(e))
        except Exception as e:
            outcome[name] = type(e).__name__
    with open("/proc/self/status") as f:
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in f)}
    outcome["capabilities"] = status["CapEff"] + status["CapPrm"] + status["CapBnd"]
    outcome["no new privileges"] = status["NoNewPrivs"]
    return outcome
