"""The test client: its requests, its state, its clock, and what it makes of replies."""

from __future__ import annotations

import base64
import inspect
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, g, redirect, request, session
from marshmallow import Schema, fields
from werkzeug.wrappers import Response

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    Disconnect,
    MapPublishResult,
    MapRemoveResult,
    ProxyHooks,
    PublishResult,
    RefreshResult,
    RPCRequest,
    RPCResult,
    SharedPollRefreshRequest,
    SharedPollRefreshResult,
    SharedPollRefreshResultItem,
    SubRefreshResult,
    SubscribeOptions,
    SubscribeResult,
    current_request,
    errors,
    read_request,
    result_response,
)
from proxyhooks.testing import MisreadReply, ProxyClient
from tests.support.paths import DATA, SECRET

REQUESTS = DATA / "requests"


class Banned(Disconnect):
    code, reason = 4503, "banned"


class Meta(Schema):
    plan = fields.String()


class Backend:
    """An application that records requests, and whose replies a test can set."""

    def __init__(self) -> None:
        self.app = Flask("backend")
        self.app.config.update(PROXYHOOKS_SECRETS=[SECRET], SECRET_KEY="for sessions")
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, Any] = {}
        self.app.before_request(self.record)
        self.hooks = hooks = ProxyHooks(self.app, http_headers=["Cookie", "X-Real"], emulated_headers=["Authorization"])
        minutes = timedelta(minutes=10)
        served: dict[Any, Any] = {
            hooks.connect: ConnectResult(user="42", expire_at=minutes),
            hooks.refresh: RefreshResult(expire_at=minutes),
            hooks.subscribe: SubscribeResult(),
            hooks.sub_refresh: SubRefreshResult(expire_at=minutes),
            hooks.publish: PublishResult(),
            hooks.rpc: RPCResult(),
        }
        for event, result in served.items():
            event(self.hook(event._event.name, result))
        hooks.map_publish("board:<path:_>")(self.hook("map_publish", MapPublishResult()))
        hooks.map_remove("board:<path:_>")(self.hook("map_remove", MapRemoveResult()))

    def hook(self, name: str, result: Any) -> Any:
        def answer(req: Any, _: str = "") -> Any:
            answer_now = self.answers.get(name, result)
            if isinstance(answer_now, BaseException):
                raise answer_now
            return answer_now

        return answer

    def record(self) -> None:
        self.bodies.append(request.get_data())
        self.headers.append(dict(request.headers))

    @property
    def last(self) -> Any:
        return json.loads(self.bodies[-1])


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def client(backend: Backend) -> ProxyClient:
    client = ProxyClient(backend.app)
    assert client.connect().allowed
    return client


def captured(name: str) -> Any:
    return json.loads((REQUESTS / f"{name}.json").read_text())


@pytest.mark.parametrize("kind", ["plain", "binary", "meta", "anonymous"])
@pytest.mark.parametrize(
    "event",
    ["subscribe", "publish", "rpc", "map_publish", "map_remove", "refresh", "sub_refresh", "shared_poll_refresh"],
)
def test_requests_equal_those_of_the_server(backend: Backend, event: str, kind: str) -> None:
    first = captured(f"{event}.{kind}")
    backend.hooks.shared_poll_refresh(lambda req: SharedPollRefreshResult(items=[]))
    backend.answers["connect"] = ConnectResult(
        user=first.get("user", ""),
        meta=first.get("meta"),
        channels=[first["channel"]] if event == "sub_refresh" else [],
    )
    client = ProxyClient(
        backend.app,
        namespaces=["chat"],
        binary_encoding=kind == "binary",
        include_connection_meta="meta" in first,
    )
    client.connect()
    given = {name: first[name] for name in ("channel", "method", "key", "data") if name in first}
    if "b64data" in first:
        given["data"] = base64.b64decode(first["b64data"])
    if event == "shared_poll_refresh":
        given["keys"] = {item["key"]: item.get("version", 0) for item in first["items"]}
    if event == "rpc":
        given.setdefault("method", "")
    getattr(client, event)(**given)
    assert list(backend.last) == list(first)
    assert {**backend.last, "client": ""} == {**first, "client": ""}


