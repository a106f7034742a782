"""Reaches out. Answers, by what it was asked for, what it got or what stopped it."""

import errno
import socket
import urllib.request


def fetch(url):
    with urllib.request.urlopen(url, timeout=2) as r:
        return r.read().decode()


def connect(where):
    host, port = where.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=2):
        return "connected"


def handler(event, context):
    ways = {"fetch": fetch, "connect": connect, "resolve": socket.gethostbyname}
    answers = {}
    for way, what in event["ways"]:
        try:
            answers[way + " " + what] = ways[way](what)
        except OSError as e:
            reason = getattr(e, "reason", e)
            if isinstance(reason, socket.gaierror):
                answers[way + " " + what] = "no such name"
            else:
                answers[way + " " + what] = errno.errorcode.get(getattr(reason, "errno", None), str(reason))
    return answers
