"""Calls WebinarGeek's API for one of your connections.

python call_api.py acme https://app.webinargeek.com/api/v2/webinars
"""

import os
import sys
import time

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

API = os.environ["API_ORIGIN"]  # the output ApiOrigin
REGION = os.environ["AWS_REGION"]
credentials = boto3.Session().get_credentials()
tokens = {}


def sign(request):
    signed = AWSRequest(request.method, request.url, data=request.body)
    SigV4Auth(credentials.get_frozen_credentials(), "execute-api", REGION).add_auth(signed)
    request.headers.update(signed.headers)
    return request


def call(method, path, body=None):
    def send():
        return requests.request(method, API + path, json=body, auth=sign, timeout=35)

    answer = send()
    if answer.status_code == 503:
        time.sleep(int(answer.headers.get("Retry-After", 5)))
        answer = send()
    if not answer.ok:
        raise requests.HTTPError(f"{answer.status_code} {answer.text}", response=answer)
    return answer.json()


def get(connection, url):
    def send():
        authorization = f"Bearer {tokens[connection]['access_token']}"
        return requests.get(url, headers={"Authorization": authorization}, timeout=30)

    path = f"/v1/connections/{connection}/token"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if connection not in tokens or tokens[connection]["cache_until"] <= now:
        tokens[connection] = call("GET", path)
    answer = send()
    if answer.status_code == 401:  # ended before its time: say so, once
        tokens[connection] = call("POST", path, {"rejected_version": tokens[connection]["version"]})
        answer = send()
    return answer


if __name__ == "__main__":
    connection, *urls = sys.argv[1:]
    for url in urls:
        answer = get(connection, url)
        print(answer.status_code, answer.text)
