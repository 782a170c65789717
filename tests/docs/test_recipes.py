"""The recipes in the guides do what they say."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cent
import pytest
from flask import request
from flask_login import current_user, login_required, login_user
from sqlalchemy import event
from structlog.contextvars import bind_contextvars, get_contextvars

from proxyhooks import (
    ConnectResult,
    ProxyHooks,
    PublicationError,
    RPCRequest,
    RPCResult,
    SharedPollRefreshResult,
    after_reply,
    errors,
    gunicorn,
)
from proxyhooks.testing import ProxyClient
from tests.docs.markdown import FILES, blocks
from tests.docs.package import AFTER_REPLY_THREADS
from tests.docs.recipes import Names, close_database, connected, create_tables, execute, find
from tests.support import http_client
from tests.support.paths import SECRET
from tests.support.servers import answers, free_port, running_server, server_environment

Recipe = Callable[..., Names]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Executes the block of this name."""
    return partial(execute, instance=tmp_path)


@pytest.fixture
def database(recipe: Recipe) -> Iterator[Recipe]:
    """Executes the block of this name, and makes its tables."""
    executed: list[Names] = []

    def execute_and_create(name: str) -> Names:
        names = recipe(name)
        executed.append(names)
        create_tables(names)
        return names

    yield execute_and_create
    for names in executed:
        close_database(names)


def test_payloads(recipe: Recipe, caplog: pytest.LogCaptureFixture) -> None:
    client, line = connected(recipe("payloads")), {"tea": "assam", "cups": "2"}
    published = client.publish("orders", {"lines": [line] * 20, "unknown": "dropped"})
    assert published.result == {"data": {"lines": [{"tea": "assam", "cups": 2}] * 20}}
    assert client.publish("orders", {"lines": [{}] * 21}).refused_with(errors.BadRequest)
    assert "the payload is invalid: lines: Too many items." in caplog.text
    assert "Missing data" not in caplog.text


def test_modules(recipe: Recipe) -> None:
    names = recipe("modules")
    assert connected(names).rpc("rooms.list").result == {"data": [7]}
    assert connected(names, "43").rpc("rooms.list").result == {"data": [8]}


def test_modules_close_before_every_event(recipe: Recipe) -> None:
    names = recipe("modules")
    client = connected(names)
    names["CLOSED"] = True
    assert client.rpc("rooms.list").refused_with(errors.TooManyRequests)
    assert ProxyClient(names["app"]).connect("42").refused_with(errors.TooManyRequests)


def test_modules_refuse_a_user_in_before_hook(recipe: Recipe) -> None:
    client = connected(recipe("modules"), "")
    assert client.rpc("rooms.list").refused_with(errors.Unauthorized)


def test_session(recipe: Recipe) -> None:
    app = recipe("session")["app"]
    browser = app.test_client()
    nobody = ProxyClient(app, cookies_from=browser).connect()
    assert (nobody.code, nobody.comes_back) == (4501, False)
    browser.post("/login/ada")
    client = ProxyClient(app, cookies_from=browser)
    assert client.connect().allowed
    assert client.user == "ada"


def test_login(recipe: Recipe) -> None:
    names = recipe("login")
    app, hooks = names["app"], names["hooks"]
    app.add_url_rule("/page", "page", lambda: str(current_user.is_authenticated and current_user.get_id()))
    app.add_url_rule("/login", "login", lambda: str(login_user(names["User"]("cookie"))))

    @hooks.rpc
    @login_required
    def whoami(req: RPCRequest) -> RPCResult:
        return RPCResult(data=current_user.get_id())

    hooks.connect(lambda req: ConnectResult(user=current_user.get_id() if req.data is None else req.data))
    browser = app.test_client()
    assert browser.get("/page").text == "False"
    browser.get("/login")
    assert browser.get("/page").text == "cookie"
    client = ProxyClient(app, cookies_from=browser)
    assert client.connect().allowed
    assert client.user == "cookie"
    other = ProxyClient(app, cookies_from=browser)
    other.connect("another")
    assert other.rpc("whoami").result == {"data": "another"}
    anonymous = ProxyClient(app, cookies_from=browser)
    anonymous.connect("")
    assert anonymous.rpc("whoami").refused_with(errors.Unauthorized)


