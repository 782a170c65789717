"""Sentry in hooks: it gets one event for each failure, none for a refusal, and no secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import flask
import pytest
import sentry_sdk
from flask import Flask
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.scrubber import DEFAULT_DENYLIST, EventScrubber
from sentry_sdk.transport import Transport

from proxyhooks import Error, ProxyHooks, RPCRequest, RPCResult
from tests.support.asking import Ask
from tests.support.paths import SECRET


class Caught(Transport):
    """Where Sentry's events end up."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event: Any = envelope.get_event()
        if event is not None:
            self.events.append(event)


# The name of before, which asks for the most that there is.
pytestmark = pytest.mark.filterwarnings("ignore:The send_default_pii option:DeprecationWarning")


@pytest.fixture
def sentry() -> Iterator[Caught]:
    caught = Caught()
    client = sentry_sdk.get_client()
    # With all that it can tell of a request.
    sentry_sdk.init(
        "http://key@sentry.invalid/1",
        transport=caught,
        default_integrations=False,
        integrations=[FlaskIntegration(), LoggingIntegration(), DedupeIntegration()],
        # As examples/README.md has it: Sentry copies the headers before anybody else sees the request.
        event_scrubber=EventScrubber(denylist=[*DEFAULT_DENYLIST, "x-proxyhooks-secret"]),
        send_default_pii=True,
    )
    yield caught
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(client)


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
    assert event["transaction"].startswith("proxyhooks_rpc_")
    assert event["transaction"].endswith("_fail")
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
    hooks, endpoints = ProxyHooks(app), list[str | None]()

    @hooks.rpc("sync")
    def sync(req: RPCRequest) -> RPCResult:
        endpoints.append(flask.request.endpoint)
        raise (Error(1001, "no") if req.data == "refuse" else ZeroDivisionError)

    @hooks.rpc("async")
    async def asynchronous(req: RPCRequest) -> RPCResult:
        endpoints.append(flask.request.endpoint)
        raise (Error(1001, "no") if req.data == "refuse" else ZeroDivisionError)

    for data in ("refuse", "fail", "fail"):  # the first request of a host goes Flask's own way
        for method in ("sync", "async"):
            ask("rpc", method=method, data=data)
    assert [event["transaction"] for event in sentry.events] == endpoints[2:]
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
