"""Sets with boto3 what can be set for a function beside its code.

Usage: configs.py NAME RUNTIME HANDLER ZIP

Prints one JSON object of what it saw; who runs it knows what that should be."""

import json
import sys

import boto3
from botocore.exceptions import ClientError

name, runtime, handler, path = sys.argv[1:]
client = boto3.client("lambda")
function = {"FunctionName": name}
live = {"FunctionName": name, "Qualifier": "live"}
seen = {}


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return [e.response["ResponseMetadata"]["HTTPStatusCode"], type(e).__name__]
    return "accepted"


def answer(response, *members):
    return [response["ResponseMetadata"]["HTTPStatusCode"]] + [response.get(m) for m in members]


with open(path, "rb") as f:
    created = client.create_function(
        FunctionName=name, Runtime=runtime, Handler=handler, Role="arn:aws:iam::000000000000:role/e2e",
        Code={"ZipFile": f.read()}, Tags={"team": "red"},
    )
arn = created["FunctionArn"]
client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
client.publish_version(**function)
client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")

free = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
seen["reserve"] = answer(client.put_function_concurrency(ReservedConcurrentExecutions=7, **function), "ReservedConcurrentExecutions")
seen["reserved"] = answer(client.get_function_concurrency(**function), "ReservedConcurrentExecutions")
seen["reserve too much"] = refused(client.put_function_concurrency, ReservedConcurrentExecutions=100000, **function)
seen["taken"] = free - client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
seen["provision too much"] = refused(client.put_provisioned_concurrency_config, ProvisionedConcurrentExecutions=8, **live)
seen["provision"] = answer(
    client.put_provisioned_concurrency_config(ProvisionedConcurrentExecutions=2, **live),
    "RequestedProvisionedConcurrentExecutions", "AvailableProvisionedConcurrentExecutions", "Status",
)
seen["provision the version"] = refused(
    client.put_provisioned_concurrency_config, FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1,
)
pages = client.get_paginator("list_provisioned_concurrency_configs").paginate(**function)
seen["provisioned"] = [p["FunctionArn"] == arn + ":live" for page in pages for p in page["ProvisionedConcurrencyConfigs"]]
seen["provision nothing"] = answer(client.delete_provisioned_concurrency_config(**live))
seen["get provisioned"] = refused(client.get_provisioned_concurrency_config, **live)
seen["release"] = answer(client.delete_function_concurrency(**function))

seen["asynchronous"] = answer(client.put_function_event_invoke_config(MaximumRetryAttempts=0, **function), "MaximumRetryAttempts", "DestinationConfig")
client.put_function_event_invoke_config(MaximumEventAgeInSeconds=60, **live)
merged = client.update_function_event_invoke_config(MaximumRetryAttempts=1, **live)
seen["merged"] = answer(merged, "MaximumRetryAttempts", "MaximumEventAgeInSeconds") + [merged["LastModified"].year >= 2024]
pages = client.get_paginator("list_function_event_invoke_configs").paginate(PaginationConfig={"PageSize": 1}, **function)
seen["all asynchronous"] = [c["FunctionArn"].removeprefix(arn) for page in pages for c in page["FunctionEventInvokeConfigs"]]
seen["forget asynchronous"] = answer(client.delete_function_event_invoke_config(**live))
seen["get asynchronous"] = refused(client.get_function_event_invoke_config, **live)

url = client.create_function_url_config(AuthType="NONE", Cors={"AllowOrigins": ["*"]}, **live)
seen["url"] = answer(url, "AuthType", "Cors", "InvokeMode")
seen["url again"] = refused(client.create_function_url_config, AuthType="NONE", **live)
seen["change url"] = answer(client.update_function_url_config(InvokeMode="RESPONSE_STREAM", **live), "AuthType", "Cors", "InvokeMode")
pages = client.get_paginator("list_function_url_configs").paginate(**function)
seen["urls"] = [c["FunctionUrl"] == url["FunctionUrl"] for page in pages for c in page["FunctionUrlConfigs"]]
seen["delete url"] = answer(client.delete_function_url_config(**live))
seen["get url"] = refused(client.get_function_url_config, **live)

client.tag_resource(Resource=arn, Tags={"team": "blue", "cost": "7"})
client.untag_resource(Resource=arn, TagKeys=["cost"])
seen["tags"] = [client.list_tags(Resource=arn)["Tags"], client.get_function(**function)["Tags"]]
seen["tags of a version"] = refused(client.tag_resource, Resource=arn + ":1", Tags={"k": "v"})

seen["loop"] = [client.get_function_recursion_config(**function)["RecursiveLoop"]]
client.put_function_recursion_config(RecursiveLoop="Allow", **function)
seen["loop"].append(client.get_function_recursion_config(**function)["RecursiveLoop"])
seen["runtime"] = [client.get_runtime_management_config(**function)["UpdateRuntimeOn"]]
client.put_runtime_management_config(UpdateRuntimeOn="FunctionUpdate", **function)
seen["runtime"].append(client.get_runtime_management_config(**function)["UpdateRuntimeOn"])
client.delete_function(**function)
json.dump(seen, sys.stdout)
