"""When hooks take the fast path, at which level, and what is logged if they do not."""

from __future__ import annotations

import compileall
import contextvars
import functools
import importlib.metadata
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from unittest import mock

import flask
import pytest
from flask import Flask, request
from marshmallow import Schema, fields
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.middleware.proxy_fix import ProxyFix

import proxyhooks
from proxyhooks import ProxyHooks, RPCRequest, RPCResult, SetupError
from proxyhooks._flask.fast_path.source_digests import CONTEXTS, SCHEMAS
from proxyhooks._flask.fast_path.supported import Level, supported_level
from proxyhooks._flask.fast_path.wsgi import FastPath
from tests.support.fast_path import behind, level_forced, level_taken
from tests.support.waiting import DEFAULT_TIMEOUT

HEADERS = {"X-Proxyhooks-Secret": "s3cret"}
REQUESTS = 3


@pytest.fixture(params=[Level.FULL, Level.FLASK_CONTEXT])
def level(request: pytest.FixtureRequest) -> Iterator[Level]:
    """Each level but ``OFF``."""
    with level_forced(request.param):
        yield request.param


def levels_taken(app: Flask) -> list[Level]:
    """The levels that the first requests to a hook of this application take."""
    hooks = ProxyHooks(app, secrets=["s3cret"])
    taken = []

    @hooks.rpc
    def call(req: RPCRequest) -> RPCResult:
        taken.append(level_taken())
        return RPCResult(data=[request.endpoint, request.blueprint, str(request.url_rule), request.view_args])

    endpoint = "proxyhooks_rpc_tests_flask_fast_path_test_supported_levels_taken_locals_call"
    for _ in range(REQUESTS):
        reply = app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS)
        assert reply.json == {"result": {"data": [endpoint, None, "/centrifugo/rpc", {}]}}
    return taken


def off_then(level: Level) -> list[Level]:
    return [Level.OFF, level, level]


ALL_OFF = [Level.OFF] * REQUESTS


def test_the_installed_flask_is_fully_supported() -> None:
    assert supported_level() == (Level.FULL, [])
    assert levels_taken(Flask("app")) == off_then(Level.FULL)


def test_the_first_request_goes_through_flask_and_the_others_take_the_fast_path(level: Level) -> None:
    assert levels_taken(Flask("app")) == off_then(level)


@pytest.mark.parametrize(
    ("level", "function"),
    [(Level.FLASK_CONTEXT, "flask.ctx:RequestContext.push"), (Level.OFF, "flask.app:Flask.finalize_request")],
)
def test_an_unknown_source_of_flask_costs_a_level_and_a_debug_line(
    level: Level, function: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "proxyhooks")
    with level_forced(level):
        assert levels_taken(Flask("app")) == off_then(level)
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    source = f"the source of flask {importlib.metadata.version('flask')} is not known: {function}"
    assert record.getMessage() == f"the level of the fast path is {level}, as {source}"


def test_the_debug_line_names_each_package_of_unknown_source(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "proxyhooks")
    unknown: dict[str, Any] = {"flask.ctx:RequestContext.push": {}, "werkzeug.wsgi:get_host": {}}
    with mock.patch.dict(cast(dict[str, Any], CONTEXTS), unknown):
        levels_taken(Flask("app"))
    flask_release, werkzeug_release = (importlib.metadata.version(name) for name in ("flask", "werkzeug"))
    assert f"the source of flask {flask_release} and werkzeug {werkzeug_release} is not known: " in caplog.text


def test_an_unknown_source_of_marshmallow_costs_compiled_schemas_and_a_debug_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "proxyhooks")
    function, known = "marshmallow.schema:Schema._do_load", cast(dict[str, Any], SCHEMAS)
    with mock.patch.dict(known, {function: {}}):
        assert levels_taken(Flask("app")) == off_then(Level.FULL)
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    source = f"the source of marshmallow {importlib.metadata.version('marshmallow')} is not known: {function}"
    assert record.getMessage() == f"schemas are not compiled, as {source}"


def test_compiled_schemas_do_not_depend_on_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    class Payload(Schema):
        text = fields.String(required=True)

    with level_forced(Level.OFF):
        app = Flask("app")
        hooks = ProxyHooks(app, secrets=["s3cret"])
    hooks.rpc(data_schema=Payload)(lambda req: RPCResult(data=[req.data, level_taken()]))
    client, message = app.test_client(), {"data": {"text": "a"}}
    client.post("/centrifugo/rpc", json=message, headers=HEADERS)
    monkeypatch.setattr(Schema, "_do_load", None)
    reply = client.post("/centrifugo/rpc", json=message, headers=HEADERS)
    assert reply.json == {"result": {"data": [{"text": "a"}, "off"]}}


