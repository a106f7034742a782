"""Roles, policies, users and credentials by boto3. Prints what was answered, as JSON."""
import io
import json
import os
import sys
import zipfile

import boto3
from botocore.exceptions import ClientError

endpoint = os.environ["AWS_ENDPOINT_URL"]


def clients(credentials=None):
    arguments = {"endpoint_url": endpoint}
    if credentials:
        arguments.update(aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
                         aws_session_token=credentials.get("SessionToken"))
    session = boto3.session.Session()
    return {name: session.client(name, **arguments) for name in ("sts", "iam", "lambda")}


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return [e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"], e.response["Error"]["Message"]]
    return "not refused"


def statement(effect, actions, resource, **more):
    return {"Effect": effect, "Action": actions, "Resource": resource, **more}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]})


admin = clients()
me = admin["sts"].get_caller_identity()
account = me["Account"]
out = {"administrator": me["Arn"]}

# Roles
role = admin["iam"].create_role(RoleName="worker", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}),
                                Description="works", Tags=[{"Key": "k", "Value": "v"}])["Role"]
got = admin["iam"].get_role(RoleName="worker")["Role"]
out["role"] = [got["Arn"], got["RoleId"] == role["RoleId"], got["AssumeRolePolicyDocument"]["Statement"][0]["Principal"], got["Description"],
               got["MaxSessionDuration"], got["Tags"], got["Path"]]
out["again"] = refused(admin["iam"].create_role, RoleName="Worker", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
out["no role"] = refused(admin["iam"].get_role, RoleName="none")
out["malformed"] = refused(admin["iam"].put_role_policy, RoleName="worker", PolicyName="p", PolicyDocument="{}")
out["boundary"] = refused(admin["iam"].create_role, RoleName="x", AssumeRolePolicyDocument=trust("*"), PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess")[:2]
out["not built"] = refused(admin["iam"].create_group, GroupName="x")[:2]
admin["iam"].put_role_policy(RoleName="worker", PolicyName="list", PolicyDocument=document(statement("Allow", "lambda:ListFunctions", "*")))
out["inline"] = [admin["iam"].list_role_policies(RoleName="worker")["PolicyNames"],
                 admin["iam"].get_role_policy(RoleName="worker", PolicyName="list")["PolicyDocument"]["Statement"]]
managed = admin["iam"].create_policy(PolicyName="invoke", PolicyDocument=document(statement("Allow", "lambda:InvokeFunction", "*")))["Policy"]["Arn"]
admin["iam"].attach_role_policy(RoleName="worker", PolicyArn=managed)
admin["iam"].attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
out["attached"] = [p["PolicyArn"] for p in admin["iam"].list_attached_role_policies(RoleName="worker")["AttachedPolicies"]]
out["attach none"] = refused(admin["iam"].attach_role_policy, RoleName="worker", PolicyArn=managed + "x")
out["delete attached"] = refused(admin["iam"].delete_policy, PolicyArn=managed)
out["delete role with policies"] = refused(admin["iam"].delete_role, RoleName="worker")
version = admin["iam"].create_policy_version(PolicyArn=managed, PolicyDocument=document(statement("Deny", "*", "*")), SetAsDefault=False)
out["versions"] = [v["VersionId"] for v in admin["iam"].list_policy_versions(PolicyArn=managed)["Versions"]]
out["policy"] = [admin["iam"].get_policy(PolicyArn=managed)["Policy"]["AttachmentCount"],
                 admin["iam"].get_policy_version(PolicyArn=managed, VersionId="v1")["PolicyVersion"]["Document"]["Statement"][0]["Action"]]
for n in range(3):
    admin["iam"].create_role(RoleName=f"page{n}", AssumeRolePolicyDocument=trust({"AWS": account}))
pages = [r["RoleName"] for page in admin["iam"].get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}) for r in page["Roles"]]
out["pages"] = pages

# A function that calls the API by its own credentials
source = """
import boto3, json
from botocore.exceptions import ClientError
def handler(event, context):
    try:
        if event == "who":
            return boto3.client("sts").get_caller_identity()["Arn"]
        if event == "list":
            return [f["FunctionName"] for f in boto3.client("lambda").list_functions()["Functions"]]
        boto3.client("lambda").get_function(FunctionName="f")
        return "allowed"
    except ClientError as e:
        return e.response["Error"]["Message"]
"""
package = io.BytesIO()
with zipfile.ZipFile(package, "w") as z:
    z.writestr("index.py", source)
create = {"FunctionName": "f", "Runtime": sys.argv[1], "Handler": "index.handler", "Timeout": 60, "MemorySize": 512, "Code": {"ZipFile": package.getvalue()}}
out["role that trusts others"] = refused(admin["lambda"].create_function, **create, Role=role["Arn"].replace("worker", "page0"))
admin["lambda"].create_function(**create, Role=role["Arn"])
admin["lambda"].get_waiter("function_active_v2").wait(FunctionName="f")


def ask(what):
    return json.loads(admin["lambda"].invoke(FunctionName="f", Payload=json.dumps(what))["Payload"].read())


out["function is"] = ask("who")
out["function lists"] = ask("list")
out["function gets"] = ask("get")
admin["iam"].put_role_policy(RoleName="worker", PolicyName="get", PolicyDocument=document(statement("Allow", "lambda:GetFunction", "*")))
out["function gets, allowed"] = ask("get")
admin["iam"].set_default_policy_version(PolicyArn=managed, VersionId="v2")
out["function gets, denied"] = ask("get")
admin["iam"].set_default_policy_version(PolicyArn=managed, VersionId="v1")

