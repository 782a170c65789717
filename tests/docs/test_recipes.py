"""The recipes in the guides do what they say. In each there are ``app`` and ``hooks``, as in the first hook."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from flask import Flask
from flask_login import current_user, login_required, login_user

from proxyhooks import ConnectResult, ProxyHooks, PublicationError, RPCRequest, RPCResult, errors
from proxyhooks.testing import ProxyClient
from tests.docs.markdown import FILES, Block, blocks

Names = dict[str, Any]
Recipe = Callable[..., Names]


def find(name: str) -> Block:
    (found,) = [
        block for file in FILES for block in blocks(file) if block.language == "python" and block.words == (name,)
    ]
    return found


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Executes the block of this name, where there are ``app`` and ``hooks``."""

    def execute(name: str, **known: Any) -> Names:
        app = Flask("app", instance_path=str(tmp_path))
        app.config.update(PROXYHOOKS_SECRETS=["s"], SECRET_KEY="for sessions")
        block = find(name)
        names: Names = {"__name__": f"recipe_{name}", "app": app, **known}
        names["hooks"] = ProxyHooks(app, http_headers=["Cookie"])
        exec(compile(block.text, block.place, "exec", dont_inherit=True), names)
        return names

    return execute


def connected(names: Names, user: str = "42", **options: Any) -> ProxyClient:
    """A client of the recipe's application that has the user."""
    if "connect" not in names:
        names["connect"] = names["hooks"].connect(lambda req: ConnectResult(user=req.data or ""))
    client = ProxyClient(names["app"], **options)
    assert client.connect(user).allowed
    return client


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
    wrong = (
        jwt.encode(claims, "another key that has at least 32 bytes", "HS256"),
        jwt.encode(claims | {"exp": 1}, names["KEY"], "HS256"),
        jwt.encode({"sub": "42"}, names["KEY"], "HS256"),
        None,
    )
    for token in wrong:
        assert ProxyClient(names["app"]).connect(token).refused_with(errors.Unauthorized)


def test_limits(recipe: Recipe) -> None:
    names = recipe("limits")
    one, other = connected(names, "1"), connected(names, "2")
    assert all(one.publish("chat:7", {}).allowed for _ in range(20))
    refused = one.publish("chat:7", {})
    assert refused.refused_with(errors.TooManyRequests)
    assert b'"temporary":true' in (refused.reply or b"")
    assert other.publish("chat:7", {}).allowed


def test_orm(recipe: Recipe) -> None:
    names = recipe("orm")
    app, db = names["app"], names["db"]
    with app.app_context():
        db.create_all()
    client = connected(names)
    assert client.rpc("add", {"text": "milk"}).result == {"data": {"id": 1, "text": "milk"}}
    assert client.rpc("add", {"text": 5}).refused_with(errors.BadRequest)
    assert client.rpc("add", {"id": 9, "text": "milk"}).refused_with(errors.BadRequest)
    with app.app_context():
        assert [note.text for note in db.session.scalars(db.select(names["Note"]))] == ["milk"]
        db.session.remove()
        db.engine.dispose()


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
    assert client.rpc("order", {"tea": "assam"}).result == {"data": {"tea": "assam", "cups": 1}}
    for data in ({}, {"tea": "assam", "cups": "many"}, {"tea": "assam", "x": 1}, None):
        assert client.rpc("order", data).refused_with(errors.BadRequest)


def test_meta(recipe: Recipe) -> None:
    names = recipe("meta")
    client = ProxyClient(names["app"], hooks="typed")
    assert client.connect().allowed
    assert client.meta == {"language": "en"}
    assert client.rpc("language").result == {"data": "en"}


def test_views(recipe: Recipe) -> None:
    client = recipe("views")["app"].test_client()
    headers = {"X-Proxyhooks-Secret": "s"}
    assert client.post("/plain/rpc", json={"method": "ping"}, headers=headers).json == {"result": {"data": "pong"}}
    refused = client.post("/plain/rpc", json={"method": "x"}, headers=headers).json
    assert refused == {"error": {"code": 104, "message": "method not found"}}
    assert client.post("/plain/rpc", json={"method": "ping"}).status_code == 403


def test_signal(recipe: Recipe) -> None:
    names = recipe("signal")
    names["hooks"].rpc(lambda req: RPCResult())
    connected(names).rpc("x")
    assert {event for event, _ in names["counts"]} == {"connect", "rpc"}


def test_sentry(recipe: Recipe) -> None:
    client = sentry_sdk.get_client()
    try:
        recipe("sentry")
        scrubber = sentry_sdk.get_client().options["event_scrubber"]
        assert "x-proxyhooks-secret" in scrubber.denylist
    finally:
        sentry_sdk.get_global_scope().set_client(client)


def test_health(recipe: Recipe) -> None:
    assert recipe("health")["app"].test_client().get("/health").status_code == 200


def test_doubles(recipe: Recipe) -> None:
    names = recipe("doubles", ProxyHooks=ProxyHooks, RPCRequest=RPCRequest, RPCResult=RPCResult, Ask=Any)

    def ask(event: str, **fields: Any) -> Any:
        headers = {"X-Proxyhooks-Secret": "s"}
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
