"""The examples, asked as Centrifugo asks."""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from examples.rooms import create_app
from examples.rooms.codes import Banned, RoomIsFull, Unauthorized
from examples.rooms.database import add_demo, init_db
from examples.rooms.models import Membership, Message, Room, User, db
from examples.rooms.schemas import Meta
from proxyhooks import SetupError
from proxyhooks.signals import hook_finished

conversation = importlib.import_module("deploy.conversation")  # by name: mypy knows the file as one of scripts

ROOT = Path(__file__).resolve().parent.parent
SECRET = "s3cret"
UNAUTHORIZED = {"disconnect": {"code": 4501, "reason": "unauthorized"}}
BANNED = {"disconnect": {"code": 4503, "reason": "banned"}}
UNKNOWN_CHANNEL = {"error": {"code": 102, "message": "unknown channel"}}
PERMISSION_DENIED = {"error": {"code": 103, "message": "permission denied"}}
METHOD_NOT_FOUND = {"error": {"code": 104, "message": "method not found"}}
BAD_REQUEST = {"error": {"code": 107, "message": "bad request"}}
TOO_MANY_REQUESTS = {"error": {"code": 111, "message": "too many requests", "temporary": True}}
ROOM_IS_FULL = {"error": {"code": 1001, "message": "room is full", "temporary": True}}
EXPIRED = {"result": {"expired": True}}


def send(client: FlaskClient, event: str, secret: str = SECRET, **fields: Any) -> TestResponse:
    body = conversation.encode(event, fields)
    return client.post(f"/centrifugo/{event}", data=body, headers=conversation.headers(body, secret))


def ask(client: FlaskClient, event: str, **fields: Any) -> Any:
    response = send(client, event, **fields)
    assert response.status_code == 200, response.text
    return response.json


def soon(result: Any, seconds: int) -> bool:
    left = result["expire_at"] - time.time()
    return bool(seconds * 0.9 - 30 <= left <= seconds + 1)


# one file each


