"""Takes a function through everything that boto3 can do to it.

Usage: lifecycle.py NAME RUNTIME HANDLER ZIP

Prints one JSON object of what it saw; who runs it knows what that should be."""

import base64
import io
import json
import sys

import boto3
from botocore.exceptions import ClientError

name, runtime, handler, path = sys.argv[1:]
client = boto3.client("lambda")
seen = {}


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return [e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"], type(e).__name__]
    return "accepted"


def invoke(event, **arguments):
    return client.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **arguments)


with open(path, "rb") as f:
    package = f.read()

created = client.create_function(
    FunctionName=name, Runtime=runtime, Handler=handler, Role="arn:aws:iam::000000000000:role/e2e",
    Code={"ZipFile": package}, Timeout=10, MemorySize=256, Environment={"Variables": {"GREETING": "hello"}},
)
seen["create"] = [created["ResponseMetadata"]["HTTPStatusCode"], created["State"]]
client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
got = client.get_function(FunctionName=name)
seen["get"] = [got["Configuration"]["State"], got["Configuration"]["Environment"]["Variables"], got["Configuration"]["MemorySize"]]
listed = [f["FunctionName"] for page in client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1}) for f in page["Functions"]]
seen["list"] = listed.count(name)

out = invoke({"value": [1, "ä"]}, LogType="Tail", ClientContext=base64.b64encode(b'{"custom":{"who":"boto3"}}').decode())
answer = json.load(out["Payload"])
log = base64.b64decode(out["LogResult"]).decode()
seen["invoke"] = [
    out["StatusCode"], out["ExecutedVersion"], answer["value"], answer["client"], answer["greeting"],
    answer["requestId"] == out["ResponseMetadata"]["RequestId"], "Init Duration" in log, "FunctionError" in out,
]
out = invoke({"raise": "on purpose"})
seen["raise"] = [out["StatusCode"], out["FunctionError"], json.load(out["Payload"])["errorMessage"]]
seen["dry run"] = invoke({}, InvocationType="DryRun")["StatusCode"]
seen["no payload"] = json.load(client.invoke(FunctionName=name)["Payload"])["value"]

client.update_function_configuration(FunctionName=name, Environment={"Variables": {"GREETING": "good bye"}})
client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
updated = client.update_function_code(FunctionName=name, ZipFile=package)
client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
answer = json.load(invoke({})["Payload"])
seen["update"] = [updated["CodeSha256"] == created["CodeSha256"], answer["greeting"]]

seen["create again"] = refused(
    client.create_function, FunctionName=name, Runtime=runtime, Handler=handler,
    Role="arn:aws:iam::000000000000:role/e2e", Code={"ZipFile": package},
)
seen["delete"] = client.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"]
seen["delete again"] = refused(client.delete_function, FunctionName=name)
seen["invoke deleted"] = refused(client.invoke, FunctionName=name)
json.dump(seen, sys.stdout)
