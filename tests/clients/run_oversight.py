"""An unmodified boto3 under a policy set: purposes by session tags, a moratorium, floors, quotas, receipts.

Prints one JSON object; tests/oversight.rs judges it.
"""

import json
import os
import sys

import boto3
from botocore.exceptions import ClientError

ENDPOINT = os.environ["AWS_ENDPOINT_URL_REKOGNITION"]
portrait = open(sys.argv[1], "rb").read()
answers = {}


def rekognition(credentials):
    return boto3.client("rekognition", endpoint_url=ENDPOINT, **credentials)


def session(key, **tags):
    sts = boto3.client("sts", endpoint_url=ENDPOINT, aws_access_key_id=key[0], aws_secret_access_key=key[1])
    made = sts.assume_role(
        RoleArn="arn:aws:iam::000000000000:role/desk",
        RoleSessionName="anna",
        DurationSeconds=900,
        Tags=[{"Key": name, "Value": value} for name, value in tags.items()],
    )["Credentials"]
    return {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }


def told(response):
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    return {name: headers[name] for name in headers if name.startswith("x-trombi-")}


def ask(name, call):
    try:
        response = call()
        matches = response.get("FaceMatches")
        answers[name] = {"headers": told(response), "matches": None if matches is None else len(matches)}
    except ClientError as error:
        answers[name] = {
            "error": error.response["Error"]["Code"],
            "message": error.response["Error"]["Message"],
            "headers": told(error.response),
        }


police, archive = (tuple(os.environ[name].split(":")) for name in ("POLICE_KEY", "ARCHIVE_KEY"))
plain = rekognition({"aws_access_key_id": police[0], "aws_secret_access_key": police[1]})
seeking = rekognition(session(police, purpose="find-missing-person", case="C-1"))
suspects = rekognition(session(police, purpose="investigate-suspect", case="C-1"))
image = {"Bytes": portrait}

ask("create", lambda: plain.create_collection(CollectionId="people"))
people = plain.describe_collection(CollectionId="people")["CollectionARN"]
ask("index without purpose", lambda: plain.index_faces(CollectionId="people", Image=image))
ask("index", lambda: seeking.index_faces(CollectionId="people", Image=image))
ask("suspect", lambda: suspects.search_faces_by_image(CollectionId="people", Image=image))
ask("no case", lambda: rekognition(session(police, purpose="find-missing-person")).search_faces_by_image(
    CollectionId="people", Image=image))
ask("missing", lambda: seeking.search_faces_by_image(
    CollectionId="people", Image=image, FaceMatchThreshold=0, MaxFaces=4096))
strict = rekognition(session(police, purpose="find-missing-person", case="C-1"))
strict.meta.events.register(
    "before-sign.rekognition.*", lambda request, **_: request.headers.add_header("x-trombi-strict", "true"))
ask("strict", lambda: strict.search_faces_by_image(CollectionId="people", Image=image, FaceMatchThreshold=80))
ask("missing again", lambda: seeking.search_faces_by_image(CollectionId="people", Image=image))
ask("over quota", lambda: seeking.search_faces_by_image(CollectionId="people", Image=image))
bound = rekognition({"aws_access_key_id": archive[0], "aws_secret_access_key": archive[1]})
ask("key binding", lambda: bound.detect_faces(Image=image))
conflict = rekognition(session(archive, purpose="find-missing-person"))
ask("conflict", lambda: conflict.detect_faces(Image=image))

forged = session(police, purpose="find-missing-person", case="C-1")
forged["aws_session_token"] = forged["aws_session_token"][:-8] + "AAAAAAAA"
ask("forged session", lambda: rekognition(forged).list_collections())

header = boto3.client("rekognition", endpoint_url=ENDPOINT, aws_access_key_id=police[0], aws_secret_access_key=police[1])
header.meta.events.register(
    "before-sign.rekognition.*", lambda request, **_: request.headers.add_header("x-trombi-purpose", "find-missing-person"))
ask("header", lambda: header.detect_faces(Image=image))

for name, tag in (
    ("tagged", "find-missing-person retail"),
    ("tag narrowed", "find-missing-person"),
    ("tag widened", "find-missing-person kyc"),
):
    ask(name, lambda: plain.tag_resource(ResourceArn=people, Tags={"purpose": tag}))
ask("tag removed", lambda: plain.untag_resource(ResourceArn=people, TagKeys=["purpose"]))

print(json.dumps(answers))
