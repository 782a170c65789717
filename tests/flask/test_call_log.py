"""Log records say which call they are about: event, hook, pattern, method or channel, client and user."""

from __future__ import annotations

import asyncio
import json
import logging
import logging.config
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import marshmallow as ma
import pytest
import sentry_sdk
import structlog
from flask import Flask
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from proxyhooks import (
    CallLogFilter,
    ConnectRequest,
    ConnectResult,
    Error,
    Hooks,
    ProxyHooks,
    RPCRequest,
    RPCResult,
    after_reply,
    errors,
    read_request,
    result_response,
)
from proxyhooks._flask.call_log import FIELDS, about_call
from proxyhooks.signals import hook_finished
from proxyhooks.testing import ProxyClient
from tests.support.asking import Ask
from tests.support.paths import ROOT, SECRET
from tests.support.waiting import DEFAULT_TIMEOUT, wait_until

CALL = {"method": "room.a", "client": "c1", "user": "42"}
IN_TEXT = "event=rpc hook=answer pattern=room.<name> method=room.a client=c1 user=42"
Take = Callable[[], logging.LogRecord]


class Payload(ma.Schema):
    number = ma.fields.Integer(required=True)


@pytest.fixture
def take(caplog: pytest.LogCaptureFixture) -> Take:
    """Return the only record since the last time."""

    def take_only() -> logging.LogRecord:
        (record,) = caplog.records
        caplog.clear()
        return record

    return take_only


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """The fields of a record, with the name of the hook cut to its last part."""
    fields = {name: vars(record)[name] for name in FIELDS if name in vars(record)}
    return fields | ({"hook": fields["hook"].rpartition(".")[2]} if "hook" in fields else {})


def text_of(record: logging.LogRecord) -> str:
    """The fields at the end of the first line of a record, with the name of the hook cut to its last part."""
    line = record.getMessage().partition("\n")[0]
    text = line[line.rindex("[event=") + 1 :].removesuffix("]")
    return " ".join("hook=" + part.rpartition(".")[2] if part.startswith("hook=") else part for part in text.split(" "))


def fail(error: BaseException) -> Any:
    raise error


def unsendable() -> Error:
    error = Error(1001, "no")
    error.code = 1
    return error


def fail_receiver(sender: Flask, **_: Any) -> None:
    raise RuntimeError


def slow(req: RPCRequest) -> RPCResult:
    time.sleep(0.002)
    return RPCResult()


def later(req: RPCRequest) -> RPCResult:
    after_reply(int, "no number")
    return RPCResult()


async def leave_task(req: RPCRequest) -> RPCResult:
    asyncio.create_task(asyncio.sleep(60)).set_name("left")
    return RPCResult()


# What a hook does, and a part of the text of its only record.
TROUBLES: dict[str, tuple[Callable[[RPCRequest], Any], str]] = {
    "an exception": (lambda req: 1 / 0, "Exception on /centrifugo/rpc [POST]"),
    "a wrong return": (lambda req: "text", "Exception on /centrifugo/rpc [POST]"),
    "what is no Exception": (lambda req: fail(GeneratorExit()), "Exception on /centrifugo/rpc [POST]"),
    "an abort": (lambda req: flask.abort(503), "aborted with 503"),
    "a refusal that cannot be sent": (lambda req: fail(unsendable()), "cannot be sent as it is"),
    "a refusal among others": (
        lambda req: fail(ExceptionGroup("", [errors.PermissionDenied(), ValueError()])),
        "has raised other exceptions too",
    ),
    "a slow hook": (slow, "Centrifugo has given up"),
    "a function of after_reply": (later, "passed to after_reply, failed"),
    "a task that is left": (leave_task, "leaves tasks running"),
    "a receiver of the signal": (lambda req: RPCResult(), "a receiver of hook_finished, failed"),
    "a payload that is refused": (lambda req: RPCResult(), "the payload is invalid"),
    "an answer in place of a hook": (lambda req: RPCResult(), "which Centrifugo would take for consent"),
    "a failure before a hook": (lambda req: RPCResult(), "before a hook was called"),
    "what the hook itself logs": (lambda req: flask.current_app.logger.warning("own") or RPCResult(), "own"),
}