def test_payloads_are_written_as_go_writes_them(backend: Backend) -> None:
    client = ProxyClient(backend.app)
    client.connect({"a": "<ü>&\u2028"}, channels=["x"])
    assert '"data":{"a":"\\u003cü\\u003e\\u0026\\u2028"}'.encode() in backend.bodies[-1]
    assert list(backend.last) == ["client", "transport", "protocol", "encoding", "data", "name", "channels"]
    client.rpc("m", None)
    assert backend.last["data"] is None
    client.rpc("m")
    assert "data" not in backend.last


def test_headers_equal_those_of_the_server(backend: Backend) -> None:
    expected = {line.split(": ")[0] for line in (REQUESTS.parent / "headers.txt").read_text().splitlines() if line}
    ProxyClient(backend.app, cookies={"session": "abc"}).connect()
    # Hooks do not see the secret, which is looked at before.
    assert set(backend.headers[-1]) - {"Host"} == expected - {"X-Proxyhooks-Secret"}
    assert backend.headers[-1]["Cookie"] == "session=abc"
    assert backend.headers[-1]["User-Agent"] == "Go-http-client/1.1"


def test_polls_have_no_headers_of_a_client(backend: Backend) -> None:
    backend.hooks.shared_poll_refresh(lambda req: SharedPollRefreshResult(items=[]))
    ProxyClient(backend.app, headers={"X-Real": "1"}).shared_poll_refresh("poll:1", ["a"])
    assert "X-Real" not in backend.headers[-1]


def test_base64_contains_json_as_browsers_write_it(backend: Backend) -> None:
    client = ProxyClient(backend.app, binary_encoding=True)
    client.connect({"a": "<é>\u2028"})
    assert base64.b64decode(backend.last["b64data"]).decode() == '{"a":"<é>\u2028"}'


def test_headers_that_are_not_forwarded_raise(backend: Backend) -> None:
    ProxyClient(backend.app, headers={"x-real": "1"}, emulated_headers={"Authorization": "t"}).connect()
    assert backend.headers[-1]["X-Real"] == "1"
    with pytest.raises(ValueError, match="would not forward X-Other, which the hooks do not declare"):
        ProxyClient(backend.app, headers={"X-Other": "1"})


def test_cookies_of_flasks_test_client_are_sent(backend: Backend) -> None:
    @backend.app.get("/login")
    def login() -> str:
        session["user"] = "ann"
        return "in"

    backend.hooks.rpc("who")(lambda req: RPCResult(data=session.get("user")))
    browser = backend.app.test_client()
    browser.get("/login")
    client = ProxyClient(backend.app, cookies_from=browser)
    client.connect()
    step = client.rpc("who")
    assert step.result == {"data": "ann"}
    browser.delete_cookie("session")
    client.reconnect()
    assert "Cookie" not in backend.headers[-1]


def test_the_client_keeps_user_meta_and_channels(backend: Backend) -> None:
    subs = {"s": SubscribeOptions(data={"hello": "you"})}
    backend.answers["connect"] = ConnectResult(user="7", meta={"plan": "pro"}, channels=["c"], subs=subs)
    client = ProxyClient(backend.app, include_connection_meta=True)
    assert not client.connected
    client.connect()
    assert (client.connected, client.user, client.channels) == (True, "7", ["c", "s"])
    assert client.meta == {"plan": "pro"}
    client.publish("c", 1)
    assert backend.last["meta"] == {"plan": "pro"}
    client.subscribe("d")
    client.unsubscribe("c")
    assert client.channels == ["s", "d"]
    client.reconnect()
    assert client.channels == ["c", "s"]


def test_meta_is_sent_only_if_it_is_configured(app: Flask) -> None:
    hooks = ProxyHooks(app, meta_schema=Meta)
    hooks.connect(lambda req: ConnectResult(user="1", meta={"plan": "pro"}))
    seen: list[Any] = []
    hooks.rpc(lambda req: seen.append(req.meta) or RPCResult())
    client = ProxyClient(app)
    client.connect()
    client.rpc("m")
    assert seen == [{"plan": "pro"}]


