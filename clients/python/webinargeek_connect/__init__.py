"""Calls WebinarGeek's API for your customers, with tokens from your own webinargeek-connect.

    client = Client()  # API_ORIGIN, AWS_REGION, and credentials as boto3 finds them
    answer = client.request("acme", "GET", "https://app.webinargeek.com/api/v2/webinars")

A `Client` may be shared by all threads of a program, and should be: it keeps the tokens. It is made after a fork, not
before. What goes wrong is a `Problem`; a request that never got an answer is one too (`Unavailable`).
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, timezone
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.session import Session as AwsSession

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Revocation = Literal["done", "off", "failed", "pending"]
Status = Literal["active", "degraded", "pending", "unconfirmed", "reauth_required", "disconnecting", "quarantined"]


class NotConfigured(Exception):
    """A setting is missing or wrong. The message says which, in one sentence."""


class Problem(Exception):
    """The API has not done what was asked. Catch the subclasses that you act on, and this one for the rest."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        field: str | None = None,
        request_id: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(status, code, detail, field, request_id, retry_after)
        self.status = status
        """The HTTP status; 0 if there was no answer."""
        self.code = code
        """Stable: see openapi.yaml. From AWS: `forbidden`, `throttled`, `aws`. Without an answer: `unreachable`."""
        self.detail = detail
        """For a person; it may change."""
        self.field = field
        """For `invalid_request`: the member, parameter or path segment that is wrong."""
        self.request_id = request_id
        """It is in every line of the deployment's log about this request."""
        self.retry_after = retry_after
        """For `Unavailable`: after how many seconds the request may succeed."""

    def __str__(self) -> str:
        of_field = f" (field {self.field})" if self.field else ""
        of_log = f" [request {self.request_id}]" if self.request_id else ""
        return f"{self.status} {self.code}: {self.detail}{of_field}{of_log}"


class InvalidRequest(Problem):
    """400, 413 or 415: `field` says what is wrong. From `confirm_session`: this user has not started the session."""


class Forbidden(Problem):
    """403: AWS does not accept the signature, or the role lacks the policy for this call: docs/operating.md."""


class NotFound(Problem):
    """404: there is no such connection or session."""


class ReauthRequired(Problem):
    """409: only the customer can help. Send them through a new connect session with the same connection id."""


class Unconfirmed(Problem):
    """409: the customer has approved, and the grant waits for `confirm_session`."""


class ConnectionExists(Problem):
    """409: an import without `replace`, over a connection that works."""


class Unavailable(Problem):
    """429, 5xx, or no answer: nothing is lost, try again later. If the pause was short, it was tried twice already."""


@dataclass(frozen=True)
class Token:
    access_token: str = field(repr=False)
    token_type: str
    expires_at: datetime
    version: int
    """Grows with each new pair of tokens; `reject` names it."""
    cache_until: datetime
    """Do not keep it longer: the provider may end it with the refresh. The client asks again from then on."""

    def is_good(self, min_ttl: int = 0) -> bool:
        """Whether it may still be used, and lives for `min_ttl` seconds more."""
        return _now() < self.cache_until and _now() + timedelta(seconds=min_ttl) <= self.expires_at


@dataclass(frozen=True)
class NewSession:
    session_id: str
    """Store it with the user who asked for the link: `read_session` and `confirm_session` need it."""
    connection_id: str
    url: str = field(repr=False)
    """For this customer's browser only: the first person who approves through it decides which account it is."""
    expires_at: datetime


@dataclass(frozen=True)
class Session:
    session_id: str
    connection_id: str
    status: str
    """`pending`, `awaiting_confirmation`, `completed`, `denied`, `failed` (for the `reason`) or `expired`."""
    reason: str | None
    reference: str | None
    """The `request_id` under which the log tells of the failure; the customer's page shows it too."""
    expires_at: datetime


@dataclass(frozen=True)
class Account:
    id: str | None
    company: str | None
    email: str | None
    also_connected_as: str | None
    """Another connection of the same account: what the customer does to one may end the other."""


@dataclass(frozen=True)
class Connection:
    id: str
    status: str
    """`active`, `pending`, `unconfirmed`, `reauth_required`, `disconnecting` or `unreadable`."""
    reason: str | None
    version: int | None
    created_at: datetime | None
    expires_at: datetime | None
    refreshed_at: datetime | None
    next_refresh_at: datetime | None
    failures: int | None
    scope: str | None
    account: Account | None
    account_changed_from: str | None
    """The account before, where the customer has connected again with another one."""


