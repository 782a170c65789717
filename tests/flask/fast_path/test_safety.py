"""When hooks take the short way, when they do not and the log says why, and what stays without it."""

from __future__ import annotations

import contextvars
import functools
import importlib.metadata
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from flask import Flask, request
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.middleware.proxy_fix import ProxyFix

import proxyhooks
from proxyhooks import ProxyHooks, RPCRequest, RPCResult, SetupError
from proxyhooks._flask.fast_path.lazy_context import LazyRequestContext
from proxyhooks._flask.fast_path.wsgi import FastPath

HEADERS = {"X-Proxyhooks-Secret": "s3cret"}
REQUESTS = 3


def context() -> object:
    return flask.globals.request_ctx._get_current_object()  # type: ignore[attr-defined]  # a proxy


def ways(app: Flask) -> list[bool]:
    """Of a few requests, whether each took the short way."""
    hooks = ProxyHooks(app, secrets=["s3cret"])
    taken = []

    @hooks.rpc
    def call(req: RPCRequest) -> RPCResult:
        taken.append(isinstance(context(), LazyRequestContext))
        return RPCResult(data=[request.endpoint, request.blueprint, str(request.url_rule), request.view_args])

    for _ in range(REQUESTS):
        reply = app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS)
        assert reply.json == {"result": {"data": ["proxyhooks_rpc", None, "/centrifugo/rpc", {}]}}
    return taken


def test_the_first_request_goes_flasks_own_way_and_the_others_the_short_one() -> None:
    assert ways(Flask("app")) == [False, True, True]


def test_a_setting_switches_it_off_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("app")
    app.config["PROXYHOOKS_FAST"] = False
    assert not any(ways(app))
    assert not caplog.records


def test_a_wrong_setting_is_said_at_the_start() -> None:
    app = Flask("app")
    app.config["PROXYHOOKS_FAST"] = "no"
    with pytest.raises(SetupError, match="PROXYHOOKS_FAST must be True or False, not 'no'"):
        ProxyHooks(app, secrets=["s3cret"])


class Dispatches(Flask):
    def dispatch_request(self) -> Any:
        return super().dispatch_request()


class HandlesExceptions(Flask):
    def handle_exception(self, e: Exception) -> flask.Response:
        return super().handle_exception(e)


class OwnRequest(flask.Request):
    pass


def with_own_requests() -> Flask:
    app = Flask("app")
    app.request_class = OwnRequest
    return app


def patched() -> Flask:
    app = Flask("app")
    app.finalize_request = functools.partial(Flask.finalize_request, app)  # type: ignore[method-assign]
    return app


def wrapped() -> Flask:
    app = Flask("app")
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    return app


@pytest.mark.parametrize(
    ("app", "why"),
    [
        (Dispatches("app"), "Dispatches.dispatch_request is not Flask's own"),
        (patched(), "Flask.finalize_request is not Flask's own"),
        (with_own_requests(), "its request_class is <class"),
        (wrapped(), "wrap app.wsgi_app after init_app"),
        (Flask("app", subdomain_matching=True), "matches hosts or subdomains"),
    ],
)
def test_it_is_off_where_flask_is_not_as_it_was(app: Flask, why: str, caplog: pytest.LogCaptureFixture) -> None:
    assert not any(ways(app))
    (record,) = caplog.records
    assert why in record.getMessage()
    assert "PROXYHOOKS_FAST = False" in record.getMessage()


def test_it_is_off_with_a_flask_that_nobody_knows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    versions = {"flask": "3.1.99"}
    found = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: versions.get(name) or found(name))
    assert not any(ways(Flask("app")))
    assert "Flask 3.1.99 is not one of those it was compared with" in caplog.text


