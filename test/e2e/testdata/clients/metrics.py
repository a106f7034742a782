"""Reads the metrics of a function with boto3.

Usage: metrics.py NAME START END

The times are seconds since 1970. Prints one JSON object of what it saw; who runs it
knows what that should be."""

import json
import sys
from datetime import datetime, timezone

import boto3
from botocore.exceptions import ClientError

name = sys.argv[1]
start, end = (datetime.fromtimestamp(int(t), timezone.utc) for t in sys.argv[2:])
client = boto3.client("cloudwatch")
seen = {}

metrics = [m for page in client.get_paginator("list_metrics").paginate(Namespace="AWS/Lambda", Dimensions=[{"Name": "ExecutedVersion"}]) for m in page["Metrics"]]
seen["list"] = sorted("/".join([m["MetricName"]] + [d["Value"] for d in m["Dimensions"]]) for m in metrics)


def statistics(metric, *statistics, **dimensions):
    points = client.get_metric_statistics(
        Namespace="AWS/Lambda", MetricName=metric, StartTime=start, EndTime=end, Period=3600, Statistics=statistics,
        Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
    )["Datapoints"]
    return [[p[s] for s in statistics] + [p["Unit"]] for p in points]


seen["account"] = statistics("Invocations", "Sum")
seen["errors"] = statistics("Errors", "Sum", "SampleCount", "Average", FunctionName=name)
seen["throttles"] = statistics("Throttles", "Sum", "Maximum", FunctionName=name, Resource=name)
seen["alias"] = statistics("Invocations", "Sum", FunctionName=name, Resource=name + ":live", ExecutedVersion="1")
seen["nothing"] = statistics("Invocations", "Sum", FunctionName=name, Resource=name + ":other")


def query(id, metric, stat):
    found = {"Namespace": "AWS/Lambda", "MetricName": metric, "Dimensions": [{"Name": "FunctionName", "Value": name}]}
    return {"Id": id, "MetricStat": {"Metric": found, "Period": 3600, "Stat": stat}}


pages = client.get_paginator("get_metric_data").paginate(
    MetricDataQueries=[query("invocations", "Invocations", "Sum"), query("concurrent", "ConcurrentExecutions", "Maximum")], StartTime=start, EndTime=end,
)
seen["data"] = {r["Id"]: [r["Values"], r["StatusCode"]] for page in pages for r in page["MetricDataResults"]}
try:
    client.get_metric_statistics(Namespace="AWS/Lambda", MetricName="Errors", StartTime=start, EndTime=end, Period=3600)
except client.exceptions.MissingRequiredParameterException as e:
    seen["refused"] = e.response["Error"]["Code"]
except ClientError as e:
    seen["refused"] = repr(e)
try:
    client.put_metric_data(Namespace="N", MetricData=[{"MetricName": "m", "Value": 1}])
except ClientError as e:
    seen["put"] = [e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Message"]]
print(json.dumps(seen))