@dataclass(frozen=True)
class Finding:
    check: str
    status: str
    """`ok`, `warning`, `failed` or `skipped`."""
    detail: str
    remedy: str | None


@dataclass(frozen=True)
class Examination:
    healthy: bool
    """Whether nothing has failed."""
    findings: tuple[Finding, ...]


class Client:
    """The API of one deployment.

    origin: the output `ApiOrigin`, or `http://127.0.0.1:8787` of `cargo dev`; the variable `API_ORIGIN` by default.
    region: the stack's; `AWS_REGION` or `AWS_DEFAULT_REGION` by default. On a laptop none is needed.
    longest_wait: seconds. A call that is answered "try again" is repeated once, if the answer does not ask for a longer
    pause than this. Lower it where a person waits for you.

    An http origin is a laptop's. Requests to it are signed only with credentials that are in the environment.
    """

    def __init__(self, origin: str | None = None, region: str | None = None, *, longest_wait: float = 60) -> None:
        origin = origin or os.environ.get("API_ORIGIN")
        if not origin:
            raise NotConfigured(
                "API_ORIGIN is not set: the stack's output ApiOrigin, or http://127.0.0.1:8787 of cargo dev."
            )
        address = urlsplit(origin)
        if not _is_private(origin) or address.path not in ("", "/") or address.query or address.username:
            raise NotConfigured("API_ORIGIN must be an origin, https://host, or http on a loopback address.")
        self._origin = f"{address.scheme}://{address.netloc}"
        self._region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        self._is_laptop = address.scheme == "http"
        if not self._region and not self._is_laptop:
            raise NotConfigured("AWS_REGION is not set: the region of the stack.")
        self._longest_wait = longest_wait
        self._aws = AwsSession()
        self._aws_lock = threading.Lock()
        self._http = requests.Session()
        # A cookie of one customer's answer must not go out with another customer's request.
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._lock = threading.Lock()
        self._kept: dict[str, Token] = {}
        self._flights: dict[str, _Flight] = {}

    # Tokens

    def token(self, connection: str, *, min_ttl: int = 0) -> Token:
        """A live access token. It is kept until its `cache_until`; threads that ask at once share one call.

        For work that takes long, `min_ttl` says for how many seconds the token must live, up to half of the lifetime of
        a new one. Raises `ReauthRequired`, `Unconfirmed`, `NotFound`, `Unavailable`.
        """
        return self._token(connection, 0, min_ttl)

    def reject(self, connection: str, version: int) -> Token:
        """Another token, after WebinarGeek answered 401 to the one of this version. `request` calls it by itself."""
        return self._token(connection, version, 0)

    def request(self, connection: str, method: str, url: str, **options: Any) -> requests.Response:
        """Calls WebinarGeek's API with the customer's token. The options are those of `requests.request`.

        A 401 is reported once, and the request sent again with another token, unless its body can be read only once (a
        file, a generator). Every other answer of WebinarGeek is returned as it is, a 503 too.
        """
        if not _is_private(url):
            raise ValueError("a token is sent to an https address only")
        options.setdefault("timeout", 30)
        token = self.token(connection)
        answer = self._http.request(method, url, auth=_Bearer(token), **options)
        if answer.status_code != 401:
            return answer
        another = self.reject(connection, token.version)
        if not isinstance(options.get("data"), (str, bytes, dict, list, tuple, type(None))) or options.get("files"):
            return answer
        answer.close()
        return self._http.request(method, url, auth=_Bearer(another), **options)

    def _token(self, connection: str, above: int, min_ttl: int) -> Token:
        path = f"{_path(connection)}/token"
        while True:
            with self._lock:
                kept = self._kept.get(connection)
                if kept and kept.version > above and kept.is_good(min_ttl):
                    return kept
                flight = self._flights.get(connection)
                if flight is None or flight.above < above or flight.min_ttl < min_ttl:
                    # The answer of an earlier call may be the rejected token: it is not kept.
                    self._kept.pop(connection, None)
                    own = self._flights[connection] = _Flight(above, min_ttl)
                    break
            try:
                return flight.token.result()
            except CancelledError:
                pass  # The thread that had called was interrupted.
        try:
            if above:
                token = _read(Token, self._call("POST", path, {"rejected_version": above}))
            else:
                token = _read(Token, self._call("GET", path, query={"min_ttl": min_ttl or None}))
        except BaseException as problem:
            self._land(connection, own)
            if isinstance(problem, Exception):
                own.token.set_exception(problem)
            else:
                own.token.cancel()
            raise
        self._land(connection, own, token)
        own.token.set_result(token)
        return token

    def _land(self, connection: str, flight: _Flight, token: Token | None = None) -> None:
        with self._lock:
            if self._flights.get(connection) is flight:
                del self._flights[connection]
                if token:
                    self._kept[connection] = token

    def _forget(self, connection: str) -> None:
        with self._lock:
            self._kept.pop(connection, None)
            self._flights.pop(connection, None)

    # Connect sessions

    def begin_session(
        self,
        connection_id: str | None = None,
        *,
        return_to: str | None = None,
        expires_in: int | None = None,
        confirm_page: bool | None = None,
        confirm: bool | None = None,
        same_account: bool | None = None,
        throw_away: bool | None = None,
        ui_locale: Literal["en", "nl", "de"] | None = None,
    ) -> NewSession:
        """Makes a link for one customer's browser journey. Without a `connection_id` one is made.

        With a `return_to`, what the customer approves waits for `confirm_session`: otherwise a link that was passed on
        would connect another person's account. `same_account` is for a "reconnect" button. Without `ui_locale`, pages
        are in the language of the browser.
        """
        members = {
            "connection_id": connection_id,
            "return_to": return_to,
            "expires_in": expires_in,
            "confirm_page": confirm_page,
            "confirm": confirm,
            "same_account": same_account,
            "throw_away": throw_away,
            "ui_locale": ui_locale,
        }
        given = {name: value for name, value in members.items() if value is not None}
        return _read(NewSession, self._call("POST", "/v1/connect-sessions", given))

    def read_session(self, session_id: str) -> Session:
        """How a journey went. It may be `pending` for ever, since a customer can close the window."""
        return _read(Session, self._call("GET", _session_path(session_id)))

    def confirm_session(self, session_id: str, confirmation: str) -> Connection:
        """Takes the new grant into use: `confirmation` is what the browser has brought to `return_to`.

        Use the session that you made for the user who is logged in now, not one from the address of `return_to`.
        `InvalidRequest` and `NotFound` both mean: this user has not started it.
        """
        path = f"{_session_path(session_id)}/confirm"
        connection = _read(Connection, self._call("POST", path, {"confirmation": confirmation}))
        self._forget(connection.id)
        return connection

    # Connections

    def list(self, status: Status | None = None) -> Iterator[Connection]:
        """All connections, or those of a status. Pages are asked for as they are needed."""
        cursor: str | None = None
        while True:
            query = {"status": status, "limit": 100, "cursor": cursor}
            page = self._call("GET", "/v1/connections", query=query)
            for members in page["connections"]:
                yield _read(Connection, members)
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def show(self, connection: str) -> Connection:
        """The status of a connection, never a secret."""
        return _read(Connection, self._call("GET", _path(connection)))

    def disconnect(self, connection: str) -> Revocation:
        """Takes a connection away, at once. After `pending`, a second call answers whether its grants are revoked."""
        revocation: Revocation = self._call("DELETE", _path(connection))["revocation"]
        self._forget(connection)
        return revocation

    def import_(self, connection: str, refresh_token: str, *, replace: bool = False) -> Connection:
        """Takes over a connection from another system, which must not refresh it any more: docs/migrating.md.

        The status is `active`, or `pending` where it is stored and could not be refreshed yet.
        """
        content = {"refresh_token": refresh_token, "replace": replace}
        imported = _read(Connection, self._call("PUT", _path(connection), content))
        self._forget(connection)
        return imported

    def doctor(self, throw_away: str | None = None) -> Examination:
        """What would keep a customer from connecting. With a connection that may be lost: how WebinarGeek rotates."""
        if throw_away is None:
            return _read(Examination, self._call("GET", "/v1/doctor"))
        return _read(Examination, self._call("POST", "/v1/doctor", {"throw_away": throw_away}))

    # HTTP

    def _call(
        self, method: str, path: str, content: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        answer = self._send(method, path, content, query)
        if isinstance(answer, Unavailable) and answer.code not in ("misconfigured", "unreachable"):
            # Every call may be repeated: not before the time that was asked for, and not by all callers in one moment.
            pause = answer.retry_after or 1
            if pause <= self._longest_wait:
                time.sleep(pause + random.uniform(0, min(5, pause)))
                answer = self._send(method, path, content, query)
        if isinstance(answer, Problem):
            raise answer
        return answer

    def _send(
        self, method: str, path: str, content: Mapping[str, Any] | None, query: Mapping[str, Any] | None
    ) -> dict[str, Any] | Problem:
        try:
            answer = self._http.request(
                method,
                self._origin + path,
                json=content,
                params=query,
                auth=self._sign,
                timeout=35,  # API Gateway gives up after 30.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Without its cause, which holds the request and so the refresh token of an import.
            return Unavailable(0, "unreachable", f"{self._origin} has not answered: {type(error).__name__}")
        return _understood(answer)

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if not self._region or (self._is_laptop and "AWS_ACCESS_KEY_ID" not in os.environ):
            return request
        try:
            with self._aws_lock:
                credentials = self._aws.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        except BotoCoreError as error:
            raise NotConfigured(f"the AWS credentials cannot be used: {error}") from None
        if frozen is None:
            raise NotConfigured(
                "no AWS credentials were found: the API takes requests of a role with one of its policies."
            )
        signed = AWSRequest(request.method, request.url, data=request.body)
        SigV4Auth(frozen, "execute-api", self._region).add_auth(signed)
        request.headers.update(signed.headers)
        return request


class _Flight:
    """A call for a token that has not been answered yet: threads that come meanwhile wait for it."""

    def __init__(self, above: int, min_ttl: int) -> None:
        self.above = above  # The version that was rejected, or 0.
        self.min_ttl = min_ttl
        self.token: Future[Token] = Future()


class _Bearer(requests.auth.AuthBase):
    """As `auth` and not as a header: a header would lose against an entry of ~/.netrc."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.access_token}"
        return request


_KINDS: dict[str, type[Problem]] = {
    "invalid_request": InvalidRequest,
    "payload_too_large": InvalidRequest,
    "unsupported_media_type": InvalidRequest,
    "not_found": NotFound,
    "reauth_required": ReauthRequired,
    "unconfirmed": Unconfirmed,
    "connection_exists": ConnectionExists,
    "unavailable": Unavailable,
    "provider_unavailable": Unavailable,
    "misconfigured": Unavailable,
}


def _understood(answer: requests.Response) -> dict[str, Any] | Problem:
    status = answer.status_code
    try:
        members = answer.json()
    except ValueError:  # Its exception holds the whole text.
        members = None
    if 200 <= status < 300 and isinstance(members, dict):
        return members
    after = answer.headers.get("Retry-After", "")
    retry_after = int(after) if after.isdecimal() else None
    if isinstance(members, dict) and "code" in members:
        code, detail = str(members["code"]), str(members.get("detail"))
        kind = _KINDS.get(code, Problem)
        return kind(status, code, detail, members.get("field"), members.get("request_id"), retry_after)
    # Answers of AWS itself.
    if status == 403:
        return Forbidden(
            status, "forbidden", "the signature is not accepted, or the role lacks the policy for this call"
        )
    if status == 429:
        return Unavailable(status, "throttled", "more requests than the stack allows", retry_after=retry_after)
    if status >= 500:
        return Unavailable(status, "aws", "the function could not answer", retry_after=retry_after)
    return Problem(status, "unexpected", "this is not the API: is API_ORIGIN right?")


_T = TypeVar("_T", bound="DataclassInstance")
_TIMES = {"expires_at", "cache_until", "created_at", "refreshed_at", "next_refresh_at"}


def _read(kind: type[_T], members: Mapping[str, Any]) -> _T:
    """Members that a later version has added are left out."""
    return kind(**{one.name: _value(one.name, members[one.name]) for one in fields(kind)})


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    if name == "account":
        return _read(Account, value)
    if name == "findings":
        return tuple(_read(Finding, one) for one in value)
    return value


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _path(connection: str) -> str:
    # Any other text is refused: `..` would lead to another route.
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", connection) or connection in (".", ".."):
        raise ValueError("a connection id has 1 to 128 characters of A-Z a-z 0-9 _ - . : and is neither . nor ..")
    return f"/v1/connections/{connection}"


def _session_path(session_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", session_id):
        raise ValueError("a session id has characters of A-Z a-z 0-9 _ - only")
    return f"/v1/connect-sessions/{session_id}"


def _is_private(url: str) -> bool:
    """Whether what is sent there cannot be read on the way: https, or this machine."""
    address = urlsplit(url)
    is_loopback = re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", address.hostname or "") is not None
    return bool(address.hostname) and (address.scheme == "https" or (address.scheme == "http" and is_loopback))