def test_it_is_off_where_a_tool_has_wrapped_flask(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stock = Flask.full_dispatch_request

    @functools.wraps(stock)
    def traced(self: Flask) -> Any:
        return stock(self)

    monkeypatch.setattr(Flask, "full_dispatch_request", traced)
    assert not any(ways(Flask("app")))
    assert "Flask.full_dispatch_request is not Flask's own" in caplog.text


class Wrapper:
    """As tools that watch applications wrap methods: it looks like what it wraps, to ``isinstance`` and in every
    attribute."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped

    @property  # type: ignore[misc]  # on purpose
    def __class__(self) -> Any:
        return type(self.wrapped)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.wrapped(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any) -> Wrapper:
        return Wrapper(self.wrapped.__get__(instance, owner))


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Flask, "dispatch_request"),
        (Flask, "preprocess_request"),
        (flask.ctx.RequestContext, "push"),
        (flask.sessions.SecureCookieSessionInterface, "open_session"),
    ],
)
def test_it_is_off_where_a_tool_has_wrapped_flask_and_hides_it(
    cls: type, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stock = getattr(cls, name)
    wrapper = Wrapper(stock)
    assert isinstance(wrapper, type(stock))
    monkeypatch.setattr(cls, name, wrapper)
    assert not any(ways(Flask("app")))
    assert f"{cls.__name__}.{name} is not Flask's own" in caplog.text


def test_trusted_hosts_are_looked_at_once(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("app")
    app.config["TRUSTED_HOSTS"] = ["localhost"]
    assert ways(app) == [False, True, True]
    post = app.test_client().post
    for _ in range(REQUESTS):
        assert post("/centrifugo/rpc", json={}, headers={**HEADERS, "Host": "evil.example"}).status_code == 400
        assert post("/centrifugo/rpc", json={}, headers=HEADERS).status_code == 200


def test_the_log_names_a_view_that_is_wrapped(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=["s3cret"])
    view: Any = app.view_functions["proxyhooks_rpc"]
    app.view_functions["proxyhooks_rpc"] = functools.wraps(view)(lambda **values: view(**values))
    hooks.rpc(lambda req: RPCResult(data=isinstance(context(), LazyRequestContext)))
    for _ in range(REQUESTS):
        reply = app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS)
        assert reply.json == {"result": {"data": False}}
    (record,) = caplog.records
    assert "/centrifugo/rpc goes the whole way through Flask: the view of 'proxyhooks_rpc' is" in record.getMessage()


def test_where_a_request_leads_can_be_changed_before_the_hook() -> None:
    app = Flask("app")

    @app.before_request
    def closed() -> None:
        request.routing_exception = ServiceUnavailable()

    ProxyHooks(app, secrets=["s3cret"]).rpc(lambda req: RPCResult())
    for _ in range(REQUESTS):
        assert app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS).status_code == 503


def together(number: int, function: Callable[[], object]) -> None:
    """Run the function in threads, each with the contexts of this one."""
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(function,)) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_sessions_of_others_are_opened_for_every_request_and_do_not_wait_for_each_other() -> None:
    meeting, opened = threading.Barrier(2, timeout=10), []

    class Store(flask.sessions.SecureCookieSessionInterface):
        def open_session(self, app: Flask, request: flask.Request) -> Any:
            opened.append(request.path)
            if request.headers.get("X-Meet"):
                meeting.wait()
            return super().open_session(app, request)

    app = Flask("app")
    app.session_interface = Store()
    ProxyHooks(app, secrets=["s3cret"]).rpc(lambda req: RPCResult())
    client, statuses = app.test_client(), []
    client.post("/centrifugo/rpc", json={}, headers=HEADERS)

    def ask() -> None:
        statuses.append(client.post("/centrifugo/rpc", json={}, headers={**HEADERS, "X-Meet": "1"}).status_code)

    together(2, ask)
    assert statuses == [200, 200]
    assert len(opened) == 3


def test_threads_of_a_hook_share_what_is_made_late() -> None:
    meeting = threading.Barrier(2, timeout=10)

    class Meeting(flask.ctx._AppCtxGlobals):
        def __init__(self) -> None:
            if short:
                meeting.wait()

    app = Flask("app")
    app.app_ctx_globals_class = Meeting
    short, seen = False, []

    def hook(req: RPCRequest) -> RPCResult:
        nonlocal short
        short = isinstance(context(), LazyRequestContext)
        if short:
            together(2, lambda: seen.append((flask.g._get_current_object(), request._get_current_object())))  # type: ignore[attr-defined]  # proxies
            short = False
        return RPCResult()

    ProxyHooks(app, secrets=["s3cret"]).rpc(hook)
    for _ in range(2):
        app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS)
    assert len(seen) == 2
    assert all(one is other for one, other in zip(*seen, strict=True))


def test_what_it_calls_may_be_overridden(caplog: pytest.LogCaptureFixture) -> None:
    assert ways(HandlesExceptions("app")) == [False, True, True]
    assert not caplog.records


def test_middleware_around_the_guard_is_no_hindrance() -> None:
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=["s3cret"])
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    hooks.rpc(lambda req: RPCResult())
    app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS)
    assert isinstance(app.extensions["proxyhooks"].middleware.hook_app, FastPath)


def test_two_proxyhooks_share_it() -> None:
    app = Flask("app")
    for name in ("one", "other"):
        ProxyHooks(app, name=name, url_prefix=f"/{name}", secrets=["s3cret"]).rpc(lambda req: RPCResult())
    for _ in range(REQUESTS):
        for name in ("one", "other"):
            assert app.test_client().post(f"/{name}/rpc", json={}, headers=HEADERS).json == {"result": {}}
    assert isinstance(app.extensions["proxyhooks"].middleware.hook_app, FastPath)


def test_hosts_are_not_remembered_without_an_end() -> None:
    app = Flask("app")
    ProxyHooks(app, secrets=["s3cret"]).rpc(lambda req: RPCResult())
    client = app.test_client()
    for number in range(1100):
        assert client.post("/centrifugo/rpc", json={}, headers={**HEADERS, "Host": f"host{number}"}).status_code == 200
    assert len(app.extensions["proxyhooks"].middleware.hook_app._rules) == 1000


def test_without_its_package_and_the_two_lines_that_name_it_everything_is_there(tmp_path: Path) -> None:
    package = shutil.copytree(Path(proxyhooks.__file__).parent, tmp_path / "proxyhooks")
    shutil.rmtree(package / "_flask" / "fast_path")
    extension = package / "_flask" / "extension.py"
    lines = extension.read_text().splitlines()
    kept = [line for line in lines if "fast_path import" not in line and " install_fast_path(" not in line]
    assert len(kept) == len(lines) - 2
    extension.write_text("\n".join(kept))
    code = (
        "from flask import Flask; from proxyhooks import ProxyHooks, RPCResult; app = Flask('app');"
        "ProxyHooks(app, secrets=['s']).rpc(lambda req: RPCResult(data=1));"
        "print(app.test_client().post('/centrifugo/rpc', json={}, headers={'X-Proxyhooks-Secret': 's'}).data)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == repr(b'{"result":{"data":1}}')