def test_jwt(recipe: Recipe) -> None:
    jwt = pytest.importorskip("jwt")
    names = recipe("jwt")
    claims = {"sub": "42", "exp": int(time.time()) + 60}
    client = ProxyClient(names["app"])
    assert client.connect(jwt.encode(claims, names["KEY"], "HS256")).allowed
    assert (client.user, client.expire_at) == ("42", claims["exp"])
    expired = client.refresh()
    assert (expired.result, expired.comes_back) == ({"expired": True}, True)
    wrong = (
        jwt.encode(claims, "another key that has at least 32 bytes", "HS256"),
        jwt.encode(claims | {"exp": 1}, names["KEY"], "HS256"),
        jwt.encode({"sub": "42"}, names["KEY"], "HS256"),
        "\ud800",
        None,
    )
    for token in wrong:
        assert ProxyClient(names["app"]).connect(token).refused_with(errors.Unauthorized)


def test_limits(recipe: Recipe) -> None:
    names = recipe("limits")
    one, other = connected(names, "1"), connected(names, "2")
    assert all(one.publish("chat:7", {}).refused_with(errors.BadRequest) for _ in range(19))
    assert one.publish("chat:7", {"text": "hi"}).allowed
    for payload in ({"text": "hi"}, {}):
        refused = one.publish("chat:7", payload)
        assert refused.refused_with(errors.TooManyRequests)
        assert b'"temporary":true' in (refused.reply or b"")
    assert [one.rpc("search").allowed for _ in range(6)] == [True] * 5 + [False]
    assert other.publish("chat:7", {"text": "hi"}).allowed


def test_limits_of_a_before_hook_count_each_hook(recipe: Recipe) -> None:
    names = recipe("limits")
    names["hooks"].rpc("other")(lambda req: RPCResult())
    client = connected(names)
    assert [client.rpc("other").allowed for _ in range(51)] == [True] * 50 + [False]
    assert client.rpc("search").allowed


def test_limits_count_each_connection_without_a_user(recipe: Recipe) -> None:
    names = recipe("limits")
    one, other = connected(names, ""), connected(names, "")
    assert [one.rpc("search").allowed for _ in range(6)] == [True] * 5 + [False]
    assert other.rpc("search").allowed


def test_limits_log_no_refused_call(recipe: Recipe, caplog: pytest.LogCaptureFixture) -> None:
    client = connected(recipe("limits"))
    with caplog.at_level(logging.INFO):
        assert [client.rpc("search").allowed for _ in range(6)] == [True] * 5 + [False]
    assert not [record for record in caplog.records if record.name == "flask-limiter"]


def test_limits_count_pages_by_address(recipe: Recipe) -> None:
    names = recipe("limits")
    app = names["app"]
    app.add_url_rule("/page", "page", names["limiter"].limit("1 per hour")(lambda: "page"))
    assert [app.test_client().get("/page").status_code for _ in range(2)] == [200, 429]


def test_limits_have_a_key_for_every_event(recipe: Recipe) -> None:
    names = recipe("limits")
    keys: list[str] = []
    names["hooks"].before_hook(every_event=True)(lambda req: keys.append(names["caller"]()))
    names["hooks"].shared_poll_refresh(lambda req: SharedPollRefreshResult(items=[]))
    client = connected(names)
    client.rpc("search")
    client.shared_poll_refresh("prices", ["k"])
    assert keys[1:] == ["42", "Centrifugo"]
    assert keys[0] not in {"", "42", "Centrifugo"}


