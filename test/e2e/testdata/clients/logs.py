"""Reads the log of a function in every way that boto3 has.

Usage: logs.py GROUP WORD

Prints one JSON object of what it saw; who runs it knows what that should be."""

import json
import sys

import boto3
from botocore.exceptions import ClientError

group, word = sys.argv[1:]
client = boto3.client("logs")


def pages(operation, member, **arguments):
    size = {"PageSize": 1}
    return [one for page in client.get_paginator(operation).paginate(PaginationConfig=size, **arguments) for one in page[member]]


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return [e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"], type(e).__name__]
    return "accepted"


def walk(stream):
    """Follows the forward tokens from the head until one leads to itself."""
    messages, arguments = [], {}
    while True:
        page = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=3, **arguments)
        messages += [e["message"] for e in page["events"]]
        if arguments.get("nextToken") == page["nextForwardToken"]:
            return messages
        arguments = {"nextToken": page["nextForwardToken"]}


streams = pages("describe_log_streams", "logStreams", logGroupName=group, orderBy="LastEventTime", descending=True)
events = pages("filter_log_events", "events", logGroupName=group)
seen = {
    "groups": [g["logGroupName"] for g in pages("describe_log_groups", "logGroups", logGroupNamePrefix=group)],
    "streams": len(streams),
    "filtered": len(events),
    "distinct": len({e["eventId"] for e in events}),
    "in order": events == sorted(events, key=lambda e: e["timestamp"]),
    "walked": sum(len(walk(s["logStreamName"])) for s in streams),
    "word": [e["message"] for e in pages("filter_log_events", "events", logGroupName=group, filterPattern=f'"{word}" -START')],
    "reports": len(pages("filter_log_events", "events", logGroupName=group, filterPattern="[type=REPORT, ...]")),
    "no group": refused(client.filter_log_events, logGroupName=group + "-none"),
    "no stream": refused(client.get_log_events, logGroupName=group, logStreamName="none"),
    "bad pattern": refused(client.filter_log_events, logGroupName=group, filterPattern="{ $.x"),
}
print(json.dumps(seen))
