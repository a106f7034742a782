"""Answers with its event and what it knows of its invocation."""

import os
import time

count = 0


def handler(event, context):
    global count
    count += 1
    if "print" in event:
        print(event["print"])
    if "sleepMS" in event:
        time.sleep(event["sleepMS"] / 1000)
    if "raise" in event:
        raise ValueError(event["raise"])
    client = context.client_context
    return {
        "language": "python",
        "value": event.get("value"),
        "requestId": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "function": context.function_name,
        "memoryMB": str(context.memory_limit_in_mb),
        "remainingMS": context.get_remaining_time_in_millis(),
        "client": (client.custom or {}).get("who", "") if client else "",
        "greeting": os.environ.get("GREETING", ""),
        "count": count,
    }
