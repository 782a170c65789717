"""Liveness and readiness: their URLs, and what may not stand in their way."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask, Response, abort, redirect
from flask_wtf import CSRFProtect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from proxyhooks import ProxyHooks, SetupError
from proxyhooks._wire import probes

PATHS = ("/livez", "/readyz")


@pytest.fixture(autouse=True)
def process_without_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "paths", set())
    monkeypatch.setattr(probes, "_drains", False)


@pytest.fixture(params=[True, False], ids=["fast", "slow"])
def served(request: pytest.FixtureRequest, app: Flask) -> Flask:
    app.config["PROXYHOOKS_FAST"] = request.param
    ProxyHooks(app)
    return app


def statuses(app: Flask, *paths: str) -> list[int]:
    return [app.test_client().get(path).status_code for path in paths or PATHS]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_worker_that_serves_is_live_and_ready_without_a_secret(served: Flask, method: str) -> None:
    for path in PATHS:
        assert served.test_client().open(path, method=method).status_code == 200


def test_a_worker_that_drains_is_live_and_not_ready(served: Flask) -> None:
    probes.start_draining()
    assert statuses(served) == [200, 503]


def test_a_probe_that_fails_closes_its_connection_so_that_the_next_one_reaches_another_worker(served: Flask) -> None:
    environs: list[dict[str, Any]] = []
    inner = served.wsgi_app

    def recording(environ: Any, start_response: Any) -> Any:
        environs.append(environ)
        return inner(environ, start_response)

    served.wsgi_app = recording
    assert statuses(served) == [200, 200]
    probes.start_draining()
    assert statuses(served) == [200, 503]
    assert ["proxyhooks.close_connection" in environ for environ in environs] == [False, False, False, True]


@pytest.mark.parametrize("drains", [False, True])
def test_a_probe_tells_nothing_but_its_status(served: Flask, drains: bool) -> None:
    if drains:
        probes.start_draining()
    for path in PATHS:
        response = served.test_client().get(f"{path}?verbose=1")
        assert response.data == b""
        assert dict(response.headers) == {"Content-Length": "0", "Cache-Control": "no-store"}


def test_nothing_of_the_application_stands_in_the_way(served: Flask) -> None:
    CSRFProtect(served)
    served.config["SESSION_COOKIE_DOMAIN"] = "example.com"

    @served.before_request
    def login() -> Any:
        return redirect("/login")

    @served.after_request
    def refuse(response: Response) -> Response:
        abort(500)

    assert statuses(served) == [200, 200]


def test_an_application_that_matches_hosts_answers_probes_for_every_host() -> None:
    app = Flask("app", host_matching=True, static_host="example.com")
    ProxyHooks(app, secrets=["s3cret"])
    for host in ("10.1.2.3:8070", "example.com", ""):
        assert app.test_client().get("/readyz", headers={"Host": host}).status_code == 200
    assert app.test_client().get("/", headers={"Host": "10.1.2.3:8070"}).status_code == 404


def test_a_page_for_all_paths_is_not_taken_for_a_probe(served: Flask) -> None:
    served.add_url_rule("/<path:path>", view_func=lambda path: "page", methods=["GET", "POST"])
    probes.start_draining()
    assert statuses(served) == [200, 503]
    assert served.test_client().post("/readyz").data == b"page"


@pytest.mark.parametrize("rule", ["/readyz", "/readyz/"])
@pytest.mark.parametrize("before", [True, False])
def test_a_view_of_the_application_wins(app: Flask, rule: str, before: bool) -> None:
    if not before:
        ProxyHooks(app)
        assert statuses(app) == [200, 200]  # a probe may come before the application has all of its views
    app.add_url_rule(rule, view_func=lambda: "mine")
    if before:
        ProxyHooks(app)
    probes.start_draining()
    response = app.test_client().get("/readyz", follow_redirects=True)
    assert (response.status_code, response.data) == (200, b"mine")
    assert statuses(app, "/livez") == [200]
    assert probes.paths == {"/livez"}


def test_each_probe_can_have_another_path_or_none(app: Flask) -> None:
    app.config.update(PROXYHOOKS_LIVENESS_PATH=None, PROXYHOOKS_READINESS_PATH="/health/ready")
    ProxyHooks(app)
    assert statuses(app, "/livez", "/readyz", "/health/ready") == [404, 404, 200]
    assert probes.paths == {"/health/ready"}


def test_several_proxy_hooks_share_the_probes_of_the_application(app: Flask) -> None:
    ProxyHooks(app)
    ProxyHooks(app, name="second", url_prefix="/second")
    assert statuses(app) == [200, 200]


def test_below_a_prefix_of_another_application_the_probes_have_that_prefix(served: Flask) -> None:
    def root(environ: Any, start_response: Any) -> Any:
        start_response("404 Not Found", [])
        return [b"root"]

    client = Client(DispatcherMiddleware(root, {"/shop": served.wsgi_app}))
    assert [client.get(path).status_code for path in ("/readyz", "/shop/readyz")] == [404, 200]


@pytest.mark.parametrize("path", ["/livez/", "//livez", "/livez/x", "/LIVEZ"])
def test_other_paths_belong_to_the_application(served: Flask, path: str) -> None:
    assert statuses(served, path) == [404]


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("PROXYHOOKS_LIVENESS_PATH", "livez", "a text of length 5"),
        ("PROXYHOOKS_LIVENESS_PATH", "", "''"),
        ("PROXYHOOKS_LIVENESS_PATH", False, "False"),
        ("PROXYHOOKS_READINESS_PATH", "/", "'/'"),
        ("PROXYHOOKS_READINESS_PATH", "/ready?x", "'/ready'"),
        ("PROXYHOOKS_READINESS_PATH", "/<name>", "'/<name>'"),
    ],
)
def test_a_path_that_no_probe_can_have_is_refused(app: Flask, key: str, value: Any, shown: str) -> None:
    app.config[key] = value
    example = "/livez" if "LIVE" in key else "/readyz"
    text = f"{key} must be the path of a URL, such as '{example}', or None, not "
    with pytest.raises(SetupError, match=re.escape(text)):
        ProxyHooks(app)


def test_both_probes_cannot_have_one_path(app: Flask) -> None:
    app.config["PROXYHOOKS_LIVENESS_PATH"] = "/readyz"
    with pytest.raises(
        SetupError, match="PROXYHOOKS_LIVENESS_PATH and PROXYHOOKS_READINESS_PATH are both '/readyz': change one"
    ):
        ProxyHooks(app)


@pytest.mark.parametrize("path", ["/centrifugo/connect", "/centrifugo/connect/"])
def test_a_probe_cannot_have_the_url_of_a_hook(app: Flask, path: str) -> None:
    app.config["PROXYHOOKS_READINESS_PATH"] = path
    with pytest.raises(SetupError, match=f"PROXYHOOKS_READINESS_PATH is '{path}', which is the URL of a "):
        ProxyHooks(app)
