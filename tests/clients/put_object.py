"""Puts a file into a new bucket of the S3 server at an endpoint: put_object.py ENDPOINT BUCKET KEY FILE"""
import sys
import time

import boto3
from botocore.exceptions import EndpointConnectionError

endpoint, bucket, key, path = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret")
for attempt in range(100):
    try:
        s3.create_bucket(Bucket=bucket)
        break
    except EndpointConnectionError:
        time.sleep(0.1)
s3.upload_file(path, bucket, key)
