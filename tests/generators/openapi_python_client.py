"""openapi-python-client."""

import os

from generated_client import AuthenticatedClient
from generated_client.api.connect_sessions import begin_connect_session
from generated_client.api.connections import show_connection
from generated_client.api.tokens import read_token
from generated_client.models import ConnectSessionRequest, NewConnectSession, NotFound, Token, UiLocale

client = AuthenticatedClient(base_url=os.environ["API_ORIGIN"], token="none is needed on a laptop")

order = ConnectSessionRequest(connection_id="acme", return_to="http://localhost:3000/settings", ui_locale=UiLocale.NL)
session = begin_connect_session.sync(client=client, body=order)
assert isinstance(session, NewConnectSession)
assert "/authorize?session=" in session.url

token = read_token.sync("acme", client=client)
assert isinstance(token, Token)
assert token.version == 1

problem = show_connection.sync("unknown", client=client)
assert isinstance(problem, NotFound)
assert (problem.status, problem.code) == (404, "not_found")
