"""Releases two versions of a function by an alias, and takes the second back.

Usage: release.py NAME RUNTIME HANDLER ZIP

Prints one JSON object of what it saw; who runs it knows what that should be."""

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
        return [e.response["Error"]["Code"], type(e).__name__]
    return "accepted"


def wait(waiter, **arguments):
    client.get_waiter(waiter).wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}, **arguments)


def publish(**arguments):
    published = client.publish_version(FunctionName=name, **arguments)
    wait("published_version_active", Qualifier=published["Version"])
    return published["Version"]


def invoke():
    out = client.invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
    answer = json.load(out["Payload"])
    return [out["ExecutedVersion"], answer["greeting"], answer["arn"].split(":", 6)[6]]


def several(n):
    return sorted({" ".join(invoke()) for _ in range(n)})


with open(path, "rb") as f:
    package = f.read()
client.create_function(
    FunctionName=name, Runtime=runtime, Handler=handler, Role="arn:aws:iam::000000000000:role/e2e",
    Code={"ZipFile": package}, Timeout=10, Environment={"Variables": {"GREETING": "one"}},
)
wait("function_active_v2")
seen["first"] = publish(Description="the first")
alias = client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
seen["alias"] = [alias["AliasArn"].split(":", 6)[6], alias["FunctionVersion"], "RoutingConfig" in alias]
seen["before"] = several(2)

client.update_function_configuration(FunctionName=name, Environment={"Variables": {"GREETING": "two"}})
wait("function_updated_v2")
seen["second"] = publish()
seen["again"] = publish()
shifted = client.update_alias(
    FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}, RevisionId=alias["RevisionId"]
)
seen["weights"] = shifted["RoutingConfig"]["AdditionalVersionWeights"]
seen["shifted"] = several(40)
seen["stale"] = refused(client.update_alias, FunctionName=name, Name="live", Description="d", RevisionId=alias["RevisionId"])
seen["pointed"] = refused(client.delete_function, FunctionName=name, Qualifier="2")
client.update_alias(FunctionName=name, Name="live", RoutingConfig={})
seen["back"] = several(5)

client.delete_function(FunctionName=name, Qualifier="2")
pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name, PaginationConfig={"PageSize": 1})
seen["versions"] = [v["Version"] for page in pages for v in page["Versions"]]
seen["aliases"] = [a["Name"] for page in client.get_paginator("list_aliases").paginate(FunctionName=name) for a in page["Aliases"]]
client.delete_alias(FunctionName=name, Name="live")
seen["lost"] = refused(client.invoke, FunctionName=name, Qualifier="live")
client.delete_function(FunctionName=name)
seen["gone"] = refused(client.get_function, FunctionName=name, Qualifier="1")
json.dump(seen, sys.stdout)
