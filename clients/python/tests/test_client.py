"""The promises of the client, on `cargo dev`. LAPTOP names its binary: python -m unittest."""

from __future__ import annotations

import io
import logging
import pickle
import threading
import traceback
import unittest
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import webinargeek_connect
from webinargeek_connect import (
    Client,
    ConnectionExists,
    Forbidden,
    InvalidRequest,
    NotConfigured,
    NotFound,
    Problem,
    ReauthRequired,
    Unavailable,
    Unconfirmed,
)

from .laptop import Api, Gate, Laptop, environment

THROTTLED: tuple[int, dict[str, str], object] = (503, {"Retry-After": "7"}, b"")


def problem(status: int, code: str, retry_after: str = "7") -> tuple[int, dict[str, str], object]:
    return (status, {"Retry-After": retry_after}, {"code": code, "detail": "for a test", "request_id": "r-1"})


class ClientTest(unittest.TestCase):
    laptop: Laptop

    @classmethod
    def setUpClass(cls) -> None:
        cls.laptop = Laptop()
        cls.addClassCleanup(cls.laptop.stop)

    def setUp(self) -> None:
        variables = environment()
        variables.__enter__()
        self.addCleanup(variables.__exit__, None, None, None)
        self.gate, self.api = Gate(self.laptop), Api()
        self.addCleanup(self.gate.stop)
        self.addCleanup(self.api.stop)
        self.client = Client(self.gate.origin)
        self.pauses: list[float] = []
        sleep = patch("time.sleep", self.pauses.append)
        sleep.start()
        self.addCleanup(sleep.stop)

    def later(self, by: timedelta) -> None:
        clock = patch.object(webinargeek_connect, "_now", lambda: datetime.now(timezone.utc) + by)
        clock.start()
        self.addCleanup(clock.stop)

    def raised(self, kind: type[Problem], call: object, *arguments: object) -> Problem:
        with self.assertRaises(kind) as caught:
            call(*arguments)  # type: ignore[operator]
        return caught.exception

    # Tokens

    def test_a_token_is_kept_until_its_cache_until(self) -> None:
        self.laptop.connect("kept")
        first = self.client.token("kept")
        self.assertEqual(self.client.token("kept"), first)
        self.assertEqual(self.gate.asked, ["GET /v1/connections/kept/token"])

        self.later(first.cache_until - datetime.now(timezone.utc) + timedelta(seconds=1))
        self.client.token("kept")
        self.assertEqual(len(self.gate.asked), 2)

    def test_a_kept_token_that_ends_before_min_ttl_is_not_used(self) -> None:
        self.laptop.connect("long")
        self.client.token("long")
        self.client.token("long", min_ttl=3000)
        self.assertEqual(len(self.gate.asked), 1, "it lives for two hours")
        self.client.token("long", min_ttl=7500)
        self.assertEqual(self.gate.asked[1:], ["GET /v1/connections/long/token?min_ttl=7500"])

    def test_threads_that_ask_at_once_share_one_call(self) -> None:
        self.laptop.connect("shared")
        self.gate.open.clear()
        versions: list[int] = []
        threads = [
            threading.Thread(target=lambda: versions.append(self.client.token("shared").version)) for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        self.gate.arrived.wait()
        self.gate.open.set()
        for thread in threads:
            thread.join()
        self.assertEqual(versions, [1] * 20)
        self.assertEqual(self.gate.asked, ["GET /v1/connections/shared/token"])

    def test_threads_that_wait_for_a_call_get_its_problem(self) -> None:
        self.gate.open.clear()
        problems: list[str] = []

        def ask() -> None:
            try:
                self.client.token("unknown")
            except NotFound as problem:
                problems.append(problem.code)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        self.gate.arrived.wait()
        self.gate.open.set()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, ["not_found"] * 3)

    def test_an_interrupted_call_does_not_interrupt_the_threads_that_wait_for_it(self) -> None:
        self.laptop.connect("interrupted")
        self.gate.open.clear()
        waiting: list[int] = []
        other = threading.Thread(target=lambda: waiting.append(self.client.token("interrupted").version))

        send, calls = self.client._send, iter([KeyboardInterrupt])

        def interrupted_once(*arguments: Any) -> object:
            for interruption in calls:
                other.start()
                raise interruption
            return send(*arguments)

        with self.assertRaises(KeyboardInterrupt), patch.object(self.client, "_send", interrupted_once):
            try:
                self.client.token("interrupted")
            finally:
                self.gate.open.set()
                other.join()
        self.assertEqual(waiting, [1])

    def test_a_401_is_reported_once_and_the_request_sent_again(self) -> None:
        self.laptop.connect("rejected")
        first = self.client.token("rejected")
        self.assertEqual(self.client.request("rejected", "GET", self.api.origin).status_code, 200)
        self.laptop.connect("rejected")  # The customer connects again: another pair.
        self.api.ended.add(first.access_token)

        answer = self.client.request("rejected", "POST", self.api.origin, json={"title": "Webinar"})
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(self.gate.asked[1:], ['POST /v1/connections/rejected/token {"rejected_version":1}'])
        self.assertEqual(self.api.asked[1:], ['{"title": "Webinar"}'] * 2)
        self.assertEqual(self.client.token("rejected").version, 2)
        self.assertEqual(len(self.gate.asked), 2, "the new one is kept")

    def test_a_second_401_is_returned_to_the_caller(self) -> None:
        self.laptop.connect("refused")
        self.api.ended.add(self.client.token("refused").access_token)
        self.laptop.connect("refused")
        self.api.ended.add(self.laptop.call("GET", "/v1/connections/refused/token")["access_token"])
        self.assertEqual(self.client.request("refused", "GET", self.api.origin).status_code, 401)
        self.assertEqual(len(self.api.asked), 2)

    def test_threads_that_get_a_401_report_it_once(self) -> None:
        self.laptop.connect("together")
        first = self.client.token("together")
        self.laptop.connect("together")
        self.api.ended.add(first.access_token)
        asking = [
            threading.Thread(target=self.client.request, args=("together", "GET", self.api.origin)) for _ in range(8)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        self.assertEqual([call for call in self.gate.asked if call.startswith("POST")], self.gate.asked[1:2])

    def test_a_body_that_can_be_read_only_once_is_not_sent_again(self) -> None:
        self.laptop.connect("upload")
        self.api.ended.add(self.client.token("upload").access_token)
        self.laptop.connect("upload")
        answer = self.client.request("upload", "POST", self.api.origin, data=io.BytesIO(b"slides"))
        self.assertEqual((answer.status_code, self.api.asked), (401, ["slides"]))
        self.assertEqual(self.client.token("upload").version, 2, "the next request has another token")

    def test_a_rejected_token_that_arrives_late_is_not_kept(self) -> None:
        self.laptop.connect("late")
        old = self.laptop.call("GET", "/v1/connections/late/token")
        self.laptop.connect("late")
        self.gate.open.clear()
        self.gate.answers.append((200, {}, old))
        reader = threading.Thread(target=self.client.token, args=("late",))
        reader.start()
        self.gate.arrived.wait()
        rejecting = threading.Thread(target=self.client.reject, args=("late", 1))
        rejecting.start()
        while len(self.gate.asked) < 2:
            rejecting.join(0.01)
        self.gate.open.set()
        reader.join()
        rejecting.join()
        self.assertEqual(self.client.token("late").version, 2)

    def test_a_token_is_sent_only_over_https_or_to_this_machine(self) -> None:
        for url in ("http://app.webinargeek.com/api", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/"):
            with self.assertRaises(ValueError):
                self.client.request("any", "GET", url)
        self.assertEqual(self.gate.asked, [])

    def test_a_cookie_of_one_customer_is_not_sent_for_another(self) -> None:
        self.laptop.connect("one")
        self.laptop.connect("two")
        self.client.request("one", "GET", self.api.origin)
        self.assertEqual(self.client.request("two", "GET", self.api.origin).text, "")

    def test_a_token_does_not_follow_a_redirect_to_another_origin(self) -> None:
        self.laptop.connect("led")
        self.api.leads_to = self.gate.origin
        self.gate.answers += [(200, {}, self.laptop.call("GET", "/v1/connections/led/token")), (200, {}, {})]
        self.assertEqual(self.client.request("led", "GET", self.api.origin).status_code, 200)
        self.assertEqual(self.gate.authorizations, [None, None])

    # Waiting

    def test_after_a_503_a_call_waits_and_is_sent_once_more(self) -> None:
        self.laptop.connect("busy")
        self.gate.answers.append(THROTTLED)
        self.assertEqual(self.client.token("busy").version, 1)
        self.assertEqual(len(self.pauses), 1)
        self.assertTrue(7 <= self.pauses[0] <= 12, self.pauses)

    def test_a_second_503_ends_the_call(self) -> None:
        self.gate.answers += [THROTTLED, problem(503, "provider_unavailable", "9")]
        raised = self.raised(Unavailable, self.client.token, "busy")
        self.assertEqual((raised.code, raised.retry_after, len(self.pauses)), ("provider_unavailable", 9, 1))

    def test_a_call_does_not_wait_if_the_pause_is_long_or_an_operator_must_repair_something(self) -> None:
        for answer in (problem(503, "unavailable", "61"), problem(503, "misconfigured", "1")):
            self.gate.answers.append(answer)
            self.raised(Unavailable, self.client.token, "busy")
        self.assertEqual(self.pauses, [])

    def test_after_an_error_of_aws_without_retry_after_a_call_waits_too(self) -> None:
        self.laptop.connect("aws")
        for status in (429, 500, 503):
            self.gate.answers.append((status, {}, {"message": "Service Unavailable"}))
            self.client.show("aws")
        self.assertTrue(all(1 <= pause <= 2 for pause in self.pauses) and len(self.pauses) == 3, self.pauses)

    def test_a_server_that_does_not_answer_is_unavailable(self) -> None:
        self.gate.stop()
        raised = self.raised(Unavailable, Client(self.gate.origin).show, "any")
        self.assertEqual((raised.status, raised.code), (0, "unreachable"))

    # Problems

    def test_each_kind_of_problem_has_its_own_class(self) -> None:
        self.assertEqual(self.raised(NotFound, self.client.show, "unknown").status, 404)
        raised = self.raised(InvalidRequest, lambda: self.client.begin_session(return_to="https://elsewhere.example"))
        self.assertEqual(raised.field, "return_to")
        self.assertIn("return_to", str(raised))
        self.assertTrue(raised.request_id)
        self.laptop.connect("exists")
        self.raised(ConnectionExists, self.client.import_, "exists", "a-refresh-token")
        self.gate.answers.append((403, {}, {"message": "Forbidden"}))
        self.raised(Forbidden, self.client.show, "exists")
        self.gate.answers.append((200, {}, b"<!doctype html>"))
        self.assertEqual(self.raised(Problem, self.client.show, "exists").code, "unexpected")

    def test_reauth_required_says_that_the_customer_must_connect_again(self) -> None:
        laptop = Laptop(SIMULATED_EXPIRES_IN="1")
        self.addCleanup(laptop.stop)
        laptop.call("POST", "/local/provider", {"answer": {"without": ["refresh_token"]}})
        laptop.connect("ended")
        client, deadline = Client(laptop.origin), datetime.now() + timedelta(seconds=30)
        with self.assertRaises(ReauthRequired):
            while datetime.now() < deadline:
                client.token("ended")

    def test_a_problem_survives_pickling(self) -> None:
        problem = Unavailable(503, "unavailable", "later", None, "r-1", 5)
        again = pickle.loads(pickle.dumps(problem))
        self.assertEqual((str(again), again.retry_after), (str(problem), 5))

    def test_an_invalid_id_is_not_sent(self) -> None:
        for id in ("", ".", "..", "a/b", "a?b", "é", "a" * 129):
            with self.assertRaises(ValueError):
                self.client.show(id)
            with self.assertRaises(ValueError):
                self.client.read_session(id)
        self.assertEqual(self.gate.asked, [])

    # Sessions and connections

    def test_a_journey_is_confirmed(self) -> None:
        begun = self.client.begin_session("vera", return_to="http://127.0.0.1:1/connected", confirm_page=False)
        self.assertEqual(self.client.read_session(begun.session_id).status, "pending")
        came_back = parse_qs(urlsplit(self.laptop.follow(begun.url)).query)
        self.raised(Unconfirmed, self.client.token, "vera")
        wrong = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        self.raised(InvalidRequest, self.client.confirm_session, begun.session_id, wrong)
        connection = self.client.confirm_session(begun.session_id, came_back["confirmation"][0])
        self.assertEqual((connection.id, connection.status), ("vera", "active"))
        self.assertEqual(self.client.read_session(begun.session_id).status, "completed")
        self.assertTrue(self.client.token("vera").access_token)

    def test_a_session_is_requested_with_the_given_settings_only(self) -> None:
        begun = {"session_id": "s", "connection_id": "c", "url": "u", "expires_at": "2026-11-24T16:10:00Z"}
        for _ in range(2):
            self.gate.answers.append((201, {}, begun))
        self.client.begin_session()
        self.client.begin_session("vera", expires_in=60, confirm=False, same_account=True, ui_locale="nl")
        given = '{"connection_id":"vera","expires_in":60,"confirm":false,"same_account":true,"ui_locale":"nl"}'
        self.assertEqual(self.gate.asked, [f"POST /v1/connect-sessions {content}" for content in ("{}", given)])

    def test_connections_are_listed_over_all_pages(self) -> None:
        for id in ("list:1", "list:2", "list:3"):
            self.laptop.connect(id)
        page = self.laptop.call("GET", "/v1/connections?limit=1")
        self.gate.answers.append((200, {}, page))
        listed = [connection.id for connection in self.client.list()]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertTrue({"list:1", "list:2", "list:3"} <= set(listed), listed)
        self.assertIn("cursor=", self.gate.asked[1])
        self.assertEqual(list(self.client.list("quarantined")), [])

    def test_a_connection_is_shown_and_disconnected(self) -> None:
        self.laptop.connect("leaving")
        shown = self.client.show("leaving")
        self.assertEqual((shown.status, shown.account and shown.account.id), ("active", "1"))
        self.assertEqual(shown.created_at and shown.created_at.tzinfo, timezone.utc)
        self.client.token("leaving")
        self.assertIn(self.client.disconnect("leaving"), ("done", "pending"))
        self.raised(NotFound, self.client.token, "leaving")

    def test_an_import_is_kept_until_it_is_refreshed(self) -> None:
        imported = self.client.import_("imported", "unknown-to-the-provider")
        self.assertEqual((imported.status, imported.reason), ("pending", "invalid_grant"))

    def test_the_doctors_findings_are_returned(self) -> None:
        examination = self.client.doctor()
        self.assertTrue(examination.healthy)
        self.assertIn("redirect_uri", [finding.check for finding in examination.findings])
        self.laptop.connect("customer")
        self.raised(InvalidRequest, self.client.doctor, "customer")

    # Secrets and settings

    def test_no_token_is_printed_or_logged(self) -> None:
        log = io.StringIO()
        handler = logging.StreamHandler(log)
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.DEBUG)
        self.addCleanup(logging.getLogger().removeHandler, handler)
        self.addCleanup(logging.getLogger().setLevel, logging.WARNING)
        self.laptop.connect("secret")
        token = self.client.token("secret")
        begun = self.client.begin_session("secret")
        canary = "canary-of-an-import"
        secrets = [token.access_token, canary, begun.url.split("=")[1]]
        shown = [repr(token), str(token), repr(self.client), repr(vars(self.client)), repr(begun)]
        self.client.request("secret", "GET", self.api.origin)
        answer = problem(409, "connection_exists")
        for failing in (answer, (200, {}, b'{"access_token":"' + token.access_token.encode())):
            self.gate.answers.append(failing)
            try:
                self.client.import_("secret", canary)
            except Problem:
                shown.append(traceback.format_exc())
        self.gate.stop()
        try:
            Client(self.gate.origin).import_("secret", canary)
        except Problem as problem_:
            shown += [traceback.format_exc(), repr(problem_), repr(problem_.__context__ and vars(problem_.__context__))]
        shown.append(log.getvalue())
        for secret in secrets:
            self.assertFalse([text for text in shown if secret in text])

    def test_a_missing_or_wrong_setting_is_named(self) -> None:
        with self.assertRaisesRegex(NotConfigured, "API_ORIGIN is not set"):
            Client()
        with self.assertRaisesRegex(NotConfigured, "AWS_REGION is not set"):
            Client("https://api.example.com")
        for origin in ("api.example.com", "http://api.example.com", "https://api.example.com/v1", "https://"):
            with self.assertRaisesRegex(NotConfigured, "must be an origin"):
                Client(origin, "eu-central-1")
        no_credentials = environment(AWS_EC2_METADATA_DISABLED="true", HOME="/nonexistent")
        with no_credentials, self.assertRaisesRegex(NotConfigured, "no AWS credentials were found"):
            Client("https://127.0.0.1:9", "eu-central-1").show("any")

    def test_requests_to_a_laptop_are_signed_only_if_the_environment_has_credentials(self) -> None:
        self.client.doctor()
        keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-central-1"}
        with environment(API_ORIGIN=self.gate.origin, **keys):
            Client().doctor()
        unsigned, signed = self.gate.authorizations
        self.assertIsNone(unsigned)
        self.assertRegex(signed or "", "^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/[0-9]{8}/eu-central-1/execute-api/")


if __name__ == "__main__":
    unittest.main()
