"""The views: sessions of browsers, tokens of other clients."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from rooms.models import Login, db
from sqlalchemy import func, select

LOG_IN = {"name": "ada", "password": "ada"}


def number_of_logins(app: Flask) -> int | None:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Login))


def test_session_says_who_is_logged_in(browser: FlaskClient) -> None:
    assert browser.get("/session").json == {"user": None}
    assert browser.post("/login", json=LOG_IN).json == {"user": "1", "name": "ada"}
    assert browser.get("/session").json == {"user": "1", "name": "ada"}
    assert browser.post("/logout", json={}).status_code == 204
    assert browser.get("/session").json == {"user": None}


def test_session_cookie_is_secure(browser: FlaskClient) -> None:
    cookie = browser.post("/login", json=LOG_IN).headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


def test_logout_ends_the_login_for_a_copy_of_the_cookie(app: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=LOG_IN)
    cookie = browser.get_cookie("session")
    assert cookie is not None
    copy = app.test_client()
    copy.set_cookie("session", cookie.value)
    assert copy.get("/session").json == {"user": "1", "name": "ada"}
    browser.post("/logout", json={})
    assert copy.get("/session").json == {"user": None}


def test_logout_ends_no_other_login(app: Flask, browser: FlaskClient) -> None:
    other = app.test_client()
    for each in (browser, other):
        each.post("/login", json=LOG_IN)
    browser.post("/logout", json={})
    assert other.get("/session").json == {"user": "1", "name": "ada"}


def test_new_login_replaces_the_old_one_of_the_browser(app: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=LOG_IN)
    browser.post("/login", json={"name": "bob", "password": "bob"})
    assert browser.get("/session").json == {"user": "2", "name": "bob"}
    assert number_of_logins(app) == 1


def test_old_logins_end_and_are_removed(app: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=LOG_IN)
    app.config["LOGIN_LIFETIME"] = 0
    assert browser.get("/session").json == {"user": None}
    app.test_client().post("/login", json=LOG_IN)
    assert number_of_logins(app) == 1


def test_token_is_no_login_of_the_browser(browser: FlaskClient) -> None:
    assert browser.post("/token", json=LOG_IN).status_code == 200
    assert browser.get("/session").json == {"user": None}


@pytest.mark.parametrize("path", ["/login", "/token"])
def test_wrong_credentials_are_refused(browser: FlaskClient, path: str) -> None:
    wrong, invalid = "wrong name or password", "name or password is missing or invalid"
    table: list[tuple[Any, int, str]] = [
        ({"name": "ada", "password": "bob"}, 401, wrong),
        ({"name": "nobody", "password": "nobody"}, 401, wrong),
        ({"name": "ada"}, 422, invalid),
        ({"name": "ada", "password": "x" * 201}, 422, invalid),
        ({"name": "ada", "password": "\ud83d"}, 422, invalid),
        ([], 422, invalid),
    ]
    for body, status, error in table:
        refused = browser.post(path, json=body)
        reply: Any = refused.json
        assert (refused.status_code, reply["error"]) == (status, error), body
    assert browser.get("/session").json == {"user": None}


def test_every_refusal_is_json(browser: FlaskClient) -> None:
    for refused in (
        browser.post("/login", data=LOG_IN),  # 415
        browser.post("/login", data="{", content_type="application/json"),  # 400
        browser.post("/login", data="[" * 100_000, content_type="application/json"),  # 400
        browser.post("/login", data=" " * 200_000, content_type="application/json"),  # 413
        browser.post("/logout", data=LOG_IN),  # 415
    ):
        reply: Any = refused.json
        assert reply.keys() == {"error"}


def test_form_of_another_site_can_neither_log_in_nor_out(browser: FlaskClient) -> None:
    browser.post("/login", json=LOG_IN)
    for path in ("/login", "/token", "/logout"):
        refused = browser.post(path, data={"name": "bob", "password": "bob"})
        assert (refused.status_code, refused.headers.get("Set-Cookie")) == (415, None), path
    assert browser.get("/session").json == {"user": "1", "name": "ada"}


def test_passwords_cannot_be_tried_without_end(app: Flask, browser: FlaskClient) -> None:
    app.config["LOGIN_LIMIT"] = "3 per hour"
    tries = [browser.post(path, json={}) for path in ("/login", "/token", "/login", "/token")]
    assert [tried.status_code for tried in tries] == [422] * 3 + [429]
    assert tries[-1].json == {"error": "too many attempts: wait a minute"}