def test_the_endpoint_of_a_hook(recipe: Recipe) -> None:
    names = recipe("limits")
    seen: list[str] = []
    names["app"].before_request(lambda: seen.append(request.endpoint or ""))
    client = connected(names)
    client.rpc("search")
    client.rpc("none")
    assert seen[1].startswith("proxyhooks_rpc_")
    assert seen[1].endswith("_search")
    assert seen[2] == "proxyhooks_rpc"


def test_orm(database: Recipe, caplog: pytest.LogCaptureFixture) -> None:
    names = database("orm")
    client = connected(names)
    with caplog.at_level(logging.INFO):
        assert client.rpc("add", {"text": "milk and tea"}).result == {"data": {"id": 1, "text": "milk and tea"}}
    assert "note 1 has 3 words" in caplog.text
    assert client.rpc("add", {"text": 5}).refused_with(errors.BadRequest)
    assert client.rpc("add", {"id": 9, "text": "milk"}).refused_with(errors.BadRequest)
    assert texts(names) == ["milk and tea"]


def texts(names: Names) -> list[str]:
    db = names["db"]
    with names["app"].app_context():
        return [note.text for note in db.session.scalars(db.select(names["Note"]))]


def test_orm_rolls_back_what_a_hook_has_not_committed(database: Recipe) -> None:
    names = database("orm")

    @names["hooks"].rpc("fail")
    def fail(req: RPCRequest) -> RPCResult:
        names["db"].session.add(names["Note"](text="half"))
        names["db"].session.flush()
        raise errors.PermissionDenied

    assert connected(names).rpc("fail").refused_with(errors.PermissionDenied)
    assert texts(names) == []


def test_orm_gives_after_reply_a_session_of_its_own(database: Recipe) -> None:
    names = database("orm")
    sessions: list[Any] = []
    names["hooks"].before_hook(lambda req: sessions.append(names["db"].session()))
    names["index"] = lambda note_id: sessions.append(names["db"].session())
    connected(names).rpc("add", {"text": "milk"})
    hook, after = sessions
    assert hook is not after


def test_orm_fails_with_a_model_object_in_after_reply(database: Recipe, caplog: pytest.LogCaptureFixture) -> None:
    names = database("orm")

    @names["hooks"].rpc("wrong")
    def wrong(req: RPCRequest) -> RPCResult:
        note = names["Note"](text="milk")
        names["db"].session.add(note)
        names["db"].session.commit()
        after_reply(lambda note: note.text, note)
        return RPCResult()

    assert connected(names).rpc("wrong").allowed
    assert "DetachedInstanceError" in caplog.text


def test_orm_has_a_connection_for_each_thread_and_each_function_of_after_reply(database: Recipe) -> None:
    names = database("orm")
    with names["app"].app_context():
        pool = names["db"].engine.pool
    assert pool.size() == gunicorn.threads
    assert pool._max_overflow >= AFTER_REPLY_THREADS.default


def test_outbox(database: Recipe) -> None:
    names = stocked(database("outbox"), cups=1)
    client = connected(names)
    assert client.rpc("drink", "assam").allowed
    assert client.rpc("drink", "assam").refused_with(errors.NotAvailable)
    assert client.rpc("drink", "matcha").refused_with(errors.NotAvailable)
    assert client.rpc("drink", {}).refused_with(errors.NotAvailable)
    assert waiting(names) == [("tea:assam", {"cups": 0})]


def test_outbox_rows_of_simultaneous_calls_are_in_the_order_of_the_commits(database: Recipe) -> None:
    names = stocked(database("outbox"), cups=20)
    clients = [connected(names) for _ in range(4)]

    def drink(client: ProxyClient) -> list[bool]:
        return [client.rpc("drink", "assam").allowed for _ in range(6)]

    with ThreadPoolExecutor(len(clients)) as pool:
        allowed = [one for each in pool.map(drink, clients) for one in each]
    assert sorted(allowed) == [False] * 4 + [True] * 20
    assert waiting(names) == [("tea:assam", {"cups": cups}) for cups in reversed(range(20))]


