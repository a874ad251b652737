# `aws` for the commands of the pages: the same names of operations and arguments, checked by AWS' own descriptions of its
# APIs. IAM and EKS are moto's, everything else is the fake's.
import base64
import json
import os
import sys

import botocore.session
import jmespath
from botocore import xform_name


def content(text):
    for scheme, mode in (("fileb://", "rb"), ("file://", "r")):
        if text.startswith(scheme):
            with open(text[len(scheme):], mode) as file:
                return file.read().rstrip("\n") if mode == "r" else file.read()
    return text


def value(shape, words):
    kind = shape.type_name
    if kind == "list":
        return [value(shape.member, [word]) for word in words]
    word = content(words[0])
    if kind in ("map", "structure") and not word.startswith("{"):
        return dict(pair.split("=", 1) for pair in word.split(","))
    if kind in ("map", "structure"):
        return json.loads(word)
    return int(word) if kind in ("integer", "long") else word


def plain(thing):
    if isinstance(thing, bytes):
        return base64.b64encode(thing).decode()
    return str(thing)


service, command, *rest = sys.argv[1:]
options = {}
name = None
for word in rest:
    if word.startswith("--"):
        name = word[2:]
        options[name] = []
    else:
        options[name].append(word)
query, form = options.pop("query", None), options.pop("output", ["json"])[0]

session = botocore.session.get_session()
url = os.environ["MOTO_URL"] if service in ("iam", "eks") else os.environ["AWS_ENDPOINT_URL"]
client = session.create_client(service, region_name=os.environ["AWS_REGION"], endpoint_url=url)
if command == "describe-cluster":
    network = {"subnetIds": ["subnet-1"]}
    client.create_cluster(name=options["name"][0], roleArn="arn:aws:iam::111122223333:role/eks", resourcesVpcConfig=network)
method = command.replace("-", "_")
shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
members = {xform_name(member).replace("_", "-"): member for member in shape.members}
arguments = {}
for name, words in options.items():
    if name not in members:
        sys.exit(f"aws {service} {command} has no argument --{name}")
    member = shape.members[members[name]]
    arguments[members[name]] = True if member.type_name == "boolean" else value(member, words)
answer = getattr(client, method)(**arguments)
answer.pop("ResponseMetadata", None)
if query:
    answer = jmespath.search(query[0], answer)
if isinstance(answer, bytes):
    answer = plain(answer)
print(answer if form == "text" and isinstance(answer, str) else json.dumps(answer, default=plain))
