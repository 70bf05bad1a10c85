"""A backend that confirms who has connected an account: PORT=3000 python confirm.py

Mallory starts a connection of his own and sends Vera the link. She knows your product and approves. From then on
Mallory reads her WebinarGeek account through your product. The confirmation stops that: the connection hands out no
token until this backend sees that the user who came back is the user who started. Here Vera comes back, and she has
started nothing.
"""

import os
import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from webinargeek_connect import Client, InvalidRequest, NotConfigured, NotFound

PORT = int(os.environ.get("PORT", 3000))
RETURN_TO = f"http://127.0.0.1:{PORT}/connected"
NOT_YOURS = "You did not start this connection. Do not follow links that other people send you."
try:
    client = Client()
except NotConfigured as problem:
    sys.exit(str(problem))
started = {}  # the connect session that a user has started; in your product, keep it in the database


class Backend(BaseHTTPRequestHandler):
    def user(self):
        """The user who is logged in; this cookie stands for your own login."""
        return SimpleCookie(self.headers["Cookie"])["user"].value

    def do_POST(self):  # the button "Connect WebinarGeek"
        session = client.begin_session(self.user(), return_to=RETURN_TO)
        started[self.user()] = session.session_id
        self.answer(303, "", ("Location", session.url))

    def do_GET(self):  # RETURN_TO
        came_back = dict(parse_qsl(urlsplit(self.path).query))
        if came_back.get("status") != "connected":
            return self.answer(200, "Nothing has been connected.")
        if self.user() not in started:
            return self.answer(403, NOT_YOURS)
        # Always the session that this user has started: the confirmation of another session does not fit it.
        try:
            connection = client.confirm_session(started[self.user()], came_back["confirmation"])
        except (InvalidRequest, NotFound):
            return self.answer(403, NOT_YOURS)
        self.answer(200, f"{connection.id} is connected.")

    def answer(self, status, text, *headers):
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_request(self, *_):  # the address holds the confirmation
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Backend).serve_forever()