def stocked(names: Names, cups: int) -> Names:
    with names["app"].app_context():
        names["db"].session.add(names["Tea"](name="assam", cups=cups))
        names["db"].session.commit()
    return names


def waiting(names: Names) -> list[tuple[str, Any]]:
    db, outbox = names["db"], names["Outbox"]
    with names["app"].app_context():
        return [(row.channel, row.data) for row in db.session.scalars(db.select(outbox).order_by(outbox.id))]


def test_outbox_has_no_row_without_the_change(database: Recipe) -> None:
    names = stocked(database("outbox"), cups=1)

    def fail(session: Any) -> None:
        raise errors.Internal

    event.listen(names["db"].session, "before_commit", fail)
    try:
        assert connected(names).rpc("drink", "assam").refused_with(errors.Internal)
    finally:
        event.remove(names["db"].session, "before_commit", fail)
    assert waiting(names) == []
    with names["app"].app_context():
        assert names["db"].session.get(names["Tea"], "assam").cups == 1


def test_outbox_is_published_in_its_order_and_a_row_stays_until_it_is_accepted(database: Recipe) -> None:
    names = stocked(database("outbox"), cups=3)
    client, api = connected(names), Api()
    for _ in range(3):
        assert client.rpc("drink", "assam").allowed
    with names["app"].app_context():
        api.error = cent.CentNetworkError("down")
        with pytest.raises(cent.CentNetworkError):
            names["publish_next"](api)
        names["db"].session.rollback()
        api.error = None
        assert [names["publish_next"](api) for _ in range(4)] == [True, True, True, False]
    assert [request.data for request in api.published] == [{"cups": 2}, {"cups": 1}, {"cups": 0}]
    assert len({request.idempotency_key for request in api.published}) == 3


class Api:
    """A server API that keeps what it gets."""

    def __init__(self) -> None:
        self.published: list[Any] = []
        self.error: Exception | None = None

    def publish(self, request: Any) -> None:
        if self.error is not None:
            raise self.error
        self.published.append(request)


@pytest.fixture
def clock() -> SimpleNamespace:
    """What the recipe takes for the module time."""
    now = SimpleNamespace(seconds=1000.0)
    now.time = lambda: now.seconds
    return now


def sweep(names: Names) -> str:
    return str(names["app"].test_cli_runner().invoke(args=["sweep"]).output)


def test_online(database: Recipe, clock: SimpleNamespace) -> None:
    names = database("online")
    names["time"] = clock
    stays, leaves = connected(names, "ada"), connected(names, "bob")
    for _ in range(3):
        clock.seconds += 50
        assert sweep(names) == ""
        assert stays.refresh().allowed
    clock.seconds += 1
    assert sweep(names) == "bob has left\n"
    assert sweep(names) == ""
    assert leaves.refresh().allowed  # as after an outage of the backend
    clock.seconds += 149
    assert sweep(names) == ""
    clock.seconds += 2
    assert sweep(names) == "ada has left\nbob has left\n"


def test_online_a_user_has_left_with_the_last_connection(database: Recipe, clock: SimpleNamespace) -> None:
    names = database("online")
    names["time"] = clock
    connected(names, "ada")
    clock.seconds += 100
    connected(names, "ada")
    clock.seconds += 100
    assert sweep(names) == ""
    clock.seconds += 100
    assert sweep(names) == "ada has left\n"


