"""Who may connect, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from rooms.codes import Unauthorized
from rooms.models import User, db
from rooms.schemas import Meta
from sqlalchemy import delete

from proxyhooks import errors
from proxyhooks.signals import FinishedCall, hook_finished
from proxyhooks.testing import MisreadReply, ProxyClient

Enter = Callable[[str], ProxyClient]
LOG_IN = {"name": "ada", "password": "ada"}


def test_user_connects_with_the_session_of_a_login(app: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=LOG_IN)
    client = ProxyClient(app, cookies_from=browser)
    connected = client.connect()
    assert client.user == "1"
    assert connected.data == {"user": "1", "name": "ada"}
    assert connected.result is not None
    assert connected.result["info"] == {"name": "ada"}
    assert 500 < client.expire_at - time.time() <= 600


def test_user_connects_with_a_token(app: Flask, browser: FlaskClient) -> None:
    reply: Any = browser.post("/token", json={"name": "bob", "password": "bob"}).json
    client = ProxyClient(app)
    assert client.connect({"token": reply["token"]}).allowed
    assert client.user == "2"


def test_nobody_connects_without_a_login(app: Flask, browser: FlaskClient) -> None:
    client = ProxyClient(app, cookies_from=browser)
    refused = client.connect()
    assert (refused.outcome, refused.code, refused.reason) == ("disconnected", 4501, "unauthorized")
    browser.post("/login", json=LOG_IN)
    assert client.connect().allowed


def test_wrong_token_is_not_saved_by_a_session(app: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=LOG_IN)
    client = ProxyClient(app, cookies_from=browser)
    assert client.connect({"token": "1.forged.token"}).disconnected_with(Unauthorized)


def test_token_is_signed_for_connecting_only(app: Flask, enter: Enter) -> None:
    login_id = enter("ada").meta["login_id"]
    token = URLSafeTimedSerializer("for sessions", salt="something else").dumps(login_id)
    assert ProxyClient(app).connect({"token": token}).disconnected_with(Unauthorized)


def test_connect_data_of_another_shape_is_refused(app: Flask) -> None:
    invalid: list[Any] = [[], "token", {"token": 1}, {"token": "\ud800"}, {"user": "1"}, None]
    for data in invalid:
        assert ProxyClient(app).connect(data).refused_with(errors.BadRequest), data


def test_secret_is_required(app: Flask) -> None:
    with pytest.raises(MisreadReply, match="403"):
        ProxyClient(app, secret="").connect()


def test_no_channel_is_given_because_a_client_wishes_it(app: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json={"name": "eve", "password": "eve"})
    client = ProxyClient(app, cookies_from=browser)
    assert client.connect(channels=["rooms:1"]).allowed
    assert client.channels == []


def test_later_events_go_by_their_user_and_not_by_a_cookie(app: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=LOG_IN)
    reply: Any = browser.post("/token", json={"name": "eve", "password": "eve"}).json
    client = ProxyClient(app, cookies_from=browser)
    assert client.connect({"token": reply["token"]}).allowed
    assert client.subscribe("rooms:1").refused_with(errors.PermissionDenied)


def test_logout_ends_the_connection_at_its_next_refresh(app: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=LOG_IN)
    client = ProxyClient(app, cookies_from=browser)
    client.connect()
    assert client.refresh().allowed
    browser.post("/logout", json={})
    (ended,) = client.advance(minutes=10)
    assert (ended.event, ended.outcome) == ("refresh", "expired")
    assert client.reconnect().disconnected_with(Unauthorized)


def test_connection_ends_with_the_lifetime_of_the_login(app: Flask, enter: Enter) -> None:
    client = enter("ada")
    assert [step.allowed for step in client.advance(minutes=25)] == [True, True]
    app.config["LOGIN_LIFETIME"] = 0
    (ended,) = client.advance(minutes=10)
    assert (ended.event, ended.outcome) == ("refresh", "expired")
    assert client.reconnect().disconnected_with(Unauthorized)


def test_deleted_user_is_out(app: Flask, enter: Enter) -> None:
    caller, idler = enter("eve"), enter("eve")
    with app.app_context():
        db.session.execute(delete(User).where(User.name == "eve"))
        db.session.commit()
    assert idler.refresh().outcome == "expired"
    assert caller.rpc("rooms.list").disconnected_with(Unauthorized)
    assert caller.reconnect().disconnected_with(Unauthorized)


def test_hooks_read_typed_meta(app: Flask, enter: Enter) -> None:
    seen = []

    def see(app: Flask, call: FinishedCall) -> None:
        seen.append(call.request.meta)

    client = enter("ada")
    with hook_finished.connected_to(see, app):
        client.refresh()
    assert seen == [Meta(login_id=client.meta["login_id"])]
