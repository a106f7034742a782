"""Does what functions should not do: the event's "do" names it."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time

count = 0
kept = []
API = ("169.254.100.1", 9001)


def handler(event, context):
    global count
    count += 1
    return globals()["do_" + event["do"]](event)


def do_state(event):
    """Tells what survived: memory, the file that mark left, and processes."""
    return {
        "count": count,
        "marked": os.path.exists("/tmp/mark"),
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
        "pid": os.getpid(),
    }


def do_mark(event):
    open("/tmp/mark", "w").close()
    return do_state(event)


def do_exit(event):
    print("last words", flush=True)
    os._exit(event["code"])


def do_signal(event):
    os.kill(os.getpid(), event["signal"])
    time.sleep(60)


def do_loop(event):
    open("/tmp/mark", "w").close()
    print("round and round", flush=True)
    while True:
        pass


def do_fork(event):
    """Every process makes further ones, for ever."""
    open("/tmp/mark", "w").close()
    while True:
        try:
            os.fork()
        except OSError:
            pass


def do_memory(event):
    while True:
        kept.append(b"x" * (8 << 20))


def do_tmp(event):
    """Fills /tmp; answers how far it came and why no further."""
    written = 0
    block = os.urandom(1 << 20)
    try:
        with open("/tmp/full", "wb", buffering=0) as f:
            while True:
                written += f.write(block)
    except OSError as e:
        return {"written": written, "error": errno.errorcode[e.errno]}


def do_clear(event):
    os.remove("/tmp/full")
    with open("/tmp/again", "wb") as f:
        f.write(b"x" * (100 << 20))
    return {"size": os.stat("/tmp/again").st_size}


def do_print(event):
    line = "x" * 1023 + "\n"
    for _ in range(event["megabytes"] * 1024):
        sys.stdout.write(line)
    sys.stdout.write("the last line\n")
    sys.stdout.flush()
    return "printed"


def do_large(event):
    return "x" * (event["size"] - 2)


def do_garbage(event):
    """Sends each message on a connection of its own; answers the first lines."""
    replies = []
    for message in event["messages"]:
        with socket.create_connection(API, timeout=5) as s:
            try:
                s.sendall(bytes.fromhex(message))
                s.shutdown(socket.SHUT_WR)
                reply = s.recv(65536)
            except OSError as e:
                reply = str(e).encode()
        replies.append(reply.split(b"\r\n")[0].decode("latin-1"))
    return replies


def do_flood(event):
    """Sends a hundred megabytes of header."""
    with socket.create_connection(API, timeout=5) as s:
        sent = 0
        try:
            s.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n")
            for _ in range(100):
                s.sendall(b"x: " + b"y" * (1 << 20) + b"\r\n")
                sent += 1
        except OSError:
            pass
    return {"megabytes": sent}


def do_hangup(event):
    """Closes the runtime client's own connection under its feet."""
    closed = 0
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            s = socket.socket(fileno=fd)
        except OSError:
            continue
        try:
            if s.getpeername() == API:
                s.shutdown(socket.SHUT_RDWR)
                closed += 1
        except OSError:
            pass
        s.detach()
    return {"closed": closed}


def do_files(event):
    opened = []
    try:
        while True:
            opened.append(open("/dev/null"))
    except OSError as e:
        reason = errno.errorcode[e.errno]
    n = len(opened)
    for f in opened:
        f.close()
    return {"opened": n, "error": reason}


def do_sockets(event):
    """Opens connections to the Runtime API and leaves them open, half a request
    on each."""
    try:
        for _ in range(event["count"]):
            s = socket.create_connection(API, timeout=5)
            s.sendall(b"GET /2018")
            kept.append(s)
    except OSError:
        pass
    return {"opened": len(kept)}


def do_background(event):
    """Leaves a process behind that writes the time into a file for ever."""
    beat = "import time\nwith open('/tmp/beat', 'a') as f:\n while True:\n  print(time.time(), file=f, flush=True)\n  time.sleep(0.01)\n"
    child = subprocess.Popen([sys.executable, "-c", beat], start_new_session=True)
    while not (os.path.exists("/tmp/beat") and os.path.getsize("/tmp/beat")):
        time.sleep(0.01)
    return {"child": child.pid}


def do_beats(event):
    """Tells the longest pause between two beats, in seconds."""
    with open("/tmp/beat") as f:
        times = [float(line) for line in f.read().split("\n")[:-1]]
    return {"beats": len(times), "pause": max(b - a for a, b in zip(times, times[1:] + [time.time()]))}
