"""What the recipes say about Centrifugo, with a real one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cent
import jwt
import pytest
from flask import Flask, request
from marshmallow import Schema, fields

from proxyhooks import ConnectResult, ProxyHooks, RefreshResult, RPCResult, errors
from proxyhooks.cli import centrifugo
from tests.docs.recipes import Names, close_database, connected, create_tables, execute, find_json
from tests.real_centrifugo.client import Client
from tests.support.centrifugo import running_centrifugo
from tests.support.paths import SECRET
from tests.support.servers import free_port, server_environment, serving_in_thread
from tests.support.waiting import wait_until

pytestmark = pytest.mark.centrifugo

API_KEY = "change me"
TOKENS = find_json("token.json")
KEY = TOKENS["client"]["token"]["hmac_secret_key"]
BANNED = ("bob", "cy")
NEWS = {"name": "news", "presence": True, "allow_presence_for_client": True}
META = {"language": "en"}


@dataclass
class Server:
    """A Centrifugo with the configuration that the command ``config`` writes for the application."""

    port: int
    config: Path
    log: Path

    @property
    def url(self) -> str:
        """The URL of the server API."""
        return f"http://127.0.0.1:{self.port}/api"

    @contextmanager
    def run(self) -> Iterator[None]:
        env = server_environment(CENTRIFUGO_VAR_PROXYHOOKS_SECRET=SECRET, CENTRIFUGO_HTTP_API_KEY=API_KEY)
        with running_centrifugo(self.config, self.port, self.log, env=env):
            yield

    def client(self) -> Client:
        return Client(f"127.0.0.1:{self.port}")

    def api(self) -> cent.Client:
        return cent.Client(self.url, API_KEY, timeout=10)


def server(app: Flask, backend: int, folder: Path, config: dict[str, Any]) -> Server:
    """A Centrifugo for the application on the port *backend*.

    :param config: what is merged into the configuration.
    """
    port = free_port()
    listens = {"http_server": {"address": "127.0.0.1", "port": port}, "usage_stats": {"disabled": True}}
    merged, output = folder / f"{port}.merge.json", folder / f"{port}.json"
    merged.write_text(json.dumps(config | listens))
    args = ["config", "--base-url", f"http://127.0.0.1:{backend}", "--allowed-origin", "https://example.com"]
    written = app.test_cli_runner().invoke(centrifugo, [*args, "--merge", str(merged), "--output", str(output)])
    assert written.exit_code == 0, written.output
    return Server(port, output, folder / f"{port}.log")


@dataclass
class Door:
    """An application and a Centrifugo, with one of the ways for users to come in."""

    server: Server
    asked: list[str]
    stack: ExitStack = field(default_factory=ExitStack)

    def connect(self, **parameters: Any) -> tuple[Client, Any, list[str]]:
        """The client, what it gets, and what the application was asked for it."""
        before = len(self.asked)
        client = self.stack.enter_context(closing(self.server.client()))
        return client, client.ask("connect", **parameters), self.asked[before:]

    def enter(self, **parameters: Any) -> Client:
        client, reply, _ = self.connect(**parameters)
        assert "connect" in reply, reply
        return client


Opener = Callable[..., Door]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opener]:
    """Starts an application with these hooks, and a Centrifugo, unless there are those already."""
    doors: dict[tuple[Any, ...], Door] = {}
    with ExitStack() as stack:

        def open_door(*events: str, tokens: bool = True) -> Door:
            if (events, tokens) not in doors:
                doors[events, tokens] = _open(stack, tmp_path_factory.mktemp("door"), events, tokens)
            return doors[events, tokens]

        yield open_door


def _open(stack: ExitStack, folder: Path, events: tuple[str, ...], tokens: bool) -> Door:
    app, asked = Flask("door"), list[str]()
    app.config.update(PROXYHOOKS_SECRETS=[SECRET])
    hooks = ProxyHooks(app, meta_schema=Schema.from_dict({"language": fields.String()}))
    app.before_request(lambda: asked.append(request.path.rpartition("/")[2]))

    @hooks.before_hook
    def refuse_banned(req: Any) -> None:
        if req.user in BANNED:
            raise errors.PermissionDenied

    def connect(req: Any) -> ConnectResult:
        return ConnectResult(user="by-hook", data={"hello": "you"}, meta=META)

    def refresh(req: Any) -> RefreshResult:
        return RefreshResult(expire_at=int(time.time()) + 3600)

    for hook in (connect, refresh):
        if hook.__name__ in events:
            getattr(hooks, hook.__name__)(hook)
    hooks.rpc("whoami")(lambda req: RPCResult(data=req.user))
    hooks.rpc("meta")(lambda req: RPCResult(data=req.meta))
    config: dict[str, Any] = {"channel": {"namespaces": [NEWS]}}
    client = TOKENS["client"] if tokens else {}
    config["client"] = client | {"expired_close_delay": "1s"}
    backend = stack.enter_context(serving_in_thread(app))
    made = Door(server(app, backend, folder, config), asked)
    stack.enter_context(made.server.run())
    stack.enter_context(made.stack)
    return made


def token(user: str, **claims: Any) -> str:
    return jwt.encode({"sub": user, "meta": META} | claims, KEY, "HS256")


def soon() -> int:
    return int(time.time()) + 3


WAYS_WITH_A_JWT = ((), ("refresh",))
Expiring = dict[tuple[tuple[str, ...], str], Client]
"""Clients by the hooks of the application and the user."""


@pytest.mark.parametrize("events", WAYS_WITH_A_JWT)
@pytest.mark.parametrize("claims", [{"channels": ["news:1"]}, {"subs": {"news:1": {}}}])
def test_a_client_with_a_jwt_connects_without_a_call(
    door: Opener, events: tuple[str, ...], claims: dict[str, Any]
) -> None:
    client, reply, asked = door(*events).connect(token=token("ann", data={"hello": "you"}, **claims))
    assert asked == []
    assert set(reply["connect"]["subs"]) == {"news:1"}
    assert "data" not in reply["connect"]
    assert client.ask("rpc", method="whoami") == {"rpc": {"data": "ann"}}


@pytest.mark.parametrize("events", WAYS_WITH_A_JWT)
def test_a_jwt_brings_info_and_meta(door: Opener, events: tuple[str, ...]) -> None:
    client = door(*events).enter(token=token("ann", info={"name": "Ann"}, channels=["news:5"]))
    assert client.ask("rpc", method="meta") == {"rpc": {"data": META}}
    (present,) = client.ask("presence", channel="news:5")["presence"]["presence"].values()
    assert present["conn_info"] == {"name": "Ann"}
    client.close()


def test_with_a_meta_schema_a_jwt_needs_the_claim_meta(door: Opener) -> None:
    client = door().enter(token=jwt.encode({"sub": "ann"}, KEY, "HS256"))
    assert client.ask("rpc", method="meta")["error"]["code"] == errors.Internal.code


@pytest.mark.parametrize("events", WAYS_WITH_A_JWT)
def test_a_client_without_a_jwt_is_refused_if_there_is_no_connect_hook(door: Opener, events: tuple[str, ...]) -> None:
    _, reply, asked = door(*events).connect(data="a password")
    assert (reply, asked) == ({"closed": (3501, "bad request")}, [])


@pytest.fixture(scope="module")
def expiring(door: Opener) -> Expiring:
    """Clients whose JWT expires soon, for each way and user; one has a new JWT already.

    They are made together, so that the tests wait once.
    """
    opened = [(events, door(*events)) for events in WAYS_WITH_A_JWT]
    clients: Expiring = {
        (events, user): each.enter(token=token(user, exp=int(time.time()) + 5))
        for events, each in opened
        for user in ("ann", "bob")
    }
    renewed = clients[(), "ann"].ask("refresh", token=token("ann", exp=int(time.time()) + 3600))
    assert renewed["refresh"]["expires"] is True
    return clients


def test_the_refresh_hook_decides_at_the_exp_of_a_jwt_and_never_without_exp(door: Opener, expiring: Expiring) -> None:
    opened = door("refresh")
    lasting = opened.enter(token=token("cy"))
    assert expiring[("refresh",), "bob"].wait_closed() == (3005, "connection expired")
    wait_until(lambda: opened.asked.count("refresh") == 2, "both refreshes")
    assert expiring[("refresh",), "ann"].ask("rpc", method="whoami") == {"rpc": {"data": "ann"}}
    assert "error" in lasting.ask("rpc", method="whoami")
    opened.enter(token=token("bob", exp=int(time.time()) + 60))
    assert opened.asked.count("refresh") == 2


def test_the_front_end_renews_a_jwt_if_there_is_no_refresh_hook(door: Opener, expiring: Expiring) -> None:
    _, reply, _ = door().connect(token=token("cy"))
    assert "expires" not in reply["connect"]
    assert expiring[(), "bob"].wait_closed() == (3005, "connection expired")
    assert expiring[(), "ann"].ask("rpc", method="whoami") == {"rpc": {"data": "ann"}}


@pytest.mark.parametrize("events", [*WAYS_WITH_A_JWT, ("connect", "refresh")])
def test_an_expired_jwt_gets_109_and_a_wrong_one_3500(door: Opener, events: tuple[str, ...]) -> None:
    opened = door(*events)
    _, expired, asked = opened.connect(token=token("ann", exp=int(time.time()) - 10))
    assert (expired["error"]["code"], asked) == (errors.TokenExpired.code, [])
    _, wrong, asked = opened.connect(token=jwt.encode({"sub": "ann"}, "another key of at least 32 bytes", "HS256"))
    assert (wrong, asked) == ({"closed": (3500, "invalid token")}, [])


def test_clients_with_a_jwt_do_not_reach_the_connect_hook_and_others_do(door: Opener) -> None:
    opened = door("connect", "refresh")
    _, _, asked = opened.connect(token=token("ann"))
    assert asked == []
    _, reply, asked = opened.connect(data="a password")
    assert (reply["connect"]["data"], asked) == ({"hello": "you"}, ["connect"])


def test_a_ban_in_a_before_hook_holds_for_clients_with_a_jwt(door: Opener, tmp_path: Path) -> None:
    opened = door("connect", "refresh")
    client = opened.enter(token=token("bob"))
    assert client.ask("rpc", method="whoami")["error"]["code"] == errors.PermissionDenied.code
    with opened.server.api() as api:
        execute("bans", tmp_path)["disconnect"](api, "bob")
    assert client.wait_closed() == (4503, "banned")
    assert "connect" in opened.connect(token=token("bob"))[1]


def test_without_client_token_a_jwt_is_refused_and_the_connect_hook_is_not_asked(door: Opener) -> None:
    _, reply, asked = door("connect", tokens=False).connect(token=token("ann"))
    assert (reply, asked) == ({"closed": (3500, "invalid token")}, [])


def test_clients_with_a_jwt_connect_while_the_backend_is_down(tmp_path: Path) -> None:
    app = Flask("down")
    app.config.update(PROXYHOOKS_SECRETS=[SECRET])
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="by-hook"))
    made = server(app, free_port(), tmp_path, TOKENS)
    with made.run(), closing(made.client()) as by_hook, closing(made.client()) as by_token:
        assert by_hook.ask("connect")["error"] == {
            "code": 100,
            "message": "internal server error",
            "temporary": True,
        }
        assert "connect" in by_token.ask("connect", token=token("ann"))


HISTORY = {"name": "tea", "history_size": 100, "history_ttl": "300s"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Names, Server]]:
    """The recipe of the outbox with its tables, and a Centrifugo that does not run yet."""
    names = execute("outbox", tmp_path)
    create_tables(names)
    made = server(names["app"], free_port(), tmp_path, {"channel": {"namespaces": [HISTORY]}})
    with names["app"].app_context():
        names["db"].session.add(names["Tea"](name="assam", cups=100))
        names["db"].session.commit()
    yield names, made
    close_database(names)


def drink(names: Names, times: int) -> None:
    client = connected(names)
    assert all(client.rpc("drink", "assam").allowed for _ in range(times))


def history(api: cent.Client) -> list[int]:
    found = api.history(cent.HistoryRequest(channel="tea:assam", limit=100))
    return [publication.data["cups"] for publication in found.publications]


def test_the_relay_waits_for_centrifugo_and_publishes_in_order(
    shop: tuple[Names, Server], caplog: pytest.LogCaptureFixture
) -> None:
    names, made = shop
    names["app"].config.update(CENTRIFUGO_API_URL=made.url, CENTRIFUGO_API_KEY=API_KEY)
    drink(names, 3)
    published: list[list[int]] = []
    with ExitStack() as stack:

        def sleep(seconds: float) -> None:
            assert not names["db"].session().in_transaction()
            if not published:
                published.append([])
                stack.enter_context(made.run())
                drink(names, 2)
                return
            with made.api() as api:
                published.append(history(api))
            raise KeyboardInterrupt

        names["time"] = SimpleNamespace(sleep=sleep)
        names["app"].test_cli_runner().invoke(args=["relay"])
    assert published == [[], [99, 98, 97, 96, 95]]
    assert "the relay tries again in a second" in caplog.text


class DiesAfterPublishing:
    """The server API for a relay that is killed before its commit."""

    def __init__(self, api: cent.Client) -> None:
        self.api = api

    def publish(self, request: Any) -> None:
        self.api.publish(request)
        raise KeyboardInterrupt


def publish_and_die(names: Names, api: cent.Client) -> None:
    with names["app"].app_context(), pytest.raises(KeyboardInterrupt):
        names["publish_next"](DiesAfterPublishing(api))


def publish_next(names: Names, api: cent.Client) -> bool:
    with names["app"].app_context():
        more: bool = names["publish_next"](api)
        return more


def test_a_relay_that_is_killed_before_its_commit_publishes_nothing_twice(shop: tuple[Names, Server]) -> None:
    names, made = shop
    drink(names, 2)
    with made.run(), made.api() as api:
        publish_and_die(names, api)
        assert history(api) == [99]
        while publish_next(names, api):
            pass
        assert history(api) == [99, 98]


def test_a_relay_repeats_a_publication_after_a_restart_of_centrifugo(shop: tuple[Names, Server]) -> None:
    names, made = shop
    drink(names, 1)
    with made.run(), made.api() as api:
        publish_and_die(names, api)
    with made.run(), made.api() as api:
        assert publish_next(names, api)
        assert history(api) == [99]


def test_a_publication_that_centrifugo_refuses_stays_in_the_outbox(shop: tuple[Names, Server]) -> None:
    names, made = shop
    drink(names, 2)
    db, outbox = names["db"], names["Outbox"]
    with names["app"].app_context():
        db.session.get(outbox, 1).channel = "unknown:1"
        db.session.commit()
    with made.run(), made.api() as api:
        for _ in range(2):
            with names["app"].app_context(), pytest.raises(cent.CentApiResponseError):
                names["publish_next"](api)
        assert history(api) == []
    with names["app"].app_context():
        assert db.session.query(outbox).count() == 2


def test_who_is_online_by_the_refreshes_of_a_real_centrifugo(tmp_path: Path) -> None:
    names = execute("online", tmp_path)
    create_tables(names)
    app, asked = names["app"], list[str]()
    app.before_request(lambda: asked.append(request.path.rpartition("/")[2]))
    names["BEAT"] = timedelta(seconds=2)

    def seen(user: str) -> float:
        db, connection = names["db"], names["Connection"]
        with app.app_context():
            found: float = db.session.scalar(db.select(connection.seen).filter_by(user=user))
            return found

    with serving_in_thread(app) as backend:
        made = server(app, backend, tmp_path, {})
        with made.run(), closing(made.client()) as stays, closing(made.client()) as leaves:
            assert "connect" in stays.ask("connect", data="ada")
            assert "connect" in leaves.ask("connect", data="bob")
            first = seen("bob")
            wait_until(lambda: seen("bob") > first, "a beat")
            leaves.close()
            closed = time.time()
            wait_until(lambda: seen("ada") > closed, "the end of calls that were on their way")
            last = seen("bob")
            wait_until(lambda: seen("ada") > last + 2, "later beats of the other client")
            assert seen("bob") == last
            with app.app_context():  # hours later
                names["db"].session.query(names["Connection"]).filter_by(user="bob").update({"seen": last - 10_000})
                names["db"].session.commit()
            assert app.test_cli_runner().invoke(args=["sweep"]).output == "bob has left\n"
    assert set(asked) == {"connect", "refresh"}
    close_database(names)


def test_a_map_is_changed_by_a_method(tmp_path: Path) -> None:
    names = execute("maps", tmp_path)
    client = connected(names)
    made = server(names["app"], free_port(), tmp_path, find_json("maps.json") | TOKENS)
    names["CENTRIFUGO"] = made.url, API_KEY
    move = {"board": 7, "piece": "pawn", "square": "e4"}
    with made.run(), closing(made.client()) as real:
        assert client.rpc("move", move).allowed
        assert "connect" in real.ask("connect", token=token("ann"))
        subscribed = real.ask("subscribe", channel="board:7", type=1, phase=2, limit=100)["subscribe"]
        assert [(entry["key"], entry["data"]) for entry in subscribed["state"]] == [("pawn", {"square": "e4"})]
        assert client.rpc("move", move | {"square": "e5"}).allowed
        pushed = real.next_push()["pub"]
        assert (pushed["key"], pushed["data"]) == ("pawn", {"square": "e5"})
        assert client.rpc("move", move | {"square": None}).allowed
        assert real.next_push()["pub"]["removed"] is True