def test_without_source_files_hooks_go_through_flask(tmp_path: Path) -> None:
    package = shutil.copytree(Path(flask.__file__).parent, tmp_path / "flask")
    compileall.compile_dir(package, quiet=2, legacy=True)
    for source in package.rglob("*.py"):
        source.unlink()
    code = (
        "import flask; from proxyhooks import ProxyHooks, RPCResult; app = flask.Flask('app');"
        "from proxyhooks._flask.fast_path.supported import supported_level;"
        "ProxyHooks(app, secrets=['s']).rpc(lambda req: RPCResult(data=1));"
        "replies = [app.test_client().post('/centrifugo/rpc', json={}, headers={'X-Proxyhooks-Secret': 's'}).data"
        " for _ in range(2)];"
        "print(flask.__file__, supported_level()[0], *replies)"
    )
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    reply = repr(b'{"result":{"data":1}}')
    assert run.stdout.split() == [str(package / "__init__.pyc"), "off", reply, reply]
    assert run.stderr == ""


def test_a_setting_switches_it_off_and_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("app")
    app.config["PROXYHOOKS_FAST"] = False
    assert levels_taken(app) == ALL_OFF
    assert not caplog.records


def test_init_app_refuses_a_wrong_setting() -> None:
    app = Flask("app")
    app.config["PROXYHOOKS_FAST"] = "no"
    with pytest.raises(SetupError, match="PROXYHOOKS_FAST must be True or False, not 'no'"):
        ProxyHooks(app, secrets=["s3cret"])


class OverridesDispatchRequest(Flask):
    def dispatch_request(self) -> Any:
        return super().dispatch_request()


class OverridesHandleException(Flask):
    def handle_exception(self, e: Exception) -> flask.Response:
        return super().handle_exception(e)


class OwnRequest(flask.Request):
    pass


def app_with_own_request_class() -> Flask:
    app = Flask("app")
    app.request_class = OwnRequest
    return app


def app_with_patched_method() -> Flask:
    app = Flask("app")
    app.finalize_request = functools.partial(Flask.finalize_request, app)
    return app


def wrapped() -> Flask:
    app = Flask("app")
    app.wsgi_app = ProxyFix(app.wsgi_app)
    return app


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (OverridesDispatchRequest("app"), "OverridesDispatchRequest.dispatch_request is not Flask's own"),
        (app_with_patched_method(), "Flask.finalize_request is not Flask's own"),
        (app_with_own_request_class(), "app.request_class is <class"),
        (wrapped(), "wrap app.wsgi_app after init_app"),
        (Flask("app", subdomain_matching=True), "matches hosts or subdomains"),
    ],
)
def test_it_is_off_if_the_application_changes_flask(app: Flask, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    assert levels_taken(app) == ALL_OFF
    (record,) = caplog.records
    assert reason in record.getMessage()
    assert "PROXYHOOKS_FAST = False" in record.getMessage()


def test_it_is_off_if_a_tool_has_wrapped_flask(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stock = Flask.full_dispatch_request

    @functools.wraps(stock)
    def traced(self: Flask) -> Any:
        return stock(self)

    monkeypatch.setattr(Flask, "full_dispatch_request", traced)
    assert levels_taken(Flask("app")) == ALL_OFF
    assert "Flask.full_dispatch_request is not Flask's own" in caplog.text


class Wrapper:
    """Wraps a method as monitoring tools do: ``isinstance`` and all attributes show the wrapped method."""

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
def test_it_is_off_if_a_tool_has_wrapped_flask_and_hides_it(
    cls: type, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stock = getattr(cls, name)
    wrapper = Wrapper(stock)
    assert isinstance(wrapper, type(stock))
    monkeypatch.setattr(cls, name, wrapper)
    assert levels_taken(Flask("app")) == ALL_OFF
    assert f"{cls.__name__}.{name} is not Flask's own" in caplog.text


def test_trusted_hosts_are_checked_for_each_host(level: Level) -> None:
    app = Flask("app")
    app.config["TRUSTED_HOSTS"] = ["localhost"]
    assert levels_taken(app) == off_then(level)
    post = app.test_client().post
    for _ in range(REQUESTS):
        assert post("/centrifugo/rpc", json={}, headers={**HEADERS, "Host": "evil.example"}).status_code == 400
        assert post("/centrifugo/rpc", json={}, headers=HEADERS).status_code == 200


def test_the_log_names_a_view_that_is_wrapped(level: Level, caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=["s3cret"])
    view: Any = app.view_functions["proxyhooks_rpc"]
    app.view_functions["proxyhooks_rpc"] = functools.wraps(view)(lambda **values: view(**values))
    hooks.rpc(lambda req: RPCResult(data=level_taken()))
    for _ in range(REQUESTS):
        reply = app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS)
        assert reply.json == {"result": {"data": "off"}}
    (record,) = caplog.records
    assert (
        "the fast path is off for /centrifugo/rpc: the view of 'proxyhooks_rpc' is now <function" in record.getMessage()
    )


def test_a_before_request_function_can_set_a_routing_exception(level: Level) -> None:
    app = Flask("app")

    @app.before_request
    def closed() -> None:
        request.routing_exception = ServiceUnavailable()

    ProxyHooks(app, secrets=["s3cret"]).rpc(lambda req: RPCResult())
    for _ in range(REQUESTS):
        assert app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS).status_code == 503


def run_in_threads(number: int, function: Callable[[], object]) -> None:
    """Run the function in this many threads, each with a copy of the current context variables."""
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(function,)) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_custom_session_interface_opens_a_session_for_every_request_without_a_lock(level: Level) -> None:
    barrier, opened = threading.Barrier(2, timeout=DEFAULT_TIMEOUT), []

    class Store(flask.sessions.SecureCookieSessionInterface):
        def open_session(self, app: Flask, request: flask.Request) -> Any:
            opened.append(request.path)
            if request.headers.get("X-Meet"):
                barrier.wait()
            return super().open_session(app, request)

    app = Flask("app")
    app.session_interface = Store()
    ProxyHooks(app, secrets=["s3cret"]).rpc(lambda req: RPCResult())
    client, statuses = app.test_client(), []
    client.post("/centrifugo/rpc", json={}, headers=HEADERS)

    def ask() -> None:
        statuses.append(client.post("/centrifugo/rpc", json={}, headers={**HEADERS, "X-Meet": "1"}).status_code)

    run_in_threads(2, ask)
    assert statuses == [200, 200]
    assert len(opened) == 3


