"""The most hostile applications: whatever they do, a hook's URL says yes only in the hook's own words."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

import flask
import pytest
from flask import Flask, Response, redirect, request
from flask_compress import Compress
from werkzeug.exceptions import HTTPException
from werkzeug.test import create_environ

from proxyhooks import Disconnect, ProxyHooks, RefreshResult, RPCRequest, RPCResult, errors
from tests.support.asking import Ask
from tests.support.paths import SECRET

OK = {"result": {"data": "ok"}}
DENIED = {"error": {"code": 103, "message": "permission denied"}}


@pytest.fixture
def served(hooks: ProxyHooks) -> ProxyHooks:
    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        if req.method == "boom":
            raise RuntimeError("secret details")
        if req.method == "forget":
            return None  # type: ignore[return-value]
        if req.method == "deny":
            raise errors.PermissionDenied
        if req.method == "large":
            return RPCResult(data="x" * 5000)
        return RPCResult(data="ok")

    return hooks


ANSWERS: dict[str, Callable[[], Any]] = {
    "a login redirect": lambda: redirect("/login"),
    "a redirect that posts again": lambda: redirect("/login", 307),
    "a permanent redirect": lambda: redirect("/login", 308),
    "JSON": lambda: {"message": "please log in"},
    "an empty object": dict,
    "a result": lambda: {"result": {}},
    "JSON in a response": lambda: flask.jsonify(result={"user": "admin"}),
    "text": lambda: "Hello",
    "nothing": lambda: ("", 204),
    "created": lambda: ({}, 201),
    "not modified": lambda: ("", 304),
    "early hints": lambda: Response("{}", 103),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_before_request_that_answers_lets_nobody_in(
    answer: Callable[[], Any], app: Flask, served: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    @app.before_request
    def require_login() -> Any:
        return answer()

    response = ask("rpc")
    assert response.status_code == 500
    assert "Location" not in response.headers
    (record,) = caplog.records
    assert "require_login" in record.getMessage()
    assert "test_middleware.py" in record.getMessage()
    assert "(request.endpoint or '').startswith('proxyhooks_')" in record.getMessage()


@pytest.mark.parametrize("answer", ["", ("no", 503)])
@pytest.mark.parametrize("url_prefix", ["", "/centrifugo", "/account/hooks"])
def test_the_advice_exempts_the_hooks_and_no_other_page(
    url_prefix: str, answer: Any, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    ProxyHooks(app, name="live", url_prefix=url_prefix).rpc(lambda req: RPCResult(data="ok"))
    pages = ["/", "/page", "/connected", f"{url_prefix}/own"]
    for page in pages:
        app.add_url_rule(page, page, lambda: "a page", methods=["POST"])
    # The application has a page of its own at a hook's URL, for people.
    app.add_url_rule(f"{url_prefix}/rpc", "people", lambda: "a page")
    advice = "False"

    @app.before_request
    def require_login() -> Any:
        return None if eval(advice, {"request": request}) else answer

    def post(path: str) -> Any:
        return app.test_client().post(path, data=b"{}", headers={"X-Proxyhooks-Secret": SECRET})

    assert post(f"{url_prefix}/rpc").status_code >= 500
    (record,) = caplog.records
    advice = record.getMessage().partition("the requests with ")[2].partition(" [event=")[0]
    assert post(f"{url_prefix}/rpc").json == OK
    assert [post(page).text for page in [*pages, "/nowhere"]] == [answer if answer == "" else "no"] * 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 500, 503])
def test_what_the_application_turned_into_4xx_or_5xx_stays_that_and_is_logged_once(
    status: int, app: Flask, served: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    app.before_request(lambda: ("a page", status))
    for _ in range(3):
        assert ask("rpc").status_code == status
    (record,) = caplog.records
    assert f"the application answered {status}" in record.getMessage()
    assert "test_middleware.py" in record.getMessage()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("method", ["boom", "forget"])
def test_a_catch_all_error_handler_lets_nobody_in(
    method: str,
    answer: Callable[[], Any],
    app: Flask,
    served: ProxyHooks,
    ask: Ask,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @app.errorhandler(Exception)
    def handle(error: Exception) -> Any:
        return answer()

    assert ask("rpc", method=method).status_code == 500
    assert "an error handler of the application made it out of" in caplog.text


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_catch_all_error_handler_does_not_see_a_hooks_refusal(
    answer: Callable[[], Any], app: Flask, served: ProxyHooks, ask: Ask
) -> None:
    app.errorhandler(Exception)(lambda error: answer())
    app.errorhandler(403)(lambda error: answer())
    served.publish(lambda req: flask.abort(403))
    assert ask("rpc", method="deny").json == DENIED
    assert ask("publish").json == DENIED
    assert ask("rpc").json == OK


def test_a_handler_for_500_that_answers_200_lets_nobody_in(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    app.errorhandler(500)(lambda error: ({"result": {}}, 200))
    assert ask("rpc", method="boom").status_code == 500


def test_a_failed_refresh_is_not_turned_into_an_expired_one(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    app.errorhandler(Exception)(lambda error: ({"error": "oops"}, 200))
    hooks.refresh(lambda req: RefreshResult(expire_at=1 // 0))
    hooks.sub_refresh(lambda req: (_ for _ in ()).throw(errors.TooManyRequests))
    assert ask("refresh").status_code == 500
    assert ask("sub_refresh").status_code == 500


def rewritten(response: Response) -> Response:
    response.set_data(b'{"result":{"user":"admin"}}')
    return response


def emptied(response: Response) -> Response:
    response.status_code = 204
    response.set_data(b"")
    return response


def redirected(response: Response) -> Response:
    return redirect("/login")  # type: ignore[return-value]


def wrapped(response: Response) -> Response:
    return flask.jsonify(ok=True, payload=response.get_json(silent=True))


def gzipped(response: Response) -> Response:
    response.set_data(gzip.compress(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
    response.headers["ETag"] = '"x"'
    return response


def streamed(response: Response) -> Response:
    return Response((chunk for chunk in [b"{", b"}"]), mimetype="text/html")


@pytest.mark.parametrize("rewrite", [rewritten, emptied, redirected, wrapped, gzipped, streamed])
@pytest.mark.parametrize(("method", "expected"), [("", OK), ("deny", DENIED)])
def test_an_after_request_cannot_change_what_a_hook_said(
    rewrite: Callable[[Response], Response], method: str, expected: Any, app: Flask, served: ProxyHooks, ask: Ask
) -> None:
    app.after_request(rewrite)
    response = ask("rpc", method=method)
    assert response.status_code == 200
    assert json.loads(response.data) == expected
    assert response.headers.getlist("Content-Type") == ["application/json"]
    assert response.headers.getlist("Content-Length") == [str(len(response.data))]
    assert not {"Location", "Content-Encoding", "ETag", "Transfer-Encoding"} & set(response.headers.keys())


@pytest.mark.parametrize("rewrite", [rewritten, emptied, redirected, wrapped])
def test_an_after_request_cannot_make_a_yes_out_of_a_failure(
    rewrite: Callable[[Response], Response], app: Flask, served: ProxyHooks, ask: Ask
) -> None:
    @app.after_request
    def after(response: Response) -> Response:
        response = rewrite(response)
        if response.status_code >= 400:
            response.status_code = 200
        return response

    assert ask("rpc", method="boom").status_code == 500
    assert ask("rpc", method="forget").status_code == 500
    served_refresh = ask("refresh")  # no hook: not even the application is asked
    assert served_refresh.status_code == 404


def test_an_after_request_may_turn_an_answer_into_a_failure(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    @app.after_request
    def after(response: Response) -> Response:
        response.status_code = 503
        return response

    assert ask("rpc").status_code == 503


def test_headers_that_the_application_adds_are_kept(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    @app.after_request
    def after(response: Response) -> Response:
        response.headers["X-Trace"] = "1"
        return response

    assert ask("rpc").headers["X-Trace"] == "1"


def test_compression_does_not_reach_centrifugo(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    Compress(app)
    app.add_url_rule("/page", view_func=lambda: "x" * 5000, endpoint="page")
    headers = {"Accept-Encoding": "gzip"}
    assert app.test_client().get("/page", headers=headers).headers["Content-Encoding"] == "gzip"
    response = ask("rpc", method="large", headers=headers)
    assert "Content-Encoding" not in response.headers
    assert json.loads(response.data) == {"result": {"data": "x" * 5000}}


def test_a_wsgi_middleware_that_rewrites_is_put_right(ask: Ask, app: Flask) -> None:
    inner = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response("200 OK", [("Content-Type", "text/html")], exc_info)

        for chunk in inner(environ, start):  # lazy: start_response is called when the first chunk is asked for
            yield chunk.upper()

    app.wsgi_app = middleware
    hooks = ProxyHooks(app)
    hooks.rpc(lambda req: RPCResult(data="ok" if req.method == "" else 1 / 0))
    assert ask("rpc").json == OK
    assert ask("rpc", method="boom").status_code == 500


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (errors.PermissionDenied(), DENIED),
        (Disconnect(4501, "banned"), {"disconnect": {"code": 4501, "reason": "banned"}}),
    ],
)
def test_a_before_request_may_raise_a_refusal(
    raised: Exception, expected: Any, app: Flask, served: ProxyHooks, ask: Ask
) -> None:
    @app.before_request
    def check() -> None:
        raise raised

    assert ask("rpc").json == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, {"error": {"code": 101, "message": "unauthorized"}}),
        (403, DENIED),
        (429, {"error": {"code": 111, "message": "too many requests", "temporary": True}}),
    ],
)
def test_a_before_request_may_abort(status: int, expected: Any, app: Flask, served: ProxyHooks, ask: Ask) -> None:
    app.before_request(lambda: flask.abort(status))
    assert ask("rpc").json == expected


def test_an_abort_with_5xx_is_logged(app: Flask, hooks: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    hooks.rpc(lambda req: flask.abort(503, "a detail"))
    hooks.refresh(lambda req: flask.abort(Response("own", 502)))
    for _ in range(2):
        assert ask("rpc").status_code == 503
    assert ask("refresh", user="1").status_code == 502
    app.before_request_funcs[None] = [lambda: flask.abort(500)]
    assert ask("rpc").status_code == 500
    assert [message.partition(" [event=")[0] for message in caplog.messages] == [
        f"/centrifugo/{path}: aborted with {status}, so the call has failed for Centrifugo. To refuse it, abort with "
        "400 to 499"
        for path, status in [
            ("rpc", "503 Service Unavailable"),
            ("refresh", "502 BAD GATEWAY"),
            ("rpc", "500 Internal Server Error"),
        ]
    ]


@pytest.mark.parametrize(("status", "expected"), [(403, 200), (429, 500), (503, 503)])
def test_an_abort_in_a_before_request_of_a_refresh(
    status: int, expected: int, app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    app.before_request(lambda: flask.abort(status))
    hooks.refresh(lambda req: RefreshResult(expire_at=4102444800))
    response = ask("refresh")
    assert response.status_code == expected
    if expected == 200:
        assert response.json == {"result": {"expired": True}}


def test_a_refusal_that_an_error_handler_raises(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    @app.errorhandler(RuntimeError)
    def handle(error: RuntimeError) -> Any:
        if request.args.get("abort"):
            flask.abort(403)
        raise errors.PermissionDenied from error

    assert ask("rpc", method="boom").json == DENIED


def test_an_error_handler_that_gives_the_http_exception_back_is_no_handler(
    app: Flask, served: ProxyHooks, ask: Ask
) -> None:
    @app.errorhandler(Exception)
    def handle(error: Exception) -> Any:
        return error if isinstance(error, HTTPException) else ("a page", 500)

    app.before_request(lambda: flask.abort(403))
    assert ask("rpc").json == DENIED


def test_a_page_that_the_application_makes_of_an_abort_stays_its_status(
    app: Flask, served: ProxyHooks, ask: Ask
) -> None:
    app.errorhandler(403)(lambda error: ("a page", 403))
    app.before_request(lambda: flask.abort(403))
    assert ask("rpc").status_code == 403


def test_a_404_for_all_in_json_is_no_consent(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    app.errorhandler(404)(lambda error: ({"error": None}, 200))
    assert ask("publish").status_code == 404
    assert ask("rpc").json == OK


def test_a_catch_all_route_does_not_answer_for_hooks(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    app.add_url_rule("/<path:path>", view_func=lambda path: {}, methods=["GET", "POST"], endpoint="spa")
    assert ask("rpc").json == OK
    assert ask("publish").status_code == 404


def test_nothing_of_an_exception_leaks(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    assert b"secret details" not in ask("rpc", method="boom").data


def test_teardown_and_close_run_once(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    ran: list[str] = []
    app.teardown_request(lambda error: ran.append("teardown"))

    @app.after_request
    def after(response: Response) -> Response:
        response.call_on_close(lambda: ran.append("close"))
        return response

    with ask("rpc") as response:
        assert response.json == OK
    assert ran == ["teardown", "close"]


def test_what_fails_after_the_hook_said_yes_is_no_yes(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    """The transaction was not committed, say; and the handler makes a page of it."""

    @app.after_request
    def after(response: Response) -> Response:
        raise RuntimeError("commit failed")

    app.errorhandler(500)(lambda error: ({"ok": False}, 200))
    assert ask("rpc").status_code == 500


class Outermost:
    """A WSGI middleware outside of the package's: what it finds when the response is started."""

    def __init__(self, app: Flask) -> None:
        self._inner = app.wsgi_app
        self.started: list[tuple[str, str | None]] = []
        app.wsgi_app = self

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.started.append((status, request.path if flask.has_request_context() else None))
            return start_response(status, headers, exc_info)

        return self._inner(environ, start)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("", "200 OK"),
        ("deny", "200 OK"),
        ("boom", "500 INTERNAL SERVER ERROR"),
        ("forget", "500 INTERNAL SERVER ERROR"),
    ],
)
def test_a_response_is_started_while_flasks_context_is_there(
    fast: bool, method: str, status: str, app: Flask, served: ProxyHooks, ask: Ask
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    outermost = Outermost(app)
    for _ in range(2):  # the first request of a host goes Flask's own way
        ask("rpc", method=method)
    assert outermost.started == [(status, "/centrifugo/rpc")] * 2


def test_a_response_in_place_of_a_page_is_started_while_flasks_context_is_there(
    app: Flask, served: ProxyHooks, ask: Ask
) -> None:
    app.before_request(lambda: redirect("/login"))
    outermost = Outermost(app)
    assert ask("rpc").status_code == 500
    assert outermost.started == [("500 Internal Server Error", "/centrifugo/rpc")]


def test_a_request_that_is_rejected_starts_its_response_once(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    outermost = Outermost(app)
    assert ask("rpc", headers={"X-Proxyhooks-Secret": "wrong"}).status_code == 403
    assert outermost.started == [("403 Forbidden", None)]


def test_an_application_may_start_its_response_anew_after_an_exception(app: Flask) -> None:
    inner = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Iterable[bytes]:
        try:
            list(inner(environ, start_response))
            raise RuntimeError("late")
        except RuntimeError:
            start_response("503 SERVICE UNAVAILABLE", [("Content-Type", "text/plain")], sys.exc_info())
            return [b"later"]

    app.wsgi_app = middleware
    ProxyHooks(app).rpc(lambda req: RPCResult(data="ok"))
    started: list[Any] = []
    environ = create_environ("/centrifugo/rpc", method="POST", data=b"{}", headers={"X-Proxyhooks-Secret": SECRET})
    body = app.wsgi_app(environ, lambda *arguments: started.append(arguments))
    assert b"".join(body) == b"later"
    assert [status for status, *_ in started] == ["200 OK", "503 SERVICE UNAVAILABLE"]
    assert len(started[0]) == 2
    assert isinstance(started[1][2][1], RuntimeError)


def test_what_an_application_writes_in_the_old_way_is_its_body(app: Flask, ask: Ask) -> None:
    def write(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("503 SERVICE UNAVAILABLE", [("Content-Type", "text/plain")])(b"not ")
        return [b"now"]

    app.wsgi_app = write
    ProxyHooks(app).rpc(lambda req: RPCResult())
    assert ask("rpc").data == b"not now"


def _exception_info() -> Any:
    try:
        raise RuntimeError("late")
    except RuntimeError:
        return sys.exc_info()


def _ignore_start(*_: Any) -> Any:
    """A server's ``start_response``."""


def test_what_was_written_before_a_response_started_anew_does_not_leave(app: Flask) -> None:
    def write(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("503 SERVICE UNAVAILABLE", [])(b"half a page")
        start_response("500 INTERNAL SERVER ERROR", [], _exception_info())(b"a ")
        return [b"failure"]

    app.wsgi_app = write
    ProxyHooks(app).rpc(lambda req: RPCResult())
    environ = create_environ("/centrifugo/rpc", method="POST", data=b"{}", headers={"X-Proxyhooks-Secret": SECRET})
    assert b"".join(app.wsgi_app(environ, _ignore_start)) == b"a failure"


@pytest.mark.parametrize("first", [b"", b"not "])
@pytest.mark.parametrize(("exception", "expected"), [((), AssertionError), ((_exception_info(),), RuntimeError)])
def test_a_failure_that_leaves_does_not_become_a_yes_in_its_middle(
    first: bytes, exception: tuple[Any, ...], expected: type[Exception], app: Flask
) -> None:
    inner = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Iterable[bytes]:
        list(inner(environ, _ignore_start))  # the hook has answered
        start_response("503 SERVICE UNAVAILABLE", [])
        yield first
        start_response("200 OK", [], *exception)
        yield b'{"result":{}}'

    app.wsgi_app = middleware
    ProxyHooks(app).rpc(lambda req: RPCResult(data="ok"))
    started: list[str] = []

    def start(status: str, *_: Any) -> Any:
        started.append(status)

    environ = create_environ("/centrifugo/rpc", method="POST", data=b"{}", headers={"X-Proxyhooks-Secret": SECRET})
    body = iter(app.wsgi_app(environ, start))
    assert next(body) == first
    with pytest.raises(expected):  # as from a server that has sent something
        next(body)
    assert started == ["503 SERVICE UNAVAILABLE"]


def test_headers_of_an_answer_that_does_not_leave_stay_with_it(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    @app.before_request
    def login() -> Response:
        response = Response("{}")
        response.set_cookie("login", "of nobody")
        return response

    assert sorted(name for name, _ in ask("rpc").headers) == ["Content-Length", "Content-Type"]


@pytest.mark.parametrize("path", ["/centrifugo//rpc", "//centrifugo/rpc", "/centrifugo/rpc/", "/centrifugo/rpc//"])
def test_other_spellings_of_a_url_reach_no_function_of_the_application(
    path: str, app: Flask, served: ProxyHooks
) -> None:
    app.before_request(lambda: {"login": "please"})
    app.add_url_rule("/<path:path>", view_func=lambda path: {}, methods=["POST"], endpoint="all")
    response = app.test_client().post("/", json={}, environ_overrides={"PATH_INFO": path})
    assert response.status_code == 404


# werkzeug's, of the very thing that is tested.
@pytest.mark.filterwarnings("ignore:Current server name:UserWarning")
@pytest.mark.parametrize("event", ["publish", "refresh"])
@pytest.mark.parametrize(
    ("options", "config"),
    [
        ({"host_matching": True, "static_host": "example.com"}, {}),
        ({"subdomain_matching": True}, {"SERVER_NAME": "example.com"}),
        ({}, {"TRUSTED_HOSTS": ["example.com"]}),
    ],
)
def test_a_host_that_flask_does_not_serve_is_a_failure_and_no_refusal(
    event: str, options: Any, config: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise every user would be thrown out at the next refresh."""
    app = Flask("app", **options)
    app.config.update(config)
    hooks = ProxyHooks(app, secrets=["x"])
    getattr(hooks, event)(lambda req: None)
    headers = {"X-Proxyhooks-Secret": "x"}
    response = app.test_client().post(f"/centrifugo/{event}", json={}, headers=headers, base_url="http://127.0.0.1")
    assert response.status_code >= 400
    assert "Flask does not serve the host '127.0.0.1'" in caplog.text


def test_an_application_that_says_nothing_is_a_failure(app: Flask, ask: Ask) -> None:
    app.wsgi_app = lambda environ, start_response: []
    ProxyHooks(app).rpc(lambda req: RPCResult())
    assert ask("rpc").status_code == 500


def test_values_that_a_url_value_preprocessor_adds_do_no_harm(app: Flask, served: ProxyHooks, ask: Ask) -> None:
    @app.url_value_preprocessor
    def add(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert values is not None
        values["lang"] = "de"

    assert ask("rpc").json == OK