# Assumed roles
out["no trust"] = refused(admin["sts"].assume_role, RoleArn=role["Arn"], RoleSessionName="me")
visitor = admin["iam"].create_role(RoleName="visitor", AssumeRolePolicyDocument=trust({"AWS": account}))["Role"]
admin["iam"].put_role_policy(RoleName="visitor", PolicyName="p", PolicyDocument=document(
    statement("Allow", ["lambda:GetFunction", "lambda:ListFunctions", "sts:*"], "*")))
given = admin["sts"].assume_role(RoleArn=visitor["Arn"], RoleSessionName="me")
guest = clients(given["Credentials"])
out["session"] = [guest["sts"].get_caller_identity()["Arn"], given["AssumedRoleUser"]["Arn"],
                  guest["sts"].get_caller_identity()["UserId"] == visitor["RoleId"] + ":me"]
out["session lists"] = [f["FunctionName"] for f in guest["lambda"].list_functions()["Functions"]]
out["session deletes"] = refused(guest["lambda"].delete_function, FunctionName="f")
out["session makes roles"] = refused(guest["iam"].create_role, RoleName="x", AssumeRolePolicyDocument=trust("*"))
limited = clients(admin["sts"].assume_role(RoleArn=visitor["Arn"], RoleSessionName="less", Policy=document(statement("Allow", "lambda:GetFunction", "*")))["Credentials"])
out["limited lists"] = refused(limited["lambda"].list_functions)
out["too long"] = refused(admin["sts"].assume_role, RoleArn=visitor["Arn"], RoleSessionName="me", DurationSeconds=7200)
forged = dict(given["Credentials"], SessionToken=given["Credentials"]["SessionToken"][:-8] + "AAAAAAA=")
out["forged"] = refused(clients(forged)["lambda"].list_functions)[:2]
admin["iam"].delete_role_policy(RoleName="visitor", PolicyName="p")
out["session after its policy"] = refused(guest["lambda"].list_functions)
admin["iam"].delete_role(RoleName="visitor")
admin["iam"].create_role(RoleName="visitor", AssumeRolePolicyDocument=trust({"AWS": account}))
admin["iam"].put_role_policy(RoleName="visitor", PolicyName="p", PolicyDocument=document(statement("Allow", "*", "*")))
out["session of an earlier role"] = refused(guest["lambda"].list_functions)

# Users, their keys and policies
user = admin["iam"].create_user(UserName="deployer", Path="/ci/", Tags=[{"Key": "team", "Value": "red"}])["User"]
out["user"] = [user["Arn"], user["Tags"], admin["iam"].get_user(UserName="deployer")["User"]["UserId"] == user["UserId"]]
out["empty lists"] = [admin["iam"].list_access_keys(UserName="deployer")["AccessKeyMetadata"], admin["iam"].list_user_policies(UserName="deployer")["PolicyNames"],
                      admin["iam"].list_attached_user_policies(UserName="deployer")["AttachedPolicies"], admin["iam"].list_groups_for_user(UserName="deployer")["Groups"]]
key = admin["iam"].create_access_key(UserName="deployer")["AccessKey"]
deployer = clients(key)
out["user is"] = deployer["sts"].get_caller_identity()["Arn"]
out["user by default"] = refused(deployer["lambda"].list_functions)
admin["iam"].put_user_policy(UserName="deployer", PolicyName="own", PolicyDocument=document(
    statement("Allow", "lambda:GetFunction", "*", Condition={"StringEquals": {"aws:ResourceTag/team": "red"}})))
admin["iam"].attach_user_policy(UserName="deployer", PolicyArn=managed)
out["user gets, by tag"] = refused(deployer["lambda"].get_function, FunctionName="f")[:2]
admin["lambda"].tag_resource(Resource=f"arn:aws:lambda:us-east-1:{account}:function:f", Tags={"team": "red"})
out["user gets, tagged"] = deployer["lambda"].get_function(FunctionName="f")["Tags"]
out["user invokes by a managed policy"] = deployer["lambda"].invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"]
out["user makes users"] = refused(deployer["iam"].create_user, UserName="x")
out["delete user"] = refused(admin["iam"].delete_user, UserName="deployer")
out["users"] = [u["UserName"] for page in admin["iam"].get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1}) for u in page["Users"]]
admin["iam"].update_access_key(UserName="deployer", AccessKeyId=key["AccessKeyId"], Status="Inactive")
out["inactive key"] = refused(deployer["sts"].get_caller_identity)[:2]
admin["iam"].delete_access_key(UserName="deployer", AccessKeyId=key["AccessKeyId"])
admin["iam"].detach_user_policy(UserName="deployer", PolicyArn=managed)
admin["iam"].delete_user_policy(UserName="deployer", PolicyName="own")
admin["iam"].delete_user(UserName="deployer")
out["deleted user"] = refused(admin["iam"].get_user, UserName="deployer")

# A function's own policy
admin["lambda"].add_permission(FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal=given["AssumedRoleUser"]["Arn"])
out["session invokes by the function's policy"] = guest["lambda"].invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"]
print(json.dumps(out, indent=1))
