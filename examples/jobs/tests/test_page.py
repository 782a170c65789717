"""The page and its login."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jobs import page

SITE = "https://jobs.example.com"
JSON = "application/json"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if ``npm run build`` had run: a file that is there stands in for the script."""
    monkeypatch.setattr(page, "SCRIPT", "page.css")


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def test_the_browser_knows_who_is_logged_in(browser: FlaskClient) -> None:
    assert browser.get("/session", base_url=SITE).json == {"user": None}
    assert browser.post("/login", json={"name": "ada"}, base_url=SITE).json == {"user": "ada"}
    assert browser.get("/session", base_url=SITE).json == {"user": "ada"}
    assert browser.post("/logout", json={}, base_url=SITE).status_code == 204
    assert browser.get("/session", base_url=SITE).json == {"user": None}


def test_a_form_of_another_site_can_neither_log_in_nor_out(browser: FlaskClient) -> None:
    browser.post("/login", json={"name": "ada"}, base_url=SITE)
    for path in ("/login", "/logout"):
        refused = browser.post(path, data={"name": "bob"}, base_url=SITE)
        assert (refused.status_code, refused.headers.get("Set-Cookie")) == (415, None), path
    assert browser.get("/session", base_url=SITE).json == {"user": "ada"}


def test_a_body_that_is_too_large_or_too_deep_is_refused(browser: FlaskClient) -> None:
    for body, status in (("[" * 100_000, 400), (" " * 200_000, 413)):
        assert browser.post("/login", data=body, content_type=JSON, base_url=SITE).status_code == status


@pytest.mark.parametrize("name", ["", "a:b", "a#b", "a/b", "a,b", "Ada", "ädä", "a b", "ada\n", "a" * 21, 1, None])
def test_a_name_that_does_not_fit_into_a_channel_is_refused(browser: FlaskClient, name: Any) -> None:
    refused = browser.post("/login", json={"name": name}, base_url=SITE)
    assert refused.status_code == 422
    assert refused.json == {"error": "the name has 1 to 20 letters a-z and digits"}


def test_the_session_cookie_is_for_encrypted_connections_of_this_site(browser: FlaskClient) -> None:
    cookie = browser.post("/login", json={"name": "ada"}, base_url=SITE).headers["Set-Cookie"]
    assert cookie.startswith("jobs_session=")
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax"))


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("site", "configured", "address"),
    [
        ("http://localhost:8070", None, "ws://localhost:8000"),
        (SITE, None, "wss://jobs.example.com:8000"),
        ("http://[::1]:8070", None, "ws://[::1]:8000"),
        ("http://xn--e1afmkfd.example", None, "ws://xn--e1afmkfd.example:8000"),
        (SITE, "wss://jobs.example.com/connection/websocket", "wss://jobs.example.com"),
    ],
)
def test_the_page_may_ask_only_its_server_and_centrifugo(
    app: Flask, browser: FlaskClient, site: str, configured: str | None, address: str
) -> None:
    app.config["CENTRIFUGO_WEBSOCKET_URL"] = configured
    response = browser.get("/", base_url=site)
    assert f'data-websocket-url="{address}/connection/websocket"' in response.text
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert f"connect-src 'self' {address}" in policy


@pytest.mark.usefixtures("built")
def test_the_page_has_no_script_or_style_of_its_own(browser: FlaskClient) -> None:
    text = browser.get("/", base_url=SITE).text
    assert "<style" not in text
    assert " style=" not in text
    assert not re.search(r"\son\w+=", text)
    assert re.findall("<script[^>]*>", text) == ['<script type="module" src="/static/page.js">']


def test_a_page_that_is_not_built_says_so(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "SCRIPT", "not-built.js")
    response = browser.get("/", base_url=SITE)
    assert response.status_code == 503
    assert "npm ci && npm run build" in response.text
