"""Runs scenario.json through the AWS CLI: one JSON document on standard output, steps to outputs or errors."""
import json
import os
import re
import subprocess
import sys

scenario, pictures = sys.argv[1], sys.argv[2]
aws = os.path.join(os.path.dirname(sys.executable), "aws")
saved = {}


def resolve(value):
    if isinstance(value, dict):
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


def kebab(operation):
    return "".join("-" + c.lower() if c.isupper() else c for c in operation).lstrip("-")


def command(step):
    """Pictures go by their own flags, everything else as one JSON document."""
    words, rest = [aws, "rekognition", kebab(step["operation"]), "--output", "json", "--no-paginate"], {}
    for name, value in step["input"].items():
        if isinstance(value, dict) and "$picture" in value.get("Bytes", {}):
            words += [f"--{kebab(name)}-bytes", f"fileb://{pictures}/{value['Bytes']['$picture']}"]
        else:
            rest[name] = resolve(value)
    return words + ["--cli-input-json", json.dumps(rest)]


results = {}
for step in json.load(open(scenario, encoding="utf-8")):
    done = subprocess.run(command(step), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        output = json.loads(done.stdout) if done.stdout.strip() else {}
        for name, path in step.get("save", {}).items():
            saved[name] = at(output, path)
        results[step["step"]] = output
    else:
        found = re.search(r"An error occurred \((\w+)\) when calling the \w+ operation: (.*)", done.stderr, re.S)
        code, message = found.groups() if found else ("client", done.stderr)
        results[step["step"]] = {"error": code, "message": message.strip()}
print(json.dumps(results))
