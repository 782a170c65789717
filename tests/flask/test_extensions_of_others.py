"""Other extensions, unmodified, each doing its job in a hook. Flask-Login, -Limiter and -WTF are in test_extension."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from flask import Flask
from flask_caching import Cache
from flask_sqlalchemy import SQLAlchemy
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.scrubber import DEFAULT_DENYLIST, EventScrubber
from sentry_sdk.transport import Transport
from sqlalchemy.orm import Mapped, mapped_column

from proxyhooks import Error, ProxyHooks, RPCRequest, RPCResult
from tests.support.asking import Ask
from tests.support.paths import SECRET


def test_flask_caching_computes_a_value_once(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.config["CACHE_TYPE"] = "SimpleCache"
    cache, computed = Cache(app), itertools.count(1)

    @cache.memoize(60)
    def rooms_of(user: str) -> dict[str, Any]:
        return {"user": user, "computed": next(computed)}

    @hooks.rpc("rooms")
    def rooms(req: RPCRequest) -> RPCResult:
        return RPCResult(data=rooms_of(req.user))

    @hooks.rpc("clear")
    def clear(req: RPCRequest) -> RPCResult:
        cache.delete_memoized(rooms_of, req.user)
        return RPCResult()

    def data(user: str) -> Any:
        reply = ask("rpc", method="rooms", user=user).json
        assert reply is not None
        return reply["result"]["data"]

    assert [data("a"), data("a"), data("b")] == [
        {"user": "a", "computed": 1},
        {"user": "a", "computed": 1},
        {"user": "b", "computed": 2},
    ]
    ask("rpc", method="clear", user="a")
    assert (data("a")["computed"], data("b")["computed"]) == (3, 2)


def test_flask_sqlalchemy_removes_the_session_whatever_became_of_the_hook(
    app: Flask, hooks: ProxyHooks, ask: Ask, tmp_path: Any
) -> None:
    # A file, not memory: each session has a connection from a pool, which has to go back there.
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/test.db"
    db = SQLAlchemy(app)
    seen: list[Any] = []

    class Note(db.Model):  # type: ignore[name-defined]  # made at run time
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    with app.app_context():
        db.create_all()

    @hooks.rpc
    def write(req: RPCRequest) -> RPCResult:
        seen.append(db.session())
        note = Note(text=req.data)
        db.session.add(note)
        db.session.flush()
        if req.method == "refuse":
            raise Error(1001, "no")
        if req.method == "raise":
            raise RuntimeError
        db.session.commit()
        return RPCResult(data=note.id)

    assert ask("rpc", method="commit", data="kept").json == {"result": {"data": 1}}
    assert ask("rpc", method="refuse", data="lost").json == {"error": {"code": 1001, "message": "no"}}
    assert ask("rpc", method="raise", data="lost").status_code == 500
    assert len(set(map(id, seen))) == 3  # each call has one of its own
    with app.app_context():
        pool: Any = db.engine.pool
        assert pool.checkedout() == 0
        assert [note.text for note in db.session.scalars(db.select(Note))] == ["kept"]
        db.session.remove()  # an engine closes only connections that are not in use
        db.engine.dispose()


class Caught(Transport):
    """Where Sentry's events end up."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event: Any = envelope.get_event()
        if event is not None:
            self.events.append(event)


@pytest.fixture
def sentry() -> Iterator[Caught]:
    caught = Caught()
    client = sentry_sdk.get_client()
    # With all that it can tell of a request.
    sentry_sdk.init(
        "http://key@sentry.invalid/1",
        transport=caught,
        default_integrations=False,
        integrations=[FlaskIntegration()],
        # As examples/README.md has it: Sentry copies the headers before anybody else sees the request.
        event_scrubber=EventScrubber(denylist=[*DEFAULT_DENYLIST, "x-proxyhooks-secret"]),
        send_default_pii=True,
    )
    yield caught
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(client)


# The name of before, which asks for the most that there is.
@pytest.mark.filterwarnings("ignore:The send_default_pii option:DeprecationWarning")
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


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("instrumented_first", [True, False])
def test_opentelemetry_sees_the_status_of_hooks_in_whatever_order_it_is_installed(
    fast: bool, instrumented_first: bool, app: Flask
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    if instrumented_first:
        FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    hooks = ProxyHooks(app)
    if not instrumented_first:
        FlaskInstrumentor().instrument_app(app, tracer_provider=provider)

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        return RPCResult(data=1 / int(req.method != "boom"))

    for method in ("a", "a", "boom"):  # the first request of a host goes Flask's own way
        app.test_client().post("/centrifugo/rpc", json={"method": method}, headers={"X-Proxyhooks-Secret": SECRET})
    statuses = [span.attributes and span.attributes.get("http.status_code") for span in exporter.get_finished_spans()]
    assert statuses == [200, 200, 500]
