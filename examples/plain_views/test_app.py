"""The views, called by a client that plays Centrifugo and one user."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from proxyhooks import errors
from proxyhooks.testing import MisreadReply, ProxyClient

CONFIG = Path(__file__).with_name("centrifugo.json")
URLS = {event: f"/centrifugo/{event}" for event in ("connect", "refresh", "publish", "rpc")}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setenv("FLASK_SECRET_KEY", "for tokens")
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", '["for tests"]')
    from app import app  # reads the environment

    return app


def client_of(app: Flask, **options: Any) -> ProxyClient:
    """A client that is not connected yet, under the configuration with which Centrifugo runs."""
    return ProxyClient(app, config=CONFIG, urls=URLS, **options)


def token(app: Flask, user: str) -> str:
    printed: str = app.test_cli_runner().invoke(args=["token", user]).output
    return printed.strip()


@pytest.fixture
def ada(app: Flask) -> ProxyClient:
    client = client_of(app)
    assert client.connect(token(app, "ada")).allowed
    return client


def block(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.BLOCKED", {user})


def is_in_ten_minutes(expire_at: float | None) -> bool:
    """Whether it is, but for the tenth by which it is shortened at random, and some seconds for the test."""
    return expire_at is not None and 540 - 30 <= expire_at - time.time() <= 601


def test_a_user_is_who_the_token_says(ada: ProxyClient) -> None:
    assert ada.user == "ada"
    assert is_in_ten_minutes(ada.expire_at)


def test_a_user_gets_the_inbox_on_connect(app: Flask) -> None:
    assert (client_of(app).connect(token(app, "ada")).result or {})["channels"] == ["inbox:ada"]


@pytest.mark.parametrize("data", [None, "ada", {"user": "ada"}, 1, "\ud800"])
def test_everybody_else_is_sent_away_for_good(app: Flask, data: Any) -> None:
    refused = client_of(app).connect(data)
    assert refused.disconnected_with(4501)
    assert not refused.comes_back


def test_a_blocked_user_cannot_connect(app: Flask) -> None:
    blocked = client_of(app).connect(token(app, "mallory"))
    assert blocked.disconnected_with(4503)
    assert blocked.reason == "blocked"


def test_a_blocked_user_loses_the_connection_at_the_next_refresh(
    ada: ProxyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (refreshed,) = ada.advance(minutes=10)
    assert refreshed.allowed
    block("ada", monkeypatch)
    (ended,) = ada.advance(minutes=10)
    assert ended.outcome == "expired"
    assert not ada.connected


def test_a_note_names_its_author(ada: ProxyClient) -> None:
    assert ada.publish("inbox:bob", {"text": "hi"}).data == {"text": "hi", "from": "ada"}


@pytest.mark.parametrize("data", [None, {}, {"text": ""}, {"text": "x" * 501}, {"text": "hi", "from": "bob"}])
def test_a_payload_that_is_no_note_is_refused(ada: ProxyClient, data: Any) -> None:
    assert ada.publish("inbox:bob", data).refused_with(errors.BadRequest)


def test_only_inboxes_take_notes(ada: ProxyClient) -> None:
    assert ada.publish("inbox:a/b", {"text": "hi"}).refused_with(errors.UnknownChannel)
    assert ada.publish("news:1", {"text": "hi"}).refused_with(errors.UnknownChannel)


def test_a_blocked_user_cannot_write_notes(ada: ProxyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    block("ada", monkeypatch)
    assert ada.publish("inbox:bob", {"text": "hi"}).refused_with(errors.PermissionDenied)


def test_methods_are_called(ada: ProxyClient) -> None:
    assert ada.rpc("whoami").data == {"user": "ada"}
    assert ada.rpc("inbox").data == {"channel": "inbox:ada"}
    assert ada.rpc("").refused_with(errors.MethodNotFound)


def test_every_view_asks_for_the_secret(app: Flask, ada: ProxyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MisreadReply, match="403"):
        client_of(app, secret="wrong").connect()
    monkeypatch.setitem(app.config, "PROXYHOOKS_SECRETS", ["another one"])
    for ask in (ada.refresh, lambda: ada.publish("inbox:bob", {"text": "hi"}), lambda: ada.rpc("whoami")):
        with pytest.raises(MisreadReply, match="403"):
            ask()
