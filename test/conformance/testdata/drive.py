"""Issues calls with boto3 and writes what it returns, a line of JSON each."""

import base64
import concurrent.futures
import datetime
import json
import sys
import threading

import boto3
import botocore.config
import botocore.exceptions
from botocore import xform_name

clients = {}
lock = threading.Lock()


def client(service, unchecked, endpoint, key_id, secret):
    with lock:
        key = service, unchecked, endpoint
        if key not in clients:
            config = botocore.config.Config(
                retries={"total_max_attempts": 1}, read_timeout=60, parameter_validation=not unchecked
            )
            clients[key] = boto3.client(
                service, config=config, endpoint_url=endpoint, aws_access_key_id=key_id, aws_secret_access_key=secret
            )
        return clients[key]


def decode(value):
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {k: decode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [decode(v) for v in value]
    return value


def encode(value):
    if isinstance(value, dict):
        return {k: encode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [encode(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def issue(call):
    try:
        own = client(call["service"], call["unchecked"], call["endpoint"], call["key_id"], call["secret"])
        method = getattr(own, xform_name(call["operation"]))
        answer = method(**decode(call["input"]))
    except botocore.exceptions.ClientError as error:
        answer = error.response
    except botocore.exceptions.ParamValidationError as error:
        return str(error)
    answer["ResponseMetadata"] = {"HTTPStatusCode": answer["ResponseMetadata"]["HTTPStatusCode"]}
    return encode(answer)


def work(call):
    try:
        line = {"id": call["id"], "answer": issue(call)}
    except Exception as error:  # the test decides what it means
        line = {"id": call["id"], "failure": repr(error)}
    with lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


with concurrent.futures.ThreadPoolExecutor(32) as pool:
    for line in sys.stdin:
        pool.submit(work, json.loads(line))
