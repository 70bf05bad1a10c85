"""What the tests use: `cargo dev` as a process, a gate in front of it, and a stand-in for WebinarGeek's API."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests


class Laptop:
    """The binary that LAPTOP names."""

    def __init__(self, **variables: str) -> None:
        environment = {"PORT": "0", **variables}
        self.process = subprocess.Popen([os.environ["LAPTOP"]], env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.output = self.process.stdout
        self.origin = next(line.split()[-1] for line in self.output if "listening on" in line)
        # Its log is read on: a process whose output is not read may stop.
        self.reading = threading.Thread(target=self.output.read)
        self.reading.start()

    def call(self, method: str, path: str, content: object = None) -> Any:
        return requests.request(method, self.origin + path, json=content, timeout=30).json()

    def follow(self, link: str) -> str:
        """The browser of a customer who approves. Returns the address that it comes back to."""
        sent = self.browse("GET", link)
        consent = sent.headers["Location"]
        form = {**dict(parse_qsl(urlsplit(consent).query)), "decision": "approve"}
        back = self.browse("POST", consent.split("?")[0], data=form)
        ended = self.browse(
            "GET", back.headers["Location"], headers={"Cookie": sent.headers["Set-Cookie"].split(";")[0]}
        )
        return ended.headers.get("Location", "")

    def connect(self, connection: str) -> None:
        content = {"connection_id": connection, "confirm_page": False}
        self.follow(self.call("POST", "/v1/connect-sessions", content)["url"])

    @staticmethod
    def browse(method: str, url: str, **options: Any) -> requests.Response:
        return requests.request(method, url, allow_redirects=False, timeout=30, **options)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reading.join()
        self.output.close()


class Server(ThreadingHTTPServer):
    """A server that records its requests."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Gate(Server):
    """In front of the laptop: it may answer itself, and hold requests."""

    def __init__(self, laptop: Laptop) -> None:
        self.laptop = laptop
        self.answers: list[tuple[int, dict[str, str], object]] = []
        """Status, headers and content of the next answers."""
        self.open = threading.Event()
        self.open.set()
        self.arrived = threading.Event()
        super().__init__(GateHandler)


class Handler(BaseHTTPRequestHandler):
    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class GateHandler(Handler):
    server: Gate

    def do_GET(self) -> None:
        gate, body = self.server, self.body()
        gate.asked.append(f"{self.command} {self.path} {body.decode().replace(' ', '')}".strip())
        gate.authorizations.append(self.headers.get("Authorization"))
        scripted = gate.answers.pop(0) if gate.answers else None
        gate.arrived.set()
        gate.open.wait()
        if scripted:
            status, headers, content = scripted
            return self.answer(status, headers, content if isinstance(content, bytes) else json.dumps(content).encode())
        headers = {"Content-Type": self.headers.get("Content-Type", "")}
        url = gate.laptop.origin + self.path
        answer = requests.request(self.command, url, data=body or None, headers=headers, timeout=30)
        kept = {name: value for name, value in answer.headers.items() if name in ("content-type", "retry-after")}
        self.answer(answer.status_code, kept, answer.content)

    do_POST = do_PUT = do_DELETE = do_GET


class Api(Server):
    """A stand-in for WebinarGeek's API: it accepts every token except those in `ended`."""

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.leads_to: str | None = None
        super().__init__(ApiHandler)


class ApiHandler(Handler):
    server: Api

    def do_GET(self) -> None:
        self.server.asked.append(self.body().decode())
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.server.leads_to:
            return self.answer(302, {"Location": self.server.leads_to}, b"")
        status = 401 if token in self.server.ended else 200
        self.answer(status, {"Set-Cookie": "session=of-this-customer"}, (self.headers.get("Cookie") or "").encode())

    do_POST = do_GET


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Only these variables, and those that say where programs are."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update({name: before[name] for name in ("PATH", "LAPTOP") if name in before} | variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