@pytest.mark.usefixtures("log_without_rate_limit")
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_record_about_a_call_says_event_hook_pattern_method_client_and_user(
    trouble: str, fast: bool, app: Flask, ask: Ask, take: Take
) -> None:
    function, text = TROUBLES[trouble]
    app.config.update(PROXYHOOKS_FAST=fast, PROXYHOOKS_TIMEOUT=0.001 if "slow" in trouble else 3)
    hooks = ProxyHooks(app)
    hooks.rpc("other")(lambda req: RPCResult())

    def answer(req: RPCRequest[Any], name: str) -> Any:
        return function(req)

    async def answer_async(req: RPCRequest[Any], name: str) -> Any:
        return await function(req)

    hook = answer_async if function is leave_task else answer
    hook.__qualname__ = "answer"
    hooks.rpc("room.<name>", data_schema=Payload if "payload" in trouble else None)(hook)
    if "answer in place" in trouble:
        app.before_request(lambda: "a page")
    if "before a hook" in trouble:
        app.before_request(lambda: ("a page", 400 + app.config.setdefault("CALLS", 0)))
    receivers = [fail_receiver] if "receiver" in trouble else []
    app.testing, app.config["PROPAGATE_EXCEPTIONS"] = "after_reply" in trouble, False
    for receiver in receivers:
        hook_finished.connect(receiver, app)
    for _ in range(2):  # the second call takes the fast path
        assert ask("rpc", **CALL, data={"token": "t0p"}).data  # the functions of after_reply run when it is read
        app.config["CALLS"] = app.config.get("CALLS", 0) + 1  # each status of a failure is logged once
        record = take()
        assert text in record.getMessage()
        assert fields_of(record) == {"proxy_event": "rpc", "hook": "answer", "pattern": "room.<name>", **CALL}
        if text != "own":
            assert text_of(record) == IN_TEXT
        assert "t0p" not in record.getMessage()


# The event, the request, and the fields of the record of a hook that fails.
EVENTS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "connect": ({"client": "c1"}, {"client": "c1"}),
    "refresh": ({"client": "c1", "user": ""}, {"client": "c1", "user": ""}),
    "publish": (
        {"client": "c1", "user": "42", "channel": "a:b"},
        {"pattern": "a:<name>", "channel": "a:b", "client": "c1", "user": "42"},
    ),
    "shared_poll_refresh": ({"channel": "a:b"}, {"pattern": "a:<name>", "channel": "a:b"}),
    "state": ({"events": []}, {}),
}


@pytest.mark.parametrize("event", EVENTS)
def test_a_record_has_the_fields_that_its_event_has(event: str, hooks: ProxyHooks, ask: Ask, take: Take) -> None:
    sent, expected = EVENTS[event]
    register: Any = getattr(hooks, event)

    @(register("a:<name>") if "pattern" in expected else register)
    def answer(req: Any, name: str = "") -> Any:
        raise ValueError

    assert ask(event, **sent).status_code == 500
    assert fields_of(take()) == {"proxy_event": event, "hook": "answer", **expected}


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ("{}", {"X-Proxyhooks-Secret": "wrong"}, {}),
        ('{"client": "c1", "user": 42, "method": "a"}', {}, {"client": "c1", "method": "a"}),
        (
            '{"client":"c1","transport":"websocket","user":"42","data":' + "[" * 300 + "]" * 300 + "}",
            {},
            {"client": "c1"},
        ),
        ('{"client":"c1","method":"none","user":"42"}', {}, {"client": "c1", "user": "42", "method": "none"}),
    ],
)
def test_a_record_without_a_hook_says_what_is_known(
    body: str, headers: dict[str, str], expected: dict[str, str], hooks: ProxyHooks, ask: Ask, take: Take
) -> None:
    hooks.rpc("a")(lambda req: RPCResult())
    ask("rpc", body.encode(), headers)
    record = take()
    assert fields_of(record) == {"proxy_event": "rpc", **expected}
    assert "[event=rpc" in record.getMessage().partition("\n")[0]


def test_the_deployment_guide_lists_the_fields() -> None:
    _, _, section = (ROOT / "deploy" / "README.md").read_text().partition("## Logs")
    assert tuple(re.findall(r"^\| `(\w+)` \|", section.partition("\n### ")[0], re.MULTILINE)) == FIELDS


def test_a_record_of_a_view_without_decorators_says_who_called(app: Flask, ask: Ask, take: Take) -> None:
    app.config["PROXYHOOKS_SECRETS"] = [SECRET]
    ProxyHooks(app, url_prefix="/other")

    @app.post("/centrifugo/rpc")
    def view() -> Any:
        read_request(RPCRequest)
        app.logger.warning("in a view")
        return result_response(RPCResult())

    assert ask("rpc", **CALL).status_code == 200
    assert fields_of(take()) == {"proxy_event": "rpc", **CALL}


