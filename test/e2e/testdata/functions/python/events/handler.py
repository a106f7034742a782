"""Tells in its log of each attempt of an event, and does what the event says."""

import json
import os
import time

import boto3


def handler(event, context):
    print("attempt", event["name"], os.environ.get("GREETING", ""), context.aws_request_id)
    if "sleepMS" in event:
        time.sleep(event["sleepMS"] / 1000)
    if event.get("again"):
        boto3.client("lambda").invoke(
            FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps(event)
        )
    if event.get("fail"):
        raise ValueError("intended")
    return event["name"]
