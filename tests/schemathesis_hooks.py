"""What a schema cannot say of a valid request: it depends on the deployment, or on what happened before."""

import schemathesis

# The one connection that a customer has made, in tests/schemathesis.sh.
CONNECTED = "acme"


@schemathesis.hook
def before_call(context, case, **kwargs):
    if case.path_parameters and case.path_parameters.get("id") == CONNECTED and case.method in ("PUT", "DELETE"):
        # It lives to the end of the run.
        case.path_parameters["id"] = "other"
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    body = case.body if isinstance(case.body, dict) else {}
    # Its origin is on the deployment's list.
    if body.get("return_to"):
        body["return_to"] = "http://localhost:3000/settings?tab=webinars"
    # A version that the connection already had.
    if "rejected_version" in body:
        body["rejected_version"] = 1
    # It is the next_cursor of an earlier page of the same list.
    if case.operation.label == "GET /v1/connections":
        case.query.pop("cursor", None)
    if case.operation.path == "/v1/connections/{id}/token" and len(case.path_parameters["id"]) % 2 == 0:
        case.path_parameters["id"] = CONNECTED