def test_what_a_client_chooses_is_cut_and_cannot_forge_a_line(hooks: ProxyHooks, ask: Ask, take: Take) -> None:
    @hooks.rpc
    def answer(req: RPCRequest) -> RPCResult:
        raise ValueError

    sent = {"method": "a user=admin] \r\n[ERROR\x1b", "client": "\x00" * 5000, "user": "é" * 5000}
    assert ask("rpc", **sent).status_code == 500
    record = take()
    assert fields_of(record)["method"] == "a user=admin] \\r\\n[ERROR\\x1b"
    assert {len(fields_of(record)[name]) for name in ("client", "user")} == {203}
    text = record.getMessage()
    assert text.isprintable()
    assert r"method='a user=admin] \\r\\n[ERROR\\x1b'" in text
    assert len(text) < 1000


def test_two_hooks_of_one_event_are_told_apart(hooks: ProxyHooks, ask: Ask, app: Flask, take: Take) -> None:
    @hooks.rpc("one")
    def one(req: RPCRequest) -> RPCResult:
        app.logger.warning("in one")
        return RPCResult()

    @hooks.rpc("two")
    def two(req: RPCRequest) -> RPCResult:
        app.logger.warning("in two")
        return RPCResult()

    for name in ("one", "two", "one"):
        ask("rpc", method=name)
        record = take()
        assert (record.getMessage(), fields_of(record)["hook"]) == (f"in {name}", name)


def test_the_pattern_has_the_prefix_of_its_collection(app: Flask, ask: Ask, take: Take) -> None:
    rooms = Hooks()
    rooms.rpc("list")(lambda req: app.logger.warning("here") or RPCResult())
    ProxyHooks(app).include(rooms, rpc_prefix="rooms.")
    ask("rpc", method="rooms.list")
    assert fields_of(take())["pattern"] == "rooms.list"


@pytest.fixture
def own(take: Take) -> Iterator[logging.Logger]:
    """A logger of the application whose records do not get the fields by themselves."""
    logger = logging.getLogger("an application's own")
    filters = list(logger.filters)
    yield logger
    logger.filters[:] = filters


def test_records_of_other_loggers_have_the_fields_with_the_filter(
    hooks: ProxyHooks, ask: Ask, own: logging.Logger, take: Take
) -> None:
    hooks.rpc(lambda req: own.warning("here %s", 1) or RPCResult())
    ask("rpc", **CALL)
    assert fields_of(take()) == {}
    own.addFilter(CallLogFilter())
    ask("rpc", **CALL)
    record = take()
    assert record.getMessage() == "here 1"
    assert fields_of(record) == {"proxy_event": "rpc", "hook": "<lambda>", **CALL}


def test_outside_of_a_call_fields_are_left_out_or_have_the_value_for_missing_ones(
    own: logging.Logger, take: Take
) -> None:
    own.addFilter(CallLogFilter())
    own.warning("here")
    assert fields_of(take()) == {}
    own.addFilter(CallLogFilter(missing="-"))
    own.warning("here")
    record = take()
    assert logging.Formatter("%(levelname)s %(proxy_event)s %(user)s").format(record) == "WARNING - -"
    assert fields_of(record) == dict.fromkeys(FIELDS, "-")


def test_the_filter_can_be_named_in_a_configuration(hooks: ProxyHooks, ask: Ask, capsys: Any) -> None:
    logger = logging.getLogger("a configured one")
    hooks.rpc(lambda req: logger.warning("here") or RPCResult())
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"call": {"()": "proxyhooks.CallLogFilter", "missing": "-"}},
            "formatters": {"who": {"format": "%(message)s by %(user)s of %(channel)s"}},
            "handlers": {
                "out": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stdout",
                    "formatter": "who",
                    "filters": ["call"],
                }
            },
            "loggers": {"a configured one": {"handlers": ["out"], "propagate": False}},
        }
    )
    try:
        ask("rpc", **CALL)
        assert capsys.readouterr().out == "here by 42 of -\n"
    finally:
        logger.handlers.clear()


