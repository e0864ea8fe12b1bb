"""Runs scenario.json through boto3: one JSON document on standard output, steps to outputs or errors."""
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

scenario, pictures = sys.argv[1], sys.argv[2]
client = boto3.client("rekognition", config=Config(retries={"total_max_attempts": 1}))
saved = {}


def resolve(value):
    """Puts pictures and saved values where the scenario names them."""
    if isinstance(value, dict):
        if "$picture" in value:
            with open(f"{pictures}/{value['$picture']}", "rb") as file:
                return file.read()
        if "$saved" in value:
            return saved[value["$saved"]]
        return {key: resolve(item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item) for item in value]
    return value


def at(document, path):
    for part in path.split("."):
        document = document[int(part)] if part.isdigit() else document[part]
    return document


def method(operation):
    return "".join("_" + c.lower() if c.isupper() else c for c in operation).lstrip("_")


results = {}
for step in json.load(open(scenario, encoding="utf-8")):
    try:
        output = getattr(client, method(step["operation"]))(**resolve(step["input"]))
        headers = output.pop("ResponseMetadata")["HTTPHeaders"]
        # The one thing said beside AWS's shapes: what the search of a stranger would find.
        assert headers.get("x-trombi-expected", "").startswith("fpir=") == step["operation"].startswith("Search"), headers
        for name, path in step.get("save", {}).items():
            saved[name] = at(output, path)
        results[step["step"]] = output
    except ClientError as error:
        results[step["step"]] = {"error": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
print(json.dumps(results, default=lambda time: time.timestamp()))
