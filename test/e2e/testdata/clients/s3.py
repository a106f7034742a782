"""Deploys functions and layers from objects in S3 by boto3, and prints what it saw.

Arguments: the address of S3, its access key and secret, a runtime.
"""
import io
import json
import os
import sys
import urllib.error
import urllib.request
import zipfile

import boto3
from botocore.exceptions import ClientError

address, key, secret, runtime = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=address, aws_access_key_id=key, aws_secret_access_key=secret)
functions = boto3.client("lambda")
seen = {}


def packed(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr(zipfile.ZipInfo(name), content)  # of a fixed time: equal content gives equal bytes
    return out.getvalue()


def code(word):
    return packed("app.py", "import os\ndef handler(event, context):\n"
                  f"    return '{word}', os.path.exists('/opt/from-s3')\n")


def put(name, body):
    return s3.put_object(Bucket="code", Key=name, Body=body)["VersionId"]


def refused(f, **arguments):
    try:
        f(**arguments)
    except ClientError as e:
        told = e.response
        return [told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"], told["Error"]["Message"], told.get("message"), told.get("Type")]


def create(name, **source):
    return functions.create_function(FunctionName=name, Runtime=runtime, Handler="app.handler", Code=source,
                                     Role="arn:aws:iam::000000000000:role/any")


def invoke():
    functions.get_waiter("function_updated_v2").wait(FunctionName="stored", WaiterConfig={"Delay": 1})
    return json.load(functions.invoke(FunctionName="stored", Payload=b"{}")["Payload"])


s3.create_bucket(Bucket="code")
s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
name = "dir//a b+ü%2F=&?#~.zip"
first = put(name, code("first"))
put(name, code("second"))
put("layer.zip", packed("from-s3", "here"))
put("no zip", b"no zip")
put("large.zip", packed("big", os.urandom(52 << 20)))

created = create("stored", S3Bucket="code", S3Key=name, S3ObjectVersion=first)
seen["create"] = [created["ResponseMetadata"]["HTTPStatusCode"], created["CodeSize"] == len(code("first"))]
functions.get_waiter("function_active_v2").wait(FunctionName="stored", WaiterConfig={"Delay": 1})
seen["first"] = invoke()
functions.update_function_code(FunctionName="stored", S3Bucket="code", S3Key=name)
seen["second"] = invoke()
layer = functions.publish_layer_version(LayerName="stored", Content={"S3Bucket": "code", "S3Key": "layer.zip"})
functions.update_function_configuration(FunctionName="stored", Layers=[layer["LayerVersionArn"]])
seen["layer"] = invoke()

location = functions.get_function(FunctionName="stored")["Code"]["Location"]
seen["location"] = urllib.request.urlopen(location).read() == code("second")
try:
    urllib.request.urlopen(location[:-1] + "x")
except urllib.error.HTTPError as e:
    seen["another location"] = e.code

seen["large"] = create("large", S3Bucket="code", S3Key="large.zip")["CodeSize"] > 50 << 20
seen["no zip"] = refused(create, name="bad", S3Bucket="code", S3Key="no zip")
seen["no bucket"] = refused(create, name="bad", S3Bucket="elsewhere", S3Key=name)
seen["no key"] = refused(create, name="bad", S3Bucket="code", S3Key="none")
seen["update"] = refused(functions.update_function_code, FunctionName="stored", S3Bucket="code", S3Key="none")
for f in "stored", "large":
    functions.delete_function(FunctionName=f)
print(json.dumps(seen))
