"""The helpers for views of your own."""

from __future__ import annotations

import json
from typing import Any

import flask
import pytest
from flask import Flask, Response

import proxyhooks
from proxyhooks import (
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Error,
    FilterNode,
    PublishRequest,
    RefreshRequest,
    RefreshResult,
    Request,
    RPCRequest,
    RPCResult,
    SetupError,
    SubRefreshResult,
    SubscribeOptions,
    after_reply,
    current_request,
    disconnect_response,
    disconnects,
    error_response,
    errors,
    read_request,
    result_response,
)
from tests.support.paths import SECRET

untyped: Any = proxyhooks
"""For calls whose arguments are wrong on purpose, so that type checkers let them pass."""


class RoomIsFull(Error):
    code, message, temporary = 1001, "room is full", True


def error(code: int, message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


DENIED = error(103, "permission denied")
FULL = error(1001, "room is full", temporary=True)
BANNED = {"disconnect": {"code": 4501, "reason": "unauthorized"}}
AWAY = {"disconnect": {"code": 3503, "reason": "force disconnect"}}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: error_response(errors.PermissionDenied), DENIED),
        (lambda: error_response(errors.PermissionDenied()), DENIED),
        (lambda: error_response(103), DENIED),
        (lambda: error_response(103, "only owners"), error(103, "only owners")),
        (lambda: error_response(100), error(100, "internal server error", temporary=True)),
        (lambda: error_response(100, temporary=False), error(100, "internal server error")),
        (lambda: error_response(RoomIsFull), FULL),
        (lambda: error_response(RoomIsFull()), FULL),
        (lambda: error_response(1001, "room is full", temporary=True), FULL),
        (lambda: disconnect_response(4501, "unauthorized"), BANNED),
        (lambda: disconnect_response(Disconnect(4501, "unauthorized")), BANNED),
        (lambda: disconnect_response(3503), AWAY),
        (lambda: disconnect_response(disconnects.ForceNoReconnect), AWAY),
        (lambda: result_response(ConnectResult(user="42")), {"result": {"user": "42"}}),
        (lambda: result_response(RPCResult()), {"result": {}}),
        (lambda: result_response(ConnectResult(user="42", expire_at=1)), error(110, "expired")),
        (lambda: result_response(RefreshResult(expire_at=1)), {"result": {"expired": True}}),
        (lambda: result_response(SubRefreshResult(expire_at=None)), {"result": {}}),
    ],
)
def test_replies(make: Any, expected: Any, app: Flask) -> None:
    with app.test_request_context():
        response = make()
    assert isinstance(response, Response)
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert json.loads(response.data) == expected


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: error_response(4001, "x"), ValueError),
        (lambda: error_response(114, "x"), ValueError),
        (lambda: error_response(1001), TypeError),
        (lambda: error_response(True), TypeError),
        (lambda: untyped.error_response("denied"), TypeError),
        (lambda: untyped.error_response(Disconnect(4501, "x")), TypeError),
        (lambda: error_response(Error), TypeError),
        (lambda: untyped.error_response(RoomIsFull, "more"), TypeError),
        (lambda: untyped.error_response(RoomIsFull(), temporary=False), TypeError),
        (lambda: disconnect_response(103), ValueError),
        (lambda: disconnect_response(3000), ValueError),
        (lambda: untyped.disconnect_response(errors.PermissionDenied), TypeError),
        (lambda: untyped.result_response({"user": "42"}), TypeError),
        (lambda: result_response(FilterNode()), TypeError),
        (lambda: untyped.result_response(RPCRequest()), TypeError),
        (lambda: result_response(RPCResult(data=float("nan"))), ValueError),
        (lambda: result_response(RPCResult(data={1: 2})), TypeError),
        (lambda: untyped.read_request(ConnectResult), TypeError),
        (lambda: read_request(Request), TypeError),
    ],
)
def test_wrong_calls_are_refused(make: Any, error: type[Exception], app: Flask) -> None:
    with app.test_request_context(), pytest.raises(error):
        make()


@pytest.fixture
def views(app: Flask) -> Flask:
    @app.post("/connect")
    def connect() -> Response:
        req = read_request(ConnectRequest)
        assert current_request == req
        if req.name == "bad":
            return error_response(errors.Unauthorized)
        return result_response(ConnectResult(user="42", data=req.data))

    @app.post("/refresh")
    def refresh() -> Response:
        req = read_request(RefreshRequest)
        if req.user == "banned":
            return error_response(103)
        if req.user == "disconnected":
            return disconnect_response(4501, "no")
        return error_response(errors.TooManyRequests)

    @app.route("/publish", methods=["GET", "POST"])
    def publish() -> Response:
        read_request(PublishRequest)
        after_reply(print)
        raise AssertionError

    return app


