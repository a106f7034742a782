"""Goes to the limits of its environment: the event's "do" names which."""

import errno
import os
import subprocess
import threading
import time

kept = []


def handler(event, context):
    return globals()["do_" + event["do"]](event)


def do_fill(event):
    """Fills /tmp, as far as it goes."""
    written = 0
    block = os.urandom(1 << 20)
    try:
        with open("/tmp/full", "wb", buffering=0) as f:
            while True:
                written += f.write(block)
    except OSError as e:
        reason = errno.errorcode[e.errno]
    if event.get("remove"):
        os.remove("/tmp/full")
    return {"written": written, "error": reason}


def do_size(event):
    fs = os.statvfs("/tmp")
    return {"size": fs.f_blocks * fs.f_frsize, "free": fs.f_bavail * fs.f_frsize}


def do_use(event):
    """Uses so many MB of memory for half a second."""
    held = b"x" * (event["megabytes"] << 20)
    time.sleep(0.5)
    return len(held)


def do_spin(event):
    """Computes for a second and tells how much of it was given."""
    end = time.monotonic() + 1
    began = time.process_time()
    while time.monotonic() < end:
        pass
    return time.process_time() - began


def do_tasks(event):
    """Starts processes and then threads, until it may not, and ends them all."""
    children = [subprocess.Popen(["/bin/sleep", "60"]) for _ in range(event["processes"])]
    done = threading.Event()
    threads = []
    reason = ""
    try:
        while True:
            t = threading.Thread(target=done.wait)
            t.start()
            threads.append(t)
    except RuntimeError as e:
        reason = str(e)
    tasks = sum(len(os.listdir("/proc/%s/task" % name)) for name in os.listdir("/proc") if name.isdigit() and own(name))
    done.set()
    for t in threads:
        t.join()
    for c in children:
        c.kill()
        c.wait()
    return {"tasks": tasks, "error": reason}


def own(pid):
    return os.stat("/proc/" + pid).st_uid == os.getuid()
