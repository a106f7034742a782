"""Fills, empties and deletes message queues, as programs of boto3 do.

Usage: queues.py PREFIX

Prints one JSON object of what it saw; who runs it knows what that should be.
"""

import json
import sys
import threading
import time

import boto3
from botocore.exceptions import ClientError

prefix = sys.argv[1]
client = boto3.client("sqs")
resource = boto3.resource("sqs")
seen = {}


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return [type(e).__name__, e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]]
    return "accepted"


def arn_of(url):
    return client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


dead = client.create_queue(QueueName=prefix + "-dead")["QueueUrl"]
redrive = {"deadLetterTargetArn": arn_of(dead), "maxReceiveCount": 2}
work = client.create_queue(
    QueueName=prefix + "-work",
    Attributes={"VisibilityTimeout": "1", "RedrivePolicy": json.dumps(redrive)},
    tags={"team": "a"},
)["QueueUrl"]
seen["urls"] = [work.split("/")[-2:], dead.split("/")[-2:]]

queue = resource.get_queue_by_name(QueueName=prefix + "-work")
seen["attributes"] = [queue.attributes["VisibilityTimeout"], json.loads(queue.attributes["RedrivePolicy"]) == redrive, queue.url == work]
seen["tags"] = client.list_queue_tags(QueueUrl=work)["Tags"]

queue.send_message(MessageBody="ä", MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}})
(message,) = queue.receive_messages(MessageAttributeNames=["All"], AttributeNames=["All"], WaitTimeSeconds=5)
seen["message"] = [message.body, message.md5_of_body, message.message_attributes["n"]["StringValue"], list(message.message_attributes["b"]["BinaryValue"]), message.attributes["ApproximateReceiveCount"]]
message.delete()

batch = queue.send_messages(Entries=[{"Id": "good", "MessageBody": "poison"}, {"Id": "bad", "MessageBody": "\x01"}])
seen["batch"] = [[m["Id"] for m in batch["Successful"]], [[m["Id"], m["Code"], m["SenderFault"]] for m in batch["Failed"]]]

# Received twice, and then where it belongs.
counts = []
for _ in range(2):
    counts += [m.attributes["ApproximateReceiveCount"] for m in queue.receive_messages(AttributeNames=["All"], WaitTimeSeconds=10)]
time.sleep(1.1)
counts.append(len(queue.receive_messages(WaitTimeSeconds=0)))
(letter,) = resource.Queue(dead).receive_messages(AttributeNames=["All"], WaitTimeSeconds=5)
seen["dead letter"] = [counts, letter.body, letter.attributes["DeadLetterQueueSourceArn"] == arn_of(work)]
seen["sources"] = client.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [work]

# Whoever waits is woken at once.
late = threading.Timer(1, lambda: boto3.client("sqs").send_message(QueueUrl=work, MessageBody="late"))
late.start()
begun = time.monotonic()
woken = queue.receive_messages(WaitTimeSeconds=20)
took = time.monotonic() - begun
seen["woken"] = [[m.body for m in woken], 0.9 < took < 5]
late.join()
queue.delete_messages(Entries=[{"Id": str(i), "ReceiptHandle": m.receipt_handle} for i, m in enumerate(woken)])

client.send_message(QueueUrl=work, MessageBody="later", DelaySeconds=60)
counted = client.get_queue_attributes(QueueUrl=work, AttributeNames=["All"])["Attributes"]
seen["counts"] = [counted["ApproximateNumberOfMessages" + kind] for kind in ("", "NotVisible", "Delayed")]
client.purge_queue(QueueUrl=work)
seen["purged"] = client.get_queue_attributes(QueueUrl=work, AttributeNames=["ApproximateNumberOfMessagesDelayed"])["Attributes"]
seen["nothing"] = "Messages" in client.receive_message(QueueUrl=work)

seen["refused"] = [
    refused(client.get_queue_url, QueueName="nothing"),
    refused(client.create_queue, QueueName=prefix + "-work", Attributes={"VisibilityTimeout": "7"}),
    refused(client.create_queue, QueueName="a.fifo", Attributes={"FifoQueue": "true"}),
    refused(client.delete_message, QueueUrl=work, ReceiptHandle="x"),
    refused(client.send_message_batch, QueueUrl=work, Entries=[]),
    refused(client.receive_message, QueueUrl=work, MaxNumberOfMessages=11),
    refused(client.set_queue_attributes, QueueUrl=work, Attributes={"DelaySeconds": "901"}),
    refused(client.start_message_move_task, SourceArn=arn_of(dead)),
]
try:
    client.get_queue_url(QueueName="nothing")
except client.exceptions.QueueDoesNotExist:
    seen["typed"] = True

seen["listed"] = [q.url for q in resource.queues.filter(QueueNamePrefix=prefix)] == [dead, work]
for url in (work, dead):
    client.delete_queue(QueueUrl=url)
seen["left"] = client.list_queues(QueueNamePrefix=prefix).get("QueueUrls")
print(json.dumps(seen))
