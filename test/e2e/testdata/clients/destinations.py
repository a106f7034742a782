"""Has what becomes of events sent to queues, topics, event buses, buckets and functions, and prints what arrived.

Arguments: the address of the other side, its access key and secret, a runtime.
"""
import io
import json
import re
import sys
import time
import zipfile

import boto3

address, key, secret, runtime = sys.argv[1:]
OTHER, OWN = "123456789012", "000000000000"
REGION = "us-east-1"
LIMIT = 60  # s


def there(service):
    return boto3.client(service, endpoint_url=address, aws_access_key_id=key, aws_secret_access_key=secret, region_name=REGION)


functions, roles, own, logs = (boto3.client(s) for s in ("lambda", "iam", "sqs", "logs"))
sqs, sns, events, s3 = (there(s) for s in ("sqs", "sns", "events", "s3"))
seen = {}

CODE = """
def handler(event, context):
    if event.get("fail"):
        raise Exception("intended")
    if "n" in event or "responsePayload" in event and context.function_name == "second":
        return {"got": event}
"""


def packed():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("app.py", CODE)
    return out.getvalue()


def role(name, actions):
    roles.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
    roles.put_role_policy(RoleName=name, PolicyName="send", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": "*"}]}))


def make(name, role="sender", success=None, failure=None, dead=None):
    more = {"DeadLetterConfig": {"TargetArn": dead}} if dead else {}
    functions.create_function(FunctionName=name, Runtime=runtime, Handler="app.handler", Code={"ZipFile": packed()},
                              Role=f"arn:aws:iam::{OWN}:role/{role}", **more)
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    targets = {}
    if success:
        targets["OnSuccess"] = {"Destination": success}
    if failure:
        targets["OnFailure"] = {"Destination": failure}
    functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=targets)


def send(name, event):
    """Returns the request's ID, which all that becomes of the event carries."""
    answer = functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]


def until(look, what):
    end = time.time() + LIMIT
    while time.time() < end:
        if found := look():
            return found
        time.sleep(0.05)
    sys.exit(f"{what}: nothing within {LIMIT} s")


def receive(client, url):
    def look():
        return client.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages")
    message = until(look, url)[0]
    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return message


def known(value, ids):
    """Puts words in the place of what varies."""
    text = json.dumps(value)
    for number, one in enumerate(ids):
        text = text.replace(one, f"ID {number}")
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.0-9]*Z", "TIME", text)
    text = re.sub(r'"stackTrace": \[[^\]]*\]', '"stackTrace": []', text)
    return json.loads(text)


def attributes(message):
    return {name: [a["DataType"], a["StringValue"]] for name, a in sorted(message.get("MessageAttributes", {}).items())}


role("sender", ["sqs:SendMessage", "sns:Publish", "events:PutEvents", "s3:PutObject", "lambda:InvokeFunction"])
role("mute", ["sqs:ReceiveMessage"])

# Queues: of the other side, and of this server.
for client, account, name in (sqs, OTHER, "theirs"), (own, OWN, "ours"):
    url = client.create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{account}:{name}"
    make(f"to-{name}", success=arn, dead=arn)
    first = send(f"to-{name}", {"fail": True})
    message = receive(client, url)
    seen[name] = [known(json.loads(message["Body"]), []), known(attributes(message), [first]),
                  bool(re.search("Root=1-[0-9a-f]{8}-[0-9a-f]{24}", message["Attributes"].get("AWSTraceHeader", "")))]
    second = send(f"to-{name}", {"n": 1})
    message = receive(client, url)
    seen[name] += [known(json.loads(message["Body"]), [second]), attributes(message)]

# A topic, read by a queue that has subscribed to it.
topic = sns.create_topic(Name="told")["TopicArn"]
url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{OTHER}:subscriber")
make("to-topic", success=topic, dead=topic)
first = send("to-topic", {"n": 2})
told = json.loads(receive(sqs, url)["Body"])
seen["topic"] = [known(json.loads(told["Message"]), [first]), "Subject" in told]
first = send("to-topic", {"fail": 2})
told = json.loads(receive(sqs, url)["Body"])
seen["dead letter to a topic"] = [json.loads(told["Message"]),
                                  known({n: [a["Type"], a["Value"]] for n, a in sorted(told["MessageAttributes"].items())}, [first])]

# An event bus, read by a queue that is the target of a rule.
bus = events.create_event_bus(Name="bus")["EventBusArn"]
url = sqs.create_queue(QueueName="rule")["QueueUrl"]
events.put_rule(Name="all", EventBusName="bus", EventPattern='{"source": ["lambda"]}')
events.put_targets(Rule="all", EventBusName="bus", Targets=[{"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{OTHER}:rule"}])
make("to-bus", success=bus, failure=bus)
seen["bus"] = []
for event in {"n": 3}, {"fail": 3}:
    first = send("to-bus", event)
    told = json.loads(receive(sqs, url)["Body"])
    seen["bus"].append(known(told, [first, told["id"]]))

# A bucket.
s3.create_bucket(Bucket="failures")
make("to-bucket", failure="arn:aws:s3:::failures")
first = send("to-bucket", {"fail": 4})
found = until(lambda: s3.list_objects_v2(Bucket="failures").get("Contents"), "an object")
name = found[0]["Key"]
body = s3.get_object(Bucket="failures", Key=name)
seen["bucket"] = [known(json.loads(body["Body"].read()), [first]), body["ContentType"], len(found),
                  bool(re.fullmatch(r"aws/lambda/async/to-bucket/(\d{4})/(\d\d)/(\d\d)/\1-\2-\3T\d\d\.\d\d\.\d\d-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name))]

# A function, whose own record goes to a queue of this server.
url = own.create_queue(QueueName="chain")["QueueUrl"]
make("second", success=f"arn:aws:sqs:{REGION}:{OWN}:chain")
make("to-function", success=f"arn:aws:lambda:{REGION}:{OWN}:function:second")
first = send("to-function", {"n": 5})
record = json.loads(receive(own, url)["Body"])
second = record["requestContext"]["requestId"]
seen["function"] = [known(record, [first, second]), first != second]

# Two functions that are each other's destination: the loop ends.
url = own.create_queue(QueueName="loops")["QueueUrl"]
loops = f"arn:aws:sqs:{REGION}:{OWN}:loops"
make("pong", failure=loops)
make("ping", success=f"arn:aws:lambda:{REGION}:{OWN}:function:pong", failure=loops)
functions.put_function_event_invoke_config(FunctionName="pong", MaximumRetryAttempts=0, DestinationConfig={
    "OnSuccess": {"Destination": f"arn:aws:lambda:{REGION}:{OWN}:function:ping"}, "OnFailure": {"Destination": loops}})
send("ping", {"n": 6})
receive(own, url)


def ran():
    count = 0
    for name in "ping", "pong":
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}", filterPattern="REPORT"):
            count += len(page["events"])
    return count


seen["loop"] = until(lambda: ran() if 10 <= ran() else 0, "turns of the loop") <= 17

# A role that may not.
make("denied", role="mute", success=f"arn:aws:sqs:{REGION}:{OTHER}:theirs", dead=topic)
seen["denied"] = send("denied", {"n": 7}) != send("denied", {"fail": 7})
print(json.dumps(seen))
