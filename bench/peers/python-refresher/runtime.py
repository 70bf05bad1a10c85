"""The part of Lambda's Python runtime that a function sees: it loads the handler, and asks for events."""

import http.client
import importlib
import json
import os

module, name = os.environ["_HANDLER"].split(".")
handler = getattr(importlib.import_module(module), name)

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def call(method, path, body=None):
    api.request(method, f"/2018-06-01/runtime/{path}", body, {"content-type": "application/json"})
    answer = api.getresponse()
    return answer.headers, answer.read()


while True:
    headers, event = call("GET", "invocation/next")
    invocation = headers["lambda-runtime-aws-request-id"]
    try:
        answer = handler(json.loads(event), None)
        call("POST", f"invocation/{invocation}/response", json.dumps(answer))
    except Exception as error:
        told = {"errorMessage": str(error), "errorType": type(error).__name__}
        call("POST", f"invocation/{invocation}/error", json.dumps(told))
