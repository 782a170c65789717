"""The page and its headers."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from rooms import page


@pytest.fixture
def static(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the page's files, empty, since the real one may have been built or not."""
    folder = tmp_path / "static"
    folder.mkdir()
    monkeypatch.setattr(page.blueprint, "static_folder", str(folder))
    return folder


@pytest.fixture
def built(static: Path) -> None:
    (static / page.SCRIPT).write_text("/* built */")


@pytest.mark.usefixtures("built")
def test_page_is_served_with_its_script(browser: FlaskClient) -> None:
    shown = browser.get("/")
    assert (shown.status_code, shown.mimetype) == (200, "text/html")
    assert f'src="/static/{page.SCRIPT}"' in shown.text
    with browser.get(f"/static/{page.SCRIPT}") as script:
        assert (script.mimetype, script.get_data(as_text=True)) == ("text/javascript", "/* built */")


@pytest.mark.usefixtures("static")
def test_page_that_is_not_built_says_how_to_build_it(browser: FlaskClient) -> None:
    shown = browser.get("/")
    assert (shown.status_code, shown.mimetype) == (503, "text/plain")
    assert "`npm ci && npm run build`" in shown.text


@pytest.mark.usefixtures("built")
def test_page_may_ask_this_server_and_centrifugo_only(browser: FlaskClient) -> None:
    for path in ("/", f"/static/{page.SCRIPT}", "/static/unknown.js"):
        with browser.get(path) as response:
            headers = response.headers
        assert headers["Content-Security-Policy"].split("; ") == [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "form-action 'self'",
            "connect-src 'self' ws://localhost:8000",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.usefixtures("built")
def test_page_finds_centrifugo(app: Flask, browser: FlaskClient) -> None:
    for page_url, configured, websocket in (
        ("http://localhost:8070/", None, "ws://localhost:8000"),
        ("http://192.168.0.7:8070/", None, "ws://192.168.0.7:8000"),
        ("http://[::1]:8070/", None, "ws://[::1]:8000"),
        ("http://xn--e1afmkfd.example/", None, "ws://xn--e1afmkfd.example:8000"),
        ("https://chat.example.com/", None, "wss://chat.example.com:8000"),
        ("https://chat.example.com/", "wss://live.example.com/connection/websocket", "wss://live.example.com"),
        ("http://localhost:8070/", "ws://localhost:8001/connection/websocket", "ws://localhost:8001"),
    ):
        app.config["CENTRIFUGO_WEBSOCKET_URL"] = configured
        shown = browser.get("/", base_url=page_url)
        assert f'data-websocket-url="{websocket}/connection/websocket"' in shown.text
        assert f"connect-src 'self' {websocket};" in shown.headers["Content-Security-Policy"]


@pytest.mark.usefixtures("built")
def test_host_header_cannot_change_the_policy(browser: FlaskClient) -> None:
    for host in ("", "a; script-src *", 'a" onload="x', "a\tb"):
        shown = browser.get("/", headers={"Host": host})
        assert "connect-src 'self' ws://localhost:8000;" in shown.headers["Content-Security-Policy"]
        assert 'data-websocket-url="ws://localhost:8000/connection/websocket"' in shown.text