def test_maps(recipe: Recipe) -> None:
    names, api = recipe("maps"), Api()
    names["cent"] = SimpleNamespace(Client=lambda *args, **options: nullcontext(api))
    move = {"board": 7, "piece": "pawn", "square": "e4"}
    assert connected(names, "43").rpc("move", move).refused_with(errors.PermissionDenied)
    assert connected(names).rpc("move", move | {"board": 8}).refused_with(errors.PermissionDenied)
    assert api.published == []
    assert connected(names).rpc("move", move).allowed
    assert connected(names).rpc("move", move | {"square": None}).allowed
    assert [(request.api_method, request.api_payload) for request in api.published] == [
        ("map_publish", {"channel": "board:7", "key": "pawn", "data": {"square": "e4"}}),
        ("map_remove", {"channel": "board:7", "key": "pawn"}),
    ]


def test_bans(recipe: Recipe) -> None:
    sent: list[Any] = []

    class Api:
        def disconnect(self, request: Any) -> None:
            sent.append(request)

    names = recipe("bans")
    names["disconnect"](Api(), "42")
    (request,) = sent
    assert (request.user, request.disconnect.code, request.disconnect.reason) == ("42", 4503, "banned")
    assert connected(names).server_disconnect(names["Banned"]).comes_back is False


def test_publications(recipe: Recipe) -> None:
    sent: list[Any] = []

    class Api:
        def publish(self, request: Any) -> None:
            sent.append(request.model_dump(exclude_none=True))

    names = recipe("publications")
    names["tell_stock"](Api(), "corner", "assam", 3)
    assert sent == [{"channel": "shop:corner", "data": {"type": "stock", "tea": "assam", "cups": 3}}]
    with pytest.raises(PublicationError, match="have several schemas"):
        names["hooks"].dump_publication("shop:corner", {"text": "closed"})
    with pytest.raises(PublicationError, match="no publication is declared"):
        names["hooks"].dump_publication("shop:a:b", {"text": "closed"})


def test_after(recipe: Recipe) -> None:
    names = recipe("after")
    client = connected(names)
    assert client.rpc("say", "hi").result == {}
    assert names["NEWS"] == [("news", "hi", "42")]


def test_pydantic(recipe: Recipe) -> None:
    client = connected(recipe("pydantic"))
    assert client.rpc("order", {"tea": "assam"}).data == {"tea": "assam", "cups": 1}
    for data in ({}, {"tea": "assam", "cups": "3"}, {"tea": "assam", "x": 1}, None):
        assert client.rpc("order", data).refused_with(errors.BadRequest)


def test_structlog(recipe: Recipe) -> None:
    names = recipe("structlog")
    seen: list[Any] = []

    @names["hooks"].rpc
    def hook(req: RPCRequest) -> RPCResult:
        seen.append(dict(get_contextvars()))
        bind_contextvars(user=req.user)
        return RPCResult()

    ask = names["app"].test_client()
    for user in "abc":
        reply = ask.post("/centrifugo/rpc", json={"user": user}, headers={"X-Proxyhooks-Secret": SECRET})
        assert reply.json == {"result": {}}
    assert seen == [{}, {}, {}]


def test_meta(recipe: Recipe) -> None:
    names = recipe("meta")
    client = ProxyClient(names["app"], hooks="typed")
    assert client.connect().allowed
    assert client.meta == {"language": "en"}
    assert client.rpc("language").result == {"data": "en"}


def test_signal(recipe: Recipe) -> None:
    names = recipe("signal")
    names["hooks"].rpc(lambda req: RPCResult())
    connected(names).rpc("x")
    names["app"].test_client().get("/centrifugo/rpc")
    counted = {(event, outcome, code) for event, _, outcome, code in names["counts"]}
    assert counted == {("connect", "result", 200), ("rpc", "result", 200), ("rpc", "failed", 405)}


LOGGING_APP = """
import logging

from flask import Flask
from marshmallow import Schema, fields
from proxyhooks import ProxyHooks, RPCResult

app = Flask(__name__)
hooks = ProxyHooks(app, secrets=["s3cret"])
logging.getLogger("of.a.module").info("on import")


@hooks.rpc("order", data_schema=Schema.from_dict({"tea": fields.String(required=True)}))
def order(req):
    logging.getLogger("of.a.module").info("a module's")
    app.logger.warning("the application's")
    return RPCResult()


@hooks.rpc("fail")
def fail(req):
    raise ZeroDivisionError
"""


