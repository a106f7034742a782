"""Logs a line of each kind: of two levels, of several lines, and a bare one."""

import logging


def handler(event, context):
    log = logging.getLogger()
    log.setLevel("DEBUG")
    log.info("all is well")
    try:
        raise ValueError("of no use")
    except ValueError:
        log.exception("it went\nwrong")
    print("plain")
