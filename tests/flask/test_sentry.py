"""Sentry in hooks, without any set-up for it: one event for each failure, none for a refusal, and never the secret."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from flask import Flask
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from proxyhooks import Error, ProxyHooks, RPCRequest, RPCResult
from tests.support.asking import Ask
from tests.support.paths import SECRET


class Caught(Transport):
    """Where Sentry's events end up."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.transactions: list[dict[str, Any]] = []
        self.everything = ""
        """All that is sent, such as logs and spans too."""

    def capture_envelope(self, envelope: Envelope) -> None:
        event: Any = envelope.get_event()
        if event is not None:
            self.events.append(event)
        transaction: Any = envelope.get_transaction_event()
        if transaction is not None:
            self.transactions.append(transaction)
        self.everything += envelope.serialize().decode(errors="replace")


# The name of before, which asks for the most that there is.
pytestmark = pytest.mark.filterwarnings("ignore:The send_default_pii option:DeprecationWarning")


@contextlib.contextmanager
def initialized(flask_integration: FlaskIntegration | None = None, **options: Any) -> Iterator[Caught]:
    caught = Caught()
    client = sentry_sdk.get_client()
    sentry_sdk.init(
        "http://key@sentry.invalid/1",
        transport=caught,
        default_integrations=False,
        integrations=[flask_integration or FlaskIntegration(), LoggingIntegration(), DedupeIntegration()],
        **options,
    )
    yield caught
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(client)


@pytest.fixture
def sentry() -> Iterator[Caught]:
    """With all that it can tell of a request."""
    with initialized(send_default_pii=True) as caught:
        yield caught