@pytest.mark.server
def test_json_log(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LOGGING_APP + find("log_filter").text)
    (tmp_path / "gunicorn.conf.py").write_text(find("json_log").text)
    port, output = free_port(), tmp_path / "output"
    command = ["gunicorn", "-c", "gunicorn.conf.py", "-w", "1", "-b", f"127.0.0.1:{port}"]
    with running_server(
        [*command, "app:app"],
        output,
        is_ready=lambda: answers(port, "/readyz"),
        cwd=tmp_path,
        env=server_environment(),
    ):
        for method, data in (("order", {}), ("order", {"tea": "assam"}), ("fail", {}), ("other", {})):
            body = {"client": "c1", "user": "42", "method": method, "data": data}
            headers = {"X-Proxyhooks-Secret": "s3cret"}
            http_client.request(port, "POST", "/centrifugo/rpc", json.dumps(body), headers)
        http_client.request(port, "POST", "/centrifugo/rpc", "{}")
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert all(line["time"] > "2026" and line["level"] in ("INFO", "WARNING", "ERROR") for line in lines)
    call = {"proxy_event": "rpc", "client": "c1", "user": "42"}
    hook = {**call, "hook": "app.order", "pattern": "order", "method": "order"}
    expected = {
        ("gunicorn.error", "INFO", "Starting gunicorn"): {},
        ("of.a.module", "INFO", "on import"): {},
        ("proxyhooks", "WARNING", "hook order ("): hook,
        ("of.a.module", "INFO", "a module's"): hook,
        ("app", "WARNING", "the application's"): hook,
        ("app", "ERROR", "Exception on"): {**call, "hook": "app.fail", "pattern": "fail", "method": "fail"},
        ("proxyhooks", "WARNING", "no hook for rpc of 'other'"): {**call, "method": "other"},
        ("proxyhooks", "WARNING", "/centrifugo/rpc: no X-Proxyhooks-Secret"): {"proxy_event": "rpc"},
    }
    for (logger, level, message), fields in expected.items():
        (line,) = [line for line in lines if line["message"].startswith(message)]
        exception = line.pop("exception", "")
        assert line == {"time": line["time"], "level": level, "logger": logger, "message": line["message"], **fields}
        assert ("ZeroDivisionError" in exception) is (message == "Exception on")


def test_log_filter(recipe: Recipe, caplog: pytest.LogCaptureFixture) -> None:
    handlers = logging.getLogger().handlers
    before = [list(handler.filters) for handler in handlers]
    try:
        names = recipe("log_filter")
        names["hooks"].rpc(lambda req: logging.getLogger("any").warning("here") or RPCResult())
        connected(names).rpc("x")
    finally:
        for handler, filters in zip(handlers, before, strict=True):
            handler.filters[:] = filters
    assert [(record.message, vars(record)["user"]) for record in caplog.records] == [("here", "42")]


def test_doubles(recipe: Recipe) -> None:
    names = recipe("doubles", ProxyHooks=ProxyHooks, RPCRequest=RPCRequest, RPCResult=RPCResult, Ask=Any)

    def ask(event: str, **fields: Any) -> Any:
        headers = {"X-Proxyhooks-Secret": SECRET}
        return names["app"].test_client().post(f"/centrifugo/{event}", json=fields, headers=headers)

    names["test_an_rpc_gets_its_data"](names["hooks"], ask)


def test_every_recipe_is_tested() -> None:
    recipes = {
        block.words
        for file in FILES
        for block in blocks(file)
        if block.language == "python" and block.file_name is None
    }
    functions = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {words[0] for words in recipes if len(words) == 1} <= functions
    assert all(len(words) == 1 for words in recipes)