def test_threads_of_a_hook_share_what_is_created_on_first_access() -> None:
    barrier = threading.Barrier(2, timeout=DEFAULT_TIMEOUT)

    class WaitingG(flask.ctx._AppCtxGlobals):
        def __init__(self) -> None:
            if on_fast_path:
                barrier.wait()

    app = Flask("app")
    app.app_ctx_globals_class = WaitingG
    on_fast_path, seen = False, []

    def hook(req: RPCRequest) -> RPCResult:
        nonlocal on_fast_path
        on_fast_path = level_taken() is Level.FULL
        if on_fast_path:
            run_in_threads(2, lambda: seen.append((behind(flask.g), behind(request))))
            on_fast_path = False
        return RPCResult()

    ProxyHooks(app, secrets=["s3cret"]).rpc(hook)
    for _ in range(2):
        app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS)
    assert len(seen) == 2
    assert all(one is other for one, other in zip(*seen, strict=True))


def test_methods_that_the_fast_path_calls_may_be_overridden(level: Level, caplog: pytest.LogCaptureFixture) -> None:
    assert levels_taken(OverridesHandleException("app")) == off_then(level)
    assert not caplog.records


def test_wsgi_middleware_around_proxyhooks_leaves_it_on(level: Level) -> None:
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=["s3cret"])
    app.wsgi_app = ProxyFix(app.wsgi_app)
    hooks.rpc(lambda req: RPCResult())
    app.test_client().post("/centrifugo/rpc", json={}, headers=HEADERS)
    assert isinstance(app.extensions["proxyhooks"].middleware.hook_app, FastPath)


def test_two_proxyhooks_share_it(level: Level) -> None:
    app = Flask("app")
    for name in ("one", "other"):
        ProxyHooks(app, name=name, url_prefix=f"/{name}", secrets=["s3cret"]).rpc(lambda req: RPCResult())
    for _ in range(REQUESTS):
        for name in ("one", "other"):
            assert app.test_client().post(f"/{name}/rpc", json={}, headers=HEADERS).json == {"result": {}}
    assert isinstance(app.extensions["proxyhooks"].middleware.hook_app, FastPath)


def test_the_number_of_remembered_hosts_has_a_limit(level: Level) -> None:
    app = Flask("app")
    ProxyHooks(app, secrets=["s3cret"]).rpc(lambda req: RPCResult())
    client = app.test_client()
    for number in range(1100):
        assert client.post("/centrifugo/rpc", json={}, headers={**HEADERS, "Host": f"host{number}"}).status_code == 200
    assert len(app.extensions["proxyhooks"].middleware.hook_app._targets) == 1000


def test_hooks_work_without_the_package_and_the_two_lines_that_name_it(tmp_path: Path) -> None:
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
