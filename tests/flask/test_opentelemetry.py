"""OpenTelemetry's Flask instrumentation, unmodified, on an application with hooks."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flask
import pytest
from flask import Flask
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from werkzeug.test import TestResponse

from proxyhooks import Disconnect, Error, ProxyHooks, RPCRequest, RPCResult, after_reply, errors
from tests.support.fast_path import level_taken
from tests.support.paths import ROOT, SECRET
from tests.support.servers import server_environment
from tests.support.waiting import DEFAULT_TIMEOUT

ORDERS = ["instrument_app, init_app", "init_app, instrument_app", "instrument, init_app"]
CLIENT = {"trace": "ab" * 16, "span": "cd" * 8}
TRACEPARENT = f"00-{CLIENT['trace']}-{CLIENT['span']}-01"
UNSET, OK, ERROR = StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR


@dataclass
class Traced:
    """An application that OpenTelemetry instruments, and the spans that have ended."""

    order: str
    fast: bool = True
    app: Flask = field(init=False)
    hooks: ProxyHooks = field(init=False)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    options: dict[str, Any] = field(default_factory=dict)
    """For the instrumentor."""

    def __post_init__(self) -> None:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.options = {"tracer_provider": provider, "meter_provider": MeterProvider()} | self.options
        self.tracer = self.options["tracer_provider"].get_tracer("application")
        if self.order == "instrument, init_app":
            FlaskInstrumentor().instrument(**self.options)
        self.app = flask.Flask("app")
        self.app.config.update(PROXYHOOKS_SECRETS=[SECRET], PROXYHOOKS_FAST=self.fast, SECRET_KEY="for sessions")
        if self.order == "instrument_app, init_app":
            FlaskInstrumentor.instrument_app(self.app, **self.options)
        self.hooks = ProxyHooks(self.app)
        if self.order == "init_app, instrument_app":
            FlaskInstrumentor.instrument_app(self.app, **self.options)

    def ask(self, event: str = "rpc", headers: dict[str, str] | None = None, **message: Any) -> TestResponse:
        all_headers = {"X-Proxyhooks-Secret": SECRET} | (headers or {})
        return self.app.test_client().post(f"/centrifugo/{event}", json=message, headers=all_headers, buffered=True)

    def span_of(self, event: str = "rpc", headers: dict[str, str] | None = None, **message: Any) -> ReadableSpan:
        """Ask, and return the last span that has ended: that of the request."""
        self.ask(event, headers, **message)
        return self.exporter.get_finished_spans()[-1]


@pytest.fixture(autouse=True)
def remove_instrumentation() -> Iterator[None]:
    stock = flask.Flask
    yield
    if flask.Flask is not stock:
        FlaskInstrumentor().uninstrument()
    assert flask.Flask is stock


@pytest.fixture(params=[(order, fast) for order in ORDERS for fast in (True, False)], ids=str)
def traced(request: pytest.FixtureRequest) -> Traced:
    return Traced(*request.param)


def attributes_of(span: ReadableSpan, *names: str) -> tuple[Any, ...]:
    return tuple((span.attributes or {}).get(name) for name in names)


def described(span: ReadableSpan) -> tuple[Any, ...]:
    """Name, status, and the attributes that say what became of the call."""
    status = span.status.status_code
    return span.name, status, *attributes_of(span, "http.status_code", "proxyhooks.outcome", "proxyhooks.code")


def add_hooks(hooks: ProxyHooks) -> None:
    @hooks.rpc("join:<int:room>")
    def join(req: RPCRequest, room: int) -> RPCResult:
        match room:
            case 1:
                raise Error(1001, "full")
            case 2:
                raise Disconnect(4501, "banned")
            case 3:
                raise ZeroDivisionError
            case 4:
                flask.abort(403)
        return RPCResult()

    @hooks.refresh
    def refresh(req: Any) -> Any:
        raise errors.TooManyRequests

    @hooks.subscribe
    def subscribe(req: Any) -> Any:
        raise errors.PermissionDenied


CALLS: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("rpc", {"method": "join:0"}, ("rpc join:<int:room>", UNSET, 200, "result", None)),
    ("rpc", {"method": "join:1"}, ("rpc join:<int:room>", UNSET, 200, "error", 1001)),
    ("rpc", {"method": "join:2"}, ("rpc join:<int:room>", UNSET, 200, "disconnect", 4501)),
    ("rpc", {"method": "join:3"}, ("rpc join:<int:room>", ERROR, 500, "failed", None)),
    ("rpc", {"method": "join:4"}, ("rpc join:<int:room>", UNSET, 200, "error", 103)),
    ("rpc", {"method": "other"}, ("rpc", UNSET, 200, "error", 104)),
    ("subscribe", {"channel": "news"}, ("subscribe", UNSET, 200, "error", 103)),
    # Centrifugo gets the status 500, as a reply would end the connection.
    ("refresh", {}, ("refresh", ERROR, 500, "error", 111)),
]


def test_a_span_has_the_name_of_event_and_pattern_and_says_what_became_of_the_call(traced: Traced) -> None:
    add_hooks(traced.hooks)
    for event, message, expected in CALLS * 2:  # the first request of an event goes Flask's own way
        span = traced.span_of(event, **message)
        assert described(span) == expected
        assert span.kind is SpanKind.SERVER
        assert attributes_of(span, "http.route", "proxyhooks.event") == (f"/centrifugo/{event}", event)
    assert len(traced.exporter.get_finished_spans()) == 2 * len(CALLS)


def test_a_span_names_the_hook_and_its_pattern(traced: Traced) -> None:
    add_hooks(traced.hooks)
    names = "proxyhooks.hook", "proxyhooks.pattern"
    hook = f"{__name__}.add_hooks.<locals>"
    assert attributes_of(traced.span_of(method="join:1"), *names) == (f"{hook}.join", "join:<int:room>")
    assert attributes_of(traced.span_of("refresh"), *names) == (f"{hook}.refresh", None)
    assert attributes_of(traced.span_of(method="other"), *names) == (None, None)


@pytest.mark.parametrize("order", ORDERS)
def test_the_fast_path_stays_on_in_whatever_order(order: str, caplog: pytest.LogCaptureFixture) -> None:
    traced, levels = Traced(order), list[str]()

    @traced.hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        levels.append(level_taken())
        return RPCResult()

    for _ in range(2):
        assert traced.span_of(method="x").name == "rpc"
    assert levels[-1] == "full"
    assert "fast path" not in caplog.text


def test_an_exception_is_recorded_and_a_refusal_is_not(traced: Traced) -> None:
    add_hooks(traced.hooks)
    for _ in range(2):
        assert not traced.span_of(method="join:1").events
        (event,) = traced.span_of(method="join:3").events
        assert (event.attributes or {})["exception.type"] == "ZeroDivisionError"


def test_an_exception_that_reaches_the_server_is_a_failure(traced: Traced) -> None:
    add_hooks(traced.hooks)
    traced.app.config["PROPAGATE_EXCEPTIONS"] = True
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            traced.ask(method="join:3")
        span = traced.exporter.get_finished_spans()[-1]
        assert described(span) == ("rpc join:<int:room>", ERROR, None, "failed", None)


def redirect() -> Any:
    return flask.redirect("/login")


def unauthorized() -> Any:
    return "no", 401


def fail(*_: Any) -> Any:
    raise ZeroDivisionError


def refuse(*_: Any) -> Any:
    raise Error(1001, "full")


def unavailable(response: flask.Response) -> flask.Response:
    return flask.Response("down", 503)


REPLACED: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("before_request", redirect, (ERROR, 500, "failed", None)),
    ("before_request", unauthorized, (ERROR, 401, "failed", None)),
    ("before_request", refuse, (UNSET, 200, "error", 1001)),
    ("before_request", fail, (ERROR, 500, "failed", None)),
    ("after_request", fail, (ERROR, 500, "failed", None)),
    ("after_request", unavailable, (ERROR, 503, "failed", None)),
    # OpenTelemetry would end the span as an error, as the exception ends Flask's request.
    ("after_request", refuse, (OK, 200, "error", 1001)),
]


@pytest.mark.parametrize(("where", "function", "expected"), REPLACED)
def test_what_is_sent_counts_and_not_what_the_hook_said(
    where: str, function: Any, expected: tuple[Any, ...], traced: Traced
) -> None:
    add_hooks(traced.hooks)
    getattr(traced.app, where)(function)
    for _ in range(2):
        assert described(traced.span_of(method="join:0")) == ("rpc join:<int:room>", *expected)


def test_a_failure_that_an_error_handler_shows_as_a_page_is_one(traced: Traced) -> None:
    add_hooks(traced.hooks)
    traced.app.register_error_handler(ZeroDivisionError, lambda error: "sorry")
    for _ in range(2):
        assert described(traced.span_of(method="join:3"))[1:] == (ERROR, 500, "failed", None)


def test_requests_that_are_refused_before_flask_have_no_span(traced: Traced) -> None:
    add_hooks(traced.hooks)
    client = traced.app.test_client()
    statuses = [
        client.post("/centrifugo/rpc", json={}).status_code,
        client.get("/centrifugo/rpc").status_code,
        client.post("/centrifugo/rpc", data="[", headers={"X-Proxyhooks-Secret": SECRET}).status_code,
        traced.ask("connect").status_code,
        traced.ask("rpc/").status_code,
    ]
    assert statuses == [403, 405, 400, 404, 404]
    assert not traced.exporter.get_finished_spans()


def test_the_secret_is_in_no_span_even_if_all_headers_are(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", ".*")
    add_hooks(traced.hooks)

    @traced.app.post("/page")
    def page() -> str:
        return flask.request.headers["X-Proxyhooks-Secret"]

    # The first request is one to a URL that is wrong in Centrifugo's configuration.
    assert traced.ask("wrong").status_code == 404
    client, headers = traced.app.test_client(), {"X-Proxyhooks-Secret": SECRET, "X-Other": "captured"}
    assert client.post("/page", headers=headers).text == SECRET
    for method in ("join:0", "join:3"):
        traced.ask(method=method)
    spans = traced.exporter.get_finished_spans()
    assert [span.name for span in spans][1:] == ["POST /page", *["rpc join:<int:room>"] * 2]
    assert "captured" in spans[1].to_json()
    assert not [span for span in spans if SECRET in span.to_json()]


@pytest.mark.parametrize("hidden", [True, False])
def test_middleware_of_opentelemetry_around_the_application_needs_a_setting_to_hide_the_secret(
    hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", ".*")
    if hidden:
        monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS", "x-proxyhooks-secret")
    traced = Traced(ORDERS[0])
    add_hooks(traced.hooks)
    traced.app.wsgi_app = OpenTelemetryMiddleware(traced.app.wsgi_app, **traced.options)
    traced.ask(method="join:0")
    of_call, outer = traced.exporter.get_finished_spans()
    assert (of_call.name, outer.name) == ("rpc join:<int:room>", "POST /centrifugo/rpc")
    assert SECRET not in of_call.to_json()
    assert (SECRET not in outer.to_json()) == hidden


def test_a_forwarded_traceparent_is_a_link_and_no_parent(traced: Traced) -> None:
    seen = list[tuple[Any, Any]]()

    @traced.hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        seen.append((flask.request.headers["traceparent"], baggage.get_baggage("tenant")))
        return RPCResult()

    headers = {"traceparent": TRACEPARENT, "tracestate": "a=b", "baggage": "tenant=7"}
    spans = [traced.span_of(headers=headers, method="x") for _ in range(3)]
    for span in spans:
        assert span.parent is None
        assert span.kind is SpanKind.SERVER
        (link,) = span.links
        assert trace.format_trace_id(link.context.trace_id) == CLIENT["trace"]
        assert trace.format_span_id(link.context.span_id) == CLIENT["span"]
        assert link.context.trace_state.get("a") == "b"
    assert len({span.context.trace_id for span in spans}) == 3
    assert seen == [(TRACEPARENT, "7")] * 3
    assert not traced.span_of(headers={"traceparent": "nonsense"}, method="x").links


def test_the_traceparent_of_a_page_is_its_parent(traced: Traced) -> None:
    traced.app.add_url_rule("/page", view_func=lambda: "page")
    traced.app.test_client().get("/page", headers={"traceparent": TRACEPARENT})
    (span,) = traced.exporter.get_finished_spans()
    assert span.parent is not None
    assert trace.format_trace_id(span.parent.trace_id) == CLIENT["trace"]
    assert (span.name, span.links) == ("GET /page", ())


@pytest.mark.parametrize("in_place", [True, False])
def test_spans_that_hooks_and_after_reply_functions_make_are_children(in_place: bool, traced: Traced) -> None:
    traced.app.config["TESTING"] = in_place
    done = threading.Event()

    def later(name: str) -> None:
        traced.tracer.start_span(f"{name} later").end()
        done.set()

    async def later_too(name: str) -> None:
        later(name)

    @traced.hooks.rpc("sync")
    def sync(req: RPCRequest) -> RPCResult:
        traced.tracer.start_span("sync child").end()
        after_reply(later, "sync")
        return RPCResult()

    @traced.hooks.rpc("async")
    async def asynchronous(req: RPCRequest) -> RPCResult:
        traced.tracer.start_span("async child").end()
        after_reply(later_too, "async")
        return RPCResult()

    for method in ("sync", "async") * 2:
        traced.exporter.clear()
        done.clear()
        traced.ask(method=method)
        assert done.wait(DEFAULT_TIMEOUT)
        spans = {span.name: span for span in traced.exporter.get_finished_spans()}
        (of_call,) = [span for span in spans.values() if span.kind is SpanKind.SERVER]
        parents = {name: span.parent for name, span in spans.items() if span is not of_call}
        assert parents == {f"{method} child": of_call.context, f"{method} later": of_call.context}
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert not context.get_current()


def test_a_copied_context_that_ends_early_or_late_does_not_decide(
    traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    late, threads = threading.Event(), list[threading.Thread]()

    @traced.hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        early = threading.Thread(target=flask.copy_current_request_context(lambda: None))
        early.start()
        early.join(DEFAULT_TIMEOUT)
        threads.append(threading.Thread(target=flask.copy_current_request_context(lambda: late.wait(DEFAULT_TIMEOUT))))
        threads[-1].start()
        raise Error(1001, "full")

    for _ in range(2):
        assert described(traced.span_of(method="x")) == ("rpc", UNSET, 200, "error", 1001)
    late.set()
    for thread in threads:
        thread.join(DEFAULT_TIMEOUT)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("order", ORDERS)
def test_a_url_that_is_excluded_has_no_span_and_others_keep_their_names(order: str) -> None:
    traced = Traced(order, options={"excluded_urls": "centrifugo/rpc"})
    add_hooks(traced.hooks)
    with traced.tracer.start_as_current_span("test") as outer:
        for _ in range(2):
            assert traced.ask(method="join:1").status_code == 200
    (span,) = traced.exporter.get_finished_spans()
    assert (span.name, span.attributes, span.context) == ("test", {}, outer.get_span_context())


@pytest.mark.parametrize("order", ORDERS)
def test_calls_are_answered_if_the_sampler_drops_their_spans(order: str) -> None:
    traced = Traced(order, options={"tracer_provider": TracerProvider(sampler=ALWAYS_OFF)})
    add_hooks(traced.hooks)
    assert [traced.ask(method=f"join:{n}").status_code for n in (0, 1, 3)] == [200, 200, 500]


@pytest.mark.parametrize("order", ORDERS[:2])
def test_hooks_are_guarded_when_the_instrumentation_is_removed(order: str) -> None:
    traced = Traced(order)
    add_hooks(traced.hooks)
    assert traced.ask(method="join:1").status_code == 200
    FlaskInstrumentor.uninstrument_app(traced.app)
    for _ in range(2):
        assert traced.ask(method="join:1").get_json() == {"error": {"code": 1001, "message": "full"}}
        assert traced.app.test_client().post("/centrifugo/rpc", json={}).status_code == 403
    assert len(traced.exporter.get_finished_spans()) == 1


def test_the_http_metrics_of_the_instrumentation_have_the_route_and_the_status_that_is_sent(traced: Traced) -> None:
    # The providers of the fixture cannot be read.
    reader = InMemoryMetricReader()
    if traced.order == "instrument, init_app":
        FlaskInstrumentor().uninstrument()
    other = Traced(traced.order, traced.fast, options={"meter_provider": MeterProvider([reader])})
    add_hooks(other.hooks)
    other.app.before_request(lambda: None if flask.request.get_json() else redirect())
    messages: list[dict[str, Any]] = [{"method": "join:0"}, {"method": "join:3"}, {}]
    for message in messages:
        other.ask(**message)
    data = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]
    metrics = {
        one["name"]: one["data"]["data_points"] for one in data["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    }
    counts = {
        (point["attributes"]["http.target"], point["attributes"]["http.status_code"]): point["count"]
        for point in metrics["http.server.duration"]
    }
    assert counts == {("/centrifugo/rpc", 200): 1, ("/centrifugo/rpc", 500): 2}
    assert [point["value"] for point in metrics["http.server.active_requests"]] == [0]


def test_log_lines_about_before_request_functions_do_not_name_those_of_the_package(
    traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    add_hooks(traced.hooks)
    traced.app.before_request(unauthorized)
    traced.ask(method="join:0")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "proxyhooks"]
    assert "unauthorized" in line
    assert "proxyhooks/_flask" not in line


def test_an_instrumentation_whose_names_have_changed_costs_names_and_speed_but_no_reply(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxyhooks._flask.opentelemetry._INSTRUMENTATION", "another.module")
    if traced.order == "instrument, init_app":
        FlaskInstrumentor().uninstrument()
    other = Traced(traced.order, traced.fast)
    add_hooks(other.hooks)
    for _ in range(2):
        assert other.ask(method="join:1").get_json() == {"error": {"code": 1001, "message": "full"}}
        assert other.ask(method="join:3").status_code == 500
        assert other.app.test_client().post("/centrifugo/rpc", json={}).status_code == 403
    spans = other.exporter.get_finished_spans()
    assert [(span.name, span.status.status_code) for span in spans] == [
        ("POST /centrifugo/rpc", UNSET),
        ("POST /centrifugo/rpc", ERROR),
    ] * 2


PROGRAM = """
    import sys
    from flask import Flask
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
    from proxyhooks import ProxyHooks, RPCResult

    provider = TracerProvider()
    line = lambda span: f"{span.name} {span.attributes['proxyhooks.outcome']}\\n"
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=line)))
    trace.set_tracer_provider(provider)
    app = Flask("app")
    app.config["PROXYHOOKS_SECRETS"] = ["secret"]
    hooks = ProxyHooks(app)
    hooks.rpc("join")(lambda req: RPCResult())
    for _ in range(2):
        app.test_client().post("/centrifugo/rpc", json={"method": "join"}, headers={"X-Proxyhooks-Secret": "secret"})
"""


@pytest.mark.slow
def test_opentelemetry_instrument_needs_no_line_in_the_application() -> None:
    program = textwrap.dedent(PROGRAM)
    command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, "-c"]
    run = subprocess.run(
        [*command, program],
        capture_output=True,
        text=True,
        timeout=300,
        env=server_environment(),
        cwd=ROOT,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "rpc join result\n" * 2), run.stderr


def test_an_application_that_is_not_instrumented_does_not_import_opentelemetry() -> None:
    program = (
        "import sys; from flask import Flask; from proxyhooks import ProxyHooks, RPCResult\n"
        "app = Flask('app'); app.config['PROXYHOOKS_SECRETS'] = ['secret']; hooks = ProxyHooks(app)\n"
        "hooks.rpc(lambda req: RPCResult())\n"
        "headers = {'X-Proxyhooks-Secret': 'secret'}\n"
        "assert app.test_client().post('/centrifugo/rpc', json={}, headers=headers).status_code == 200\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert run.returncode == 0, run.stderr