def test_sentry_gets_the_exception_and_not_the_secret(sentry: Caught, app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.rpc("fail")
    def fail(req: RPCRequest) -> RPCResult:
        raise ZeroDivisionError("in a hook")

    @hooks.rpc("refuse")
    def refuse(req: RPCRequest) -> RPCResult:
        raise Error(1001, "no")

    assert ask("rpc", method="refuse").status_code == 200
    assert not sentry.events
    assert ask("rpc", method="fail", data={"a": 1}, headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 500
    (event,) = sentry.events
    exception = event["exception"]["values"][-1]
    assert (exception["type"], exception["value"]) == ("ZeroDivisionError", "in a hook")
    assert exception["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["transaction"] == "rpc fail"
    assert event["request"]["url"] == "http://localhost/centrifugo/rpc"
    assert event["request"]["headers"]["X-Forwarded-For"] == "192.0.2.7"
    assert SECRET not in json.dumps(event, default=repr)


def frames_of(event: dict[str, Any]) -> list[dict[str, Any]]:
    return [frame for value in event["exception"]["values"] for frame in value["stacktrace"]["frames"]]


@pytest.mark.parametrize("fast", [True, False])
def test_of_two_hooks_of_an_event_sentry_gets_one_event_for_each_failure(
    fast: bool, sentry: Caught, app: Flask, ask: Ask
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    hooks = ProxyHooks(app)

    @hooks.rpc("sync")
    def sync(req: RPCRequest) -> RPCResult:
        raise (Error(1001, "no") if req.data == "refuse" else ZeroDivisionError)

    @hooks.rpc("async")
    async def asynchronous(req: RPCRequest) -> RPCResult:
        raise (Error(1001, "no") if req.data == "refuse" else ZeroDivisionError)

    for data in ("refuse", "fail", "fail"):  # the first request of a host goes Flask's own way
        for method in ("sync", "async"):
            ask("rpc", method=method, data=data)
    assert [event["transaction"] for event in sentry.events] == ["rpc sync", "rpc async"] * 2
    assert [frames_of(event)[-1]["function"] for event in sentry.events] == ["sync", "asynchronous"] * 2
    assert SECRET not in json.dumps(sentry.events, default=repr)


@pytest.mark.parametrize("fast", [True, False])
def test_a_wrong_return_is_one_event_that_names_the_line_of_the_hook(
    fast: bool, sentry: Caught, app: Flask, ask: Ask
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    hooks = ProxyHooks(app)

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        return {"wrong": 1}  # type: ignore[return-value]

    for _ in range(2):
        ask("rpc", method="x")
    assert len(sentry.events) == 2
    for event in sentry.events:
        (value,) = event["exception"]["values"]
        assert value["type"] == "HookResultError"
        assert f'File "{__file__}", line ' in value["value"]
        assert SECRET not in json.dumps(event, default=repr)


FAILING = ["before_request", "after_request", "teardown_request", "before_hook"]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("failing", FAILING)
def test_no_frame_around_a_hook_has_the_secret(failing: str, fast: bool, sentry: Caught, app: Flask, ask: Ask) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    hooks = ProxyHooks(app)
    hooks.rpc(lambda req: RPCResult())

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    if failing in ("before_request", "after_request", "teardown_request"):
        getattr(app, failing)(fail)
    else:
        hooks.before_hook(fail)
    for _ in range(2):
        try:
            ask("rpc", method="x")
        except ZeroDivisionError:  # Flask handles no exception of a teardown function
            sentry_sdk.capture_exception()
    assert len(sentry.events) >= 2  # Flask calls after_request functions for the error page, too
    for event in sentry.events:
        assert frames_of(event)[-1]["function"] == "fail"
        assert len(frames_of(event)) > 1
        assert SECRET not in json.dumps(event, default=repr)


def test_a_warning_of_the_package_is_no_event(sentry: Caught, hooks: ProxyHooks, ask: Ask) -> None:
    hooks.rpc("known")(lambda req: RPCResult())
    ask("rpc", method="unknown")
    assert not sentry.events
    logging.getLogger("proxyhooks").error("an error is one")
    assert len(sentry.events) == 1


OPTIONS: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "personal data": {"send_default_pii": True},
    "logs": {"enable_logs": True},
    "whole bodies": {"max_request_body_size": "always", "include_local_variables": True},
    "a stream of spans": {"trace_lifecycle": "stream"},
    "a stream of spans with personal data": {"trace_lifecycle": "stream", "send_default_pii": True},
}


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("style", ["endpoint", "url"])
@pytest.mark.parametrize("name", OPTIONS)
def test_events_and_transactions_are_named_by_hook_have_the_user_and_never_the_secret(
    name: str, style: str, fast: bool, app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    hooks = ProxyHooks(app)

    @hooks.rpc("order.<name>")
    def order(req: RPCRequest, name: str) -> RPCResult:
        logging.getLogger("of.a.module").warning("a breadcrumb")
        if name == "fail":
            raise ZeroDivisionError
        raise Error(1001, "no")

    with initialized(FlaskIntegration(transaction_style=style), traces_sample_rate=1.0, **OPTIONS[name]) as sentry:
        for _ in range(2):
            for method in ("order.refuse", "order.fail", "other"):
                ask("rpc", method=method, user="42", data={"a": 1})
        ask("rpc", method="order.fail", user="")
        ask("rpc", b"{")  # the guard refuses it
        ask("rpc", headers={"X-Proxyhooks-Secret": f"not {SECRET}"})
        ask("sub_refresh", user="42")
        ask("rpc/")
        ask("of_no_hook")
        sentry_sdk.get_client().flush()
    assert [(event["transaction"], event.get("user", {}).get("id")) for event in sentry.events] == [
        ("rpc order.<name>", "42"),
        ("rpc order.<name>", "42"),
        ("rpc order.<name>", None),
    ]
    if "stream" not in name:
        found = [(event["transaction"], event.get("user", {}).get("id")) for event in sentry.transactions]
        assert found[:6] == [("rpc order.<name>", "42"), ("rpc order.<name>", "42"), ("rpc", "42")] * 2
        assert found[6:] == [
            ("rpc order.<name>", None),
            ("rpc", None),
            ("rpc", None),
            ("sub_refresh", None),
            ("rpc", None),
            ("generic WSGI request", None),
        ]
        assert {event["transaction_info"]["source"] for event in sentry.transactions} == {"route"}
    assert "http://localhost/centrifugo/rpc" in sentry.everything
    assert SECRET not in sentry.everything


def test_a_user_that_the_application_has_told_sentry_stays(
    sentry: Caught, app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        sentry_sdk.set_user({"id": "own", "email": "a@b.example"})
        raise ZeroDivisionError

    ask("rpc", method="x", user="42")
    (event,) = sentry.events
    assert (event["user"]["id"], event["user"]["email"]) == ("own", "a@b.example")


def test_the_user_of_one_call_is_not_in_the_events_of_another(
    sentry: Caught, app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        raise ZeroDivisionError

    @app.get("/page")
    def page() -> str:
        raise ZeroDivisionError

    ask("rpc", method="x", user="42")
    ask("rpc", method="x")
    app.test_client().get("/page")
    sentry_sdk.capture_message("outside")
    users = [(event.get("transaction"), event.get("user", {}).get("id")) for event in sentry.events]
    assert users == [("rpc", "42"), ("rpc", None), ("page", None), (None, None)]


def test_nothing_is_added_to_scopes_without_the_flask_integration(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    """Without it the scope is not one request's, and would grow with each."""
    hooks.rpc(lambda req: RPCResult())
    client = sentry_sdk.get_client()
    assert client.get_integration("flask") is None
    scope = sentry_sdk.get_isolation_scope()
    before = len(scope._event_processors)
    assert ask("rpc", method="x").status_code == 200
    assert len(scope._event_processors) == before
