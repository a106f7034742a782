#!/usr/bin/env python3
"""An extension that fails at any time. What it does is drawn from the variable
SEED and the number of its start, which it keeps in /tmp."""

import json
import os
import random
import sys
import time
import urllib.error
import urllib.request

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"


def call(method, path, body=None, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(API + path, method=method, data=body, headers=names)
    with urllib.request.urlopen(request) as response:
        return response.headers, response.read()


def main():
    with open("/tmp/starts", "a+b") as f:
        f.write(b".")
        f.flush()
        starts = os.stat(f.fileno()).st_size
    draw = random.Random("%s-%d" % (os.environ.get("SEED", ""), starts))
    time.sleep(draw.choice([0, 0, 0, 0.05]))
    if draw.random() < 0.05:
        sys.exit(1)
    events = draw.choice([["INVOKE", "SHUTDOWN"], ["INVOKE"], ["SHUTDOWN"], []])
    body = json.dumps({"events": events}).encode()
    headers, _ = call("POST", "register", body, Lambda_Extension_Name=os.path.basename(sys.argv[0]))
    me = headers["Lambda-Extension-Identifier"]
    while True:
        _, event = call("GET", "event/next", Lambda_Extension_Identifier=me)
        time.sleep(draw.choice([0, 0, 0.01, 0.1]))
        fate = draw.random()
        if fate < 0.04:
            call("POST", "exit/error", b"", Lambda_Extension_Identifier=me, Lambda_Extension_Function_Error_Type="Extension.Moody")
            sys.exit(1)
        if fate < 0.08:
            sys.exit(2)
        if fate < 0.1:
            time.sleep(3600)
        if json.loads(event)["eventType"] == "SHUTDOWN":
            sys.exit(0)


main()
