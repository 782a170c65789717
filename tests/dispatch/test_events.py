"""The table of events: the reply to each if a hook returns, refuses, fails or is missing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException, abort
from werkzeug.wrappers import Response

from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Error,
    Hooks,
    MapPublishResult,
    MapRemoveResult,
    NotifyCacheEmptyResult,
    NotifyChannelStateResult,
    ProxyHooks,
    PublishResult,
    RefreshResult,
    Rejection,
    RPCResult,
    SharedPollRefreshResult,
    SubRefreshResult,
    SubscribeResult,
    disconnects,
    errors,
)
from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.judge import judge
from tests.support.asking import Ask
from tests.support.paths import DATA

EXPIRED = {"result": {"expired": True}}
FAILED = 500
NAMES = list(EVENTS)
ROUTED = [
    "subscribe",
    "publish",
    "map_publish",
    "map_remove",
    "sub_refresh",
    "rpc",
    "shared_poll_refresh",
    "cache_empty",
]


def envelope_or_status(ask: Ask, event: str, **fields: Any) -> Any:
    """The envelope of the reply, or the status if it is not 200."""
    response = ask(event, **fields)
    if response.status_code != 200:
        return response.status_code
    assert response.content_type == "application/json"
    body = json.loads(response.data)
    assert len(body) == 1
    return body


def register_raising(hooks: ProxyHooks, event: str, error: BaseException | type[BaseException]) -> None:
    def hook(req: Any) -> Any:
        raise error

    getattr(hooks, event)(hook)


def error_envelope(code: int, message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


def test_the_table_equals_that_of_centrifugo() -> None:
    table = json.loads((DATA / "messages.json").read_text())["events"]
    assert set(EVENTS) == set(table)
    for name, row in table.items():
        event = EVENTS[name]
        assert (event.request.__name__, event.result.__name__) == (row["request"], row["result"])
        assert event.carries_error == ("error" in row["reply_may_carry"])
        assert event.carries_disconnect == ("disconnect" in row["reply_may_carry"])


@pytest.mark.parametrize("name", NAMES)
def test_the_table_and_the_judge_agree_on_empty_and_failed_replies(name: str) -> None:
    event = EVENTS[name]
    if event.opens == "connection":
        outcome = "disconnected"
    elif event.extends is not None:
        outcome = "expired"
    else:
        outcome = "allowed" if event.carries_disconnect else "ignored"
    assert judge(name, 200, b"{}").outcome == outcome
    failed = judge(name, 500, b"")
    assert (failed.outcome == "grace") == event.failure_is_grace == (event.extends is not None)
    assert failed.comes_back == (event.opens is not None or event.failure_is_grace)


RESULTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "connect": (ConnectResult(user="42"), {"user": "42"}),
    "refresh": (RefreshResult(expire_at=4102444800), {"expire_at": 4102444800}),
    "subscribe": (SubscribeResult(), {}),
    "sub_refresh": (SubRefreshResult(expire_at=None), {}),
    "publish": (PublishResult(data=1), {"data": 1}),
    "rpc": (RPCResult(data=[1]), {"data": [1]}),
    "map_publish": (MapPublishResult(key="a"), {"key": "a"}),
    "map_remove": (MapRemoveResult(), {}),
    "shared_poll_refresh": (SharedPollRefreshResult(items=[]), {"items": []}),
    "cache_empty": (NotifyCacheEmptyResult(populated=True), {"populated": True}),
    "state": (NotifyChannelStateResult(), {}),
}


@pytest.mark.parametrize("event", NAMES)
def test_a_result_is_sent(event: str, hooks: ProxyHooks, ask: Ask) -> None:
    result, written = RESULTS[event]
    getattr(hooks, event)(lambda req: result)
    assert envelope_or_status(ask, event) == {"result": written}


FINAL_ERROR = {
    **{name: error_envelope(103, "permission denied") for name in NAMES},
    **dict.fromkeys(["refresh", "sub_refresh"], EXPIRED),
    "cache_empty": {"result": {"populated": False}},
}
TEMPORARY = {
    **{name: error_envelope(1001, "busy", temporary=True) for name in NAMES},
    **dict.fromkeys(["refresh", "sub_refresh"], FAILED),
    "cache_empty": {"result": {"populated": False}},
}
DISCONNECT = {
    **{name: {"disconnect": {"code": 4501, "reason": "banned"}} for name in NAMES},
    **dict.fromkeys(["refresh", "sub_refresh"], EXPIRED),
    "shared_poll_refresh": error_envelope(100, "banned", temporary=True),
    "state": error_envelope(100, "banned", temporary=True),
    "cache_empty": {"result": {"populated": False}},
}
NONE_RETURNED = {
    **dict.fromkeys(NAMES, FAILED),
    "cache_empty": {"result": {"populated": False}},
    "state": {"result": {}},
}


@pytest.mark.parametrize("event", NAMES)
def test_a_final_refusal(event: str, hooks: ProxyHooks, ask: Ask) -> None:
    register_raising(hooks, event, errors.PermissionDenied)
    assert envelope_or_status(ask, event) == FINAL_ERROR[event]


@pytest.mark.parametrize("event", NAMES)
def test_a_temporary_refusal(event: str, hooks: ProxyHooks, ask: Ask) -> None:
    register_raising(hooks, event, Error(1001, "busy", temporary=True))
    assert envelope_or_status(ask, event) == TEMPORARY[event]


@pytest.mark.parametrize("event", NAMES)
def test_a_disconnect(event: str, hooks: ProxyHooks, ask: Ask) -> None:
    register_raising(hooks, event, Disconnect(4501, "banned"))
    assert envelope_or_status(ask, event) == DISCONNECT[event]


@pytest.mark.parametrize("event", NAMES)
def test_none_returned(event: str, hooks: ProxyHooks, ask: Ask) -> None:
    getattr(hooks, event)(lambda req: None)
    assert envelope_or_status(ask, event) == NONE_RETURNED[event]


@pytest.mark.parametrize("event", NAMES)
def test_an_unexpected_exception_is_500_and_logged(
    event: str, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    register_raising(hooks, event, RuntimeError("the password is hunter2"))
    response = ask(event)
    assert response.status_code == 500
    assert b"hunter2" not in response.data
    assert any(record.exc_info and record.name == "app" for record in caplog.records)


@pytest.mark.parametrize("event", NAMES)
def test_an_event_without_any_hook_is_404(
    event: str, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    assert envelope_or_status(ask, event) == 404
    assert envelope_or_status(ask, event) == 404
    (record,) = caplog.records
    assert f"@hooks.{event}\n" in record.getMessage()
    assert EVENTS[event].proxy in record.getMessage()


UNMATCHED = {
    **{name: error_envelope(102, "unknown channel") for name in ROUTED},
    "rpc": error_envelope(104, "method not found"),
    "sub_refresh": EXPIRED,
    "cache_empty": {"result": {"populated": False}},
}


@pytest.mark.usefixtures("log_without_rate_limit")
@pytest.mark.parametrize("event", ROUTED)
def test_a_channel_or_method_without_a_hook_is_refused(
    event: str, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(hooks, event)("known")(lambda req: RESULTS[event][0])
    field = EVENTS[event].routed_on or ""
    assert envelope_or_status(ask, event, **{field: "known"}) == {"result": RESULTS[event][1]}
    for _ in range(3):
        assert envelope_or_status(ask, event, **{field: "chat:<x>"}) == UNMATCHED[event]
        assert envelope_or_status(ask, event, **{field: "other"}) == UNMATCHED[event]
        assert envelope_or_status(ask, event) == UNMATCHED[event]
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 3
    assert f"@hooks.{event}('other')\n" in warnings[1]
    assert f"@hooks.{event}\n" in warnings[0]  # a name with < cannot be written as a pattern


@pytest.mark.usefixtures("log_without_rate_limit")
def test_the_hint_to_paste_knows_the_rpc_prefix(hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    rooms = Hooks()
    rooms.rpc("list")(lambda req: RPCResult())
    rooms.rpc("add")(lambda req: RPCResult())
    hooks.include(rooms, rpc_prefix="rooms.")
    for method in ("rooms.delete", "other", "rooms."):
        ask("rpc", method=method)
    behind, other, empty = caplog.messages
    assert "    @hooks.rpc('rooms.delete')\n" in behind
    assert "whose collection is included with the prefix 'rooms.':\n\n    @hooks.rpc('delete')\n" in behind
    assert "test_events.py" in behind
    assert behind.count("or beside") == 1
    assert "or beside" not in other + empty


@pytest.mark.usefixtures("log_without_rate_limit")
def test_the_warning_names_patterns_that_nearly_matched(
    hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    hooks.publish("rooms:<int:room_id>")(lambda req, room_id: PublishResult())
    hooks.publish("other:<int:room_id>")(lambda req, room_id: PublishResult())
    ask("publish", channel="rooms:01")
    assert "no hook for publish of 'rooms:01'; 'rooms:<int:room_id>' does not match it [event=publish" in caplog.text
    assert "other" not in caplog.text
    hooks_of_modules = ("rooms:x", "rooms")
    for channel in hooks_of_modules:
        ask("publish", channel=channel)
    assert "no hook for publish of 'rooms'; 'rooms:<int:room_id>' does not match it" in caplog.text


@pytest.mark.usefixtures("log_without_rate_limit")
def test_the_number_of_warnings_about_unknown_names_is_limited(
    hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    hooks.rpc("known")(lambda req: RPCResult())
    for number in range(1100):
        ask("rpc", method=f"m{number}")
    assert len(caplog.records) == 1001
    assert "further ones are not logged" in caplog.records[-1].getMessage()


@pytest.mark.parametrize("temporary", [100, 111, 113])
def test_builtin_temporary_errors_are_sent_as_temporary(temporary: int, hooks: ProxyHooks, ask: Ask) -> None:
    register_raising(hooks, "rpc", errors.by_code(temporary))
    body = envelope_or_status(ask, "rpc")
    assert body["error"]["temporary"] is True


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (errors.Unauthorized, {"disconnect": {"code": 3503, "reason": "unauthorized"}}),
        (errors.TokenExpired, {"disconnect": {"code": 3503, "reason": "token expired"}}),
        (Error(1001, "Straße " * 10), {"disconnect": {"code": 3503, "reason": ("Stra?e " * 10)[:32]}}),
        (errors.Internal, error_envelope(100, "internal server error", temporary=True)),
        (Disconnect(4001, "again"), {"disconnect": {"code": 4001, "reason": "again"}}),
    ],
)
@pytest.mark.parametrize("transport", ["uni_sse", "uni_http_stream", "uni_websocket", "uni_grpc"])
def test_a_final_error_keeps_a_unidirectional_client_away(
    refusal: Any, expected: Any, transport: str, hooks: ProxyHooks, ask: Ask
) -> None:
    register_raising(hooks, "connect", refusal)
    assert envelope_or_status(ask, "connect", transport=transport) == expected


def test_a_hostile_payload_of_a_unidirectional_client_keeps_it_away(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.connect(lambda req: ConnectResult(user="42"))
    hooks.rpc(lambda req: RPCResult())
    assert ask("rpc", b'{"client":"c-1","transport":"uni_sse","data":1e999}').json == error_envelope(107, "bad request")
    for transport, expected in (
        (b"uni_sse", {"disconnect": {"code": 3503, "reason": "bad request"}}),
        (b"websocket", error_envelope(107, "bad request")),
        (b"\xff", 400),
    ):
        body = b'{"client":"c-1","transport":"%b","protocol":"json","data":1e999}' % transport
        response = ask("connect", body)
        assert (response.json if response.status_code == 200 else response.status_code) == expected


def test_a_refusal_with_attributes_of_wrong_types_is_refused_with_the_nearest_that_can_be_sent() -> None:
    def broken(name: str, value: Any, refusal: Any) -> Any:
        setattr(refusal, name, value)
        return refusal

    class Bare(Rejection):
        """Neither an error nor a disconnect."""

    for refusal, sent in (
        (broken("code", "1001", Error(1001, "x")), {"error": {"code": 103, "message": "x"}}),
        (broken("code", -1, Error(1001, "x")), {"error": {"code": 103, "message": "x"}}),
        (broken("message", 5, Error(1001, "x")), {"error": {"code": 1001, "message": "refused"}}),
        (broken("code", 3000, Disconnect(4501, "x")), {"disconnect": {"code": 3503, "reason": "x"}}),
        (broken("code", 5000, Disconnect(4501, "x")), {"disconnect": {"code": 3503, "reason": "x"}}),
        (broken("reason", None, Disconnect(4501, "x")), {"disconnect": {"code": 4501, "reason": "refused"}}),
        (Bare("x"), {"error": {"code": 103, "message": "permission denied"}}),
    ):
        hooks = ProxyHooks(app := Flask("app"), secrets=["x"])
        register_raising(hooks, "rpc", refusal)
        headers = {"X-Proxyhooks-Secret": "x"}
        assert app.test_client().post("/centrifugo/rpc", json={}, headers=headers).json == sent


def test_an_unmatched_method_of_a_unidirectional_client_is_still_an_error(hooks: ProxyHooks, ask: Ask) -> None:
    hooks.subscribe("known")(lambda req: SubscribeResult())
    assert envelope_or_status(ask, "subscribe", transport="uni_sse", channel="x") == error_envelope(
        102, "unknown channel"
    )


STATUSES = [
    (401, error_envelope(101, "unauthorized")),
    (403, error_envelope(103, "permission denied")),
    (404, error_envelope(108, "not available")),
    (429, error_envelope(111, "too many requests", temporary=True)),
    (400, error_envelope(107, "bad request")),
    (405, error_envelope(107, "bad request")),
    (413, error_envelope(107, "bad request")),
    (415, error_envelope(107, "bad request")),
    (422, error_envelope(107, "bad request")),
    (500, 500),
    (502, 502),
    (503, 503),
]


def aborting(status: int) -> Any:
    def hook(req: Any) -> Any:
        abort(status)

    return hook


@pytest.mark.parametrize(("status", "expected"), STATUSES)
def test_an_abort_becomes_the_error_for_its_status(status: int, expected: Any, hooks: ProxyHooks, ask: Ask) -> None:
    hooks.publish(aborting(status))
    assert envelope_or_status(ask, "publish") == expected


@pytest.mark.parametrize(
    ("status", "expected"), [(401, EXPIRED), (403, EXPIRED), (404, EXPIRED), (429, FAILED), (503, 503)]
)
@pytest.mark.parametrize("event", ["refresh", "sub_refresh"])
def test_an_abort_on_refresh(event: str, status: int, expected: Any, hooks: ProxyHooks, ask: Ask) -> None:
    getattr(hooks, event)(aborting(status))
    assert envelope_or_status(ask, event) == expected


@pytest.mark.parametrize("status", [200, 204, 301, 302, 307])
def test_an_abort_with_a_response_below_400_is_500(
    status: int, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(req: Any) -> Any:
        abort(Response("{}", status, mimetype="application/json", headers={"Location": "/login"}))

    hooks.connect(hook)
    assert envelope_or_status(ask, "connect") == 500
    assert re.search(
        rf"aborted with a response of status {status} [A-Z ]+: a refusal has a status of 400 to 499", caplog.text
    )


def test_an_abort_with_a_4xx_response_is_a_refusal(hooks: ProxyHooks, ask: Ask) -> None:
    def hook(req: Any) -> Any:
        abort(Response("no", 403))

    hooks.rpc(hook)
    assert envelope_or_status(ask, "rpc") == error_envelope(103, "permission denied")


def test_an_http_exception_without_a_code_is_a_failure(hooks: ProxyHooks, ask: Ask) -> None:
    register_raising(hooks, "rpc", HTTPException())
    assert envelope_or_status(ask, "rpc") == 500


@pytest.mark.parametrize(
    ("returned", "hint"),
    [
        ({"data": 1}, "must return RPCResult(...), not a value of type dict"),
        (PublishResult(), "must return RPCResult(...), not a value of type PublishResult"),
        (None, "returned None: it must return RPCResult on every path"),
        (errors.PermissionDenied(), "refusals are raised"),
        (errors.PermissionDenied, "refusals are raised"),
        (Response("{}"), "must return RPCResult(...)"),
        ("", "must return RPCResult(...)"),
        (RPCResult, "must return RPCResult(...)"),
        (RPCResult(data=float("nan")), "RPCResult['data'] is nan"),
        (RPCResult(data={1: 2}), "RPCResult['data'] has the key 1"),
        (RPCResult(data={"a": {1}}), "RPCResult['data']['a'] is of type set"),
    ],
)
def test_a_wrong_return_value_is_500_and_the_log_names_the_hook(
    returned: Any, hint: str, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    hooks.rpc(lambda req: returned)
    assert envelope_or_status(ask, "rpc") == 500
    info = caplog.records[-1].exc_info
    assert info is not None
    assert type(info[1]).__name__ == "HookResultError"
    assert hint in str(info[1])
    assert "test_events.py:" in str(info[1])


@pytest.mark.parametrize(("event", "extra"), [("connect", {"user": "42"}), ("subscribe", {}), ("rpc", {})])
def test_bytes_that_are_no_json_are_not_given_to_a_client_that_speaks_json(
    event: str, extra: Any, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    data = b""
    result: Any = EVENTS[event].result
    getattr(hooks, event)(lambda req: result(data=data, **extra))
    for given, expected in ((b"\xff", 500), (b"text", 500), (b"[1]", 200), (b"", 200)):
        data = given
        assert ask(event, protocol="json").status_code == expected
    assert "data is bytes that are no JSON, and the client speaks JSON" in caplog.text
    data = b"\xff"
    assert ask(event, protocol="protobuf", encoding="binary").json == {"result": {**extra, "b64data": "/w=="}}


def test_a_coroutine_that_a_decorator_hides_is_named_as_such(
    hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    async def hook(req: Any) -> RPCResult: ...

    hooks.rpc(lambda req: hook(req))
    assert envelope_or_status(ask, "rpc") == 500
    assert "hides that it is async" in caplog.text


def test_async_hooks_answer_and_refuse(hooks: ProxyHooks, ask: Ask) -> None:
    @hooks.connect
    async def connect(req: ConnectRequest) -> ConnectResult:
        if req.name == "bad":
            raise disconnects.InvalidToken
        return ConnectResult(user="42")

    class Service:
        async def __call__(self, req: Any) -> RPCResult:
            return RPCResult(data="service")

    hooks.rpc(Service())
    assert envelope_or_status(ask, "connect") == {"result": {"user": "42"}}
    assert envelope_or_status(ask, "connect", name="bad") == {"disconnect": {"code": 3500, "reason": "invalid token"}}
    assert envelope_or_status(ask, "rpc") == {"result": {"data": "service"}}


@pytest.mark.parametrize(
    ("event", "result", "expected"),
    [
        ("connect", lambda: ConnectResult(user="1", expire_at=1), error_envelope(110, "expired")),
        ("subscribe", lambda: SubscribeResult(expire_at=-1), error_envelope(110, "expired")),
        ("refresh", lambda: RefreshResult(expire_at=0), EXPIRED),
        ("sub_refresh", lambda: SubRefreshResult(expire_at=0), EXPIRED),
    ],
)
def test_an_expire_at_that_has_passed_is_a_final_refusal(
    event: str, result: Any, expected: Any, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(hooks, event)(lambda req: result())
    assert envelope_or_status(ask, event) == expected
    assert "has passed; for a span from now give a timedelta" in caplog.text


def test_a_message_with_odd_characters_is_sent_unchanged(hooks: ProxyHooks, ask: Ask) -> None:
    register_raising(hooks, "rpc", Error(1001, "Zürich \ud800 \x00"))
    assert envelope_or_status(ask, "rpc") == error_envelope(1001, "Zürich \ud800 \x00")