def test_refusals_can_be_asserted(backend: Backend, client: ProxyClient) -> None:
    backend.answers["publish"] = errors.PermissionDenied("only owners")
    step = client.publish("c", {"text": "hi"})
    assert not step.allowed
    assert step.refused_with(errors.PermissionDenied)
    shown = repr(step)
    assert "<publish: refused code=103 message='only owners'>" in shown
    assert '"channel":"c","data":{"text":"hi"}' in shown
    assert 'reply:   200 {"error":{"code":103' in shown
    assert "why:" in shown


def test_half_a_surrogate_pair_is_sent_as_browsers_send_it(backend: Backend, client: ProxyClient) -> None:
    assert client.rpc("m", "\ud83d").allowed
    assert b'"data":"\\ud83d"' in backend.bodies[-1]


def test_a_disconnect_ends_the_connection(backend: Backend, client: ProxyClient) -> None:
    backend.answers["rpc"] = Banned()
    step = client.rpc("m")
    assert step.disconnected_with(Banned)
    assert not step.comes_back
    assert not client.connected
    with pytest.raises(RuntimeError, match="the client is not connected"):
        client.rpc("m")
    assert client.reconnect().allowed


def test_the_server_disconnects(client: ProxyClient) -> None:
    step = client.server_disconnect(Banned)
    assert step.disconnected_with(Banned)
    assert not client.connected


def test_unidirectional_clients(backend: Backend) -> None:
    backend.answers["connect"] = errors.Unauthorized()
    client = ProxyClient(backend.app, transport="uni_sse")
    step = client.connect()
    assert step.disconnected_with(3503)
    assert backend.last["transport"] == "uni_sse"


def test_a_second_subscription_is_refused(client: ProxyClient) -> None:
    assert client.subscribe("a").allowed
    assert client.subscribe("a").refused_with(errors.AlreadySubscribed)


# time


def test_refreshes_come_at_expire_at(backend: Backend, client: ProxyClient) -> None:
    assert client.advance(minutes=8) == []
    (step,) = client.advance(minutes=3)
    assert (step.event, step.outcome) == ("refresh", "allowed")
    assert client.expire_at > client.now
    assert len(client.advance(minutes=60)) in (6, 7)  # each is up to a tenth early


def test_a_refused_refresh_ends_the_connection(backend: Backend, client: ProxyClient) -> None:
    backend.answers["refresh"] = errors.PermissionDenied()
    (step,) = client.advance(minutes=60)
    assert (step.outcome, step.code, step.comes_back) == ("expired", 3005, True)
    assert not client.connected


def test_a_failed_refresh_is_tried_again_each_minute(backend: Backend, client: ProxyClient) -> None:
    client.advance(minutes=8)
    backend.answers["refresh"] = errors.Internal()
    before = client.now
    steps = client.advance(minutes=5)
    assert {step.outcome for step in steps} == {"grace"}
    assert len(steps) in (4, 5)
    assert client.connected
    assert client.now == pytest.approx(before + 300, abs=2)


def test_subscriptions_expire(backend: Backend, client: ProxyClient) -> None:
    backend.answers["subscribe"] = SubscribeResult(expire_at=timedelta(minutes=1))
    backend.answers["sub_refresh"] = SubRefreshResult(expired=True)
    client.subscribe("a")
    (step,) = client.advance(minutes=1)
    assert (step.event, step.outcome, step.code) == ("sub_refresh", "expired", 2501)
    assert client.channels == []
    assert client.connected


def test_subscriptions_of_a_connect_result_never_expire(backend: Backend) -> None:
    """As with Centrifugo v6.9.1, which ignores their ``expire_at``."""
    subs = {"s": SubscribeOptions(expire_at=timedelta(minutes=1))}
    backend.answers["connect"] = ConnectResult(user="7", subs=subs)
    client = ProxyClient(backend.app)
    client.connect()
    assert client.advance(hours=1) == []
    assert client.channels == ["s"]


