"""The examples, called through the package's test client."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from rooms import create_app
from rooms.codes import Banned, RoomIsFull, Unauthorized
from rooms.database import add_demo, init_db
from rooms.models import Membership, Message, Room, User, db
from rooms.schemas import Meta
from sqlalchemy import func, select

from proxyhooks import Error, SetupError, errors
from proxyhooks.signals import hook_finished
from proxyhooks.testing import Exchange, MisreadReply, ProxyClient
from tests.support.paths import ROOT

SECRET = "s3cret"
ROOMS = ROOT / "examples" / "rooms"


def soon(result: dict[str, Any] | None, seconds: int) -> bool:
    assert result is not None
    left = result["expire_at"] - time.time()
    return bool(seconds * 0.9 - 30 <= left <= seconds + 1)


def data_of(step: Exchange) -> Any:
    assert step.allowed, step
    return (step.result or {}).get("data")


def refused(step: Exchange, error: type[Error]) -> bool:
    """Whether it was refused with this error: code, message and temporary."""
    expected = error()
    return (step.outcome, step.code, step.message, step.temporary) == (
        "refused",
        expected.code,
        expected.message,
        expected.temporary,
    )


# one file each


def imported(folder: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module app.py of an example."""
    monkeypatch.setenv("FLASK_SECRET_KEY", "for tokens")
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", json.dumps([SECRET]))
    spec = importlib.util.spec_from_file_location("app", ROOT / "examples" / folder / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "app", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def minimal(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("minimal", monkeypatch)


@pytest.fixture
def plain_views(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("plain_views", monkeypatch)


def test_minimal_is_short() -> None:
    assert len((ROOT / "examples" / "minimal" / "app.py").read_text().splitlines()) < 40


def test_minimal_knows_a_user_by_the_signed_token(minimal: ModuleType) -> None:
    assert ProxyClient(minimal.app).connect(minimal.tokens.dumps("ada")).result == {"user": "ada"}


def test_minimal_sends_everybody_else_away(minimal: ModuleType) -> None:
    said = ProxyClient(minimal.app).connect()
    assert (said.outcome, said.code, said.reason) == ("disconnected", 4501, "unauthorized")


@pytest.mark.parametrize("data", [None, "ada", {"user": "ada"}, 1, "x" * 9999])
def test_minimal_sends_away_who_brings_something_else(minimal: ModuleType, data: Any) -> None:
    assert ProxyClient(minimal.app).connect(data).disconnected_with(4501)


def test_minimal_refuses_a_token_signed_for_something_else(minimal: ModuleType) -> None:
    token = URLSafeTimedSerializer("for tokens", salt="password reset").dumps("ada")
    assert ProxyClient(minimal.app).connect(token).disconnected_with(4501)


@pytest.fixture
def ada(minimal: ModuleType) -> ProxyClient:
    """A connected client of the minimal example."""
    client = ProxyClient(minimal.app)
    assert client.connect(minimal.tokens.dumps("ada")).allowed
    return client


def test_minimal_gives_users_their_own_inbox_only(ada: ProxyClient) -> None:
    assert ada.subscribe("inbox:ada").result == {}
    assert refused(ada.subscribe("inbox:bob"), errors.PermissionDenied)
    assert refused(ada.subscribe("inbox:a/b"), errors.UnknownChannel)
    assert refused(ada.subscribe("news"), errors.PermissionDenied)  # Centrifugo: no option lets anybody in


def test_minimal_answers_a_call(ada: ProxyClient) -> None:
    assert ada.rpc("whoami").result == {"data": {"user": "ada"}}
    assert refused(ada.rpc("whoareyou"), errors.MethodNotFound)


def test_minimal_does_not_start_without_keys() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLASK_")}
    command = [sys.executable, "-c", "import app"]
    started = subprocess.run(
        command, cwd=ROOT / "examples" / "minimal", env=environment, capture_output=True, check=False, timeout=60
    )
    assert started.returncode == 1


PLAIN = {event: f"/centrifugo/{event}" for event in ("connect", "refresh", "publish", "rpc")}


@pytest.fixture
def plain(plain_views: ModuleType) -> ProxyClient:
    client = ProxyClient(plain_views.app, urls=PLAIN)
    assert client.connect(plain_views.tokens.dumps("ada")).allowed
    return client


def test_plain_views_connect_by_the_signed_token(plain_views: ModuleType) -> None:
    client = ProxyClient(plain_views.app, urls=PLAIN)
    assert client.connect().disconnected_with(4501)
    assert client.connect({"user": "ada"}).disconnected_with(4501)
    blocked = client.connect(plain_views.tokens.dumps("mallory"))
    assert (blocked.outcome, blocked.code, blocked.reason) == ("disconnected", 4503, "blocked")
    step = client.connect(plain_views.tokens.dumps("ada"))
    assert client.user == "ada"
    assert soon(step.result, 600)


def test_plain_views_ask_for_the_secret(plain_views: ModuleType, plain: ProxyClient) -> None:
    with pytest.raises(MisreadReply, match="403"):
        ProxyClient(plain_views.app, urls=PLAIN, secret="wrong").connect()
    plain_views.app.config["PROXYHOOKS_SECRETS"] = ["another one"]
    for ask in (plain.refresh, lambda: plain.publish("inbox:bob", {"text": "hi"}), lambda: plain.rpc("whoami")):
        with pytest.raises(MisreadReply, match="403"):
            ask()


def test_plain_views_refresh(plain_views: ModuleType, plain: ProxyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    (refreshed,) = plain.advance(minutes=10)
    assert refreshed.event == "refresh"
    # Twice ten minutes, each shortened by up to a tenth.
    assert plain.expire_at > time.time() + 1080 - 5
    monkeypatch.setattr(plain_views, "BLOCKED", {"ada"})
    (ended,) = plain.advance(minutes=10)
    assert ended.outcome == "expired"
    assert not plain.connected


def test_plain_views_publish(plain_views: ModuleType, plain: ProxyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain.publish("inbox:bob", {"text": "hi"}).result == {"data": {"text": "hi", "from": "ada"}}
    assert refused(plain.publish("inbox:bob", {"text": ""}), errors.BadRequest)
    assert refused(plain.publish("inbox:bob", None), errors.BadRequest)
    assert refused(plain.publish("news", {"text": "hi"}), errors.UnknownChannel)
    monkeypatch.setattr(plain_views, "BLOCKED", {"ada"})
    blocked = plain.publish("inbox:bob", {"text": "hi"})
    assert (blocked.outcome, blocked.code, blocked.message) == ("refused", 103, "you are blocked")


def test_plain_views_answer_calls(plain: ProxyClient) -> None:
    assert plain.rpc("whoami").result == {"data": {"user": "ada"}}
    assert plain.rpc("inbox").result == {"data": {"channel": "inbox:ada"}}
    assert refused(plain.rpc(""), errors.MethodNotFound)


# rooms: the application

ADA, BOB, EVE, MALLORY = "1", "2", "3", "4"
LOBBY, ATTIC = 1, 2


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo's users and rooms, made once since hashing the passwords is slow."""
    path = tmp_path_factory.mktemp("rooms") / "demo.sqlite"
    app = rooms_app(path)
    with app.app_context():
        init_db()
        add_demo()
        db.engine.dispose()
    return path


def rooms_app(database: Path, **config: Any) -> Flask:
    given = {
        "SECRET_KEY": "for sessions",
        "PROXYHOOKS_SECRETS": [SECRET],
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{database}",
        "TESTING": True,
    }
    return create_app(given | config)


@pytest.fixture
def rooms(demo: Path, tmp_path: Path) -> Iterator[Flask]:
    database = tmp_path / "rooms.sqlite"
    shutil.copy(demo, database)
    app = rooms_app(database)
    yield app
    with app.app_context():
        db.engine.dispose()


Enter = Callable[[str], ProxyClient]


@pytest.fixture
def browser(rooms: Flask) -> FlaskClient:
    """For the pages of the application; Centrifugo is a :class:`ProxyClient`."""
    return rooms.test_client()


@pytest.fixture
def enter(rooms: Flask) -> Enter:
    """Returns a connected client of a user: ``enter(ADA)``."""

    def make(user: str) -> ProxyClient:
        client = ProxyClient(rooms)
        assert client.connect({"token": token_of(user)}).allowed
        return client

    return make


def credentials(name: str) -> dict[str, str]:
    return {"name": name, "password": name}


def token_of(user: str) -> str:
    """The token that /token returns, without its slow check of the password."""
    return str(URLSafeTimedSerializer("for sessions", salt="rooms.connect").dumps(int(user)))


def change(rooms: Flask, user: str, **values: Any) -> None:
    with rooms.app_context():
        for name, value in values.items():
            setattr(db.session.get_one(User, int(user)), name, value)
        db.session.commit()


def test_rooms_does_not_start_without_a_secret_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FLASK_SECRET_KEY", raising=False)
    with pytest.raises(RuntimeError, match="FLASK_SECRET_KEY"):
        rooms_app(tmp_path / "x.sqlite", SECRET_KEY=None)


def test_rooms_does_not_start_without_the_secret_of_centrifugo(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no secret is configured"):
        rooms_app(tmp_path / "x.sqlite", PROXYHOOKS_SECRETS=None)


def test_rooms_is_configured_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLASK_SECRET_KEY", "for sessions")
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", json.dumps([SECRET]))
    monkeypatch.setenv("FLASK_SQLALCHEMY_DATABASE_URI", f"sqlite:///{tmp_path / 'elsewhere.sqlite'}")
    app = create_app()
    with app.app_context():
        assert str(db.engine.url).endswith("elsewhere.sqlite")


def test_rooms_modules_are_short() -> None:
    for path in (ROOT / "examples" / "rooms" / "rooms").glob("*.py"):
        assert len(path.read_text().splitlines()) < 150, path


def test_rooms_codes_say_what_the_client_does() -> None:
    assert not RoomIsFull().terminal
    assert Unauthorized().terminal
    assert Banned().terminal


@pytest.mark.slow
def test_rooms_database_can_be_made_by_several_processes_at_once(tmp_path: Path) -> None:
    environment = os.environ | {
        "FLASK_SECRET_KEY": "for sessions",
        "FLASK_PROXYHOOKS_SECRETS": json.dumps([SECRET]),
        "FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'rooms.sqlite'}",
    }
    command = [sys.executable, "-m", "flask", "--app", "rooms", "init-db", "--demo"]
    started = [
        subprocess.Popen(command, cwd=ROOMS, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    app = rooms_app(tmp_path / "rooms.sqlite")
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 4
        assert db.session.scalar(select(func.count()).select_from(Membership)) == 3
        db.session.remove()
        db.engine.dispose()


# rooms: logging in and connecting


def test_rooms_user_connects_with_the_session_of_a_login(rooms: Flask, browser: FlaskClient) -> None:
    assert browser.post("/login", json=credentials("ada")).json == {"user": ADA}
    result = ProxyClient(rooms, cookies_from=browser).connect().result
    assert soon(result, 600)
    assert result is not None
    assert result["user"] == ADA
    assert result["info"] == result["data"] == {"name": "ada"}
    assert result["meta"].keys() == {"signed_in_at"}


def test_rooms_session_cookie_is_secure(browser: FlaskClient) -> None:
    cookie = browser.post("/login", json=credentials("ada")).headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


def test_rooms_user_connects_with_a_token(rooms: Flask, browser: FlaskClient) -> None:
    reply: Any = browser.post("/token", json=credentials("bob")).json
    client = ProxyClient(rooms)
    assert client.connect({"token": reply["token"]}).allowed
    assert client.user == BOB


def test_rooms_token_is_no_login_of_the_browser(rooms: Flask, browser: FlaskClient) -> None:
    browser.post("/token", json=credentials("bob"))
    assert ProxyClient(rooms, cookies_from=browser).connect().disconnected_with(Unauthorized)


def test_rooms_sends_away_who_is_not_logged_in(rooms: Flask, browser: FlaskClient) -> None:
    client = ProxyClient(rooms, cookies_from=browser)
    said = client.connect()
    assert (said.outcome, said.code, said.reason) == ("disconnected", 4501, "unauthorized")
    browser.post("/login", json=credentials("ada"))
    assert client.connect().allowed
    assert browser.post("/logout").status_code == 204
    assert client.reconnect().disconnected_with(Unauthorized)


def test_rooms_wrong_token_is_not_saved_by_a_session(rooms: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=credentials("ada"))
    client = ProxyClient(rooms, cookies_from=browser)
    assert client.connect({"token": "1.forged.token"}).disconnected_with(Unauthorized)


def test_rooms_token_is_signed_for_connecting_only(rooms: Flask) -> None:
    token = URLSafeTimedSerializer("for sessions", salt="something else").dumps(1)
    assert ProxyClient(rooms).connect({"token": token}).disconnected_with(Unauthorized)


@pytest.mark.parametrize("data", [[], "token", {"token": 1}, {"user": "1"}, None])
def test_rooms_refuses_connect_data_of_another_shape(rooms: Flask, data: Any) -> None:
    assert refused(ProxyClient(rooms).connect(data), errors.BadRequest)


def test_rooms_gives_no_channel_because_a_client_wishes_it(rooms: Flask) -> None:
    client = ProxyClient(rooms)
    result = client.connect({"token": token_of(EVE)}, channels=["rooms:1"]).result
    assert result is not None
    assert result.keys().isdisjoint({"channels", "subs", "caps"})
    assert client.channels == []


@pytest.mark.parametrize("path", ["/login", "/token"])
def test_rooms_asks_for_the_password(browser: FlaskClient, path: str) -> None:
    assert browser.post(path, json={"name": "ada", "password": "bob"}).status_code == 401
    assert browser.post(path, json={"name": "nobody", "password": "nobody"}).status_code == 401
    assert browser.post(path, json={"name": "ada"}).status_code == 422
    assert browser.post(path, data=credentials("ada")).status_code == 415


def test_rooms_passwords_cannot_be_tried_without_end(browser: FlaskClient) -> None:
    tried = [browser.post("/login", json={}).status_code for _ in range(11)]
    assert tried == [422] * 10 + [429]


def test_rooms_secret_is_asked_for(rooms: Flask) -> None:
    with pytest.raises(MisreadReply, match="403"):
        ProxyClient(rooms, secret="wrong").connect({"token": token_of(ADA)})


def test_rooms_banned_user_is_out_everywhere(rooms: Flask, enter: Enter) -> None:
    said = ProxyClient(rooms).connect({"token": token_of(MALLORY)})
    assert (said.outcome, said.code, said.reason) == ("disconnected", 4503, "banned")
    caller, idler = enter(EVE), enter(EVE)
    change(rooms, EVE, banned=True)
    assert idler.refresh().outcome == "expired"
    assert caller.rpc("rooms.list").disconnected_with(Banned)
    assert not caller.connected
    assert caller.reconnect().disconnected_with(Banned)


def test_rooms_deleted_user_is_out(rooms: Flask, enter: Enter) -> None:
    caller, idler = enter(EVE), enter(EVE)
    with rooms.app_context():
        db.session.delete(db.session.get_one(User, int(EVE)))
        db.session.commit()
    assert idler.refresh().outcome == "expired"
    assert caller.rpc("rooms.list").disconnected_with(Unauthorized)


def test_rooms_later_events_go_by_their_user_and_not_by_a_cookie(rooms: Flask, browser: FlaskClient) -> None:
    browser.post("/login", json=credentials("ada"))
    client = ProxyClient(rooms, cookies_from=browser)
    assert client.connect({"token": token_of(EVE)}).allowed
    assert refused(client.subscribe("rooms:1"), errors.PermissionDenied)


def test_rooms_connection_ends_with_the_login(rooms: Flask, browser: FlaskClient, enter: Enter) -> None:
    browser.post("/login", json=credentials("ada"))
    client, token = enter(ADA), token_of(ADA)
    assert [step.allowed for step in client.advance(minutes=25)] == [True, True]
    rooms.config["LOGIN_LIFETIME"] = 0
    (ended,) = client.advance(minutes=10)
    assert (ended.event, ended.outcome) == ("refresh", "expired")
    assert ProxyClient(rooms, cookies_from=browser).connect().disconnected_with(Unauthorized)
    assert ProxyClient(rooms).connect({"token": token}).disconnected_with(Unauthorized)


def test_rooms_hooks_read_typed_meta(rooms: Flask, enter: Enter) -> None:
    seen = []

    def see(app: Flask, *, request: Any, **_: Any) -> None:
        seen.append(request.meta)

    client = enter(ADA)
    with hook_finished.connected_to(see, rooms):
        client.refresh()
    (typed,) = seen
    assert isinstance(typed, Meta)
    assert typed.signed_in_at.isoformat() == client.meta["signed_in_at"]


# rooms: channels


def test_rooms_member_subscribes_and_gets_the_latest_messages(rooms: Flask, enter: Enter) -> None:
    rooms.config["PUBLISH_LIMIT"] = "100 per minute"
    ada = enter(ADA)
    for number in range(25):
        assert ada.publish("rooms:1", {"text": f"{number}"}).allowed
    step = enter(BOB).subscribe("rooms:1")
    assert soon(step.result, 300)
    assert [message["text"] for message in data_of(step)["messages"]] == [str(number) for number in range(5, 25)]


@pytest.mark.parametrize(
    ("channel", "refusal"),
    [
        ("rooms:1", errors.PermissionDenied),
        ("rooms:99", errors.UnknownChannel),
        ("rooms:01", errors.UnknownChannel),
        ("rooms:", errors.UnknownChannel),
        ("rooms:9223372036854775807", errors.UnknownChannel),
        ("rooms:9223372036854775808", errors.UnknownChannel),
        ("chat:1", errors.UnknownChannel),
    ],
)
def test_rooms_channels_are_for_members(enter: Enter, channel: str, refusal: type[Error]) -> None:
    eve = enter(EVE)
    assert refused(eve.subscribe(channel), refusal)
    assert refused(eve.publish(channel, {"text": "hi"}), refusal)


def test_rooms_member_keeps_the_subscription_and_loses_it_with_the_membership(rooms: Flask, enter: Enter) -> None:
    ada = enter(ADA)
    ada.subscribe("rooms:1")
    (kept,) = ada.advance(minutes=5)
    assert (kept.event, kept.allowed) == ("sub_refresh", True)
    with rooms.app_context():
        db.session.delete(db.session.get_one(Membership, (int(ADA), LOBBY)))
        db.session.commit()
    lost = next(step for step in ada.advance(minutes=5) if step.event == "sub_refresh")
    assert lost.outcome == "expired"
    assert ada.channels == []
    assert ada.connected


def test_rooms_message_is_kept_and_says_who_wrote_it(rooms: Flask, enter: Enter) -> None:
    message = data_of(enter(ADA).publish("rooms:1", {"text": "<b> & \u2028 \u2603"}))
    assert {**message, "sent_at": ""} == {
        "type": "message",
        "id": 1,
        "author": "ada",
        "text": "<b> & \u2028 \u2603",
        "sent_at": "",
    }
    with rooms.app_context():
        kept = db.session.scalars(select(Message)).one()
        assert (kept.room_id, kept.author.name, kept.text) == (LOBBY, "ada", "<b> & \u2028 \u2603")


@pytest.mark.parametrize(
    "data", [{}, {"text": ""}, {"text": "x" * 2001}, {"text": 1}, {"text": "hi", "author": "bob"}, None, [], "hi"]
)
def test_rooms_refuses_what_is_no_message(rooms: Flask, enter: Enter, data: Any) -> None:
    assert refused(enter(ADA).publish("rooms:1", data), errors.BadRequest)
    with rooms.app_context():
        assert db.session.scalar(select(func.count()).select_from(Message)) == 0


def test_rooms_publishing_is_limited_for_each_user(rooms: Flask, enter: Enter) -> None:
    rooms.config["PUBLISH_LIMIT"] = "3 per hour"
    ada = enter(ADA)
    assert refused(ada.publish("rooms:1", {"text": ""}), errors.BadRequest)  # which counts too
    assert [ada.publish("rooms:1", {"text": "hi"}).allowed for _ in range(2)] == [True] * 2
    assert refused(ada.publish("rooms:1", {"text": "hi"}), errors.TooManyRequests)
    assert enter(BOB).publish("rooms:1", {"text": "hi"}).allowed


# rooms: methods


def seats_left(rooms: Flask, room_id: int) -> int:
    with rooms.app_context():
        return db.session.get_one(Room, room_id).seats_left


def test_rooms_are_listed(enter: Enter) -> None:
    assert data_of(enter(EVE).rpc("rooms.list")) == [
        {"id": ATTIC, "name": "attic", "seats_left": 0},
        {"id": LOBBY, "name": "lobby", "seats_left": 20},
    ]


@pytest.mark.parametrize("method", ["list", "rooms.", "rooms.burn", ""])
def test_rooms_refuses_other_methods(enter: Enter, method: str) -> None:
    assert refused(enter(ADA).rpc(method), errors.MethodNotFound)


def test_rooms_who_joins_is_a_member_until_leaving(rooms: Flask, enter: Enter) -> None:
    eve = enter(EVE)
    assert eve.rpc("rooms.join", {"room_id": LOBBY}).result == {"data": {"channel": "rooms:1"}}
    assert eve.subscribe("rooms:1").allowed
    assert eve.rpc("rooms.leave", {"room_id": LOBBY}).result == {"data": {}}
    eve.unsubscribe("rooms:1")
    assert refused(eve.subscribe("rooms:1"), errors.PermissionDenied)
    assert seats_left(rooms, LOBBY) == 20


def test_rooms_joining_or_leaving_twice_is_once(rooms: Flask, enter: Enter) -> None:
    eve = enter(EVE)
    for _ in range(2):
        assert eve.rpc("rooms.join", {"room_id": LOBBY}).allowed
        assert seats_left(rooms, LOBBY) == 19
    for _ in range(2):
        assert eve.rpc("rooms.leave", {"room_id": LOBBY}).allowed
        assert seats_left(rooms, LOBBY) == 20


def test_rooms_nobody_joins_a_full_room(enter: Enter) -> None:
    eve = enter(EVE)
    full = eve.rpc("rooms.join", {"room_id": ATTIC})
    assert (full.outcome, full.code, full.message, full.temporary) == ("refused", 1001, "room is full", True)
    assert enter(ADA).rpc("rooms.leave", {"room_id": ATTIC}).allowed
    assert eve.rpc("rooms.join", {"room_id": ATTIC}).allowed


def test_rooms_last_seat_is_taken_once(rooms: Flask, enter: Enter) -> None:
    with rooms.app_context():
        users = [User(name=f"user {number}", password_hash="") for number in range(8)]
        room = Room(name="cellar", seats_left=1)
        db.session.add_all([*users, room])
        db.session.commit()
        ids, room_id = [str(user.id) for user in users], room.id
    together = threading.Barrier(len(ids), timeout=30)

    def join(client: ProxyClient) -> Exchange:
        together.wait()
        return client.rpc("rooms.join", {"room_id": room_id})

    with ThreadPoolExecutor(len(ids)) as threads:
        steps = list(threads.map(join, [enter(user) for user in ids]))
    assert sorted(step.allowed for step in steps) == [False] * 7 + [True]
    assert [step.refused_with(RoomIsFull) for step in steps if not step.allowed] == [True] * 7
    assert seats_left(rooms, room_id) == 0


def test_rooms_one_user_joins_once_through_two_connections(rooms: Flask, enter: Enter) -> None:
    together = threading.Barrier(4, timeout=30)

    def join(client: ProxyClient) -> Exchange:
        together.wait()
        return client.rpc("rooms.join", {"room_id": LOBBY})

    with ThreadPoolExecutor(4) as threads:
        steps = list(threads.map(join, [enter(EVE) for _ in range(4)]))
    assert [step.result for step in steps] == [{"data": {"channel": "rooms:1"}}] * 4
    assert seats_left(rooms, LOBBY) == 19


@pytest.mark.parametrize("data", [{}, {"room_id": "1"}, {"room_id": 0}, {"room_id": 2**63}, {"room_id": 1.5}, None])
@pytest.mark.parametrize("method", ["rooms.join", "rooms.leave"])
def test_rooms_refuses_what_is_no_room_id(enter: Enter, method: str, data: Any) -> None:
    assert refused(enter(EVE).rpc(method, data), errors.BadRequest)


@pytest.mark.parametrize("method", ["rooms.join", "rooms.leave"])
def test_rooms_refuses_an_unknown_room(enter: Enter, method: str) -> None:
    assert refused(enter(EVE).rpc(method, {"room_id": 99}), errors.UnknownChannel)


# rooms: what the backend says on its own


class Api(ThreadingHTTPServer):
    """A server API of Centrifugo that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str | None, Any]] = []
        super().__init__(("127.0.0.1", 0), _ApiHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api"


class _ApiHandler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((self.path, self.headers["X-API-Key"], body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"result":{}}')

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(30)


def test_rooms_tells_a_room_who_joins_and_unsubscribes_who_leaves(rooms: Flask, enter: Enter, api: Api) -> None:
    rooms.config.update(CENTRIFUGO_API_URL=api.url, CENTRIFUGO_API_KEY="key")
    eve = enter(EVE)
    for method in ("rooms.join", "rooms.join", "rooms.leave", "rooms.leave"):
        assert eve.rpc(method, {"room_id": LOBBY}).allowed
    published, unsubscribed = api.calls
    assert published[:2] == ("/api/publish", "key")
    assert published[2]["channel"] == "rooms:1"
    assert published[2]["data"] == {"type": "joined", "name": "eve"}
    assert unsubscribed[:2] == ("/api/unsubscribe", "key")
    assert (unsubscribed[2]["user"], unsubscribed[2]["channel"]) == (EVE, "rooms:1")


def test_rooms_failure_of_the_api_is_only_logged(rooms: Flask, enter: Enter, caplog: pytest.LogCaptureFixture) -> None:
    rooms.config["CENTRIFUGO_API_URL"] = "http://127.0.0.1:1/api"
    with caplog.at_level(logging.ERROR, "proxyhooks"):
        assert enter(EVE).rpc("rooms.join", {"room_id": LOBBY}).allowed
    assert "CentNetworkError" in caplog.text


def test_rooms_without_an_api_says_nothing(enter: Enter, caplog: pytest.LogCaptureFixture) -> None:
    assert enter(EVE).rpc("rooms.join", {"room_id": LOBBY}).allowed
    assert not caplog.records
