"""The hooks, called by a client that plays Centrifugo and one user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from itsdangerous import URLSafeTimedSerializer

from proxyhooks import errors
from proxyhooks.testing import ProxyClient

CONFIG = Path(__file__).with_name("centrifugo.json")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setenv("FLASK_SECRET_KEY", "for tokens")
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", '["for tests"]')
    from app import app  # reads the environment

    return app


def connect(app: Flask, data: Any) -> ProxyClient:
    """A client that has asked to connect, under the configuration with which Centrifugo runs."""
    client = ProxyClient(app, config=CONFIG)
    client.connect(data)
    return client


def token(app: Flask, user: str) -> str:
    printed: str = app.test_cli_runner().invoke(args=["token", user]).output
    return printed.strip()


@pytest.fixture
def ada(app: Flask) -> ProxyClient:
    return connect(app, token(app, "ada"))


def test_a_user_is_who_the_token_says(ada: ProxyClient) -> None:
    assert ada.connected
    assert ada.user == "ada"


@pytest.mark.parametrize("data", [None, "ada", {"user": "ada"}, 1, "x" * 9999, "\ud800"])
def test_everybody_else_is_sent_away_for_good(app: Flask, data: Any) -> None:
    refused = ProxyClient(app).connect(data)
    assert refused.disconnected_with(4501)
    assert refused.reason == "unauthorized"
    assert not refused.comes_back


def test_a_token_that_was_signed_for_something_else_is_refused(app: Flask) -> None:
    other = URLSafeTimedSerializer("for tokens", salt="password reset").dumps("ada")
    assert not connect(app, other).connected


def test_users_have_their_own_inbox_only(ada: ProxyClient) -> None:
    assert ada.subscribe("inbox:ada").allowed
    assert ada.subscribe("inbox:bob").refused_with(errors.PermissionDenied)
    assert ada.subscribe("inbox:a/b").refused_with(errors.UnknownChannel)
    assert ada.subscribe("news").refused_with(errors.PermissionDenied)  # Centrifugo: no option lets anybody in


def test_a_method_is_called(ada: ProxyClient) -> None:
    assert ada.rpc("whoami").data == {"user": "ada"}
    assert ada.rpc("whoareyou").refused_with(errors.MethodNotFound)