def imported(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("FLASK_SECRET_KEY", "for tokens")
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", json.dumps([SECRET]))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


@pytest.fixture
def minimal(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("examples.minimal", monkeypatch)


@pytest.fixture
def plain_views(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("examples.plain_views", monkeypatch)


def test_minimal_is_short() -> None:
    assert len((ROOT / "examples" / "minimal.py").read_text().splitlines()) < 40


def test_minimal_knows_a_user_by_the_signed_token(minimal: ModuleType) -> None:
    token = minimal.tokens.dumps("ada")
    assert ask(minimal.app.test_client(), "connect", data=token) == {"result": {"user": "ada"}}


@pytest.mark.parametrize(
    "fields", [{}, {"data": None}, {"data": "ada"}, {"data": {"user": "ada"}}, {"data": 1}, {"data": "x" * 9999}]
)
def test_minimal_sends_everybody_else_away(minimal: ModuleType, fields: dict[str, Any]) -> None:
    assert ask(minimal.app.test_client(), "connect", **fields) == UNAUTHORIZED


def test_minimal_refuses_a_token_signed_for_something_else(minimal: ModuleType) -> None:
    token = URLSafeTimedSerializer("for tokens", salt="password reset").dumps("ada")
    assert ask(minimal.app.test_client(), "connect", data=token) == UNAUTHORIZED


def test_minimal_gives_users_their_own_inbox_only(minimal: ModuleType) -> None:
    client = minimal.app.test_client()
    assert ask(client, "subscribe", user="ada", channel="inbox:ada") == {"result": {}}
    assert ask(client, "subscribe", user="ada", channel="inbox:bob") == PERMISSION_DENIED
    assert ask(client, "subscribe", user="ada", channel="news") == UNKNOWN_CHANNEL


def test_minimal_answers_a_call(minimal: ModuleType) -> None:
    client = minimal.app.test_client()
    assert ask(client, "rpc", user="ada", method="whoami") == {"result": {"data": {"user": "ada"}}}
    assert ask(client, "rpc", user="ada", method="whoareyou") == METHOD_NOT_FOUND


def test_minimal_does_not_start_without_keys() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLASK_")}
    command = [sys.executable, "-c", "import examples.minimal"]
    started = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert started.returncode == 1


def test_plain_views_connect_by_the_signed_token(plain_views: ModuleType) -> None:
    client = plain_views.app.test_client()
    result = ask(client, "connect", data=plain_views.tokens.dumps("ada"))["result"]
    assert result["user"] == "ada"
    assert soon(result, 600)
    assert ask(client, "connect") == UNAUTHORIZED
    assert ask(client, "connect", data={"user": "ada"}) == UNAUTHORIZED
    blocked = {"disconnect": {"code": 4503, "reason": "blocked"}}
    assert ask(client, "connect", data=plain_views.tokens.dumps("mallory")) == blocked


@pytest.mark.parametrize("event", ["connect", "refresh", "publish", "rpc"])
def test_plain_views_ask_for_the_secret(plain_views: ModuleType, event: str) -> None:
    assert send(plain_views.app.test_client(), event, "wrong", user="ada").status_code == 403


def test_plain_views_refresh(plain_views: ModuleType) -> None:
    client = plain_views.app.test_client()
    assert soon(ask(client, "refresh", user="ada")["result"], 600)
    assert ask(client, "refresh", user="mallory") == EXPIRED


def test_plain_views_publish(plain_views: ModuleType) -> None:
    def publish(user: str, channel: str, data: Any) -> Any:
        return ask(plain_views.app.test_client(), "publish", user=user, channel=channel, data=data)

    assert publish("ada", "inbox:bob", {"text": "hi"}) == {"result": {"data": {"text": "hi", "from": "ada"}}}
    assert publish("ada", "inbox:bob", {"text": ""}) == BAD_REQUEST
    assert publish("ada", "inbox:bob", None) == BAD_REQUEST
    assert publish("ada", "news", {"text": "hi"}) == UNKNOWN_CHANNEL
    refused = publish("mallory", "inbox:bob", {"text": "hi"})
    assert refused == {"error": {"code": 103, "message": "you are blocked"}}


def test_plain_views_answer_calls(plain_views: ModuleType) -> None:
    client = plain_views.app.test_client()
    assert ask(client, "rpc", user="ada", method="whoami") == {"result": {"data": {"user": "ada"}}}
    assert ask(client, "rpc", user="ada", method="inbox") == {"result": {"data": {"channel": "inbox:ada"}}}
    assert ask(client, "rpc", user="ada") == METHOD_NOT_FOUND


# rooms: the application

ADA, BOB, EVE, MALLORY = "1", "2", "3", "4"
LOBBY, ATTIC = 1, 2


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo's users and rooms; hashing their passwords takes a while."""
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


@pytest.fixture
def client(rooms: Flask) -> FlaskClient:
    return rooms.test_client()


@pytest.fixture
def meta() -> dict[str, Any]:
    return {"signed_in_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())}


def credentials(name: str) -> dict[str, str]:
    return {"name": name, "password": name}


def token_of(client: FlaskClient, name: str) -> str:
    reply: Any = client.post("/token", json=credentials(name)).json
    return str(reply["token"])


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
    for path in (ROOT / "examples" / "rooms").glob("*.py"):
        assert len(path.read_text().splitlines()) < 150, path


def test_rooms_codes_say_what_the_client_does() -> None:
    assert not RoomIsFull().terminal
    assert Unauthorized().terminal
    assert Banned().terminal


def test_rooms_database_can_be_made_by_several_processes_at_once(tmp_path: Path) -> None:
    environment = os.environ | {
        "FLASK_SECRET_KEY": "for sessions",
        "FLASK_PROXYHOOKS_SECRETS": json.dumps([SECRET]),
        "FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'rooms.sqlite'}",
    }
    command = [sys.executable, "-m", "flask", "--app", "examples.rooms", "init-db", "--demo"]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(4)
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


def test_rooms_user_connects_with_the_session_of_a_login(client: FlaskClient) -> None:
    assert client.post("/login", json=credentials("ada")).json == {"user": ADA}
    result = ask(client, "connect")["result"]
    assert soon(result, 600)
    assert result["user"] == ADA
    assert result["info"] == result["data"] == {"name": "ada"}
    assert result["meta"].keys() == {"signed_in_at"}


def test_rooms_session_cookie_is_secure(client: FlaskClient) -> None:
    cookie = client.post("/login", json=credentials("ada")).headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


def test_rooms_user_connects_with_a_token(client: FlaskClient) -> None:
    token = token_of(client, "bob")
    assert ask(client, "connect", data={"token": token})["result"]["user"] == BOB


def test_rooms_token_is_no_login_of_the_browser(client: FlaskClient) -> None:
    client.post("/token", json=credentials("bob"))
    assert ask(client, "connect") == UNAUTHORIZED


def test_rooms_sends_away_who_is_not_logged_in(client: FlaskClient) -> None:
    assert ask(client, "connect") == UNAUTHORIZED
    client.post("/login", json=credentials("ada"))
    assert client.post("/logout").status_code == 204
    assert ask(client, "connect") == UNAUTHORIZED


def test_rooms_wrong_token_is_not_saved_by_a_session(client: FlaskClient) -> None:
    client.post("/login", json=credentials("ada"))
    assert ask(client, "connect", data={"token": "1.forged.token"}) == UNAUTHORIZED


def test_rooms_token_is_signed_for_connecting_only(client: FlaskClient) -> None:
    token = URLSafeTimedSerializer("for sessions", salt="something else").dumps(1)
    assert ask(client, "connect", data={"token": token}) == UNAUTHORIZED


@pytest.mark.parametrize("data", [[], "token", {"token": 1}, {"user": "1"}, None])
def test_rooms_refuses_connect_data_of_another_shape(client: FlaskClient, data: Any) -> None:
    assert ask(client, "connect", data=data) == BAD_REQUEST


def test_rooms_gives_no_channel_because_a_client_wishes_it(client: FlaskClient) -> None:
    client.post("/login", json=credentials("eve"))
    result = ask(client, "connect", channels=["rooms:1"])["result"]
    assert result.keys().isdisjoint({"channels", "subs", "caps"})


@pytest.mark.parametrize("path", ["/login", "/token"])
def test_rooms_asks_for_the_password(client: FlaskClient, path: str) -> None:
    assert client.post(path, json={"name": "ada", "password": "bob"}).status_code == 401
    assert client.post(path, json={"name": "nobody", "password": "nobody"}).status_code == 401
    assert client.post(path, json={"name": "ada"}).status_code == 422
    assert client.post(path, data=credentials("ada")).status_code == 415


def test_rooms_passwords_cannot_be_tried_without_end(client: FlaskClient) -> None:
    tried = [client.post("/login", json={}).status_code for _ in range(11)]
    assert tried == [422] * 10 + [429]


def test_rooms_secret_is_asked_for(client: FlaskClient) -> None:
    client.post("/login", json=credentials("ada"))
    assert send(client, "connect", "wrong").status_code == 403


def test_rooms_banned_user_is_out_everywhere(client: FlaskClient, meta: dict[str, Any]) -> None:
    client.post("/login", json=credentials("mallory"))
    assert ask(client, "connect") == BANNED
    assert ask(client, "refresh", user=MALLORY, meta=meta) == EXPIRED
    assert ask(client, "rpc", user=MALLORY, meta=meta, method="rooms.list") == BANNED


def test_rooms_deleted_user_is_out(client: FlaskClient, meta: dict[str, Any]) -> None:
    assert ask(client, "refresh", user="99", meta=meta) == EXPIRED
    assert ask(client, "rpc", user="99", meta=meta, method="rooms.list") == UNAUTHORIZED


def test_rooms_later_events_go_by_their_user_and_not_by_a_cookie(client: FlaskClient, meta: dict[str, Any]) -> None:
    client.post("/login", json=credentials("ada"))
    assert ask(client, "subscribe", user=EVE, meta=meta, channel="rooms:1") == PERMISSION_DENIED


def test_rooms_connection_ends_with_the_login(rooms: Flask, client: FlaskClient, meta: dict[str, Any]) -> None:
    assert soon(ask(client, "refresh", user=ADA, meta=meta)["result"], 600)
    assert ask(client, "refresh", user=ADA, meta={"signed_in_at": "2020-02-02T00:00:00+00:00"}) == EXPIRED
    client.post("/login", json=credentials("ada"))
    token = token_of(client, "ada")
    rooms.config["LOGIN_LIFETIME"] = 0
    assert ask(client, "connect") == UNAUTHORIZED
    assert ask(client, "connect", data={"token": token}) == UNAUTHORIZED


def test_rooms_hooks_read_typed_meta(rooms: Flask, client: FlaskClient) -> None:
    seen = []

    def see(app: Flask, *, request: Any, **_: Any) -> None:
        seen.append(request.meta)

    client.post("/login", json=credentials("ada"))
    meta = ask(client, "connect")["result"]["meta"]
    with hook_finished.connected_to(see, rooms):
        ask(client, "refresh", user=ADA, meta=meta)
    (typed,) = seen
    assert isinstance(typed, Meta)
    assert typed.signed_in_at.isoformat() == meta["signed_in_at"]


# rooms: channels


def test_rooms_member_subscribes_and_gets_the_latest_messages(
    rooms: Flask, client: FlaskClient, meta: dict[str, Any]
) -> None:
    rooms.config["PUBLISH_LIMIT"] = "100 per minute"
    for number in range(25):
        ask(client, "publish", user=ADA, meta=meta, channel="rooms:1", data={"text": f"{number}"})
    result = ask(client, "subscribe", user=BOB, meta=meta, channel="rooms:1")["result"]
    assert soon(result, 300)
    assert [message["text"] for message in result["data"]["messages"]] == [str(number) for number in range(5, 25)]


@pytest.mark.parametrize(
    ("channel", "refusal"),
    [
        ("rooms:1", PERMISSION_DENIED),
        ("rooms:99", UNKNOWN_CHANNEL),
        ("rooms:01", UNKNOWN_CHANNEL),
        ("rooms:", UNKNOWN_CHANNEL),
        ("rooms:9223372036854775807", UNKNOWN_CHANNEL),
        ("rooms:9223372036854775808", UNKNOWN_CHANNEL),
        ("chat:1", UNKNOWN_CHANNEL),
    ],
)
def test_rooms_channels_are_for_members(
    client: FlaskClient, meta: dict[str, Any], channel: str, refusal: dict[str, Any]
) -> None:
    assert ask(client, "subscribe", user=EVE, meta=meta, channel=channel) == refusal
    assert ask(client, "publish", user=EVE, meta=meta, channel=channel, data={"text": "hi"}) == refusal
    assert ask(client, "sub_refresh", user=EVE, meta=meta, channel=channel) == EXPIRED


def test_rooms_member_keeps_the_subscription(client: FlaskClient, meta: dict[str, Any]) -> None:
    assert soon(ask(client, "sub_refresh", user=ADA, meta=meta, channel="rooms:1")["result"], 300)


def test_rooms_message_is_kept_and_says_who_wrote_it(rooms: Flask, client: FlaskClient, meta: dict[str, Any]) -> None:
    data = ask(client, "publish", user=ADA, meta=meta, channel="rooms:1", data={"text": "<b> & \u2028 \u2603"})
    message = data["result"]["data"]
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
def test_rooms_refuses_what_is_no_message(rooms: Flask, client: FlaskClient, meta: dict[str, Any], data: Any) -> None:
    assert ask(client, "publish", user=ADA, meta=meta, channel="rooms:1", data=data) == BAD_REQUEST
    with rooms.app_context():
        assert db.session.scalar(select(func.count()).select_from(Message)) == 0


def test_rooms_publishing_is_limited_for_each_user(rooms: Flask, client: FlaskClient, meta: dict[str, Any]) -> None:
    rooms.config["PUBLISH_LIMIT"] = "3 per hour"

    def publish(user: str) -> Any:
        return ask(client, "publish", user=user, meta=meta, channel="rooms:1", data={"text": "hi"})

    assert ["result" in publish(ADA) for _ in range(3)] == [True] * 3
    assert publish(ADA) == TOO_MANY_REQUESTS
    assert "result" in publish(BOB)


# rooms: methods


def rpc(client: FlaskClient, meta: dict[str, Any], user: str, method: str, **fields: Any) -> Any:
    return ask(client, "rpc", user=user, meta=meta, method=method, **fields)


def seats_left(rooms: Flask, room_id: int) -> int:
    with rooms.app_context():
        return db.session.get_one(Room, room_id).seats_left


def test_rooms_are_listed(client: FlaskClient, meta: dict[str, Any]) -> None:
    assert rpc(client, meta, EVE, "rooms.list")["result"]["data"] == [
        {"id": ATTIC, "name": "attic", "seats_left": 0},
        {"id": LOBBY, "name": "lobby", "seats_left": 20},
    ]


@pytest.mark.parametrize("fields", [{"method": "list"}, {"method": "rooms."}, {"method": "rooms.burn"}, {}])
def test_rooms_refuses_other_methods(client: FlaskClient, meta: dict[str, Any], fields: dict[str, str]) -> None:
    assert ask(client, "rpc", user=ADA, meta=meta, **fields) == METHOD_NOT_FOUND


def test_rooms_who_joins_is_a_member_until_leaving(rooms: Flask, client: FlaskClient, meta: dict[str, Any]) -> None:
    joined = rpc(client, meta, EVE, "rooms.join", data={"room_id": LOBBY})
    assert joined == {"result": {"data": {"channel": "rooms:1"}}}
    assert "result" in ask(client, "subscribe", user=EVE, meta=meta, channel="rooms:1")
    assert rpc(client, meta, EVE, "rooms.leave", data={"room_id": LOBBY}) == {"result": {"data": {}}}
    assert ask(client, "subscribe", user=EVE, meta=meta, channel="rooms:1") == PERMISSION_DENIED
    assert seats_left(rooms, LOBBY) == 20


def test_rooms_joining_or_leaving_twice_is_once(rooms: Flask, client: FlaskClient, meta: dict[str, Any]) -> None:
    for _ in range(2):
        assert "result" in rpc(client, meta, EVE, "rooms.join", data={"room_id": LOBBY})
        assert seats_left(rooms, LOBBY) == 19
    for _ in range(2):
        assert "result" in rpc(client, meta, EVE, "rooms.leave", data={"room_id": LOBBY})
        assert seats_left(rooms, LOBBY) == 20


def test_rooms_nobody_joins_a_full_room(client: FlaskClient, meta: dict[str, Any]) -> None:
    assert rpc(client, meta, EVE, "rooms.join", data={"room_id": ATTIC}) == ROOM_IS_FULL
    assert "result" in rpc(client, meta, ADA, "rooms.leave", data={"room_id": ATTIC})
    assert "result" in rpc(client, meta, EVE, "rooms.join", data={"room_id": ATTIC})


def test_rooms_last_seat_is_taken_once(rooms: Flask, meta: dict[str, Any]) -> None:
    with rooms.app_context():
        users = [User(name=f"user {number}", password_hash="") for number in range(8)]
        room = Room(name="cellar", seats_left=1)
        db.session.add_all([*users, room])
        db.session.commit()
        ids, room_id = [str(user.id) for user in users], room.id
    together = threading.Barrier(len(ids))

    def join(user: str) -> Any:
        together.wait()
        return rpc(rooms.test_client(), meta, user, "rooms.join", data={"room_id": room_id})

    with ThreadPoolExecutor(len(ids)) as threads:
        replies = list(threads.map(join, ids))
    assert sorted("result" in reply for reply in replies) == [False] * 7 + [True]
    assert [reply for reply in replies if "error" in reply] == [ROOM_IS_FULL] * 7
    assert seats_left(rooms, room_id) == 0


def test_rooms_one_user_joins_once_through_two_connections(rooms: Flask, meta: dict[str, Any]) -> None:
    together = threading.Barrier(4)

    def join(_: int) -> Any:
        together.wait()
        return rpc(rooms.test_client(), meta, EVE, "rooms.join", data={"room_id": LOBBY})

    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(join, range(4)))
    assert replies == [{"result": {"data": {"channel": "rooms:1"}}}] * 4
    assert seats_left(rooms, LOBBY) == 19


@pytest.mark.parametrize("data", [{}, {"room_id": "1"}, {"room_id": 0}, {"room_id": 2**63}, {"room_id": 1.5}, None])
@pytest.mark.parametrize("method", ["rooms.join", "rooms.leave"])
def test_rooms_refuses_what_is_no_room_id(client: FlaskClient, meta: dict[str, Any], method: str, data: Any) -> None:
    assert rpc(client, meta, EVE, method, data=data) == BAD_REQUEST


@pytest.mark.parametrize("method", ["rooms.join", "rooms.leave"])
def test_rooms_refuses_an_unknown_room(client: FlaskClient, meta: dict[str, Any], method: str) -> None:
    assert rpc(client, meta, EVE, method, data={"room_id": 99}) == UNKNOWN_CHANNEL


# rooms: what the backend says on its own


class Api(ThreadingHTTPServer):
    """The server API of a Centrifugo that remembers what it was told."""

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
        thread.join()


def test_rooms_tells_a_room_who_joins_and_unsubscribes_who_leaves(
    rooms: Flask, client: FlaskClient, meta: dict[str, Any], api: Api
) -> None:
    rooms.config.update(CENTRIFUGO_API_URL=api.url, CENTRIFUGO_API_KEY="key")
    for method in ("rooms.join", "rooms.join", "rooms.leave", "rooms.leave"):
        assert "result" in rpc(client, meta, EVE, method, data={"room_id": LOBBY})
    published, unsubscribed = api.calls
    assert published[:2] == ("/api/publish", "key")
    assert published[2]["channel"] == "rooms:1"
    assert published[2]["data"] == {"type": "joined", "name": "eve"}
    assert unsubscribed[:2] == ("/api/unsubscribe", "key")
    assert (unsubscribed[2]["user"], unsubscribed[2]["channel"]) == (EVE, "rooms:1")


def test_rooms_failure_of_the_api_is_only_logged(
    rooms: Flask, client: FlaskClient, meta: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    rooms.config["CENTRIFUGO_API_URL"] = "http://127.0.0.1:1/api"
    with caplog.at_level(logging.ERROR, "proxyhooks"):
        assert "result" in rpc(client, meta, EVE, "rooms.join", data={"room_id": LOBBY})
    assert "CentNetworkError" in caplog.text


def test_rooms_without_an_api_says_nothing(
    client: FlaskClient, meta: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert "result" in rpc(client, meta, EVE, "rooms.join", data={"room_id": LOBBY})
    assert not caplog.records
