"""Flask-Login in hooks: who the user is, and hooks that need one."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user

from proxyhooks import ConnectRequest, ConnectResult, ProxyHooks, RPCRequest, RPCResult, current_request, errors
from proxyhooks.testing import ProxyClient
from tests.support.asking import Ask
from tests.support.paths import SECRET

HEADERS = {"X-Proxyhooks-Secret": SECRET}


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def test_flask_login_takes_the_message_in_hooks_and_the_cookie_elsewhere(
    app: Flask, hooks: ProxyHooks, ask: Ask
) -> None:
    """As examples/README.md has it."""
    login = LoginManager(app)

    def load(user_id: str | None) -> User | None:
        if current_request:
            user_id = getattr(current_request, "user", user_id)
        return User(user_id) if user_id else None

    login.user_loader(load)
    login.request_loader(lambda request: load(None))
    app.add_url_rule("/page", "page", lambda: str(current_user.is_authenticated and current_user.get_id()))
    app.add_url_rule("/login", "login", lambda: str(login_user(User("cookie"))))

    @hooks.rpc
    @login_required
    def hook(req: RPCRequest) -> RPCResult:
        return RPCResult(data=current_user.get_id())

    hooks.connect(lambda req: ConnectResult(user=current_user.get_id()))
    unauthorized = {"error": {"code": 101, "message": "unauthorized"}}
    assert ask("rpc", user="42").json == {"result": {"data": "42"}}
    assert ask("rpc").json == unauthorized
    assert app.test_client().get("/page").data == b"False"
    client = app.test_client()
    client.get("/login")
    assert client.get("/page").data == b"cookie"
    assert client.post("/centrifugo/rpc", json={"user": "42"}, headers=HEADERS).json == {"result": {"data": "42"}}
    assert client.post("/centrifugo/rpc", json={"user": ""}, headers=HEADERS).json == unauthorized
    assert client.post("/centrifugo/connect", json={}, headers=HEADERS).json == {"result": {"user": "cookie"}}


def test_login_required_with_a_login_view_lets_nobody_in(app: Flask, hooks: ProxyHooks, ask: Ask) -> None:
    login = LoginManager(app)
    login.login_view = "login"
    login.user_loader(lambda user: None)
    app.add_url_rule("/login", "login", lambda: "{}")

    @hooks.rpc
    @login_required
    def hook(req: RPCRequest) -> RPCResult: ...

    assert ask("rpc").status_code == 500


@pytest.mark.parametrize("fast", [True, False])
def test_login_required_on_one_of_two_hooks_of_an_event_concerns_that_one(fast: bool, app: Flask) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    hooks, login = ProxyHooks(app, http_headers=["Cookie"]), LoginManager(app)
    login.user_loader(User)
    app.add_url_rule("/login/<name>", "login", lambda name: str(login_user(User(name))))

    def user_of_session() -> str:
        return str(current_user.get_id())

    @hooks.connect
    def connect(req: ConnectRequest) -> ConnectResult:
        return ConnectResult(user=current_user.get_id() or "")

    @hooks.rpc("mine")
    @login_required
    def mine(req: RPCRequest) -> RPCResult:
        return RPCResult(data=user_of_session())

    @hooks.rpc("async")
    @login_required
    async def mine_too(req: RPCRequest) -> RPCResult:
        return RPCResult(data=user_of_session())

    @hooks.rpc("anyone")
    def anyone(req: RPCRequest) -> RPCResult:
        return RPCResult(data=user_of_session())

    clients: dict[str, ProxyClient] = {}
    for name in ("ada", "bob", ""):
        browser = app.test_client()
        if name:
            browser.get(f"/login/{name}")
        clients[name] = ProxyClient(app, cookies_from=browser)
        assert clients[name].connect().result == {"user": name}
    for _ in range(2):  # in turns, so that a user who is left behind would be seen
        for name in ("ada", "bob"):
            assert [clients[name].rpc(method).data for method in ("mine", "anyone", "async")] == [name] * 3
        assert clients[""].rpc("mine").refused_with(errors.Unauthorized)
        assert clients[""].rpc("async").refused_with(errors.Unauthorized)
        assert clients[""].rpc("anyone").data == "None"