def test_a_field_that_a_record_has_is_not_overwritten(hooks: ProxyHooks, app: Flask, ask: Ask, take: Take) -> None:
    hooks.rpc(lambda req: app.logger.warning("here", extra={"user": "own", "client": None}) or RPCResult())
    ask("rpc", **CALL)
    assert fields_of(take()) == {"proxy_event": "rpc", "hook": "<lambda>", **CALL, "user": "own", "client": None}


def test_an_application_whose_records_have_such_attributes_by_themselves_can_fail(
    hooks: ProxyHooks, ask: Ask, take: Take
) -> None:
    factory = logging.getLogRecordFactory()

    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = factory(*args, **kwargs)
        record.user = record.client = "of the application"
        return record

    hooks.rpc(lambda req: RPCResult(data=1 / 0))
    logging.setLogRecordFactory(make_record)
    try:
        assert ask("rpc", **CALL).status_code == 500
    finally:
        logging.setLogRecordFactory(factory)
    assert fields_of(take())["user"] == "of the application"


def test_a_record_is_not_lost_because_of_its_fields(
    hooks: ProxyHooks, app: Flask, ask: Ask, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxyhooks._flask.call_log.call_fields", lambda state: 1 / 0)
    hooks.rpc(lambda req: app.logger.warning("here") or RPCResult())
    assert ask("rpc", **CALL).status_code == 200
    assert fields_of(take()) == {}


@pytest.mark.parametrize(
    ("template", "args", "expected"),
    [
        ("100 %", (), "100 % [event=rpc]"),
        ("%d %% of %s", (1, "a\nb"), "1 % of a\nb [event=rpc]"),
        ("no %s. Do:\n\n%s\n", ("a", "this"), "no a. Do: [event=rpc]\n\nthis\n"),
        ("%(a)s", ({"a": 1},), "1"),
        (ValueError("an object"), (), "an object"),
    ],
)
def test_the_fields_stand_at_the_end_of_the_first_line(
    template: Any, args: tuple[Any, ...], expected: str, take: Take
) -> None:
    with about_call({"proxy_event": "rpc"}):
        logging.getLogger("proxyhooks").warning(template, *args)
    record = take()
    assert record.getMessage() == expected
    assert fields_of(record) == {"proxy_event": "rpc"}


def test_each_thread_and_each_async_hook_has_its_own_call(
    hooks: ProxyHooks, app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    together = threading.Barrier(4, timeout=DEFAULT_TIMEOUT)

    @hooks.rpc("plain.<name>")
    def plain(req: RPCRequest, name: str) -> RPCResult:
        together.wait()
        app.logger.warning("%s", req.user)
        return RPCResult()

    @hooks.rpc("async.<name>")
    async def answer(req: RPCRequest, name: str) -> RPCResult:
        await asyncio.to_thread(together.wait)
        app.logger.warning("%s", req.user)
        return RPCResult()

    calls = [("plain.a", "1"), ("plain.b", "2"), ("async.a", "3"), ("async.b", "4")]
    with ThreadPoolExecutor(4) as executor:
        for _ in executor.map(lambda call: ask("rpc", method=call[0], user=call[1]), calls * 5):
            pass
    seen = {(record.getMessage(), fields_of(record)["user"], fields_of(record)["method"]) for record in caplog.records}
    assert seen == {(user, user, method) for method, user in calls}
    assert len(caplog.records) == 20


def test_a_call_within_a_call_has_fields_of_its_own(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    hooks = ProxyHooks(app)
    log = app.logger.warning

    @hooks.connect
    def connect(req: ConnectRequest) -> ConnectResult:
        return ConnectResult(user=req.data)

    @hooks.rpc("outer")
    def outer(req: RPCRequest) -> RPCResult:
        log("outer")
        after_reply(call_inner, "3")
        call_inner("2")
        log("outer")
        return RPCResult()

    @hooks.rpc("inner")
    def inner(req: RPCRequest) -> RPCResult:
        log("inner")
        after_reply(log, "inner")
        return RPCResult()

    def call_inner(user: str) -> None:
        client = ProxyClient(app)
        client.connect(user)
        assert client.rpc("inner").allowed
        log("outer")

    client = ProxyClient(app)
    client.connect("1")
    assert client.rpc("outer").allowed
    seen = [(record.getMessage(), fields_of(record)["hook"], fields_of(record)["user"]) for record in caplog.records]
    outer_, inner_2, inner_3 = ("outer", "outer", "1"), ("inner", "inner", "2"), ("inner", "inner", "3")
    assert seen == [outer_, inner_2, inner_2, outer_, outer_, inner_3, inner_3, outer_]


def test_a_function_of_after_reply_in_another_thread_names_the_call_it_came_from(
    hooks: ProxyHooks, app: Flask, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    @hooks.rpc("room.<name>")
    def answer(req: RPCRequest, name: str) -> RPCResult:
        after_reply(app.logger.warning, "own")
        after_reply(int, "no number")
        return RPCResult()

    assert ask("rpc", **CALL).data == b'{"result":{}}'
    wait_until(lambda: len(caplog.records) == 2, "both records")
    assert "proxyhooks-after-reply" in caplog.records[1].threadName  # type: ignore[operator]
    for record in caplog.records:
        assert fields_of(record) == {"proxy_event": "rpc", "hook": "answer", "pattern": "room.<name>", **CALL}
    assert text_of(caplog.records[1]) == IN_TEXT


def test_an_application_that_logs_exceptions_itself_does_so_alone(take: Take) -> None:
    class OwnFlask(Flask):
        def log_exception(self, exc_info: Any) -> None:
            self.logger.error("failed", exc_info=exc_info)

    app = OwnFlask("app")
    ProxyHooks(app, secrets=[SECRET]).rpc(lambda req: RPCResult(data=1 / 0))
    app.test_client().post("/centrifugo/rpc", json=CALL, headers={"X-Proxyhooks-Secret": SECRET})
    record = take()
    assert record.getMessage() == "failed"
    assert fields_of(record) == {"proxy_event": "rpc", "hook": "<lambda>", **CALL}


def test_an_exception_of_another_page_is_logged_as_flask_logs_it(app: Flask, hooks: ProxyHooks, take: Take) -> None:
    app.add_url_rule("/page", view_func=lambda: str(1 / 0), endpoint="page")
    app.test_client().get("/page")
    record = take()
    assert record.getMessage() == "Exception on /page [GET]"
    assert fields_of(record) == {}


def test_init_app_leaves_the_set_up_of_the_applications_logger_to_its_first_use() -> None:
    app = Flask("an application without records")
    ProxyHooks(app, secrets=[SECRET])
    ProxyHooks(app, secrets=[SECRET], name="other", url_prefix="/other")
    logger = logging.getLogger(app.name)
    assert (logger.handlers, len(logger.filters)) == ([], 1)


def test_structlog_keeps_the_message_beside_the_fields(hooks: ProxyHooks, ask: Ask, own: logging.Logger) -> None:
    written: list[dict[str, Any]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(formatter.format(record)))

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler = Handler()
    own.addFilter(CallLogFilter())
    own.addHandler(handler)
    try:
        hooks.rpc(lambda req: own.warning("here") or RPCResult())
        ask("rpc", **CALL)
    finally:
        own.removeHandler(handler)
    assert written == [{"event": "here", "level": "warning", "proxy_event": "rpc", "hook": written[0]["hook"], **CALL}]


class Caught(Transport):
    """Where Sentry's events end up."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        if (event := envelope.get_event()) is not None:
            self.events.append(event)


@pytest.fixture
def sentry() -> Iterator[list[Any]]:
    """The events that Sentry gets with its integrations of Flask and logging."""
    caught, client = Caught(), sentry_sdk.get_client()
    sentry_sdk.init(
        "http://key@sentry.invalid/1",
        default_integrations=False,
        integrations=[FlaskIntegration(), LoggingIntegration(), DedupeIntegration()],
        transport=caught,
    )
    yield caught.events
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(client)


def test_sentry_gets_one_event_for_a_failure(sentry: list[Any], hooks: ProxyHooks, ask: Ask, take: Take) -> None:
    @hooks.rpc("fails")
    def fails(req: RPCRequest) -> RPCResult:
        raise ZeroDivisionError

    @hooks.rpc("aborts")
    def aborts(req: RPCRequest) -> RPCResult:
        flask.abort(503)

    assert ask("rpc", method="fails", user="42").status_code == 500
    record = take()
    assert record.module == "app"  # Flask's module of that name
    assert text_of(record) == "event=rpc hook=fails pattern=fails method=fails client='' user=42"
    assert [event["exception"]["values"][-1]["type"] for event in sentry] == ["ZeroDivisionError"]
    sentry.clear()
    assert ask("rpc", method="aborts", user="42").status_code == 503
    (event,) = sentry
    assert event["extra"]["user"] == "42"
    assert event["extra"]["hook"].endswith("aborts")