@pytest.mark.parametrize(("transport", "comes_back"), [("websocket", False), ("uni_sse", True)])
def test_without_a_refresh_hook_the_connection_ends(app: Flask, transport: str, comes_back: bool) -> None:
    """The SDK of a bidirectional client wants a token from ``getToken``, and gives up if there is none."""
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="1", expire_at=timedelta(minutes=1)))
    client = ProxyClient(app, transport=transport)
    client.connect()
    assert client.advance(minutes=1) == []
    (step,) = client.advance(minutes=1)
    assert (step.outcome, step.code, step.request) == ("expired", 3005, None)
    assert step.comes_back is comes_back
    assert not client.connected


@pytest.mark.parametrize(
    ("time", "units"), [((timedelta(minutes=5),), {}), ((), {"minutes": 5}), ((), {"seconds": 300})]
)
def test_the_clock_moves_by_a_timedelta_or_by_its_units(time: Any, units: Any, client: ProxyClient) -> None:
    before = client.now
    client.advance(*time, **units)
    assert client.now == pytest.approx(before + 300, abs=2)


@pytest.mark.parametrize(("time", "units"), [((timedelta(minutes=-1),), {}), ((), {"minutes": -1})])
def test_the_clock_only_moves_forward(time: Any, units: Any, client: ProxyClient) -> None:
    with pytest.raises(ValueError, match="forward"):
        client.advance(*time, **units)


@pytest.mark.parametrize(
    ("time", "units", "named"),
    [
        (300, {}, "not 300"),
        ("5m", {}, "not '5m'"),
        (timedelta(1), {"days": 1}, "not datetime.timedelta(days=1) and {'days"),
    ],
)
def test_a_time_without_a_unit_is_a_type_error(time: Any, units: Any, named: str, client: ProxyClient) -> None:
    with pytest.raises(TypeError, match=re.escape(named)):
        client.advance(time, **units)


def test_each_client_has_its_own_clock(backend: Backend, client: ProxyClient) -> None:
    client.advance(hours=5)
    other = ProxyClient(backend.app)
    other.connect()
    assert client.expire_at - other.expire_at > 4 * 3600


def test_refreshes_can_be_called(backend: Backend, client: ProxyClient) -> None:
    assert client.refresh().allowed
    with pytest.raises(RuntimeError, match="not subscribed to 'x'"):
        client.sub_refresh("x")
    client.subscribe("x")
    assert client.sub_refresh("x").allowed


# contexts


def test_contexts_are_not_shared_between_calls_and_the_test(app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="1"))
    seen: list[Any] = []

    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        seen.append((g.get("mark"), current_request.method))
        g.mark = "hook"
        return RPCResult()

    with app.test_request_context("/other"):
        g.mark = "test"
        client = ProxyClient(app)
        client.connect()
        client.rpc("a")
        client.rpc("b")
        assert g.mark == "test"
    assert seen == [(None, "a"), (None, "b")]


async def slow(req: ConnectRequest) -> ConnectResult:
    return ConnectResult(user="1", expire_at=timedelta(minutes=10))


def test_the_clock_reaches_async_hooks(app: Flask) -> None:
    ProxyHooks(app).connect(slow)
    client = ProxyClient(app)
    client.connect()
    client.advance(minutes=5)
    client.reconnect()
    assert client.expire_at >= client.now + 9 * 60 - 1


@pytest.mark.parametrize("testing", [True, False])
def test_exceptions_are_raised_from_the_call(backend: Backend, client: ProxyClient, testing: bool) -> None:
    backend.app.testing = testing
    backend.answers["rpc"] = KeyError("a bug")
    with pytest.raises(KeyError, match="a bug"):
        client.rpc("m")
    bold = ProxyClient(backend.app, propagate_exceptions=False)
    bold.connect()
    step = bold.rpc("m")
    assert (step.outcome, step.status, step.temporary) == ("internal_error", 500, True)
    backend.answers["refresh"] = KeyError("a bug")
    assert bold.refresh().outcome == "grace"


