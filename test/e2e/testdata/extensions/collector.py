#!/usr/bin/env python3
"""An external extension in Python, as layers bring them for that runtime: it takes
the Logs API's records by TCP, a line each, and prints them."""

import json
import os
import socket
import sys
import threading
import urllib.request

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"]
NAME = os.path.basename(__file__)


def say(text):
    print(f"{NAME}: {text}", flush=True)


def call(method, path, body=None, **headers):
    data = json.dumps(body).encode() if body is not None else None
    req = urllib.request.Request(API + path, data, {k.replace("_", "-"): v for k, v in headers.items()}, method=method)
    with urllib.request.urlopen(req) as res:
        return res.headers, res.read().decode()


reported = threading.Event()


def take(listener):
    while True:
        conn, _ = listener.accept()
        for line in conn.makefile(encoding="utf-8"):
            say("record " + line.rstrip("\n"))
            if json.loads(line)["type"] == "platform.report":
                reported.set()


def main():
    headers, _ = call("POST", "/2020-01-01/extension/register", {"events": ["INVOKE", "SHUTDOWN"]}, Lambda_Extension_Name=NAME)
    me = {"Lambda_Extension_Identifier": headers["Lambda-Extension-Identifier"]}
    listener = socket.create_server(("sandbox.localdomain", 0))
    threading.Thread(target=take, args=(listener,), daemon=True).start()
    subscription = {
        "schemaVersion": "2021-03-18",
        "types": ["platform", "function"],
        "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
        "destination": {"protocol": "TCP", "port": listener.getsockname()[1]},
    }
    _, answer = call("PUT", "/2020-08-15/logs", subscription, Content_Type="application/json", **me)
    say("subscribed " + answer)
    while True:
        _, answer = call("GET", "/2020-01-01/extension/event/next", **me)
        say("event " + answer)
        if json.loads(answer)["eventType"] == "SHUTDOWN":
            reported.wait(1.5)  # nobody tells whether what was sent has been read
            sys.exit(0)


main()