def post(app: Flask, path: str, body: bytes, headers: Any = None, **options: Any) -> Any:
    headers = {"X-Proxyhooks-Secret": SECRET} if headers is None else headers
    response = app.test_client().post(path, data=body, headers=headers, **options)
    return response.status_code if response.status_code != 200 else response.json


def test_a_view_reads_and_answers(views: Flask) -> None:
    assert post(views, "/connect", b'{"data":[1],"new":1}') == {"result": {"user": "42", "data": [1]}}
    assert post(views, "/connect", b'{"b64data":"AA==","protocol":"protobuf"}') == {
        "result": {"user": "42", "b64data": "AA=="}
    }
    assert post(views, "/connect", b'{"name":"bad"}') == error(101, "unauthorized")


def test_what_an_event_cannot_carry_becomes_what_does_the_same(views: Flask) -> None:
    assert post(views, "/refresh", b'{"user":"banned"}') == {"result": {"expired": True}}
    assert post(views, "/refresh", b'{"user":"disconnected"}') == {"result": {"expired": True}}
    assert post(views, "/refresh", b"{}") == 500
    expected = {"disconnect": {"code": 3503, "reason": "unauthorized"}}
    assert post(views, "/connect", b'{"name":"bad","transport":"uni_sse"}') == expected


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        ("/connect", b"{}", {}, 403),
        ("/connect", b"{}", {"X-Proxyhooks-Secret": "wrong"}, 403),
        ("/connect", b"", None, 400),
        ("/connect", b"[]", None, 400),
        ("/connect", b'{"channels":"a"}', None, 400),
        ("/connect", b'{"data":"' + b"x" * 1024 * 1024 + b'"}', None, 413),
        ("/connect", b'{"data":' + b"[" * 5000 + b"]" * 5000 + b"}", None, error(107, "bad request")),
        ("/refresh", b'{"meta":1e999}', None, 400),
    ],
)
def test_bad_input_is_answered_as_a_hook_would(
    path: str, body: bytes, headers: Any, expected: Any, views: Flask
) -> None:
    assert post(views, path, body, headers) == expected


def test_other_methods_are_405(views: Flask) -> None:
    assert views.test_client().get("/publish", headers={"X-Proxyhooks-Secret": SECRET}).status_code == 405


def test_after_reply_points_elsewhere(views: Flask) -> None:
    views.testing = True
    with pytest.raises(RuntimeError, match="call_on_close"):
        post(views, "/publish", b"{}")


def test_a_missing_secret_is_a_setup_error() -> None:
    app = Flask("app")
    with app.test_request_context(method="POST", data=b"{}"), pytest.raises(SetupError, match="no secret"):
        read_request(ConnectRequest)


def test_a_body_that_was_read_before_is_read_once_more(views: Flask) -> None:
    @views.before_request
    def read() -> None:
        flask.request.get_data()

    assert post(views, "/connect", b'{"data":1}') == {"result": {"user": "42", "data": 1}}


def test_a_result_answers_the_request_that_was_read(app: Flask) -> None:
    results: dict[str, Any] = {
        "expired": ConnectResult(user="1", expire_at=5),
        "of another event": RPCResult(),
        "bytes": ConnectResult(user="1", subs={"a": SubscribeOptions(data=b"\xff")}),
        "info": ConnectResult(user="1", info=b"\xff"),
    }

    @app.post("/connect")
    def connect() -> Response:
        return result_response(results[read_request(ConnectRequest[Any]).name])

    expected = {"disconnect": {"code": 3503, "reason": "expired"}}
    assert post(app, "/connect", b'{"name":"expired","transport":"uni_sse"}') == expected
    assert post(app, "/connect", b'{"name":"of another event"}') == 500
    assert post(app, "/connect", b'{"name":"bytes"}') == 500
    assert post(app, "/connect", b'{"name":"info"}') == 500
    assert isinstance(post(app, "/connect", b'{"name":"bytes","protocol":"protobuf"}'), dict)


def test_a_subclass_of_a_result_is_one(app: Flask) -> None:
    class Mine(ConnectResult):
        """With a name of its own, and nothing else."""

    with app.test_request_context():
        assert result_response(Mine(user="1")).json == {"result": {"user": "1"}}
