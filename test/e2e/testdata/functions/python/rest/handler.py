"""Leaves a thread, a timer and an open connection behind, and tells what became of them."""

import socket
import threading
import time

ticks = 0
fired = False
count = 0


def tick():
    global ticks
    while True:
        time.sleep(0.02)
        ticks += 1


def fire():
    global fired
    fired = True


def serve(listener):
    conn, _ = listener.accept()
    while data := conn.recv(64):
        conn.sendall(data)


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=[listener], daemon=True).start()
connection = socket.create_connection(listener.getsockname())


def handler(event, context):
    global count
    before = ticks
    count += 1
    if count == 1:
        threading.Thread(target=tick, daemon=True).start()
        timer = threading.Timer(0.3, fire)
        timer.daemon = True
        timer.start()
    time.sleep(event.get("stay", 0))
    word = "ping-%d" % count
    connection.sendall(word.encode())
    return {"before": before, "after": ticks, "fired": fired, "echo": connection.recv(64).decode() == word, "count": count}
