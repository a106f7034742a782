"""Calls the service that runs it, with the SDK that the runtime brings."""

import json
import os

import boto3
from botocore.exceptions import ClientError

client = boto3.client("lambda")


def handler(event, context):
    if event["call"] == "credentials":
        return {"answer": [os.environ["AWS_" + name] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]}
    try:
        if event["call"] == "metrics":
            metrics = boto3.client("cloudwatch").list_metrics(Namespace="AWS/Lambda", MetricName="Invocations")["Metrics"]
            return {"answer": sorted(d["Value"] for m in metrics for d in m["Dimensions"] if len(m["Dimensions"]) == 1)}
        if event["call"] == "list":
            names = [f["FunctionName"] for page in client.get_paginator("list_functions").paginate() for f in page["Functions"]]
            return {"answer": sorted(names)}
        answer = client.invoke(FunctionName=event["function"], Payload=json.dumps({"value": event.get("value")}))
        return {"answer": json.load(answer["Payload"])["value"]}
    except ClientError as e:
        return {
            "status": e.response["ResponseMetadata"]["HTTPStatusCode"],
            "code": e.response["Error"]["Code"],
            "message": e.response["Error"]["Message"],
        }