def test_an_event_that_is_switched_on_and_has_no_hook_fails_the_test(app: Flask) -> None:
    ProxyHooks(app).connect(lambda req: ConnectResult(user="1"))
    config = {
        "client": {"proxy": {"connect": {"enabled": True}}},
        "rpc": {"without_namespace": {"proxy_enabled": True}},
    }
    client = ProxyClient(app, config=config)
    client.connect()
    with pytest.raises(MisreadReply, match="no hook serves this event"):
        client.rpc("m")


def test_a_wrong_secret_fails_the_test(backend: Backend) -> None:
    with pytest.raises(MisreadReply, match="403"):
        ProxyClient(backend.app, secret="wrong").connect()


# plain views


@pytest.fixture
def views(app: Flask) -> Flask:
    @app.post("/connect")
    def connect() -> Response:
        return result_response(ConnectResult(user=read_request(ConnectRequest).data))

    @app.post("/rpc")
    def rpc() -> Any:
        method = read_request(RPCRequest).method
        return redirect("/login") if method == "redirect" else {"result": {"data": 1, "b64data": 5}}

    return app


def test_plain_views_need_urls(views: Flask) -> None:
    client = ProxyClient(views, urls={"connect": "/connect", "rpc": "/rpc"}, headers={"X-Any": "1"})
    assert client.connect("7").allowed
    assert client.user == "7"
    with pytest.raises(LookupError, match="no URL is given for publish"):
        client.publish("c", 1)


@pytest.mark.parametrize(("method", "why"), [("redirect", "redirect"), ("odd", "`result.b64data`: 5 is a number")])
def test_a_reply_that_would_be_misread_fails_the_test(views: Flask, method: str, why: str) -> None:
    client = ProxyClient(views, urls={"connect": "/connect", "rpc": "/rpc"})
    client.connect("7")
    with pytest.raises(MisreadReply, match=why):
        client.rpc(method)


# without a connection


def test_polls_and_the_events_of_the_pro_edition(backend: Backend) -> None:
    client = ProxyClient(backend.app)
    hooks = backend.hooks
    asked: list[Any] = []

    @hooks.shared_poll_refresh
    def poll(req: SharedPollRefreshRequest) -> SharedPollRefreshResult:
        asked.append([(item.key, item.version) for item in req.items])
        return SharedPollRefreshResult(items=[SharedPollRefreshResultItem(key="a", data={"x": 1})])

    hooks.cache_empty(lambda req: None)
    hooks.state(lambda req: asked.append(req.events[0].type))
    step = client.shared_poll_refresh("p", {"a": 3, "b": 0})
    assert step.result == {"items": [{"key": "a", "data": {"x": 1}}]}
    assert client.shared_poll_refresh("p", ["a"]).allowed
    assert client.cache_empty("c").allowed
    client.state([{"time_ms": 1, "channel": "c", "type": "occupied"}])
    assert asked == [[("a", 3), ("b", 0)], [("a", 0)], "occupied"]


def test_another_object_in_place_of_the_application_is_named() -> None:
    with pytest.raises(TypeError, match="app must be a Flask application, not <function"):
        ProxyClient(pytest.fixture)  # type: ignore[arg-type]


def test_the_hooks_are_chosen_by_name(app: Flask) -> None:
    with pytest.raises(LookupError, match="has no hooks"):
        ProxyClient(app)
    ProxyHooks(app).connect(lambda req: ConnectResult(user="1"))
    other = ProxyHooks(app, name="other", url_prefix="/other", secrets=["o"])
    other.connect(lambda req: ConnectResult(user="2"))
    with pytest.raises(LookupError, match="say which, one of 'proxyhooks', 'other'"):
        ProxyClient(app)
    with pytest.raises(LookupError, match="no ProxyHooks named 'x'"):
        ProxyClient(app, hooks="x")
    client = ProxyClient(app, hooks="other")
    client.connect()
    assert client.user == "2"


def test_the_fixture_creates_clients(proxy_client: Any, app: Flask) -> None:
    ProxyHooks(app).connect(lambda req: ConnectResult(user="1"))
    assert proxy_client(transport="uni_sse").connect().allowed


def test_its_signature_can_be_read() -> None:
    assert "data: 'Any' = NO_PAYLOAD" in str(inspect.signature(ProxyClient.publish))
