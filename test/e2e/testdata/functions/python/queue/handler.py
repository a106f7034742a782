"""Sends to a message queue of the server that runs it, or receives from one."""

import boto3
from botocore.exceptions import ClientError

client = boto3.client("sqs")


def handler(event, context):
    try:
        url = client.get_queue_url(QueueName=event["queue"])["QueueUrl"]
        if event["call"] == "send":
            return {"answer": client.send_message(QueueUrl=url, MessageBody=event["body"])["MessageId"]}
        return {"answer": [m["Body"] for m in client.receive_message(QueueUrl=url).get("Messages", [])]}
    except ClientError as e:
        return {
            "status": e.response["ResponseMetadata"]["HTTPStatusCode"],
            "code": e.response["Error"]["Code"],
            "message": e.response["Error"]["Message"],
        }
