"""A scheduled refresher as a Python programmer writes it: boto3 and authlib."""

import os
import time

import boto3
from authlib.integrations.requests_client import OAuth2Session

table = boto3.resource("dynamodb").Table(os.environ["TOKENS_TABLE"])


def handler(event, context):
    refreshed = 0
    arguments = {}
    while True:
        page = table.scan(**arguments)
        for row in page["Items"]:
            if row["expires_at"] < time.time() + 1800:
                refresh(row)
                refreshed += 1
        if "LastEvaluatedKey" not in page:
            return {"refreshed": refreshed}
        arguments = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def refresh(row):
    client = OAuth2Session(
        os.environ["WEBINARGEEK_CLIENT_ID"],
        os.environ["WEBINARGEEK_CLIENT_SECRET"],
        token_endpoint_auth_method="client_secret_post",
    )
    pair = client.refresh_token(os.environ["WEBINARGEEK_TOKEN_URL"], refresh_token=row["refresh_token"])
    table.update_item(
        Key={"id": row["id"]},
        UpdateExpression="SET access_token = :access, refresh_token = :refresh, expires_at = :expires",
        ExpressionAttributeValues={
            ":access": pair["access_token"],
            ":refresh": pair["refresh_token"],
            ":expires": int(time.time()) + pair["expires_in"],
        },
    )
