"""openapi-generator, its generator `python`."""

import os

from openapi_client import (
    ApiClient,
    Configuration,
    ConnectionsApi,
    ConnectSessionRequest,
    ConnectSessionsApi,
    NotFound,
    TokensApi,
    UiLocale,
)
from openapi_client.exceptions import NotFoundException

client = ApiClient(Configuration(host=os.environ["API_ORIGIN"]))

order = ConnectSessionRequest(connection_id="acme", return_to="http://localhost:3000/settings", ui_locale=UiLocale.NL)
session = ConnectSessionsApi(client).begin_connect_session(order)
assert "/authorize?session=" in session.url

token = TokensApi(client).read_token("acme")
assert token.version == 1

try:
    ConnectionsApi(client).show_connection("unknown")
    raise AssertionError("it was found")
except NotFoundException as error:
    problem = error.data
assert isinstance(problem, NotFound)
assert (problem.status, problem.code) == (404, "not_found")
